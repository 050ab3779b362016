//! The checker is one that takes all orders, or one that takes orders at random.

#[cfg(not(feature = "shuttle"))]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU32, Ordering, fence},
};
#[cfg(feature = "shuttle")]
pub(crate) use shuttle::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU32, Ordering, fence},
};
use tokio::sync::futures::Notified;

/// Tokio's, with a step of the checker's before each of its own. So somebody may be told between a look and the
/// moment from which on whoever looked is told, which tokio's alone would hide.
pub(crate) struct Notify {
    notices: tokio::sync::Notify,
    steps: AtomicU32,
}

impl Notify {
    pub(crate) fn new() -> Self {
        Self { notices: tokio::sync::Notify::new(), steps: AtomicU32::new(0) }
    }

    /// Orders nothing else, so that no order is missed that tokio's own atomics would leave possible.
    fn step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn notified(&self) -> Notified<'_> {
        self.step();
        self.notices.notified()
    }

    pub(crate) fn notify_waiters(&self) {
        self.step();
        self.notices.notify_waiters();
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}
