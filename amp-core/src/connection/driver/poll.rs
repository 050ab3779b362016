//! The driver's turn: one phase after the other, until there is nothing to do.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::super::transport::NoTransport;
use super::state::Driver;
use crate::error::CloseReason;
use crate::report::Report;
use crate::responder::Own;
use crate::runtime;

/// How many turns follow each other, each because of what has come while the driver was at work.
const TURNS_AT_ONCE: usize = 4;

impl Driver {
    /// Each phase once. Whether it is worth another look; or why the connection is over.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        // Calls that had to wait, when fewer run or there is room for their answers.
        if let Err(reason) = self.start_responders() {
            self.shared.close(&reason);
        }
        // What comes in, when the transport has something or more may be read. Nothing does once the end has
        // begun, but what had come by then is dealt with.
        let mut more = self.poll_reading(cx)?;
        // What is held by now, in sight of what others of the server hold.
        self.poll_held()?;
        // The end, when somebody has begun it.
        self.look_for_end();
        // What is queued, when something is or the transport has room.
        more |= self.poll_writing(cx)?;
        more |= self.may_start();
        // The stream leaves, when both sides agree to a switch and everything before it is sent.
        self.poll_leaving()?;
        more |= self.poll_upgrade(cx)?;
        // The farewell, when the peer goes on to send or closes its side.
        self.poll_ending(cx)?;
        // Last, since each of those may have set a timer.
        more |= self.poll_timers(cx)?;
        Ok(more)
    }

    /// Turns, until there is nothing to do or others have to run.
    fn turns(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        if !self.go_to_work(cx) {
            return Poll::Pending;
        }
        for _ in 0..TURNS_AT_ONCE {
            match self.turn(cx) {
                Err(reason) => {
                    if reason.is_absence() {
                        self.leave_all_behind();
                    }
                    return Poll::Ready(self.end(reason));
                }
                Ok(true) if self.drive.stint.is_over() => {
                    self.drive.stint.give_way();
                    runtime::defer(cx);
                    return Poll::Pending;
                }
                Ok(true) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Ok(false) => {}
            }
            // Before it waits: then the line may be a caller's.
            #[cfg(feature = "metrics")]
            self.line.report(|| self.shared.peek(|state| state.core.counters()));
            if self.park(cx) {
                return Poll::Pending;
            }
        }
        // What is wanted again and again does not keep the thread from others.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Fails everything that is outstanding, for the same reason.
    pub(super) fn end(&mut self, reason: CloseReason) -> CloseReason {
        // Whoever hears of the end finds the stream closed, unless a caller is just writing to it,
        // who closes it then.
        if let Some(line) = self.shared.with(|state| state.line.take()) {
            self.line = line;
        }
        self.line.transport = Box::pin(NoTransport);
        self.upgrading = None;
        let calls = self.drive.inbound.take_calls();
        self.drop_received(calls);
        let Self { shared, drive, .. } = self;
        shared.with(|state| drive.stop_watching(&mut state.core));
        let reason = self.shared.end(reason);
        if let Some(Ok(own)) = self.shared.own.get().map(Arc::clone).map(Arc::downcast::<Own>) {
            own.0.ended(&reason);
        }
        #[cfg(feature = "metrics")]
        self.line.report(|| self.shared.peek(|state| state.core.counters()));
        let failures = &self.shared.settings.failures;
        // A server says it of all its connections together.
        if Arc::strong_count(failures) == 1 {
            failures.say_how_many_more_failed();
        }
        tracing::debug!(reason = %Report(&reason), "the connection has ended");
        reason
    }
}

impl Future for Driver {
    type Output = CloseReason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CloseReason> {
        if self.span.is_disabled() {
            return self.turns(cx);
        }
        let span = self.span.clone();
        span.in_scope(|| self.turns(cx))
    }
}

/// A driver that is dropped before its time ends the connection.
impl Drop for Driver {
    fn drop(&mut self) {
        if self.shared.over().is_none() {
            let span = self.span.clone();
            span.in_scope(|| self.end(CloseReason::Local));
        }
    }
}
