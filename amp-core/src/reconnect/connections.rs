//! The connections of a client that comes back, however many there are at a time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, Weak};

use crate::connection::{Drained, Shared, is_within_responder};
use crate::error::CloseReason;
use crate::sync::Mutex;

/// The connections of a client that were ready and have not ended: the one that there is, and those that
/// were left and end by themselves.
#[derive(Default)]
pub(super) struct Connections {
    those: Mutex<Vec<CloseOnDrop>>,
    /// How many of their responders a graceful end has cut off, once that is over.
    cut_off: AtomicUsize,
}

impl Connections {
    pub(super) fn add(&self, connection: CloseOnDrop) {
        let mut connections = self.those.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain(|connection| connection.0.strong_count() > 0);
        connections.push(connection);
    }

    /// Whether this thread polls a responder of one of them, which none of them ends before.
    pub(super) fn has_responder_here(&self) -> bool {
        self.alive().iter().any(is_within_responder)
    }

    /// Takes note of what the graceful end of these has come to, which were all there were.
    pub(super) fn set_drained(&self, connections: &[Arc<Shared>]) {
        let cut_off = connections.iter().map(|shared| shared.drained().cut_off).sum();
        self.cut_off.store(cut_off, Ordering::Release);
    }

    /// What a graceful end has come to, once that is over.
    pub(super) fn drained(&self) -> Drained {
        Drained { cut_off: self.cut_off.load(Ordering::Acquire) }
    }

    /// A connection that is dropped with its last handle is so with nothing locked.
    pub(super) fn alive(&self) -> Vec<Arc<Shared>> {
        let connections = self.those.lock().unwrap_or_else(PoisonError::into_inner);
        connections.iter().filter_map(|connection| connection.0.upgrade()).collect()
    }
}

/// Closes all of them when it is dropped.
pub(super) struct CloseAll(pub(super) Arc<Connections>);

impl Drop for CloseAll {
    fn drop(&mut self) {
        let connections =
            std::mem::take(&mut *self.0.those.lock().unwrap_or_else(PoisonError::into_inner));
        drop(connections);
    }
}

/// A connection that is closed when this is dropped, whoever has a handle of it.
pub(super) struct CloseOnDrop(pub(super) Weak<Shared>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            shared.close(&CloseReason::Local);
        }
    }
}
