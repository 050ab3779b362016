//! Boxes that were queued and are not sent after all, since the transport refuses what they name.

use std::io;
use std::sync::Arc;

use super::ending::Failed;
use super::side::{Core, Pending};
use crate::argument::Attachment;
use crate::keys;
use crate::proto::calls::{CallId, Tagged};
use crate::proto::{Host, Outgoing, Removed};

/// What a box was that was taken out of what is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WasRemoved {
    /// A call, which is over.
    Call {
        id: CallId,
        /// Whether somebody waits for its answer.
        waits: bool,
        /// Whether it has asked for a protocol switch.
        asked_switch: bool,
    },
    /// An answer. A failure is queued in its place.
    Answer,
    /// A call that wants no answer.
    OneWay,
}

/// What has come of boxes that were taken back.
pub(crate) struct TakenBack {
    /// The boxes, the last first.
    pub(crate) boxes: Vec<(Removed, WasRemoved)>,
    /// How many bytes at the end of what is being written were taken off the queue just now.
    pub(crate) queued: usize,
    /// Whether somebody waits for room, who was told that there is some.
    pub(crate) awaits_room: bool,
}

impl<W: Clone, H: Host> Core<W, H> {
    /// Takes the boxes back whose attachments the transport has refused, for this reason: `one` of those that
    /// go with the next byte, with what is sent for each attachment of its box that others come behind; or
    /// all. They are taken out of what is being written, and if all are refused out of what is queued and
    /// held back, too. What is queued is being written then. The calls among them are over, and answers become
    /// the failure `UNKNOWN` with this reference: [`handle_taken_back`](Self::handle_taken_back) is to follow.
    ///
    /// The peer counts what it receives. Where nothing else has an ordinal behind those of the boxes,
    /// their ordinals are given out again, from `next_ordinal` on; elsewhere stand-ins are sent for them.
    ///
    /// `None` when a part of a box was sent that would be taken back: then nothing more can be.
    pub(crate) fn take_back(
        &mut self,
        writing: &mut Outgoing,
        one: Option<&(usize, Attachment)>,
        error: &Arc<io::Error>,
        reference: &str,
        next_ordinal: &mut u64,
    ) -> Option<TakenBack> {
        let description = self.policy.describe(reference);
        let before = writing.len();
        let start = self.taken - before as u64;
        let mut queued = Outgoing::default();
        self.take_queued(&mut queued);
        let mut queued_len = queued.len();
        writing.append(queued);
        let held = self.held_attachments();
        let waited = writing.attachments() + held;
        let mut dropped = Vec::new();
        let removed = match one {
            // A stand-in must be followed by the attachments behind it. Those of boxes that are held back
            // cannot follow yet, so then all boxes are taken back.
            Some((index, stand_in)) if held == 0 => {
                writing.remove(*index, stand_in, &mut dropped).map(|removed| vec![removed])
            }
            _ => writing.remove_all(&mut dropped),
        };
        let all = held > 0 || one.is_none();
        let held = if all && removed.is_some() {
            self.held.as_mut().and_then(|held| held.remove_all(&mut dropped)).unwrap_or_default()
        } else {
            Vec::new()
        };
        self.released().refused.extend(dropped);
        let removed = removed?;
        let mut boxes = Vec::new();
        // What is held back is behind all that was taken.
        let end = self.taken;
        for (removed, start) in [(held, end), (removed, start)] {
            for removed in removed {
                let (place, len) = (start + removed.before as u64, removed.len);
                self.move_after(place, len as u64);
                self.counters.boxes_sent -= 1;
                self.counters.bytes_sent -= len as u64;
                if place < end {
                    self.taken -= len as u64;
                    queued_len -= if removed.before >= before { len } else { 0 };
                }
                let was = self.handle_removed(&removed, error, &description);
                boxes.push((removed, was));
            }
        }
        let left = writing.attachments() + self.held_attachments();
        *next_ordinal -= (waited - left) as u64;
        let awaits_room = self.queue_was_taken();
        Some(TakenBack { boxes, queued: queued_len, awaits_room })
    }

