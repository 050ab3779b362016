//! The driver as a future.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::super::lent::Keeping;
use super::hands::AtWork;
use super::state::Driver;
use crate::error::CloseReason;
use crate::proto::Next;
use crate::report::Report;
use crate::responder::Own;
use crate::runtime;

impl Driver {
    /// Turns, until there is nothing to do or others have to run.
    fn turns(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let Self { drive, around } = self;
        let mut hands = AtWork { around, cx };
        if !drive.go_to_work(&mut hands) {
            return Poll::Pending;
        }
        let keeping = Keeping::begin();
        let turned = drive.turns(&mut hands);
        around.shared.queue_answers();
        drop(keeping);
        match turned {
            Ok(Next::Wait) => {}
            Ok(Next::Again) => cx.waker().wake_by_ref(),
            Ok(Next::GiveWay) => runtime::defer(cx),
            Err(reason) => return Poll::Ready(self.end(reason)),
        }
        Poll::Pending
    }

    /// Fails everything that is outstanding, for the same reason.
    fn end(&mut self, reason: CloseReason) -> CloseReason {
        let Self { drive, around } = self;
        let shared = Arc::clone(&around.shared);
        let mut cx = Context::from_waker(Waker::noop());
        drive.end(&mut AtWork { around, cx: &mut cx });
        // A task that hears of the end finds the stream closed.
        drop(drive.line.stream.take_transport());
        around.upgrading = None;
        let reason = shared.end(reason);
        if let Some(own) = Own::of(&shared) {
            own.0.ended(&reason);
        }
        #[cfg(feature = "metrics")]
        drive.line.stream.report(|| shared.peek(|state| state.core.counters()));
        let failures = &shared.settings.failures;
        // A server says it of all its connections together.
        if Arc::strong_count(failures) == 1 {
            failures.say_how_many_more_failed();
        }
        tracing::debug!(reason = %Report::new(&reason), "the connection has ended");
        reason
    }
}

impl Future for Driver {
    type Output = CloseReason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CloseReason> {
        if self.around.span.is_disabled() {
            return self.turns(cx);
        }
        let span = self.around.span.clone();
        span.in_scope(|| self.turns(cx))
    }
}

/// A driver that is dropped before its time ends the connection.
impl Drop for Driver {
    fn drop(&mut self) {
        if self.around.shared.over().is_none() {
            let span = self.around.span.clone();
            span.in_scope(|| self.end(CloseReason::Local));
        }
    }
}
