//! Boxes that are taken out again, since their attachments are refused.

use bytes::Bytes;

use super::{Naming, Outgoing};
use crate::argument::Attachment;
use crate::boxes::{MAX_KEY, MAX_VALUE};

/// A box that was taken out again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Removed {
    /// How many bytes were before it, without those of the boxes that were removed before it.
    pub(crate) before: usize,
    /// How many bytes it had.
    pub(crate) len: usize,
    /// The first bytes of the box, so many that the first pair is among them.
    head: Vec<u8>,
    /// The bytes themselves. Dropping them may run code of a user, whose they are.
    gone: Vec<Bytes>,
}

impl Removed {
    /// How long the first pair of a box may be, in bytes.
    const HEAD: usize = 2 + MAX_KEY + 2 + MAX_VALUE;

    /// The first pair: a box that is a call with an answer begins with its tag, and so does an
    /// answer.
    pub(crate) fn first_pair(&self) -> Option<(&[u8], &[u8])> {
        let (key, rest) = split_part(&self.head)?;
        Some((key, split_part(rest)?.0))
    }
}

/// Splits off a part that has its length before it.
fn split_part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u16::from_be_bytes(*len).into())
}

impl Outgoing {
    /// Takes the box out that names the attachment at `index` of [`parts`](Self::parts). Where others
    /// come behind the attachments that it names, `stand_in` is sent for each of those, so that the
    /// others keep their ordinals.
    ///
    /// The attachments of the box, and stand-ins that are not sent after all, are put into `dropped`. `None`, and nothing is done, when a part of the box was
    /// sent.
    pub(crate) fn remove(
        &mut self,
        index: usize,
        stand_in: &Attachment,
        dropped: &mut Vec<Attachment>,
    ) -> Option<Removed> {
        let sent = self.sent_ahead();
        let mut end = 0;
        let at = self.ahead_of.iter().position(|naming| {
            end += naming.attachments;
            sent + index < end
        })?;
        let Naming { start, len, attachments } = self.ahead_of[at];
        if start < self.sent || len == 0 {
            return None;
        }
        self.ahead_of[at].len = 0;
        let places = (end - attachments).saturating_sub(sent)..end - sent;
        let removed = self.cut(start, len);
        if places.end == self.ahead.len() && self.naming.is_empty() {
            self.ahead_of[at].attachments -= places.len();
            dropped.extend(self.ahead.drain(places.start..));
            self.take_last_stand_ins(dropped);
            self.count.set(self.attachments());
            return Some(removed);
        }
        for place in self.ahead.range_mut(places) {
            dropped.push(std::mem::replace(place, Attachment::clone(stand_in)));
        }
        if self.naming.front().is_some_and(|next| next.start == self.sent) {
            // Nothing is left that those could go with, but what has to come with the next box.
            self.bring_ahead();
        }
        Some(removed)
    }

    /// Takes all boxes out that name attachments which were not sent, the last first, and puts those
    /// attachments into `dropped`.
    ///
    /// `None` when a part of one was sent: then nothing more can be.
    pub(crate) fn remove_all(&mut self, dropped: &mut Vec<Attachment>) -> Option<Vec<Removed>> {
        let mut sent = self.sent_ahead();
        let mut unsent = std::mem::take(&mut self.ahead_of);
        unsent.retain(|naming| {
            let is_sent = naming.attachments <= sent;
            sent = sent.saturating_sub(naming.attachments);
            !is_sent && naming.len > 0
        });
        unsent.extend(self.naming.drain(..));
        dropped.extend(self.ahead.drain(..).chain(self.attachments.drain(..)));
        self.count.set(0);
        if unsent.iter().any(|naming| naming.start < self.sent) {
            return None;
        }
        Some(unsent.iter().rev().map(|naming| self.cut(naming.start, naming.len)).collect())
    }

    /// Takes the stand-ins behind which nothing comes any more.
    fn take_last_stand_ins(&mut self, dropped: &mut Vec<Attachment>) {
        for naming in self.ahead_of.iter_mut().rev().take_while(|naming| naming.len == 0) {
            // The others of it were sent.
            let unsent = naming.attachments.min(self.ahead.len());
            naming.attachments -= unsent;
            dropped.extend(self.ahead.drain(self.ahead.len() - unsent..));
        }
    }

    /// How many attachments of the boxes in `ahead_of` were sent.
    fn sent_ahead(&self) -> usize {
        let all: usize = self.ahead_of.iter().map(|naming| naming.attachments).sum();
        all - self.ahead.len()
    }

