//! Boxes that are begun and not finished.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use tokio::time::{Instant, Sleep, sleep};

use super::{Driver, Reading};
use crate::error::CloseReason;

/// Looks now and then whether the box that is being received is still the same.
pub(super) struct Unfinished {
    timer: Pin<Box<Sleep>>,
    /// How many boxes had been decoded when the timer was set; `None` when the time since then does not
    /// count.
    decoded: Option<u64>,
}

impl Driver {
    /// Fails when the beginning of a box has been there for too long.
    pub(super) fn poll_unfinished(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        let after = self.shared.settings.limits.box_timeout;
        if self.reading != Reading::Done {
            // What is missing may be there, and was not read.
            if let Some(unfinished) = &mut self.unfinished {
                unfinished.decoded = None;
            }
            return Ok(());
        }
        if self.input.buffer.is_empty() {
            self.unfinished.take_if(|unfinished| unfinished.timer.is_elapsed());
            return Ok(());
        }
        let decoded = Some(self.input.decoded);
        let unfinished = self
            .unfinished
            .get_or_insert_with(|| Unfinished { timer: Box::pin(sleep(after)), decoded });
        // One timer for all boxes: most are finished long before it runs out.
        while unfinished.timer.as_mut().poll(cx).is_ready() {
            if unfinished.decoded == decoded {
                return Err(CloseReason::BoxTimeout { after });
            }
            unfinished.decoded = decoded;
            unfinished.timer.as_mut().reset(Instant::now() + after);
        }
        Ok(())
    }
}
