//! Room for those who wait to queue a call.
//!
//! Whoever was told of room tells the next when it looks. But nobody has to look: a future may be kept
//! and not polled, as a service is that has said it was not ready. So the driver watches whether they
//! go on, and tells all of them where they do not.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

use super::Driver;

/// How long the next may take to look. To tell all of them too early costs each of them a look.
const LOOKS_WITHIN: Duration = Duration::from_millis(50);

/// Whether those who wait for room go on.
pub(super) struct Queueing {
    timer: Pin<Box<Sleep>>,
    /// How often one of them had told the next when the timer was set.
    passed: u64,
}

impl Driver {
    /// Tells the first of those who wait that there is room.
    pub(super) fn tell_of_room(&mut self) {
        self.shared.room.notify_one();
        self.told_of_room = true;
    }

    /// Tells all of them when one of them keeps the others waiting.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) {
        let passed = || self.shared.room_passed();
        if std::mem::take(&mut self.told_of_room) && self.queueing.is_none() {
            let timer = Box::pin(sleep(LOOKS_WITHIN));
            self.queueing = Some(Queueing { timer, passed: passed() });
        }
        let Some(queueing) = &mut self.queueing else { return };
        while queueing.timer.as_mut().poll(cx).is_ready() {
            let passed = passed();
            if passed == queueing.passed {
                self.queueing = None;
                self.shared.room.notify_waiters();
                return;
            }
            queueing.passed = passed;
            queueing.timer.as_mut().reset(Instant::now() + LOOKS_WITHIN);
        }
    }
}