    /// Takes a box out, of which nothing was sent.
    fn cut(&mut self, start: u64, len: usize) -> Removed {
        let before = usize::try_from(start - self.sent).unwrap_or(usize::MAX);
        let (mut kept, mut left) = (before, len);
        let (mut head, mut gone) = (Vec::new(), Vec::new());
        let tail = self.tail.split().freeze();
        for mut rest in std::mem::take(&mut self.segments).into_iter().chain([tail]) {
            let first = rest.split_to(kept.min(rest.len()));
            kept -= first.len();
            let removed = rest.split_to(left.min(rest.len()));
            left -= removed.len();
            head.extend_from_slice(&removed[..removed.len().min(Removed::HEAD - head.len())]);
            gone.push(removed);
            self.segments.extend([first, rest].into_iter().filter(|part| !part.is_empty()));
        }
        self.len -= len;
        self.boxes = if self.len == 0 { 0 } else { self.boxes - 1 };
        for naming in self.naming.iter_mut().chain(&mut self.ahead_of) {
            if naming.start > start {
                naming.start -= len as u64;
            }
        }
        if self.ahead_until > start {
            self.ahead_until = self.ahead_until.saturating_sub(len as u64).max(start);
        }
        Removed { before, len, head, gone }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{body, body_with_values};
    use super::*;
    use crate::boxes::Segment;
    use crate::proto::Body;
    use bytes::BufMut;
    use std::io::IoSlice;
    use std::sync::Arc;

    /// Four boxes of 42 bytes, of which each but the first names two attachments.
    fn naming_two() -> Outgoing {
        let mut outgoing = Outgoing::default();
        for n in 0..4_u8 {
            let count = if n == 0 { 0 } else { 2 };
            let attachments = (0..count).map(|i| Arc::new(10 * n + i) as Attachment).collect();
            let mut body = Body { attachments, ..body_with_values(&[20, 0], &[10]) };
            let head = [0, 4, b'_', b'a', b's', b'k', 0, 1, n, 0];
            outgoing.push(|out| out.put_slice(&head), &mut body);
        }
        outgoing
    }

    /// The tags of the boxes that are left, and the attachments that go with them.
    fn left(mut outgoing: Outgoing) -> (Vec<u8>, Vec<u8>) {
        let (mut bytes, mut numbers) = (Vec::new(), Vec::new());
        while !outgoing.is_empty() {
            let mut slices = [IoSlice::new(&[]); 20];
            let (count, attachments) = outgoing.parts(&mut slices);
            assert!(count > 0);
            numbers.extend(attachments.drain(..).map(|a| *a.downcast::<u8>().unwrap()));
            let before = bytes.len();
            bytes.extend(slices[..count].iter().flat_map(|slice| slice.iter()).copied());
            outgoing.advance(bytes.len() - before);
            assert!(!outgoing.lacks_bytes());
        }
        assert_eq!((outgoing.attachments(), outgoing.boxes()), (0, 0));
        (bytes.chunks(42).map(|ampbox| ampbox[8]).collect(), numbers)
    }

    #[test]
    fn a_box_is_taken_out_and_its_attachments_are_replaced_where_others_follow() {
        let stand_in = Arc::new(99_u8) as Attachment;
        for (index, tag, before, rest, numbers) in [
            (0, 1, 42, [0, 2, 3], &[99, 99, 20, 21, 30, 31][..]),
            (3, 2, 84, [0, 1, 3], &[10, 11, 99, 99, 30, 31]),
            (5, 3, 126, [0, 1, 2], &[10, 11, 20, 21]),
        ] {
            let mut outgoing = naming_two();
            outgoing.parts(&mut []);
            let removed = outgoing.remove(index, &stand_in, &mut Vec::new()).unwrap();
            assert_eq!((removed.before, removed.len), (before, 42));
            assert_eq!(removed.first_pair().unwrap(), (&b"_ask"[..], &[tag][..]));
            assert_eq!(left(outgoing), (rest.to_vec(), numbers.to_vec()));
        }
    }

    /// Bytes that lie in the queue as they are, with whoever has them until they are dropped.
    fn owned() -> (Bytes, Arc<()>) {
        struct Owner(Vec<u8>, #[expect(dead_code)] Arc<()>);

        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        let owner = Arc::new(());
        (Bytes::from_owner(Owner(vec![b'v'; 20_000], Arc::clone(&owner))), owner)
    }

    /// Dropping them may run code of a user.
    #[test]
    fn the_values_and_the_stand_ins_that_are_taken_out_are_given_to_the_caller() {
        let stand_in = Arc::new(99_u8) as Attachment;
        for all in [false, true] {
            let (bytes, owner) = owned();
            let mut outgoing = naming_two();
            let mut body = body(10);
            body.segments.push(Segment { at: 10, bytes });
            body.attachments.push(Arc::new(40_u8));
            outgoing.push(|_| (), &mut body);
            drop(body);
            outgoing.parts(&mut []);
            let mut dropped = Vec::new();
            let removed = if all {
                outgoing.remove_all(&mut dropped).unwrap()
            } else {
                [0, 2, 4, 6].map(|at| outgoing.remove(at, &stand_in, &mut dropped).unwrap()).into()
            };
            assert_eq!((removed.len(), Arc::strong_count(&owner)), (4, 2));
            assert_eq!(dropped.len(), if all { 7 } else { 13 });
            drop(removed);
            assert_eq!(Arc::strong_count(&owner), 1);
            assert_eq!((outgoing.boxes(), outgoing.attachments()), (1, 0));
        }
    }

    #[test]
    fn what_was_sent_of_the_attachments_is_kept_in_step() {
        let stand_in = Arc::new(99_u8) as Attachment;
        for (sent, numbers) in [(1, &[99, 20, 21, 30, 31][..]), (3, &[99, 30, 31])] {
            let mut outgoing = naming_two();
            outgoing.parts(&mut []).1.drain(..sent);
            outgoing.advance(1);
            outgoing.remove(0, &stand_in, &mut Vec::new()).unwrap();
            let (_, attachments) = outgoing.parts(&mut []);
            let left = attachments.drain(..).map(|a| *a.downcast::<u8>().unwrap());
            assert_eq!(left.collect::<Vec<_>>(), numbers);
        }
    }

    #[test]
    fn all_boxes_that_name_attachments_are_taken_out() {
        let mut outgoing = naming_two();
        outgoing.parts(&mut []);
        let removed = outgoing.remove_all(&mut Vec::new()).unwrap();
        let places: Vec<_> = removed.iter().map(|removed| removed.before).collect();
        assert_eq!(places, [126, 84, 42]);
        assert_eq!(left(outgoing), (vec![0], vec![]));

        // What has all its attachments sent goes on.
        let mut outgoing = naming_two();
        outgoing.parts(&mut []).1.drain(..3);
        let removed = outgoing.remove_all(&mut Vec::new()).unwrap();
        assert_eq!(removed.len(), 2);
        assert_eq!(left(outgoing), (vec![0, 1], vec![]));
    }

    #[test]
    fn a_box_of_which_a_part_was_sent_is_not_taken_out() {
        let stand_in = Arc::new(99_u8) as Attachment;
        let mut outgoing = naming_two();
        outgoing.advance(42);
        outgoing.parts(&mut []).1.drain(..1);
        outgoing.advance(1);
        assert_eq!(outgoing.remove(0, &stand_in, &mut Vec::new()), None);
        assert!(outgoing.remove(1, &stand_in, &mut Vec::new()).is_some());
        assert_eq!(outgoing.remove_all(&mut Vec::new()), None);
    }

    #[test]
    fn stand_ins_go_with_the_next_box_where_nothing_is_before_it() {
        let stand_in = Arc::new(99_u8) as Attachment;
        let mut outgoing = Outgoing::default();
        for len in [100, 100] {
            let attachments = (0..len).map(|_| Arc::new(1_u8) as Attachment).collect();
            outgoing.push(|_| (), &mut Body { attachments, ..body(98) });
        }
        outgoing.parts(&mut []);
        outgoing.remove(5, &stand_in, &mut Vec::new()).unwrap();
        let mut slices = [IoSlice::new(&[])];
        assert_eq!(outgoing.parts(&mut slices).1.len(), 200);
        assert_eq!(slices[0].len(), 100);
    }

    /// Where those begin that have not gone ahead is forgotten with them.
    #[test]
    fn what_is_queued_later_is_sent() {
        let stand_in = Arc::new(99_u8) as Attachment;
        for all in [true, false] {
            let mut outgoing = Outgoing::default();
            let push = |outgoing: &mut Outgoing, count: u8| {
                let attachments = (0..count).map(|n| Arc::new(n) as Attachment).collect();
                outgoing.push(|_| (), &mut Body { attachments, ..body(40) });
            };
            for _ in 0..3 {
                push(&mut outgoing, 50);
            }
            outgoing.parts(&mut []);
            if all {
                outgoing.remove_all(&mut Vec::new()).unwrap();
            } else {
                outgoing.remove(0, &stand_in, &mut Vec::new()).unwrap();
                outgoing.parts(&mut []);
                outgoing.remove(50, &stand_in, &mut Vec::new()).unwrap();
                outgoing.parts(&mut []);
                outgoing.remove(100, &stand_in, &mut Vec::new()).unwrap();
            }
            assert_eq!((outgoing.len(), outgoing.attachments()), (0, 0));
            push(&mut outgoing, 1);
            let mut slices = [IoSlice::new(&[])];
            let (count, attachments) = outgoing.parts(&mut slices);
            assert_eq!((count, attachments.len()), (1, 1));
        }
    }
}
