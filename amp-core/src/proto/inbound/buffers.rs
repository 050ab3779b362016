//! The buffers that a connection receives into.
//!
//! Received values are parts of the buffer that they came in, so a full one cannot be used again
//! before they are gone. Large ones are worth waiting for: the kernel makes each page of a fresh one
//! when it is first written, which takes about as long as to receive into it.

use bytes::BytesMut;

/// From this size on, in bytes, a buffer is worth using again.
const LARGE: usize = 64 << 10;

/// How many bytes the large buffers have that values may keep, of those made since buffers were last
/// given up. When they keep so many, a buffer is made no larger than what is to be received, so that
/// a value cannot keep many times its size.
pub(crate) const LARGE_MAX: usize = 2 << 20;

/// What a buffer has at least while values keep large ones, in bytes.
const SMALL: usize = 16 << 10;

/// The large buffers of a connection, beside the one that is received into.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// Handles without bytes, with the sizes of what they are handles of. Values may be in there.
    large: Vec<(BytesMut, usize)>,
    /// The size of the buffer that is received into, as it was made or has grown.
    size: usize,
}

impl Buffers {
    /// Makes room for at least `least` more bytes behind those in `buffer`, and for `wanted` bytes
    /// altogether where those can be had. What is in there may move into another buffer.
    pub(super) fn make_room(&mut self, buffer: &mut BytesMut, least: usize, wanted: usize) {
        let len = buffer.len();
        let wanted = wanted.max(len + least);
        if !buffer.try_reclaim(wanted - len) {
            if let Some((free, size)) = self.take(wanted) {
                self.replace(buffer, free, size);
            } else if self.has_room(self.size + wanted) {
                // The one that is received into is kept then.
                self.grow(buffer, wanted);
            } else if buffer.capacity() - len < least.max(SMALL / 2) {
                self.grow(buffer, SMALL.max(len + least));
            }
        }
    }

    /// Whether large ones may be kept, which are to be [given up](Self::release) after a while.
    pub(super) fn are_large(&self) -> bool {
        self.size >= LARGE
    }

    /// What is in `buffer` moves to one of just its size, away from a box that was larger than
    /// buffers are, or from a buffer that is given up: it does not keep their memory.
    pub(super) fn leave(&mut self, buffer: &mut BytesMut) {
        *buffer = BytesMut::from(&buffer[..]);
        self.size = buffer.capacity();
    }

    /// A large buffer of at least this size that no value is in any more, and its size.
    fn take(&mut self, least: usize) -> Option<(BytesMut, usize)> {
        let is_free =
            |(buffer, size): &mut (BytesMut, usize)| *size >= least && buffer.try_reclaim(*size);
        let free = self.large.iter_mut().position(is_free)?;
        Some(self.large.remove(free))
    }

    /// Gives `buffer` this size, or another one in its place. What is in there fits.
    fn grow(&mut self, buffer: &mut BytesMut, size: usize) {
        let more = size - buffer.len();
        if buffer.try_reclaim(more) {
            return;
        }
        if buffer.capacity() == self.size {
            // Nothing was taken from it. That a box is larger than it is costs a move for each
            // doubling.
            buffer.reserve(more);
            self.size = buffer.capacity();
        } else {
            self.replace(buffer, BytesMut::with_capacity(size), size);
        }
    }

    fn replace(&mut self, buffer: &mut BytesMut, mut by: BytesMut, size: usize) {
        by.extend_from_slice(buffer);
        let last = std::mem::replace(buffer, by);
        let last_size = std::mem::replace(&mut self.size, size);
        self.keep(last, last_size);
    }

    /// Keeps a buffer that was received into.
    fn keep(&mut self, mut buffer: BytesMut, size: usize) {
        if size >= LARGE && self.has_room(size) {
            buffer.clear();
            self.large.push((buffer, size));
        }
    }

    /// Whether values may keep so many bytes more in large buffers.
    fn has_room(&self, size: usize) -> bool {
        size < LARGE || self.large.iter().map(|(_, size)| size).sum::<usize>() + size <= LARGE_MAX
    }

