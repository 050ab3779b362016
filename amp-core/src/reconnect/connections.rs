//! The connections of a client that comes back, however many there are at a time.

use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use crate::connection::{Shared, is_within_responder};
use crate::error::CloseReason;
use crate::sync::Mutex;

/// The connections of a client that were ready and have not ended: the one that there is, and those that
/// were left and end by themselves.
#[derive(Default)]
pub(super) struct Connections(Mutex<Vec<CloseOnDrop>>);

impl Connections {
    pub(super) fn add(&self, connection: CloseOnDrop) {
        let mut connections = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain(|connection| connection.0.strong_count() > 0);
        connections.push(connection);
    }

    /// Whether this thread polls a responder of one of them, which none of them ends before.
    pub(super) fn has_responder_here(&self) -> bool {
        self.alive().iter().any(is_within_responder)
    }

    pub(super) fn drain(&self, within: Duration) {
        for shared in self.alive() {
            shared.drain(within);
        }
    }

    /// A connection that is dropped with its last handle is so with nothing locked.
    fn alive(&self) -> Vec<Arc<Shared>> {
        let connections = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        connections.iter().filter_map(|connection| connection.0.upgrade()).collect()
    }
}

/// Closes all of them when it is dropped.
pub(super) struct CloseAll(pub(super) Arc<Connections>);

impl Drop for CloseAll {
    fn drop(&mut self) {
        let connections =
            std::mem::take(&mut *self.0.0.lock().unwrap_or_else(PoisonError::into_inner));
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
