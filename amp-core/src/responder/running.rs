//! Responders that have to wait, on tasks of their own.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::task::coop::has_budget_remaining;
use tracing::Instrument;

use super::question::copied;
use super::{Locator, Question};
use crate::connection::{Polling, Running, Shared};
use crate::proto::WaitingCall;

/// A responder that has to wait.
struct OnTask {
    responding: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Dropped after the responder.
    running: Running,
}

impl Future for OnTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { responding, running } = &mut *self;
        let _polling = Polling::by_task(&running.shared);
        responding.as_mut().poll(cx)
    }
}

/// Begins to answer a call, and leaves that to a task of its own if it has to wait. Whether that may be because
/// this task has done as much as one may do at once, so the next would have to wait too.
#[inline]
pub(crate) fn begin(
    shared: &Arc<Shared>,
    locator: &Locator,
    question: Question,
    received: &WaitingCall,
) -> bool {
    let WaitingCall { call, number } = received;
    let span = question.span();
    // The responder that panics drops its question, which is answered by that.
    let started = catch_unwind(AssertUnwindSafe(|| {
        let _entered = span.enter();
        let _polling = Polling::by_driver(shared);
        let mut responding = locator.respond(question, call.command(), call.ampbox())?;
        let mut cx = Context::from_waker(Waker::noop());
        responding.as_mut().poll(&mut cx).is_pending().then_some(responding)
    }));
    if let Ok(Some(responding)) = started {
        let size = call.ampbox().memory() + copied(call);
        let running = Running::new(Arc::clone(shared), size, *number);
        tokio::spawn(OnTask { responding, running }.instrument(span));
        return !has_budget_remaining();
    }
    if let Some(number) = number {
        shared.with(|state| state.core.let_go(*number));
    }
    false
}