    /// Gives large buffers up, and the one that is received into, unless it holds much of a box. What is
    /// received from now on goes into small ones again, if it is not much.
    pub(super) fn release(&mut self, buffer: &mut BytesMut) {
        self.large = Vec::new();
        if buffer.len() < LARGE {
            self.leave(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::collections::VecDeque;

    const WANTED: usize = 4 * LARGE;

    /// Fills `buffer`, all but what is not a whole value, and takes the values.
    fn values(buffer: &mut BytesMut, partial: usize) -> Bytes {
        buffer.resize(buffer.capacity(), b'v');
        let values = buffer.split_to(buffer.len() - partial);
        buffer.fill(b'p');
        values.freeze()
    }

    #[test]
    fn a_buffer_is_used_again_once_its_values_are_gone() {
        let (mut buffers, mut buffer) = (Buffers::default(), BytesMut::new());
        buffers.make_room(&mut buffer, 2, WANTED);
        let (first, size) = (buffer.as_ptr(), buffer.capacity());
        let kept = values(&mut buffer, 3);
        buffers.make_room(&mut buffer, 2, WANTED);
        assert_ne!(buffer.as_ptr(), first, "values are in there");
        assert_eq!(&buffer[..], b"ppp");
        let second = buffer.as_ptr();
        drop(values(&mut buffer, 4));
        buffers.make_room(&mut buffer, 2, WANTED);
        assert_eq!(buffer.as_ptr(), second, "nothing is in there");
        assert_eq!(&buffer[..], b"pppp");
        let also_kept = values(&mut buffer, 5);
        drop(kept);
        buffers.make_room(&mut buffer, 2, WANTED);
        assert_eq!((buffer.as_ptr(), buffer.capacity()), (first, size));
        assert_eq!(&buffer[..], b"ppppp");
        assert!(also_kept[4..].iter().all(|byte| *byte == b'v'));
    }

    /// However long they keep them, and whoever has sent them.
    #[test]
    fn values_keep_few_bytes_beside_their_own() {
        let (mut buffers, mut buffer) = (Buffers::default(), BytesMut::new());
        let mut kept = Vec::new();
        let mut made = 0;
        for _ in 0..100 {
            buffers.make_room(&mut buffer, 2, WANTED);
            made += buffer.capacity();
            buffer.resize(buffer.capacity(), b'v');
            kept.push(buffer.split().split_to(20).freeze());
        }
        assert!(made <= LARGE_MAX + 100 * SMALL, "{made} bytes for {} values", kept.len());
        assert!(buffers.large.len() <= LARGE_MAX / WANTED);
        kept.clear();
        buffers.make_room(&mut buffer, 2, WANTED);
        assert_eq!(buffer.capacity(), WANTED);
    }

    /// A buffer of this size is filled by many short reads, not one by each of them.
    #[test]
    fn short_reads_share_a_small_buffer() {
        let (mut buffers, mut buffer) = (Buffers::default(), BytesMut::new());
        let mut kept = Vec::new();
        while buffers.has_room(WANTED) || buffer.capacity() > SMALL {
            buffers.make_room(&mut buffer, 2, WANTED);
            kept.push(values(&mut buffer, 0));
        }
        let mut made = 0;
        for _ in 0..100 {
            let end = buffer.as_ptr_range().end;
            buffers.make_room(&mut buffer, 2, WANTED);
            if buffer.as_ptr_range().end != end {
                made += buffer.capacity();
            }
            buffer.extend_from_slice(&[b'v'; 100]);
            kept.push(buffer.split().freeze());
        }
        assert!(made <= 2 * SMALL, "{made} bytes for {} bytes of values", 100 * 100);
    }

    /// Some are given up and others are kept, so that buffers come and go.
    #[test]
    fn values_that_stay_while_others_go_keep_few_bytes_beside_their_own() {
        let (mut buffers, mut buffer) = (Buffers::default(), BytesMut::new());
        let mut kept: VecDeque<(Bytes, usize)> = VecDeque::new();
        let mut staying = Vec::new();
        for _ in 0..100 {
            loop {
                buffers.make_room(&mut buffer, 2, WANTED);
                let size = buffer.capacity();
                buffer.resize(size, b'v');
                let value = buffer.split().split_to(20).freeze();
                if size < LARGE {
                    break;
                }
                kept.push_back((value, size));
            }
            staying.extend(kept.pop_back());
            kept.pop_front();
        }
        let bytes: usize = staying.iter().chain(&kept).map(|(_, size)| size).sum();
        assert!(bytes <= LARGE_MAX, "{bytes} bytes for {} values", staying.len() + kept.len());
    }

    #[test]
    fn what_has_to_be_received_fits_however_many_values_are_kept() {
        let (mut buffers, mut buffer) = (Buffers::default(), BytesMut::new());
        let mut kept = Vec::new();
        for partial in (0..40).map(|n| n * 2000) {
            buffers.make_room(&mut buffer, 65_000, WANTED);
            assert!(buffer.capacity() - buffer.len() >= 65_000);
            kept.push(values(&mut buffer, partial));
        }
    }

    #[test]
    fn a_large_box_moves_seldom() {
        let (mut buffers, mut buffer) = (Buffers::default(), BytesMut::new());
        let mut sizes = Vec::new();
        while buffer.len() < 64 * WANTED {
            buffers.make_room(&mut buffer, 2, WANTED);
            sizes.push(buffer.capacity());
            buffer.resize(buffer.capacity(), 0);
        }
        assert!(sizes.len() <= 8, "{sizes:?}");
        let ampbox = buffer.split_to(buffer.len() - 3);
        buffers.leave(&mut buffer);
        assert!(buffer.capacity() < SMALL && buffer.len() == 3);
        drop(ampbox);
        buffers.make_room(&mut buffer, 2, WANTED);
        assert_eq!(buffer.capacity(), WANTED);
    }

    #[test]
    fn large_buffers_are_given_up_after_a_while() {
        let (mut buffers, mut buffer) = (Buffers::default(), BytesMut::new());
        buffers.make_room(&mut buffer, 2, LARGE - 1);
        assert!(!buffers.are_large(), "nothing to give up");
        let small = values(&mut buffer, 3);
        for _ in 0..3 {
            buffers.make_room(&mut buffer, 2, WANTED);
            let kept = values(&mut buffer, 3);
            buffers.make_room(&mut buffer, 2, WANTED);
            assert_eq!(buffers.large.len(), 1);
            assert!(buffers.are_large());
            buffers.release(&mut buffer);
            assert!(buffers.large.is_empty() && !buffers.are_large());
            assert_eq!(buffer, "ppp", "what was received stays");
            drop(values(&mut buffer, 3));
            drop(kept);
        }
        buffers.make_room(&mut buffer, 2, WANTED);
        buffer.clear();
        buffers.release(&mut buffer);
        assert_eq!(buffer.capacity(), 0);
        drop(small);
    }

    /// The rest of it may never come.
    #[test]
    fn the_beginning_of_a_box_does_not_keep_a_large_buffer() {
        let (mut buffers, mut buffer) = (Buffers::default(), BytesMut::new());
        buffers.make_room(&mut buffer, 2, WANTED);
        let kept = values(&mut buffer, 3);
        buffers.release(&mut buffer);
        assert_eq!(buffer, "ppp");
        assert!(kept.is_unique(), "it is the values' alone");
        buffers.make_room(&mut buffer, 2, SMALL);
        assert!(buffers.large.is_empty(), "what is not given up any more");

        // Much of a box is not moved each time.
        buffers.make_room(&mut buffer, 2, WANTED);
        drop(values(&mut buffer, LARGE));
        let place = buffer.as_ptr();
        buffers.release(&mut buffer);
        assert_eq!(buffer.as_ptr(), place);
        buffers.make_room(&mut buffer, 2, SMALL);
        assert!(buffers.are_large());
    }
}
