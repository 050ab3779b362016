use std::pin::Pin;
use std::task::Context;
use std::time::Instant;
use tokio::time::{Sleep, sleep_until};

use crate::proto::Timers;

/// The one timer of the runtime for a table of them: it runs until the next is due.
#[derive(Default)]
pub(crate) struct Due(Option<Pin<Box<Sleep>>>);

impl Due {
    /// Returns the time when one of the table is due; else the task is woken when one will be.
    pub(crate) fn poll(&mut self, timers: &Timers, cx: &mut Context<'_>) -> Option<Instant> {
        let next = tokio::time::Instant::from_std(timers.next()?);
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(next)));
        if sleep.deadline() != next {
            sleep.as_mut().reset(next);
        }
        let due = sleep.as_mut().poll(cx).is_ready();
        due.then(|| tokio::time::Instant::now().max(next).into_std())
    }
}