    /// These boxes were taken back. An answer among them is a failure that its command does not declare, which
    /// closes the connection where any does; unless no more attachments are sent `for_now`, because of others.
    pub(crate) fn handle_taken_back(&mut self, boxes: &[(Removed, WasRemoved)], for_now: bool) {
        if !for_now && boxes.iter().any(|(_, was)| *was == WasRemoved::Answer) {
            self.handle_failure(None, keys::UNKNOWN.as_bytes(), Failed::UNDECLARED);
        }
    }

    /// How many attachments wait that are named by boxes which are held back.
    fn held_attachments(&self) -> usize {
        self.held.as_ref().map_or(0, Outgoing::attachments)
    }

    fn handle_removed(
        &mut self,
        removed: &Removed,
        error: &Arc<io::Error>,
        description: &str,
    ) -> WasRemoved {
        match removed.first_pair() {
            Some((keys::ANSWER, tag)) => {
                self.counters.answers_sent -= 1;
                self.fail(tag, keys::UNKNOWN.as_bytes(), description);
                WasRemoved::Answer
            }
            Some((keys::ASK, tag)) => {
                self.counters.calls_sent -= 1;
                let Tagged::Outstanding(id) = self.calls.find(tag) else {
                    return WasRemoved::OneWay;
                };
                let asked_switch = self.switch.is_asked_by(id);
                if asked_switch {
                    let then = self.switch.end();
                    self.released().then.extend(then);
                    self.stop_holding();
                }
                let waits = if let Some(waiting @ Pending::For(_)) = self.calls.get_mut(id)
                    && let Pending::For(waiter) =
                        std::mem::replace(waiting, Pending::NotSent(Arc::clone(error)))
                {
                    self.released().callers.push(waiter);
                    true
                } else {
                    self.calls.remove(id);
                    false
                };
                WasRemoved::Call { id, waits, asked_switch }
            }
            _ => {
                self.counters.calls_sent -= 1;
                WasRemoved::OneWay
            }
        }
    }

