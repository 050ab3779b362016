//! What is to be sent: boxes go in behind each other, and whoever writes takes all of them.

use bytes::BytesMut;
use std::collections::VecDeque;

use super::heads::END;
use super::side::Core;
use crate::argument::Attachment;
use crate::boxes::BoxError;
use crate::proto::{Body, Host, Outgoing};

/// What there is to be written.
#[derive(Debug)]
pub(crate) enum Transmit {
    Nothing,
    /// What may be more after a moment.
    Later,
    /// Everything that was queued was taken.
    Taken {
        /// Whether somebody waits for room, who was told that there is some.
        awaits_room: bool,
        /// The attachments that the transport does not carry, to be dropped.
        uncarried: VecDeque<Attachment>,
    },
}

impl<W, H: Host> Core<W, H> {
    /// Returns how many bytes are queued: those to be sent, and those that are held back.
    pub(crate) fn queued(&self) -> usize {
        self.outgoing.len() + self.held.as_ref().map_or(0, Outgoing::len)
    }

    /// Returns how many boxes are queued: those to be sent, and those that are held back. See
    /// [`Outgoing::boxes`].
    pub(crate) fn queued_boxes(&self) -> usize {
        self.outgoing.boxes() + self.held.as_ref().map_or(0, Outgoing::boxes)
    }

    /// Returns how many attachments are queued, as [`queued`](Self::queued) counts bytes.
    pub(crate) fn queued_attachments(&self) -> usize {
        self.outgoing.attachments() + self.held.as_ref().map_or(0, Outgoing::attachments)
    }

    /// Whether something is queued that may be sent.
    #[inline]
    pub(crate) fn has_to_send(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether all that there is to send is one call, and nothing else of the connection is under way that
    /// could share its write.
    #[inline]
    pub(crate) fn has_lone_call(&self) -> bool {
        self.outgoing.boxes() == 1 && self.outstanding() == 1 && self.is_uneventful()
    }

    /// Returns whether what is queued is held back, because of a protocol switch.
    pub(crate) fn holds(&self) -> bool {
        self.held.is_some()
    }

    /// Whether a box is within the limits, whose own pairs have `head_len` bytes.
    #[inline]
    pub(super) fn check(
        &self,
        head_len: usize,
        head_pairs: usize,
        body: &Body,
    ) -> Result<(), BoxError> {
        self.boxes.check(head_len + body.len() + END, head_pairs + body.count)
    }

    /// Puts a box behind what is queued.
    #[inline]
    pub(super) fn push(&mut self, head: impl FnOnce(&mut BytesMut), body: &mut Body) {
        let queue = self.held.as_mut().unwrap_or(&mut self.outgoing);
        let before = queue.len();
        queue.push(head, body);
        self.counters.boxes_sent += 1;
        self.counters.bytes_sent += (queue.len() - before) as u64;
    }

    /// Puts answers behind what is queued, which are whole boxes.
    #[cfg(feature = "tokio")]
    #[inline]
    pub(super) fn push_answers(&mut self, boxes: &[u8], count: usize) {
        self.held.as_mut().unwrap_or(&mut self.outgoing).push_boxes(boxes, count);
        self.counters.answers_sent += count as u64;
        self.counters.boxes_sent += count as u64;
        self.counters.bytes_sent += boxes.len() as u64;
    }

    /// The place of the end of all that is queued, among all bytes that this side sends.
    pub(crate) fn end_of_queue(&self) -> u64 {
        self.taken + self.queued() as u64
    }

    /// The place of the end of what may be sent, and is not held back.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn end_of_outgoing(&self) -> u64 {
        self.taken + self.outgoing.len() as u64
    }

    /// Takes what is queued, to be written. When more than one call is outstanding it is first left for
    /// a moment, unless whoever writes has `waited`: others are about to call too, and what they queue
    /// goes out with the same write. A lone call has nobody to wait for.
    #[inline]
    pub(crate) fn poll_transmit(&mut self, writing: &mut Outgoing, waited: bool) -> Transmit {
        if self.outgoing.is_empty() {
            return Transmit::Nothing;
        }
        if self.outstanding() > 1 && !waited {
            return Transmit::Later;
        }
        self.queue_is_taken();
        self.take_queued(writing);
        let awaits_room = self.queue_was_taken();
        // What replaces a transport carries none. The boxes that name them were encoded before; the
        // peer answers that it has not received them.
        let uncarried =
            if self.switch.has_upgraded() { writing.take_attachments() } else { VecDeque::new() };
        Transmit::Taken { awaits_room, uncarried }
    }

    /// Takes all that is queued, to be written.
    pub(crate) fn take_queued(&mut self, writing: &mut Outgoing) {
        self.outgoing.take(writing);
        self.taken += writing.len() as u64;
    }

    /// Returns what is to be sent.
    pub(crate) fn outgoing(&mut self) -> &mut Outgoing {
        &mut self.outgoing
    }
}
