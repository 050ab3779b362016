#[cfg(feature = "tokio")]
pub(super) mod removing;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::collections::VecDeque;
use std::io::IoSlice;

use super::Body;
use super::held::SendingCount;
use crate::argument::Attachment;
use crate::boxes::Segment;

/// From this size on, in bytes, pairs are sent from where they are rather than copied.
const OWN_SEGMENT: usize = 16 << 10;

/// An emptied buffer over this size, in bytes, is given back rather than kept for the next boxes.
const KEPT: usize = 256 << 10;

/// An emptied buffer over this size, in bytes, is given back after a while.
#[cfg(feature = "tokio")]
const KEPT_IDLE: usize = 16 << 10;

/// Pairs of more than this size, in bytes, leave no buffer behind for the next box.
const KEPT_PAIRS: usize = 64 << 10;

/// How many attachments are sent ahead of the boxes that name them, unless one box names more. The
/// other side keeps what it has received and not claimed, and bounds it.
pub(super) const AHEAD: usize = 64;

/// The bytes that wait to be sent, and the attachments that they name.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// What comes before `tail`.
    segments: VecDeque<Bytes>,
    /// Where small boxes are put one behind the other.
    tail: BytesMut,
    len: usize,
    /// How many boxes were put in since it was last empty.
    boxes: usize,
    /// How many bytes were sent since the beginning. Places are counted from there.
    sent: u64,
    /// The boxes that name attachments, and those attachments, without what is in `ahead`.
    naming: VecDeque<Naming>,
    attachments: VecDeque<Attachment>,
    /// The attachments that go with the next byte.
    ahead: VecDeque<Attachment>,
    /// The boxes that those are of, and others whose attachments went with earlier bytes.
    ahead_of: Vec<Naming>,
    /// Where the first box begins whose attachments are not in `ahead` and were not sent with it.
    ahead_until: u64,
    /// All of them, among those of all connections.
    count: SendingCount,
}

/// A box that names attachments.
#[derive(Clone, Copy, Debug)]
struct Naming {
    start: u64,
    /// How many bytes it has; none once it was taken out.
    #[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "a driver takes boxes out"))]
    len: usize,
    attachments: usize,
}

impl Outgoing {
    /// Returns how many bytes wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns how many boxes were put in since nothing waited. Those that are sent count until all are.
    pub fn boxes(&self) -> usize {
        self.boxes
    }

    /// Whether all bytes that wait lie behind each other, as those of small boxes do.
    #[inline]
    pub(crate) fn is_in_one_piece(&self) -> bool {
        self.segments.is_empty()
    }

    /// Returns the bytes that come first, in as many of `slices` as are needed or there are; how many
    /// those are, and the attachments that must be sent with the first of them.
    pub fn parts<'a>(
        &'a mut self,
        slices: &mut [IoSlice<'a>],
    ) -> (usize, &'a mut VecDeque<Attachment>) {
        let mut room = self.send_ahead();
        if self.is_in_one_piece() {
            let part = &self.tail[..self.tail.len().min(room)];
            let slice = slices.first_mut().filter(|_| !part.is_empty());
            let count = slice.map_or(0, |slice| {
                *slice = IoSlice::new(part);
                1
            });
            return (count, &mut self.ahead);
        }
        let parts = self.segments.iter().map(|segment| &segment[..]).chain([&self.tail[..]]);
        let parts = parts.map_while(|part| {
            let part = &part[..part.len().min(room)];
            room -= part.len();
            (room > 0 || !part.is_empty()).then_some(part)
        });
        let parts = parts.filter(|part| !part.is_empty());
        let count = parts.zip(slices).map(|(part, slice)| *slice = IoSlice::new(part)).count();
        (count, &mut self.ahead)
    }

    /// Whether it keeps a large buffer for further boxes, and none waits.
    #[cfg(feature = "tokio")]
    pub(crate) fn is_large(&mut self) -> bool {
        self.is_empty() && self.tail.try_reclaim(KEPT_IDLE + 1)
    }

    /// Gives back what it keeps for further boxes, if none waits.
    #[cfg(feature = "tokio")]
    pub(crate) fn release(&mut self) {
        if self.is_empty() {
            self.tail = BytesMut::new();
            self.segments = VecDeque::new();
        }
    }

    /// The last bytes that wait, so many of them.
    #[cfg(feature = "tokio")]
    pub(crate) fn last_bytes(&self, len: usize) -> impl Iterator<Item = &[u8]> {
        let mut before = self.len - len;
        self.bytes().map(move |part| {
            let left_out = before.min(part.len());
            before -= left_out;
            &part[left_out..]
        })
    }

