//! Answers that were given one after the other, and go into the queue together.

use bytes::{BufMut, BytesMut};

use super::heads::{END, put_answer, reserved_len};
use super::side::Core;
use crate::boxes::BoxLimits;
use crate::keys;
use crate::proto::{Body, Host, Limits};

/// An answer over this size, in bytes, does not wait for others.
const SMALL: usize = 1 << 10;

/// So many answers are enough, and so many bytes of them.
const COUNT: usize = 16;
const BYTES: usize = 4 << 10;

/// What waits is no more than this part of what may be queued.
const PART: usize = 16;

/// Answers that are yet to be queued, in their order.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    boxes: BytesMut,
    count: usize,
}

impl Answers {
    /// Adds the answer to the call with this tag, and leaves its body empty. `false` if it is not one that may
    /// wait: it is large, has attachments, or is over a limit.
    #[inline]
    pub(crate) fn add(&mut self, tag: &[u8], body: &mut Body, boxes: BoxLimits) -> bool {
        let len = reserved_len(keys::ANSWER, tag) + body.pairs.len() + END;
        let is_small = len <= SMALL && body.segments.is_empty() && body.attachments.is_empty();
        if !is_small || boxes.check(len, 1 + body.count).is_err() {
            return false;
        }
        put_answer(&mut self.boxes, tag);
        self.boxes.put_slice(&body.pairs);
        self.boxes.put_bytes(0, END);
        self.count += 1;
        body.pairs.clear();
        body.count = 0;
        true
    }

    /// Whether they are to be queued now.
    #[inline]
    pub(crate) fn are_enough(&self, limits: &Limits) -> bool {
        self.count >= COUNT.min(limits.send_queue_boxes / PART)
            || self.boxes.len() >= BYTES.min(limits.send_queue / PART)
    }

    pub(crate) fn clear(&mut self) {
        self.boxes.clear();
        self.count = 0;
    }
}

impl<W, H: Host> Core<W, H> {
    /// Queues answers, none of which is to a call that has asked for a protocol switch. None is left. They are
    /// dropped when the connection has ended.
    #[inline]
    pub(crate) fn answer_all(&mut self, answers: &mut Answers) {
        if self.end().over().is_none() {
            self.push_answers(&answers.boxes, answers.count);
        }
        answers.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::argument::Attachment;
    use crate::boxes::Segment;
    use crate::proto::ProtocolLimits;
    use bytes::Bytes;
    use std::sync::Arc;

    fn body(len: usize) -> Body {
        let mut body = Body::default();
        let mut writer = body.writer();
        writer.put(b"a", &vec![b'x'; len]).unwrap();
        writer.finish().unwrap();
        body
    }

    /// What is sent of answers of these lengths, and the counters.
    fn sent(answer: impl FnOnce(&mut Core<u32>)) -> (Vec<u8>, String) {
        let mut core = Core::new(ProtocolLimits::default());
        answer(&mut core);
        let boxes = core.queued_boxes();
        (core.outgoing().take_bytes(), format!("{boxes} {:?}", core.counters()))
    }

    #[test]
    fn answers_that_go_together_are_those_that_go_one_by_one() {
        let lens = [0, 1, 200, 900];
        let one_by_one = sent(|core| {
            for len in lens {
                core.answer(b"1f", &mut body(len)).unwrap();
            }
        });
        let together = sent(|core| {
            let mut answers = Answers::default();
            for len in lens {
                let mut body = body(len);
                assert!(answers.add(b"1f", &mut body, BoxLimits::default()));
                assert!(body.pairs.is_empty() && body.count == 0);
            }
            core.answer_all(&mut answers);
            core.answer_all(&mut answers);
        });
        assert_eq!(together, one_by_one);
    }

    #[test]
    fn what_is_large_or_has_attachments_or_is_over_a_limit_waits_for_nothing() {
        let mut answers = Answers::default();
        let limits = BoxLimits::default();
        let attachment: Attachment = Arc::new(());
        let with_attachment = Body { attachments: vec![attachment], ..body(1) };
        let mut shared = body(1);
        shared.segments.push(Segment { at: 1, bytes: Bytes::from_static(b"x") });
        for mut body in [body(SMALL), with_attachment, shared] {
            let before = (body.len(), body.attachments.len(), body.count);
            assert!(!answers.add(b"1", &mut body, limits));
            assert_eq!((body.len(), body.attachments.len(), body.count), before);
        }
        assert!(!answers.add(b"1", &mut body(40), limits.max_bytes(50)));
        assert!(!answers.add(b"1", &mut body(1), limits.max_pairs(1)));
        assert_eq!(answers.count, 0);
    }

    #[test]
    fn no_more_wait_than_a_part_of_what_may_be_queued() {
        let limits = Limits::default();
        let until_enough = |len, limits: &Limits| {
            let mut answers = Answers::default();
            (1..=100)
                .find(|_| {
                    assert!(answers.add(b"1", &mut body(len), BoxLimits::default()));
                    answers.are_enough(limits)
                })
                .unwrap()
        };
        assert_eq!(until_enough(1, &limits), COUNT);
        assert_eq!(until_enough(900, &limits), 5);
        assert_eq!(until_enough(1, &limits.send_queue_boxes(PART)), 1);
        assert_eq!(until_enough(1, &limits.send_queue_boxes(1)), 1);
        assert_eq!(until_enough(1, &limits.send_queue(PART * 40)), 2);
    }
}
