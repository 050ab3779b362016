//! A buffer that stays with the thread, for boxes that are encoded and then copied to where they
//! go: no buffer grows for each of them.

use bytes::BytesMut;
use std::cell::Cell;

/// A buffer over this size, in bytes, is not kept.
const KEPT: usize = 64 << 10;

thread_local! {
    static SCRATCH: Cell<Option<BytesMut>> = const { Cell::new(None) };
}

/// The buffer, which is empty. While it is taken there is another one.
pub(crate) fn take() -> BytesMut {
    SCRATCH.take().unwrap_or_default()
}

/// Keeps the buffer, but not what is in it.
pub(crate) fn keep(mut scratch: BytesMut) {
    if scratch.capacity() <= KEPT {
        scratch.clear();
        SCRATCH.set(Some(scratch));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