    /// All bytes that wait, in parts that may cut a pair of a box.
    #[cfg(feature = "tokio")]
    pub(crate) fn bytes(&self) -> impl Iterator<Item = &[u8]> {
        self.segments.iter().map(|segment| &segment[..]).chain([&self.tail[..]])
    }

    /// Says which attachments go with the next byte, and returns how many bytes may be sent before the
    /// attachments of a further box have to go.
    fn send_ahead(&mut self) -> usize {
        if self.sent >= self.ahead_until && self.ahead.is_empty() {
            self.ahead_of.clear();
            while let Some(next) = self.naming.front()
                && (self.ahead.is_empty() || self.ahead.len() + next.attachments <= AHEAD)
            {
                self.bring_ahead();
            }
        }
        match self.naming.front() {
            Some(next) => {
                self.ahead_until = next.start;
                usize::try_from(next.start - self.sent).unwrap_or(usize::MAX)
            }
            None => self.len,
        }
    }

    /// The attachments of the next box go with the next byte.
    fn bring_ahead(&mut self) {
        if let Some(next) = self.naming.pop_front() {
            self.ahead.extend(self.attachments.drain(..next.attachments));
            self.ahead_of.push(next);
        }
    }

    /// Forgets the first `sent` bytes.
    ///
    /// # Panics
    ///
    /// When there are not as many.
    pub fn advance(&mut self, mut sent: usize) {
        assert!(sent <= self.len, "{sent} bytes sent of {}", self.len);
        self.count.set(self.attachments());
        self.len -= sent;
        self.sent += sent as u64;
        if self.len == 0 {
            self.boxes = 0;
        }
        while let Some(segment) = self.segments.front_mut() {
            let part = sent.min(segment.len());
            segment.advance(part);
            sent -= part;
            if !segment.is_empty() {
                return;
            }
            self.segments.pop_front();
        }
        if sent < self.tail.len() {
            self.tail.advance(sent);
        } else {
            self.tail.clear();
            // The buffer may be the end of a larger one, of which the rest was sent on its own.
            if self.tail.try_reclaim(KEPT + 1) {
                self.tail = BytesMut::new();
            }
        }
    }

    /// Returns whether all bytes were sent that attachments could go with, and attachments are left: the
    /// transport takes too few at once, or boxes name many in few bytes.
    pub fn lacks_bytes(&self) -> bool {
        let next = self.naming.front().map(|next| next.start);
        !self.ahead.is_empty() && next.unwrap_or(self.sent + self.len as u64) == self.sent
    }

    /// Returns how many attachments wait.
    #[inline]
    pub(crate) fn attachments(&self) -> usize {
        self.ahead.len() + self.attachments.len()
    }

    /// Moves everything to `to`, which must be empty.
    pub fn take(&mut self, to: &mut Outgoing) {
        debug_assert!(to.is_empty() && to.attachments.is_empty() && to.ahead.is_empty());
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
        self.naming.clear();
        self.ahead_of.clear();
        let mut attachments = std::mem::take(&mut self.ahead);
        attachments.append(&mut self.attachments);
        self.count.set(0);
        attachments
    }

    /// Moves everything of `other` behind what is there.
    pub(crate) fn append(&mut self, other: Outgoing) {
        let end = self.sent + self.len as u64;
        self.naming.extend(
            other
                .naming
                .into_iter()
                .map(|naming| Naming { start: end + (naming.start - other.sent), ..naming }),
        );
        self.attachments.extend(other.attachments);
        self.count.set(self.attachments());
        self.segments.push_back(self.tail.split().freeze());
        self.segments.extend(other.segments);
        self.tail = other.tail;
        self.len += other.len;
        self.boxes += other.boxes;
    }

    /// Puts a box in: what `head` writes, then the body, which is left empty.
    #[inline]
    pub(super) fn push(&mut self, head: impl FnOnce(&mut BytesMut), body: &mut Body) {
        let start = self.len;
        let attachments = body.attachments.len();
        if attachments > 0 {
            self.attachments.extend(body.attachments.drain(..));
            self.count.set(self.attachments());
        }
        self.boxes += 1;
        let before = self.tail.len();
        head(&mut self.tail);
        self.len += self.tail.len() - before;
        body.pairs.put_u16(0);
        body.count = 0;
        if body.segments.is_empty() && body.pairs.len() < OWN_SEGMENT {
            self.tail.put_slice(&body.pairs);
            self.len += body.pairs.len();
            body.pairs.clear();
        } else {
            self.push_segments(body);
        }
        if attachments > 0 {
            let len = self.len - start;
            self.naming.push_back(Naming { start: self.sent + start as u64, len, attachments });
        }
    }

