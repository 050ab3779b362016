use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::collections::VecDeque;
use std::io::IoSlice;

use crate::argument::Attachment;

/// From this size on, in bytes, a body is sent from where it is rather than copied.
const OWN_SEGMENT: usize = 16 << 10;

/// An emptied buffer over this size, in bytes, is given back rather than kept for the next boxes.
const KEPT: usize = 256 << 10;

/// The arguments of a box that is about to be sent: encoded pairs without the box's end, and the
/// attachments that they name.
#[derive(Debug, Default)]
pub struct Body {
    /// The pairs, as a [`BoxWriter`](crate::BoxWriter) leaves them.
    pub pairs: BytesMut,
    /// The attachments, in the order of their ordinals.
    pub attachments: Vec<Attachment>,
}

/// What waits to be sent: bytes, and the attachments that they name.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// What comes before `tail`.
    segments: VecDeque<Bytes>,
    /// Where small boxes are put one behind the other.
    tail: BytesMut,
    attachments: VecDeque<Attachment>,
    len: usize,
}

impl Outgoing {
    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes that come first, in as many of `slices` as are needed or there are; how many
    /// those are, and the attachments.
    pub fn parts<'a>(
        &'a mut self,
        slices: &mut [IoSlice<'a>],
    ) -> (usize, &'a mut VecDeque<Attachment>) {
        let parts = self.segments.iter().map(|segment| &segment[..]).chain([&self.tail[..]]);
        let parts = parts.filter(|part| !part.is_empty());
        let count = parts.zip(slices).map(|(part, slice)| *slice = IoSlice::new(part)).count();
        (count, &mut self.attachments)
    }

    /// Forgets the first `sent` bytes.
    ///
    /// # Panics
    ///
    /// When there are not as many.
    pub fn advance(&mut self, mut sent: usize) {
        assert!(sent <= self.len, "{sent} bytes sent of {}", self.len);
        self.len -= sent;
        while let Some(segment) = self.segments.front_mut() {
            let part = sent.min(segment.len());
            segment.advance(part);
            sent -= part;
            if !segment.is_empty() {
                return;
            }
            self.segments.pop_front();
        }
        self.tail.advance(sent);
        if self.tail.is_empty() {
            if self.tail.capacity() > KEPT {
                self.tail = BytesMut::new();
            } else {
                self.tail.clear();
            }
        }
    }

    /// Moves everything to `to`, which must be empty.
    pub fn take(&mut self, to: &mut Outgoing) {
        debug_assert!(to.is_empty() && to.attachments.is_empty());
        std::mem::swap(self, to);
    }

    /// Takes all bytes at once, and drops the attachments.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len);
        for part in self.segments.drain(..) {
            bytes.extend_from_slice(&part);
        }
        bytes.extend_from_slice(&self.tail);
        *self = Self::default();
        bytes
    }

    /// Takes the attachments and leaves the bytes, for a transport that carries none.
    pub fn take_attachments(&mut self) -> VecDeque<Attachment> {
        std::mem::take(&mut self.attachments)
    }

    /// Moves everything of `other` behind what is there.
    pub(super) fn append(&mut self, other: Outgoing) {
        self.segments.push_back(self.tail.split().freeze());
        self.segments.extend(other.segments);
        self.tail = other.tail;
        self.attachments.extend(other.attachments);
        self.len += other.len;
    }

    /// Puts a box in: what `head` writes, then the body, which is left empty.
    pub(super) fn push(&mut self, head: impl FnOnce(&mut BytesMut), body: &mut Body) {
        let before = self.tail.len();
        head(&mut self.tail);
        if body.pairs.len() < OWN_SEGMENT {
            self.tail.put_slice(&body.pairs);
            self.tail.put_u16(0);
            self.len += self.tail.len() - before;
            body.pairs.clear();
        } else {
            body.pairs.put_u16(0);
            self.len += self.tail.len() - before + body.pairs.len();
            self.segments.push_back(self.tail.split().freeze());
            self.segments.push_back(body.pairs.split().freeze());
        }
        self.attachments.extend(body.attachments.drain(..));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(size: usize) -> Body {
        Body { pairs: BytesMut::from(&vec![b'x'; size][..]), attachments: Vec::new() }
    }

    #[test]
    fn bytes_leave_in_order_however_they_are_taken() {
        for step in [1, 3, 1000, 20_000, 100_000] {
            let mut outgoing = Outgoing::default();
            let mut expected = Vec::new();
            for size in [0, 5, OWN_SEGMENT, 7, OWN_SEGMENT + 1, OWN_SEGMENT] {
                outgoing.push(|out| out.put_slice(b"head"), &mut body(size));
                expected.extend([b"head", &vec![b'x'; size][..], b"\0\0"].concat());
            }
            assert_eq!(outgoing.len(), expected.len());
            let mut sent: Vec<u8> = Vec::new();
            while !outgoing.is_empty() {
                let mut slices = [IoSlice::new(&[]); 3];
                let (count, _) = outgoing.parts(&mut slices);
                let before = sent.len();
                sent.extend(slices[..count].iter().flat_map(|slice| slice.iter()).take(step));
                outgoing.advance(sent.len() - before);
            }
            assert!(sent == expected, "in steps of {step}");
        }
    }

    #[test]
    fn a_large_buffer_is_not_kept() {
        let mut outgoing = Outgoing::default();
        for _ in 0..40 {
            outgoing.push(|_| (), &mut body(OWN_SEGMENT - 1));
        }
        outgoing.advance(outgoing.len());
        assert!(outgoing.tail.capacity() <= KEPT);
    }
}
