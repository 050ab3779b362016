//! What all connections of a server hold together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::proto::{CloseReason, LimitKind};

/// What each connection may hold without being counted, in bytes. So most connections have nothing
/// to do with each other.
pub(crate) const HELD_UNCOUNTED: usize = 64 << 10;

/// How many calls of each connection are answered whatever others do: so those who take all there is
/// do not stop those who call now and then.
pub(crate) const SPARED: usize = 16;

/// What the connections of one server hold, and may hold at most.
///
/// A connection that holds much leaves room for others: it may have as much as it leaves free. So one
/// alone can have half of it all, two a third each, and a connection that comes late finds room.
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
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn end_call(&self, bytes: usize) {
        self.calls.fetch_sub(1, Ordering::Relaxed);
        self.remove_bytes(bytes);
    }

    /// A call takes so many bytes more, of a connection that answers so many calls, of so many bytes.
    ///
    /// # Errors
    ///
    /// When it has more than is left for all then: what of, and how much there may be. They do not
    /// count in that case.
    pub(crate) fn add_bytes(
        &self,
        calls: usize,
        bytes: usize,
        more: usize,
    ) -> Result<(), (LimitKind, usize)> {
        // What is refused is never counted, not even for a moment: others would be refused for it.
        let fits = |counted| {
            let left = self.bytes_max.saturating_sub(counted);
            let fits = bytes + more <= left || is_spared(calls, bytes + more);
            fits.then_some(counted + more)
        };
        match self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => Ok(()),
            Err(_) => Err((LimitKind::BytesInAll, self.bytes_max)),
        }
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
        bytes <= HELD_UNCOUNTED || bytes <= self.left().1 / 2
    }

    /// The limit that another call of `more` bytes goes over, of a connection that answers so many
    /// calls, of so many bytes, if one is: what of, and how much there may be.
    pub(crate) fn reached(
        &self,
        calls: usize,
        bytes: usize,
        more: usize,
    ) -> Option<(LimitKind, usize)> {
        if is_spared(calls, bytes + more) {
            return None;
        }
        let (calls_left, bytes_left) = self.left();
        if calls >= calls_left {
            Some((LimitKind::RunningRespondersInAll, self.calls_max))
        } else if bytes + more.max(1) > bytes_left {
            Some((LimitKind::BytesInAll, self.bytes_max))
        } else {
            None
        }
    }

    /// How many bytes are held that count.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn left(&self) -> (usize, usize) {
        let calls = self.calls_max.saturating_sub(self.calls.load(Ordering::Relaxed));
        (calls, self.bytes_max.saturating_sub(self.bytes.load(Ordering::Relaxed)))
    }
}

/// Whether a connection that answers so many calls, of so many bytes, gets on whatever others do.
fn is_spared(calls: usize, bytes: usize) -> bool {
    calls < SPARED && bytes < HELD_UNCOUNTED
}

/// What one connection holds of that, beside calls that are being answered.
pub(crate) struct Share {
    of: Option<Arc<Together>>,
    bytes: usize,
    /// What is not counted of it.
    uncounted: usize,
}

impl Share {
    pub(crate) fn new(of: Option<Arc<Together>>) -> Self {
        Self { of, bytes: 0, uncounted: HELD_UNCOUNTED }
    }

    /// Of what is left when a connection has ended. All of it counts, since a peer may come again and
    /// leave as much each time.
    pub(crate) fn left_behind(of: Option<Arc<Together>>) -> Self {
        Self { of, bytes: 0, uncounted: 0 }
    }

    /// How many bytes of it count, as far as is known.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing of it counts, as far as is known.
    pub(crate) fn is_nothing(&self) -> bool {
        self.bytes == 0
    }

    /// Whether so many bytes are too few to count.
    #[inline]
    pub(crate) fn leaves_out(&self, bytes: usize) -> bool {
        bytes <= self.uncounted
    }