    /// Puts whole boxes in that are small and name no attachments.
    #[cfg(feature = "tokio")]
    #[inline]
    pub(super) fn push_boxes(&mut self, boxes: &[u8], count: usize) {
        self.tail.put_slice(boxes);
        self.len += boxes.len();
        self.boxes += count;
    }

    /// Puts a body in of which some is sent from where it is.
    fn push_segments(&mut self, body: &mut Body) {
        let all = body.pairs.len();
        let mut before = 0;
        for Segment { at, bytes } in body.segments.drain(..) {
            self.push_pairs(&mut body.pairs, at - before);
            self.push_segment(bytes);
            before = at;
        }
        self.push_pairs(&mut body.pairs, all - before);
        if all > KEPT_PAIRS {
            // What is left of the buffer would keep all of its memory, however small it looks.
            body.pairs = BytesMut::new();
        }
    }

    /// Puts the first `len` bytes of `pairs` in, which are taken off.
    fn push_pairs(&mut self, pairs: &mut BytesMut, len: usize) {
        if len < OWN_SEGMENT {
            self.tail.put_slice(&pairs[..len]);
            self.len += len;
            pairs.advance(len);
        } else {
            self.push_segment(pairs.split_to(len).freeze());
        }
    }

    fn push_segment(&mut self, bytes: Bytes) {
        self.len += bytes.len();
        self.segments.push_back(self.tail.split().freeze());
        self.segments.push_back(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    pub(super) fn body(size: usize) -> Body {
        Body { pairs: BytesMut::from(&vec![b'x'; size][..]), ..Body::default() }
    }

    /// Values of these sizes between pairs of these sizes, of which there is one more.
    pub(super) fn body_with_values(pairs: &[usize], values: &[usize]) -> Body {
        let mut body = body(0);
        for (index, size) in pairs.iter().enumerate() {
            body.pairs.put_bytes(b'x', *size);
            if let Some(size) = values.get(index) {
                let bytes = Bytes::from(vec![b'v'; *size]);
                body.segments.push(Segment { at: body.pairs.len(), bytes });
            }
        }
        body
    }

    /// Takes all bytes, at most `step` at a time.
    fn send(outgoing: &mut Outgoing, step: usize) -> Vec<u8> {
        let mut sent = Vec::new();
        while !outgoing.is_empty() {
            let mut slices = [IoSlice::new(&[]); 3];
            let (count, _) = outgoing.parts(&mut slices);
            let before = sent.len();
            sent.extend(slices[..count].iter().flat_map(|slice| slice.iter()).take(step));
            outgoing.advance(sent.len() - before);
        }
        sent
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
            assert!(send(&mut outgoing, step) == expected, "in steps of {step}");
        }
    }

    #[test]
    fn values_leave_from_where_they_are_between_the_pairs() {
        let large = OWN_SEGMENT + 1;
        let bodies = [
            (&[4, 0][..], &[60_000][..]),
            (&[4, 4, 0], &[60_000, 1]),
            (&[0, 0, 5], &[3, 3]),
            (&[large, 4, large], &[7, 8]),
            (&[1], &[]),
            (&[0, large], &[5]),
        ];
        for step in [1000, 70_000] {
            let mut outgoing = Outgoing::default();
            let mut expected = Vec::new();
            for (pairs, values) in bodies {
                let mut body = body_with_values(pairs, values);
                let shared: Vec<_> = body.segments.iter().map(|s| s.bytes.as_ptr()).collect();
                expected.extend(b"head");
                for (index, size) in pairs.iter().enumerate() {
                    expected.extend(vec![b'x'; *size]);
                    expected.extend(vec![b'v'; values.get(index).copied().unwrap_or_default()]);
                }
                expected.extend([0, 0]);
                outgoing.push(|out| out.put_slice(b"head"), &mut body);
                assert!(body.pairs.is_empty() && body.segments.is_empty());
                assert_eq!(outgoing.len(), expected.len());
                let waits = |ptr| outgoing.segments.iter().any(|s| s.as_ptr() == ptr);
                assert!(shared.into_iter().all(waits), "nothing was copied");
            }
            #[cfg(feature = "tokio")]
            assert!(outgoing.bytes().collect::<Vec<_>>().concat() == expected);
            assert!(send(&mut outgoing, step) == expected, "in steps of {step}");
        }
    }

    /// However the bytes are cut: attachments keep their order, none comes after the first byte of
    /// its box, and not many come before.
    #[test]
    fn attachments_go_a_little_ahead_of_their_boxes() {
        let many = if cfg!(miri) { 40 } else { 400 };
        for (step, counts) in [
            (1, vec![1; many]),
            (7, vec![0, 3, 0, 100, 29, 100, 1, 0]),
            (1000, vec![40; 30]),
            (usize::MAX, vec![0, 1, 63, 64, 65, 127, 128, 129, 1000, 2, 0, 5]),
        ] {
            let mut outgoing = Outgoing::default();
            let mut held = Outgoing::default();
            let mut starts = Vec::new();
            for (index, count) in counts.iter().enumerate() {
                let queue = if index < counts.len() / 2 { &mut outgoing } else { &mut held };
                let attachments = (0..*count).map(|_| Arc::new(()) as Attachment).collect();
                let mut body = Body { attachments, ..body_with_values(&[20, 10], &[20]) };
                starts.extend(vec![index * 56; *count]);
                queue.push(|out| out.put_slice(b"head"), &mut body);
            }
            outgoing.append(held);
            let total = outgoing.len();
            assert_eq!(total, counts.len() * 56);

            let largest = *counts.iter().max().unwrap();
            let (mut sent, mut attached) = (0, 0);
            while !outgoing.is_empty() {
                let mut slices = [IoSlice::new(&[]); 3];
                let (count, attachments) = outgoing.parts(&mut slices);
                let bytes: usize = slices[..count].iter().map(|slice| slice.len()).sum();
                attached += attachments.drain(..).count();
                let taken = bytes.min(step);
                sent += taken;
                outgoing.advance(taken);
                let due = starts.partition_point(|start| *start < sent);
                assert!(attached >= due, "{attached} attachments and {sent} bytes");
                assert!(attached - due <= AHEAD.max(largest), "{attached} ahead of {due}");
            }
            assert_eq!((sent, attached), (total, starts.len()));
        }
    }

    #[test]
    fn attachments_that_no_byte_is_left_for_are_noticed() {
        let attachments = || (0..3).map(|_| Arc::new(()) as Attachment).collect();
        let mut outgoing = Outgoing::default();
        for len in [200, 10] {
            let attachments = (0..len).map(|_| Arc::new(()) as Attachment).collect();
            outgoing.push(|_| (), &mut Body { attachments, ..body(98) });
        }
        for sent in 1..=100 {
            let (_, ahead) = outgoing.parts(&mut [IoSlice::new(&[])]);
            ahead.pop_front();
            outgoing.advance(1);
            assert_eq!(outgoing.lacks_bytes(), sent == 100);
        }

        let mut outgoing = Outgoing::default();
        outgoing.push(|_| (), &mut Body { attachments: attachments(), ..body(0) });
        outgoing.parts(&mut [IoSlice::new(&[])]).1.drain(..2);
        outgoing.advance(2);
        assert!(outgoing.lacks_bytes());
        outgoing.parts(&mut []).1.clear();
        assert!(!outgoing.lacks_bytes());
    }

    #[test]
    fn a_large_buffer_is_not_kept() {
        let mut outgoing = Outgoing::default();
        for _ in 0..40 {
            outgoing.push(|_| (), &mut body(OWN_SEGMENT - 3));
        }
        outgoing.advance(outgoing.len());
        assert!(outgoing.tail.capacity() <= KEPT);

        // Nor what is left of it behind a part that was sent on its own.
        for _ in 0..60 {
            outgoing.push(|_| (), &mut body(OWN_SEGMENT - 3));
        }
        outgoing.push(|_| (), &mut body(OWN_SEGMENT));
        outgoing.advance(outgoing.len());
        assert!(!outgoing.tail.try_reclaim(KEPT + 1));
    }

    #[test]
    fn a_body_does_not_keep_what_was_sent_from_where_it_was() {
        let large = KEPT_PAIRS + 1;
        for (pairs, values) in [(&[large][..], &[][..]), (&[large, 5], &[7])] {
            let mut outgoing = Outgoing::default();
            let mut body = body_with_values(pairs, values);
            outgoing.push(|_| (), &mut body);
            outgoing.advance(outgoing.len());
            assert!(!body.pairs.try_reclaim(large));
        }
    }
}
