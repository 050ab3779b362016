//! What the streams of a connection hold that nobody has taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::error::StreamError;
use super::wire::{CALLS, MAX_CODE, MAX_DESCRIPTION};
use crate::proto::{LimitKind, Limits, Together};

/// What a call that brings items takes beside those, in bytes, as far as it is known.
const CALL: usize = 640;

/// So many calls of a connection keep the buffer that their item came in, which may be of 512 KiB. Others
/// are copied out of that, and so are those of few bytes.
const BUFFERS: usize = 16;
const SMALL: usize = 32 << 10;

/// The bytes that the streams of one connection hold, and the most that they may hold.
pub(super) struct Holding {
    bytes: AtomicUsize,
    /// The most bytes: the limit of one stream, times the limit of streams. Streams that have ended count with
    /// what was not taken out of them.
    limit: usize,
    buffers: AtomicUsize,
    /// What all connections of a server hold, if it is one of a server's.
    together: Option<Arc<Together>>,
}

impl Holding {
    pub(super) fn new(limits: &Limits, together: Option<Arc<Together>>) -> Self {
        let calls = (CALLS + 1) * CALL + MAX_CODE + MAX_DESCRIPTION;
        let of_each = limits.stream_bytes.saturating_add(calls);
        let limit = limits.streams.saturating_mul(of_each);
        Self { bytes: AtomicUsize::new(0), limit, buffers: AtomicUsize::new(0), together }
    }
}

/// What one call has brought, until that is taken.
pub(super) struct Held {
    holding: Arc<Holding>,
    bytes: usize,
    keeps_buffer: bool,
}

impl Held {
    /// Counts so many bytes of items.
    ///
    /// # Errors
    ///
    /// When the streams of the connection hold too much, or the connections of the server.
    pub(super) fn new(holding: &Arc<Holding>, bytes: usize) -> Result<Self, StreamError> {
        let bytes = bytes + CALL;
        let before = holding.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > holding.limit {
            holding.bytes.fetch_sub(bytes, Ordering::Relaxed);
            let what = LimitKind::BytesOfStreams;
            return Err(StreamError::Limit { what, limit: holding.limit });
        }
        if let Some(together) = &holding.together
            && let Err((what, limit)) = together.add_bytes(0, before, bytes)
        {
            holding.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(StreamError::Limit { what, limit });
        }
        Ok(Self { holding: Arc::clone(holding), bytes, keeps_buffer: false })
    }

    /// Whether a box of so many bytes may stay in the buffer that it was received into.
    pub(super) fn may_keep_buffer(&mut self, len: usize) -> bool {
        if len < SMALL {
            return false;
        }
        let buffers = &self.holding.buffers;
        self.keeps_buffer = buffers.fetch_add(1, Ordering::Relaxed) < BUFFERS;
        if !self.keeps_buffer {
            buffers.fetch_sub(1, Ordering::Relaxed);
        }
        self.keeps_buffer
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let holding = &self.holding;
        holding.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        if self.keeps_buffer {
            holding.buffers.fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(together) = &holding.together {
            together.remove_bytes(self.bytes);
        }
    }
}
