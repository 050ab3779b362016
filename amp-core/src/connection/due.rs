use std::pin::Pin;
use std::task::Context;
use std::time::Instant;
use tokio::time::{Sleep, sleep_until};

/// The time, as the timers of the runtime have it.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The one timer of the runtime for all that is due: it runs until the next is.
#[derive(Default)]
pub(crate) struct Due(Option<Pin<Box<Sleep>>>);

impl Due {
    /// Returns the time when the `next` is due; else the task is woken when it will be.
    pub(crate) fn poll(&mut self, next: Option<Instant>, cx: &mut Context<'_>) -> Option<Instant> {
        let next = tokio::time::Instant::from_std(next?);
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(next)));
        if sleep.deadline() != next {
            sleep.as_mut().reset(next);
        }
        let due = sleep.as_mut().poll(cx).is_ready();
        due.then(|| tokio::time::Instant::now().max(next).into_std())
    }
}