    /// A box of so many bytes was removed: what runs behind it runs earlier, and its own never.
    fn move_after(&mut self, before: u64, len: u64) {
        let end = before + len;
        if let Some(at) = self.after.iter().position(|(position, _)| *position == end)
            && let Some((_, own)) = self.after.remove(at)
        {
            self.released().after.push(own);
        }
        for (position, _) in &mut self.after {
            if *position > end {
                *position -= len;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Body, FailurePolicy, ProtocolLimits, Then};

    /// As many one-way boxes with an attachment each.
    fn queue(core: &mut Core<()>, count: usize) {
        for n in 0..count {
            let attachments = vec![Arc::new(n) as Attachment];
            core.notify(b"A", &mut Body { attachments, ..Body::default() }).unwrap();
        }
    }

    /// So many boxes are being written, queued, and held back behind an answer and a call that asks for a
    /// switch; the first is refused, or all.
    fn take_back([writing, queued, held]: [usize; 3], all: bool) {
        let mut core = Core::<()>::new(ProtocolLimits::default());
        let mut outgoing = Outgoing::default();
        queue(&mut core, writing);
        core.poll_transmit(&mut outgoing, true);
        let box_len = outgoing.len() / writing;
        let mut slices = [io::IoSlice::new(&[])];
        assert_eq!(outgoing.parts(&mut slices).1.len(), writing, "they go with the next byte");
        queue(&mut core, queued);
        core.answer_then(b"1", &mut Body::default(), &mut Some(())).unwrap();
        if held > 0 {
            core.ask_switch(b"S", &mut Body::default(), (), &mut Some(Then::HandOver)).unwrap();
            queue(&mut core, held);
        }

        let stand_in = Arc::new(()) as Attachment;
        let one = (!all).then_some((0, stand_in));
        let error = Arc::new(io::Error::other("refused"));
        let mut next_ordinal = (writing + queued + held) as u64;
        let sent = core.counters().boxes_sent;
        let taken_back =
            core.take_back(&mut outgoing, one.as_ref(), &error, "1", &mut next_ordinal).unwrap();

        // What is held back cannot follow a stand-in.
        let all = all || held > 0;
        let removed = if all { writing + queued + held } else { 1 };
        assert_eq!(taken_back.boxes.len(), removed);
        assert!(taken_back.boxes.iter().all(|(_, was)| *was == WasRemoved::OneWay));
        let stays = writing + queued > 1;
        assert_eq!(next_ordinal, if all || !stays { 0 } else { (writing + queued) as u64 });
        let bytes_before = if all { 0 } else { (writing - 1) * box_len };
        assert_eq!(taken_back.queued, outgoing.len() - bytes_before, "what a log has yet to see");
        let left = outgoing.len() + core.queued();
        assert_eq!(core.end_of_queue(), left as u64, "nothing is written");
        assert_eq!(core.counters().bytes_sent, left as u64);
        assert_eq!(core.counters().boxes_sent, sent - removed as u64);
        let bytes = outgoing.bytes().collect::<Vec<_>>().concat();
        let answer = b"\0\x07_answer\0\x011\0\0";
        let start = bytes.windows(answer.len()).position(|window| window == answer).unwrap();
        let end = (start + answer.len()) as u64;
        assert!(core.take_after(end - 1).is_none() && core.take_after(end).is_some());
    }

    #[test]
    fn boxes_are_taken_back_wherever_they_are_and_places_behind_them_move() {
        for counts in [[1, 0, 0], [2, 0, 0], [1, 1, 0], [2, 2, 0], [1, 0, 1], [2, 1, 2]] {
            take_back(counts, false);
            take_back(counts, true);
        }
    }

    #[test]
    fn an_answer_that_is_taken_back_is_a_failure_unless_no_more_are_sent_for_now() {
        use FailurePolicy::{Close, Stay};
        for (policy, for_now, closes) in
            [(Stay, false, false), (Stay, true, false), (Close, false, true), (Close, true, false)]
        {
            let core = Core::<()>::new(ProtocolLimits::default());
            let mut core = core.with_policy(policy);
            let attachments = vec![Arc::new(0) as Attachment];
            core.answer(b"1", &mut Body { attachments, ..Body::default() }).unwrap();
            let mut outgoing = Outgoing::default();
            core.poll_transmit(&mut outgoing, true);
            let error = Arc::new(io::Error::other("refused"));
            let taken_back = core.take_back(&mut outgoing, None, &error, "1f2e", &mut 1).unwrap();
            assert!(matches!(taken_back.boxes[..], [(_, WasRemoved::Answer)]));
            assert!(core.end().begun().is_none(), "nobody is told while ordinals are locked");
            core.handle_taken_back(&taken_back.boxes, for_now);
            assert_eq!(core.end().begun().is_some(), closes);
            let failure = core.outgoing().take_bytes();
            let told = String::from_utf8_lossy(&failure).contains("reference 1f2e");
            assert_eq!(told, policy == Stay);
        }
    }

    #[test]
    fn nothing_is_taken_back_when_a_part_was_sent() {
        let mut core = Core::<()>::new(ProtocolLimits::default());
        let mut outgoing = Outgoing::default();
        let attachments = vec![Arc::new(0) as Attachment; 2];
        core.notify(b"A", &mut Body { attachments, ..Body::default() }).unwrap();
        core.poll_transmit(&mut outgoing, true);
        outgoing.parts(&mut [io::IoSlice::new(&[])]).1.pop_front();
        outgoing.advance(1);
        let error = Arc::new(io::Error::other("refused"));
        let taken_back = core.take_back(&mut outgoing, None, &error, "1", &mut 2);
        assert!(taken_back.is_none());
    }
}
