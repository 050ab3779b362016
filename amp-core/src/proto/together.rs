//! What all connections of a server hold together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::proto::CloseReason;

/// What each connection may hold without being counted, in bytes. So most connections have nothing
/// to do with each other.
pub(crate) const UNCOUNTED: usize = 64 << 10;

/// How many calls of each connection are answered whatever others do: so those who take all there is
/// do not stop those who call now and then.
const SPARED: usize = 16;

/// What the connections of one server hold, and may hold at most.
///
/// Whoever holds much leaves room for others: a connection may have as much as is left for all. So
/// one alone can have half of all there is, two a third each, and somebody who comes late finds room.
#[derive(Debug)]
pub(crate) struct Together {
    bytes_max: usize,
    calls_max: usize,
    bytes: AtomicUsize,
    calls: AtomicUsize,
}

impl Together {
    pub(crate) fn new(bytes_max: usize, calls_max: usize) -> Self {
        Self { bytes_max, calls_max, bytes: AtomicUsize::new(0), calls: AtomicUsize::new(0) }
    }

    /// A call of so many bytes is being answered.
    pub(crate) fn begin_call(&self, bytes: usize) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.add_bytes(bytes);
    }

    pub(crate) fn end_call(&self, bytes: usize) {
        self.calls.fetch_sub(1, Ordering::Relaxed);
        self.remove_bytes(bytes);
    }

    /// A call takes so many bytes more.
    pub(crate) fn add_bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn remove_bytes(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether a connection that answers so many calls, of so many bytes, is to wait before it begins
    /// more.
    pub(crate) fn is_full_for(&self, calls: usize, bytes: usize) -> bool {
        let (calls_left, bytes_left) = self.left();
        calls > 0 && (calls >= calls_left || bytes >= bytes_left)
    }

    /// Whether a connection may hold so many bytes more and leave as many for others.
    pub(crate) fn has_room_for(&self, bytes: usize) -> bool {
        bytes <= UNCOUNTED || bytes <= self.left().1 / 2
    }

    /// The limit that is reached for a connection that answers so many calls, of so many bytes, if one
    /// is: what of, and how much.
    pub(crate) fn reached(&self, calls: usize, bytes: usize) -> Option<(&'static str, usize)> {
        if calls < SPARED && bytes < UNCOUNTED {
            return None;
        }
        match self.left() {
            (0, _) => Some(("running responders of all connections", self.calls_max)),
            (_, 0) => Some(("bytes held for all connections", self.bytes_max)),
            _ => None,
        }
    }

    fn left(&self) -> (usize, usize) {
        let calls = self.calls_max.saturating_sub(self.calls.load(Ordering::Relaxed));
        (calls, self.bytes_max.saturating_sub(self.bytes.load(Ordering::Relaxed)))
    }
}

/// What one connection holds of that, beside calls that are being answered.
pub(crate) struct Share {
    of: Option<Arc<Together>>,
    bytes: usize,
}

impl Share {
    pub(crate) fn new(of: Option<Arc<Together>>) -> Self {
        Self { of, bytes: 0 }
    }

    /// Whether nothing of it counts, as far as is known.
    pub(crate) fn is_nothing(&self) -> bool {
        self.bytes == 0
    }

    /// So many bytes are held.
    ///
    /// # Errors
    ///
    /// When it is more than what is left for all.
    pub(crate) fn set(&mut self, bytes: usize) -> Result<(), CloseReason> {
        let Some(together) = &self.of else { return Ok(()) };
        let bytes = if bytes <= UNCOUNTED { 0 } else { bytes };
        if bytes == self.bytes {
            return Ok(());
        }
        let more = bytes > self.bytes;
        together.bytes.fetch_add(bytes, Ordering::Relaxed);
        together.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = bytes;
        if more && bytes > together.left().1 {
            let (what, limit) = ("bytes held for all connections", together.bytes_max);
            return Err(CloseReason::Limit { what, limit });
        }
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some(together) = &self.of {
            together.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EACH: usize = 4 * UNCOUNTED;

    fn share(of: &Arc<Together>) -> Share {
        Share::new(Some(Arc::clone(of)))
    }

    #[test]
    fn a_connection_may_hold_as_much_as_is_left_for_all() {
        let together = Arc::new(Together::new(4 * EACH, 10));
        let (mut first, mut second) = (share(&together), share(&together));
        first.set(2 * EACH).unwrap();
        assert!(first.set(2 * EACH + 1).is_err());
        second.set(EACH).unwrap_err();
        first.set(EACH).unwrap();
        second.set(EACH).unwrap();
        drop(first);
        second.set(2 * EACH).unwrap();
        drop(second);
        assert_eq!(together.left(), (10, 4 * EACH));
    }

    #[test]
    fn little_is_not_counted() {
        let together = Arc::new(Together::new(0, 10));
        let mut share = share(&together);
        share.set(UNCOUNTED).unwrap();
        assert!(share.set(UNCOUNTED + 1).is_err());
    }

    #[test]
    fn calls_leave_room_for_those_of_others() {
        let together = Together::new(1000, 10);
        (0..5).for_each(|_| together.begin_call(10));
        assert!(together.is_full_for(5, 50));
        assert!(!together.is_full_for(4, 40) && !together.is_full_for(0, 0));
        (0..5).for_each(|_| together.begin_call(10));
        let reached = Some(("running responders of all connections", 10));
        assert_eq!(together.reached(SPARED, 0), reached);
        assert_eq!(together.reached(1, UNCOUNTED), reached);
        assert_eq!(together.reached(SPARED - 1, UNCOUNTED - 1), None);
        assert!(!together.is_full_for(0, 0), "who has none does not wait for others");
        (0..10).for_each(|_| together.end_call(10));
        together.begin_call(1000);
        assert_eq!(together.reached(SPARED, 0), Some(("bytes held for all connections", 1000)));
    }
}
