//! A buffer that stays with the thread, for boxes that are encoded and then copied to where they
//! go: no buffer grows for each of them.

use bytes::BytesMut;
use std::cell::Cell;

/// A buffer over this size, in bytes, is not kept.
const KEPT: usize = 64 << 10;

thread_local! {
    static SCRATCH: Cell<Option<BytesMut>> = const { Cell::new(None) };
}

/// The buffer, which is empty. While it is taken there is another one, and so when the thread ends.
pub(crate) fn take() -> BytesMut {
    SCRATCH.try_with(Cell::take).ok().flatten().unwrap_or_default()
}

/// Keeps the buffer, but not what is in it.
pub(crate) fn keep(mut scratch: BytesMut) {
    if scratch.capacity() <= KEPT {
        scratch.clear();
        // A thread that ends keeps nothing.
        let _ = SCRATCH.try_with(|kept| kept.set(Some(scratch)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn what_comes_back_is_empty_and_not_large() {
        let mut scratch = take();
        scratch.extend_from_slice(b"before");
        let place = scratch.as_ptr();
        let other = take();
        assert_ne!(other.as_ptr(), place, "the first one is still taken");
        keep(scratch);
        let scratch = take();
        assert_eq!((scratch.as_ptr(), scratch.len()), (place, 0));
        keep(BytesMut::zeroed(KEPT + 1));
        assert_eq!(take().capacity(), 0);
    }

    /// Which of a thread's values goes first depends on which was used first.
    #[test]
    fn a_thread_may_end_that_encodes_to_the_last() {
        struct AtTheEnd;

        impl Drop for AtTheEnd {
            fn drop(&mut self) {
                let mut scratch = take();
                scratch.extend_from_slice(b"last");
                keep(scratch);
                DONE.store(true, Ordering::Relaxed);
            }
        }

        thread_local!(static AT_THE_END: AtTheEnd = const { AtTheEnd });
        static DONE: AtomicBool = AtomicBool::new(false);

        let thread = std::thread::spawn(|| {
            AT_THE_END.with(|_| ());
            keep(take());
        });
        thread.join().unwrap();
        assert!(DONE.load(Ordering::Relaxed));
    }
}
