//! Responders that have to wait, on tasks of their own, and what runs after their answers.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tracing::Instrument;

use super::super::builder::Settings;
use super::super::polling::Polling;
use super::super::shared::{After, Phase, Shared, State};
use super::super::unclaimed::BoxNumber;
use super::Received;
use crate::observing::outliving;
use crate::responder::{Locator, Question};

/// What a connection answers already.
#[derive(Clone, Copy, Default)]
pub(super) struct Busy {
    /// With what runs after answers.
    pub(super) running: usize,
    pub(super) running_bytes: usize,
    /// Whether it is about to end, and answers nothing more.
    pub(super) draining: bool,
}

impl Busy {
    pub(super) fn of(state: &State) -> Self {
        let State { running, following, running_bytes, ref draining, .. } = *state;
        Self { running: running + following, running_bytes, draining: draining.is_some() }
    }

    /// Whether as many responders run as may before no more calls are read.
    pub(super) fn is_full(self, settings: &Settings) -> bool {
        let Self { running, running_bytes, .. } = self;
        let limits = &settings.limits;
        running >= limits.running_responders
            || running_bytes >= limits.running_bytes
            || settings.together.as_ref().is_some_and(|all| all.is_full_for(running, running_bytes))
    }
}

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
        let _polling = Polling::by_task(&running.counted.shared);
        responding.as_mut().poll(cx)
    }
}

/// Begins to answer a call, and leaves that to a task of its own if it has to wait.
#[inline]
pub(super) fn begin(
    shared: &Arc<Shared>,
    locator: &Locator,
    question: Question,
    received: &Received,
) {
    let Received { call, number } = received;
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
        let running = Running::new(Arc::clone(shared), call.ampbox().size(), *number);
        tokio::spawn(OnTask { responding, running }.instrument(span));
    } else if let Some(number) = number {
        shared.lock().claims.remove(*number);
    }
}

/// Counts a responder that has been started and is not done, and the bytes of its call, and what that
/// has claimed.
pub(super) struct Running {
    counted: Counted,
    number: Option<BoxNumber>,
}

impl Running {
    pub(super) fn new(shared: Arc<Shared>, len: usize, number: Option<BoxNumber>) -> Self {
        Self { counted: Counted::new(shared, len, |state| &mut state.running), number }
    }

    /// Counts what runs after an answer instead.
    fn after(shared: Arc<Shared>, len: usize, number: Option<BoxNumber>) -> Self {
        if let Some(number) = number {
            shared.lock().claims.hold(number);
        }
        Self { counted: Counted::new(shared, len, |state| &mut state.following), number }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.counted.shared.lock().claims.remove(number);
        }
    }
}

/// What runs after an answer, which counts with so many bytes of its call, and what that has claimed,
/// until it is done or dropped. A graceful end does not wait for it: it may wait for that end.
pub(crate) fn following(
    shared: &Arc<Shared>,
    len: usize,
    number: Option<BoxNumber>,
    after: impl Future<Output = ()> + Send + 'static,
) -> After {
    let running = Running::after(Arc::clone(shared), len, number);
    Box::pin(async move {
        after.await;
        drop(running);
    })
}

/// One of those that a connection counts, until this is dropped.
struct Counted {
    shared: Arc<Shared>,
    len: usize,
    among: fn(&mut State) -> &mut usize,
}

impl Counted {
    fn new(shared: Arc<Shared>, len: usize, among: fn(&mut State) -> &mut usize) -> Self {
        let mut outlives = false;
        shared.tell(|state| {
            *among(state) += 1;
            state.running_bytes += len;
            outlives = matches!(state.phase, Phase::Ended(_));
        });
        if let Some(together) = &shared.settings.together {
            together.begin_call(len);
        }
        if outlives {
            outliving::add(1);
            #[cfg(feature = "metrics")]
            outliving::report(1);
        }
        Self { shared, len, among }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let (mut outlived, mut leftover) = (false, None);
        self.shared.tell(|state| {
            *(self.among)(state) -= 1;
            state.running_bytes -= self.len;
            outlived = matches!(state.phase, Phase::Ended(_));
            leftover = state.leftover.take();
        });
        if let Some(together) = &self.shared.settings.together {
            together.end_call(self.len);
        }
        leftover.into_iter().for_each(Waker::wake);
        if outlived {
            outliving::remove();
        }
    }
}
