//! The places of a server's connections.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Each connection has one until its stream is closed, be it that of another protocol by then.
pub(super) struct Places {
    all: Arc<Semaphore>,
    /// That of the next connection, once it is known to be free.
    next: Option<OwnedSemaphorePermit>,
}

impl Places {
    pub(super) fn new(count: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS))), next: None }
    }

    pub(super) fn is_one_free(&mut self) -> bool {
        if self.next.is_none() {
            self.next = Arc::clone(&self.all).try_acquire_owned().ok();
        }
        self.next.is_some()
    }

    pub(super) async fn until_one_is_free(&mut self) {
        if self.next.is_none() {
            self.next = Arc::clone(&self.all).acquire_owned().await.ok();
        }
    }

    pub(super) fn take(&mut self) -> Option<OwnedSemaphorePermit> {
        self.is_one_free();
        self.next.take()
    }
}
