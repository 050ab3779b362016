//! How long a box may be unfinished.

use std::time::{Duration, Instant};

use super::timers::{Timer, Timers};
use crate::proto::CloseReason;

/// How many boxes were decoded when the timer of one that has begun was set; `None` when the time
/// since then does not count.
///
/// All boxes share one timer: most are finished long before it runs out.
#[derive(Debug, Default)]
pub(crate) struct Unfinished(Option<u64>);

impl Unfinished {
    /// Sets the timer of a box that has begun, if one has: `buffered` is whether bytes are there that
    /// are no whole box, and `read` whether all there was is read.
    #[inline]
    pub(crate) fn watch(
        &mut self,
        read: bool,
        buffered: bool,
        decoded: u64,
        after: Duration,
        timers: &mut Timers,
        now: impl FnOnce() -> Instant,
    ) {
        if !read {
            // What is missing may be there, and was not read.
            self.0 = None;
        } else if buffered && !timers.is_set(Timer::Box) {
            self.0 = Some(decoded);
            timers.set_after(Timer::Box, now(), after);
        }
    }

    /// The timer of a box that has begun is due.
    ///
    /// # Errors
    ///
    /// When it is still the same box.
    pub(crate) fn handle_timeout(
        &mut self,
        read: bool,
        buffered: bool,
        decoded: u64,
        after: Duration,
        timers: &mut Timers,
        now: Instant,
    ) -> Result<(), CloseReason> {
        if !read || !buffered {
            return Ok(());
        }
        if self.0 == Some(decoded) {
            return Err(CloseReason::BoxTimeout { after });
        }
        self.0 = Some(decoded);
        timers.set_after(Timer::Box, now, after);
        Ok(())
    }
}
