//! That responders may wait for a sink, or for what comes of a stream.

use std::sync::Arc;

use crate::connection::{Peer, Shared};

/// While it is there, its connection is read from although as many responders run as may. It is
/// dropped with nothing locked.
pub(super) struct Awaited(Arc<Shared>);

impl Awaited {
    pub(super) fn new(peer: &Peer) -> Self {
        peer.shared().with(|state| state.core.await_stream(true));
        Self(Arc::clone(peer.shared()))
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.with(|state| state.core.await_stream(false));
    }
}