    /// So many bytes are held.
    ///
    /// # Errors
    ///
    /// When it is more than what is left for all.
    pub(crate) fn set(&mut self, bytes: usize) -> Result<(), CloseReason> {
        let Some(together) = &self.of else { return Ok(()) };
        let bytes = if self.leaves_out(bytes) { 0 } else { bytes };
        if bytes == self.bytes {
            return Ok(());
        }
        // The difference in one step: nobody else may see more than there is, and be refused for it.
        let more = bytes > self.bytes;
        if more {
            together.bytes.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else {
            together.bytes.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
        if more && bytes > together.left().1 {
            return Err(CloseReason::Limit {
                what: LimitKind::BytesInAll,
                limit: together.bytes_max,
            });
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

    const EACH: usize = 4 * HELD_UNCOUNTED;

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

    /// One changes what it holds by little, again and again, while another looks.
    #[test]
    fn what_is_held_is_never_counted_twice() {
        let together = Arc::new(Together::new(10 * EACH, 10));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut share = share(&together);
                (0..200_000).for_each(|turn| share.set(EACH + turn % 2).unwrap());
            });
            for _ in 0..200_000 {
                assert!(together.bytes() <= EACH + 1, "{} of {EACH}", together.bytes());
                together.add_bytes(SPARED, 0, 10 * EACH + 1).unwrap_err();
            }
        });
    }

    #[test]
    fn little_is_not_counted() {
        let together = Arc::new(Together::new(0, 10));
        let mut share = share(&together);
        share.set(HELD_UNCOUNTED).unwrap();
        assert!(share.set(HELD_UNCOUNTED + 1).is_err());
        let mut left_behind = Share::left_behind(Some(Arc::clone(&together)));
        assert!(left_behind.set(1).is_err());
    }

    #[test]
    fn calls_leave_room_for_those_of_others() {
        let together = Together::new(1000, 10);
        (0..5).for_each(|_| together.begin_call(10));
        assert!(together.is_full_for(5, 50));
        assert!(!together.is_full_for(4, 40) && !together.is_full_for(0, 0));
        (0..5).for_each(|_| together.begin_call(10));
        let reached = Some((LimitKind::RunningRespondersInAll, 10));
        assert_eq!(together.reached(SPARED, 0, 1), reached);
        assert_eq!(together.reached(1, HELD_UNCOUNTED, 1), reached);
        assert_eq!(together.reached(SPARED - 1, HELD_UNCOUNTED - 2, 1), None);
        assert!(!together.is_full_for(0, 0), "who has none does not wait for others");
        let together = Together::new(1000, 100);
        together.begin_call(900);
        assert_eq!(together.reached(SPARED, 50, 50), None);
        assert_eq!(together.reached(SPARED, 50, 51), Some((LimitKind::BytesInAll, 1000)));
        together.begin_call(100);
        assert_eq!(together.reached(SPARED, 0, 0), Some((LimitKind::BytesInAll, 1000)));
    }

    /// Each begins all the calls it may, one connection after the other.
    #[test]
    fn a_few_do_not_have_all() {
        let together = Together::new(1 << 20, 1 << 16);
        for _ in 0..12 {
            let mut calls = 0;
            while calls < 1 << 13 && together.reached(calls, calls, 1).is_none() {
                together.begin_call(1);
                calls += 1;
            }
        }
        assert!(together.left().0 > 8 * SPARED, "{} are left", together.left().0);
    }

    #[test]
    fn a_large_call_is_not_spared() {
        let together = Together::new(1 << 20, 10);
        together.begin_call(1 << 20);
        assert_eq!(together.reached(0, 0, HELD_UNCOUNTED - 1), None);
        assert_eq!(together.reached(0, 0, HELD_UNCOUNTED), Some((LimitKind::BytesInAll, 1 << 20)));
        assert_eq!(
            together.add_bytes(1, 10, HELD_UNCOUNTED - 10),
            Err((LimitKind::BytesInAll, 1 << 20))
        );
        assert_eq!(together.add_bytes(1, 10, HELD_UNCOUNTED - 11), Ok(()));
        together.remove_bytes(HELD_UNCOUNTED - 11);
        together.remove_bytes(1000);
        assert_eq!(together.add_bytes(SPARED, 10, 991), Err((LimitKind::BytesInAll, 1 << 20)));
        assert_eq!(together.add_bytes(SPARED, 10, 990), Ok(()));
    }
}
