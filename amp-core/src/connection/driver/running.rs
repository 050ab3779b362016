//! Responders that have to wait, on tasks of their own.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::super::builder::Settings;
use super::super::polling::Polling;
use super::super::shared::{Phase, Shared, State};
use super::super::unclaimed::BoxNumber;
use crate::observing::outliving;

/// What a connection answers already.
#[derive(Clone, Copy, Default)]
pub(super) struct Busy {
    pub(super) running: usize,
    pub(super) running_bytes: usize,
    /// Whether it is about to end, and answers nothing more.
    pub(super) draining: bool,
}

impl Busy {
    pub(super) fn of(state: &State) -> Self {
        let State { running, running_bytes, ref draining, .. } = *state;
        Self { running, running_bytes, draining: draining.is_some() }
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
pub(super) struct OnTask {
    responding: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Dropped after the responder.
    running: Running,
}

impl OnTask {
    pub(super) fn new(
        responding: Pin<Box<dyn Future<Output = ()> + Send>>,
        running: Running,
    ) -> Self {
        Self { responding, running }
    }
}

impl Future for OnTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { responding, running } = &mut *self;
        let _polling = Polling::by_task(&running.shared);
        responding.as_mut().poll(cx)
    }
}

/// Counts a responder that has been started and is not done, and the bytes of its call, and what that
/// has claimed.
pub(super) struct Running {
    shared: Arc<Shared>,
    len: usize,
    number: Option<BoxNumber>,
}

impl Running {
    pub(super) fn new(shared: Arc<Shared>, len: usize, number: Option<BoxNumber>) -> Self {
        shared.tell(|state| {
            state.running += 1;
            state.running_bytes += len;
        });
        if let Some(together) = &shared.settings.together {
            together.begin_call(len);
        }
        Self { shared, len, number }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut outlived = false;
        self.shared.tell(|state| {
            state.running -= 1;
            state.running_bytes -= self.len;
            if let Some(number) = self.number {
                state.claims.remove(number);
            }
            outlived = matches!(state.phase, Phase::Ended(_));
        });
        if let Some(together) = &self.shared.settings.together {
            together.end_call(self.len);
        }
        if outlived {
            outliving::remove();
        }
    }
}
