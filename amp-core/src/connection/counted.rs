//! Responders that run, and what runs after their answers, as the core counts them.

use std::future::Future;
use std::sync::Arc;

use super::shared::{After, Shared};
use crate::observing::outliving;
use crate::proto::BoxNumber;

/// Counts `after`, which runs after an answer, with so many bytes of its call, and what that has
/// claimed, until it is done or dropped. A graceful end does not wait for it: it may wait for that end.
pub(crate) fn following(
    shared: &Arc<Shared>,
    len: usize,
    number: Option<BoxNumber>,
    after: impl Future<Output = ()> + Send + 'static,
) -> After {
    let running = Running::count(Arc::clone(shared), len, number, true);
    Box::pin(async move {
        after.await;
        drop(running);
    })
}

/// Counts a responder that has been started and is not done, or what runs after its answer, and the
/// bytes of its call, and what that has claimed.
pub(crate) struct Running {
    pub(crate) shared: Arc<Shared>,
    len: usize,
    number: Option<BoxNumber>,
    /// Whether it runs after the answer.
    after: bool,
}

impl Running {
    pub(crate) fn new(shared: Arc<Shared>, len: usize, number: Option<BoxNumber>) -> Self {
        Self::count(shared, len, number, false)
    }

    fn count(shared: Arc<Shared>, len: usize, number: Option<BoxNumber>, after: bool) -> Self {
        let outlives = shared.with(|state| {
            state.core.begin_responder(len, after);
            if let Some(number) = number.filter(|_| after) {
                state.core.hold_longer(number);
            }
            state.core.end().over().is_some()
        });
        if outlives {
            outliving::add(1);
            #[cfg(feature = "metrics")]
            outliving::report(1);
        }
        Self { shared, len, number, after }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let outlived = self.shared.with(|state| {
            state.core.end_responder(self.len, self.after);
            if let Some(number) = self.number {
                state.core.let_go(number);
            }
            state.core.end().over().is_some()
        });
        if outlived {
            outliving::remove();
        }
    }
}
