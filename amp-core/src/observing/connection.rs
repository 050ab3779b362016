use std::sync::atomic::{AtomicU64, Ordering};
use tracing::field::Empty;
use tracing::{Level, Span};

use crate::argument::PeerAddress;

/// Which process a peer is, where the system says so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pub(crate) uid: u32,
    pub(crate) pid: Option<i32>,
}

/// Numbers the connections of this process, from 1 on.
pub(crate) fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The span of a connection, or one that is disabled where nobody watches.
pub(crate) fn span(id: u64, peer: &PeerAddress, process: Option<Process>) -> Span {
    // As for calls: tracing's feature `log` would write out all fields and throw them away.
    if !tracing::level_enabled!(Level::DEBUG) {
        return Span::none();
    }
    let span = tracing::debug_span!(
        target: "amp_core::connection",
        "connection",
        id,
        %peer,
        uid = Empty,
        pid = Empty,
    );
    if let Some(Process { uid, pid }) = process {
        span.record("uid", uid);
        if let Some(pid) = pid {
            span.record("pid", pid);
        }
    }
    span
}

/// The span of a connection that is shared, beside those of the connections on it.
pub(crate) fn span_of_router(peer: &PeerAddress) -> Span {
    if !tracing::level_enabled!(Level::DEBUG) {
        return Span::none();
    }
    tracing::debug_span!(target: "amp_core::router", "router", id = next_id(), %peer)
}
