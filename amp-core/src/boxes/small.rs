//! Boxes of a few bytes, which are copied out of the buffer that they were received into.

use bytes::{Buf, BytesMut};
use std::ops::Deref;

/// The bytes of a small box. To copy them costs less than to count one more that holds the buffer which they
/// were received into, and to count it down elsewhere: other threads count too. And they keep nothing of
/// that buffer.
#[derive(Clone)]
pub(super) struct Small {
    len: u8,
    bytes: [u8; Self::MOST],
}

impl Small {
    /// The number of bytes that it has at most. So a box fills a line of the cache.
    pub(super) const MOST: usize = 62;

    /// Takes the first `len` bytes, which are there, off the front of `buffer`, if they are few.
    #[inline]
    pub(super) fn take(buffer: &mut BytesMut, len: usize) -> Option<Self> {
        let few = u8::try_from(len).ok().filter(|_| len <= Self::MOST)?;
        // A copy of a fixed length is a few instructions. What is behind `len` is never looked at.
        let bytes = buffer.first_chunk().copied().unwrap_or_else(|| {
            let mut bytes = [0; Self::MOST];
            bytes[..len].copy_from_slice(&buffer[..len]);
            bytes
        });
        buffer.advance(len);
        Some(Self { len: few, bytes })
    }

    /// Drops the first `count` bytes.
    pub(super) fn advance(&mut self, count: usize) {
        self.bytes.copy_within(count..usize::from(self.len), 0);
        #[allow(clippy::cast_possible_truncation, reason = "no more than there are, as seen above")]
        let count = count as u8;
        self.len -= count;
    }
}

impl Deref for Small {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boxes::pair::put_pair;
    use crate::boxes::{BoxLimits, Decoder};
    use bytes::BufMut;

    #[test]
    fn a_small_box_keeps_nothing_of_the_buffer_that_it_was_received_into() {
        // With the first key the pairs are sorted, with the second they are not.
        for key in [&b"a"[..], b"z"] {
            check(key);
        }
    }

    fn check(key: &[u8]) {
        let wire = |len: usize| {
            let mut wire = BytesMut::with_capacity(1000);
            put_pair(&mut wire, key, &vec![b'x'; len - 12]);
            put_pair(&mut wire, b"b", b"");
            wire.put_u16(0);
            wire
        };
        for (len, shared) in [(13, false), (Small::MOST, false), (Small::MOST + 1, true)] {
            // With another box behind it, and without.
            for more in [true, false] {
                let mut buffer = wire(len);
                if more {
                    buffer.unsplit(wire(len));
                }
                let start = buffer.as_ptr();
                let mut decoder = Decoder::new(BoxLimits::default());
                let ampbox = decoder.decode(&mut buffer).unwrap().unwrap();
                assert_eq!(buffer.len(), if more { len } else { 0 });
                let value = ampbox.value(key).unwrap().to_bytes();
                assert_eq!((value.len(), ampbox.len()), (len - 12, 2));
                assert_eq!(value.as_ptr() == start.wrapping_add(5), shared, "{len}");
            }
        }
    }
}
