//! What the streams of a connection hold that nobody has taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::error::StreamError;
use super::hub::Hub;

/// What a call that brings items takes beside those, in bytes, as far as it is known.
const CALL: usize = 640;

/// So many calls of a connection keep the buffer that their item came in, which may be of 512 KiB. Others
/// are copied out of that, and so are those of few bytes.
const BUFFERS: usize = 16;
const SMALL: usize = 32 << 10;

/// How much that is.
#[derive(Default)]
pub(super) struct Holding {
    bytes: AtomicUsize,
    buffers: AtomicUsize,
}

/// What one call has brought, until that is taken.
pub(super) struct Held {
    hub: Arc<Hub>,
    bytes: usize,
    keeps_buffer: bool,
}

impl Held {
    /// Counts so many bytes of items.
    ///
    /// # Errors
    ///
    /// When the connections of the server hold too much.
    pub(super) fn new(hub: Arc<Hub>, bytes: usize) -> Result<Self, StreamError> {
        let bytes = bytes + CALL;
        let before = hub.holding().bytes.fetch_add(bytes, Ordering::Relaxed);
        // It is taken back when this is dropped.
        let mut held = Self { hub, bytes: 0, keeps_buffer: false };
        if let Some(together) = held.hub.together() {
            let added = together.add_bytes(0, before, bytes);
            if let Err((what, limit)) = added {
                held.hub.holding().bytes.fetch_sub(bytes, Ordering::Relaxed);
                return Err(StreamError::Limit { what, limit });
            }
        }
        held.bytes = bytes;
        Ok(held)
    }

    /// Whether a box of so many bytes may stay in the buffer that it was received into.
    pub(super) fn may_keep_buffer(&mut self, len: usize) -> bool {
        if len < SMALL {
            return false;
        }
        let buffers = &self.hub.holding().buffers;
        self.keeps_buffer = buffers.fetch_add(1, Ordering::Relaxed) < BUFFERS;
        if !self.keeps_buffer {
            buffers.fetch_sub(1, Ordering::Relaxed);
        }
        self.keeps_buffer
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let holding = self.hub.holding();
        holding.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        if self.keeps_buffer {
            holding.buffers.fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(together) = self.hub.together() {
            together.remove_bytes(self.bytes);
        }
    }
}
