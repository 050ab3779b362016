use bytes::{BufMut, BytesMut};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;

use crate::argument::Attachment;
use crate::boxes::{AmpBox, BoxError, BoxLimits, MAX_VALUE, Pair, Reserved};
use crate::keys;
use crate::proto::admission::Admission;
use crate::proto::calls::{CallId, Calls, TAG_MAX, Tagged, write_tag};
use crate::proto::held::Claims;
use crate::proto::lanes::Lanes;
use crate::proto::phase::End;
use crate::proto::released::Released;
use crate::proto::switch::Switch;
use crate::proto::together::Together;
use crate::proto::unclaimed::Unclaimed;
use crate::proto::wants::Wants;
use crate::proto::{Body, Host, Limits, NotQueued, Outgoing, ProtocolError, RemoteError};
use crate::setters::setters;

/// A side of a connection: what its callers, its responders and the wire all change.
///
/// Each outstanding call keeps a `W`, which says who waits for its answer: a waker, a channel,
/// or nothing. What else it keeps for others, the [`Host`] says.
pub struct Core<W, H: Host = ()> {
    pub(super) calls: Calls<Waiting<W>>,
    pub(super) limits: Limits,
    /// How large a box may be that this side sends.
    pub(super) boxes: BoxLimits,
    pub(super) outgoing: Outgoing,
    /// What is queued while nothing may be sent: behind a protocol switch.
    pub(super) held: Option<Outgoing>,
    /// How many bytes were taken off the queue since the beginning.
    pub(super) taken: u64,
    /// What runs once so many bytes are written: the later ones behind.
    pub(super) after: VecDeque<(u64, H::After)>,
    pub(super) end: End,
    pub(super) switch: Switch<H>,
    pub(super) admission: Admission,
    /// What the connections of the same server hold together.
    pub(super) together: Option<Arc<Together>>,
    pub(in crate::proto) unclaimed: Unclaimed<H::Discard>,
    /// How many calls have taken their answers and may still claim attachments.
    pub(super) decoding: usize,
    /// What the calls have claimed that are being answered.
    pub(super) claims: Claims,
    /// Responders that are begun one after the other.
    pub(super) lanes: Lanes<W>,
    /// Who waits until fewer responders run, to begin what a peer has left behind that has gone.
    pub(super) leftovers: Vec<W>,
    /// How many streams this side receives, whose items running responders may wait for.
    pub(super) awaited_streams: usize,
    /// Whether a caller waits for room.
    pub(super) awaits_room: bool,
    /// Whether something has changed that the reader looks at before it starts a responder, since
    /// it has last looked.
    pub(super) news: bool,
    /// Whether the driver waits until no box with attachments is being encoded.
    pub(super) awaits_ordinals: bool,
    /// As they were made public last.
    pub(super) published: Wants,
    pub(super) released: Option<Box<Released<W, H>>>,
    pub(super) counters: Counters,
}

/// The limits of what a core holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CoreLimits {
    /// Calls that wait for their answers at once, at most 2^31. 65 536 by default.
    pub outstanding_calls: usize,
    /// The size that a box may have which is sent.
    pub boxes: BoxLimits,
}

setters!(CoreLimits { outstanding_calls: usize, boxes: BoxLimits });

impl Default for CoreLimits {
    fn default() -> Self {
        Self { outstanding_calls: 1 << 16, boxes: BoxLimits::default() }
    }
}

/// The end of a call on the other side: its response, or its error.
pub type Answer = Result<AmpBox, RemoteError>;

#[derive(Debug)]
pub(super) enum Waiting<W> {
    For(W),
    /// Nobody waits for the answer to a protocol switch any more. It says all the same which
    /// protocol the peer speaks.
    Nobody,
    Done(Answer),
    /// It was not sent after all: the transport has refused an attachment.
    NotSent(Arc<io::Error>),
}

/// The meaning of a received box.
#[derive(Debug)]
pub enum Event<W> {
    /// An outstanding call has its answer, which [`Core::take_answer`] hands out.
    Answered {
        /// The call.
        id: CallId,
        /// The one who waited for the answer.
        waiter: W,
    },
    /// The peer has agreed to the switch that was asked for: what it sends from here on is of
    /// another protocol. This is who waited for it, if anyone still does.
    Switched(Option<W>),
    /// The peer calls.
    Called(IncomingCall),
    /// An answer to a call that was given up, or was answered before. It is counted.
    Late {
        /// The call.
        id: CallId,
        /// The answer.
        answer: Answer,
    },
    /// An answer to a call that was never made, or that nobody is told of. It is counted.
    Ignored,
}

/// Counts of what happened on one side of a connection, from its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Calls made, one-way ones included.
    pub calls_sent: u64,
    /// Calls received, one-way ones included.
    pub calls_received: u64,
    /// Answers made to calls of the peer that have succeeded.
    pub answers_sent: u64,
    /// Answers received that say so, late and unknown ones included.
    pub answers_received: u64,
    /// Answers made to calls of the peer that have failed.
    pub errors_sent: u64,
    /// Answers received that say so, late and unknown ones included.
    pub errors_received: u64,
    /// Answers received to calls that had been given up: dropped, or timed out.
    pub late_answers: u64,
    /// Answers received to calls that were never made, or that had been answered before.
    pub unknown_answers: u64,
    /// Boxes queued to be sent.
    pub boxes_sent: u64,
    /// Boxes received.
    pub boxes_received: u64,
    /// Bytes that the boxes sent have.
    pub bytes_sent: u64,
    /// Bytes that the boxes received have.
    pub bytes_received: u64,
}

/// What there is to be written.
#[derive(Debug)]
pub(crate) enum Transmit {
    Nothing,
    /// What may be more after a moment.
    Later,
    /// It was taken.
    Taken {
        /// Whether somebody waits for room, who was told that there is some.
        awaits_room: bool,
        /// The attachments that the transport does not carry, to be dropped.
        uncarried: VecDeque<Attachment>,
    },
}

/// A call that was received.
#[derive(Debug)]
pub struct IncomingCall {
    ampbox: AmpBox,
    command: Pair,
    ask: Option<Pair>,
}

impl IncomingCall {
    /// Returns the name of the command.
    pub fn command(&self) -> &[u8] {
        self.ampbox.value_of(self.command)
    }

    /// Returns the tag that the answer must have, or `None` when there must be no answer.
    pub fn tag(&self) -> Option<&[u8]> {
        self.ask.map(|ask| self.ampbox.value_of(ask))
    }

    /// Returns the whole box, reserved keys included.
    pub fn ampbox(&self) -> &AmpBox {
        &self.ampbox
    }
}

impl<W> Core<W> {
    /// Creates a side that has sent and received nothing yet.
    pub fn new(limits: CoreLimits) -> Self {
        let CoreLimits { outstanding_calls, boxes } = limits;
        let limits = Limits { boxes, outstanding_calls, ..Limits::default() };
        Self::hosted(limits, boxes, None)
    }
}

impl<W, H: Host> Core<W, H> {
    /// A side that has sent and received nothing yet. It sends `boxes` of up to this size.
    pub(crate) fn hosted(
        limits: Limits,
        boxes: BoxLimits,
        together: Option<Arc<Together>>,
    ) -> Self {
        Self {
            calls: Calls::new(limits.outstanding_calls),
            limits,
            boxes,
            outgoing: Outgoing::default(),
            held: None,
            taken: 0,
            after: VecDeque::new(),
            end: End::new(),
            switch: Switch::new(),
            admission: Admission::default(),
            together,
            unclaimed: Unclaimed::default(),
            decoding: 0,
            claims: Claims::default(),
            lanes: Lanes::default(),
            leftovers: Vec::new(),
            awaited_streams: 0,
            awaits_room: false,
            news: true,
            awaits_ordinals: false,
            published: Wants::NOTHING,
            released: None,
            counters: Counters::default(),
        }
    }

    /// Sets how large a box may be that is sent from now on.
    pub fn limit_boxes(&mut self, boxes: BoxLimits) {
        self.boxes = boxes;
    }

    /// Queues a call that wants an answer. The body is left empty.
    ///
    /// # Errors
    ///
    /// When too many calls are outstanding, when the box would be over a limit, or when no more calls
    /// are made. Nothing is queued then, and the body is as it was.
    pub fn call(
        &mut self,
        command: &[u8],
        body: &mut Body,
        waiter: W,
    ) -> Result<CallId, NotQueued> {
        self.check_end()?;
        self.check(call_len(self.calls.next_tag(), command), 2, body)?;
        let id = self.calls.insert(Waiting::For(waiter))?;
        let tag = self.calls.tag(id);
        self.counters.calls_sent += 1;
        self.push(|out| put_call(out, tag, command), body);
        Ok(id)
    }

    /// Queues a call that wants no answer. The body is left empty.
    ///
    /// # Errors
    ///
    /// When the box would be over a limit, or when no more calls are made. Nothing is queued then, and
    /// the body is as it was.
    pub fn notify(&mut self, command: &[u8], body: &mut Body) -> Result<(), NotQueued> {
        self.check_end()?;
        self.check(reserved_len(keys::COMMAND, command), 1, body)?;
        self.counters.calls_sent += 1;
        self.push(|out| put_reserved(out, keys::COMMAND, command), body);
        Ok(())
    }

    /// Queues the answer to the call with this tag. The body is left empty. One that comes when the
    /// connection has ended is dropped. Where the call has asked for a protocol switch, boxes follow.
    ///
    /// # Errors
    ///
    /// When the box would be over a limit. Nothing is queued then, and the body is as it was: the
    /// call still wants an answer.
    pub fn answer(&mut self, tag: &[u8], body: &mut Body) -> Result<(), BoxError> {
        if self.end.over().is_some() {
            return Ok(());
        }
        self.check(reserved_len(keys::ANSWER, tag), 1, body)?;
        self.counters.answers_sent += 1;
        self.push(|out| put_answer(out, tag), body);
        self.switch.handle_answered(tag);
        Ok(())
    }

    /// As [`answer`](Self::answer), with what runs once that is written. It stays where it is when the
    /// answer is not queued.
    pub(crate) fn answer_then(
        &mut self,
        tag: &[u8],
        body: &mut Body,
        after: &mut Option<H::After>,
    ) -> Result<(), BoxError> {
        self.answer(tag, body)?;
        if self.end.over().is_none() {
            let written = self.end_of_queue();
            self.after.extend(after.take().map(|after| (written, after)));
        }
        Ok(())
    }

    /// Queues the failure of the call with this tag. A code or a description that is too long
    /// for a value is cut, and so is a description that does not fit into the box. Where the call has asked
    /// for a protocol switch, boxes follow.
    pub fn fail(&mut self, tag: &[u8], code: &[u8], description: &str) {
        self.push_failure(tag, code, description, false);
    }

    /// Queues the refusal of the call with this tag, because the connection is about to end: it was
    /// certainly not acted upon, which [`NOT_ACTED_UPON`](keys::NOT_ACTED_UPON) says. No failure of
    /// a command is marked so, whatever its code.
    pub fn refuse(&mut self, tag: &[u8]) {
        const WHY: &str = "The connection is closing; the call was not acted upon";
        self.push_failure(tag, keys::CLOSING.as_bytes(), WHY, true);
    }

    fn push_failure(&mut self, tag: &[u8], code: &[u8], description: &str, not_acted_upon: bool) {
        if self.end.over().is_some() {
            return;
        }
        let code = &code[..code.len().min(MAX_VALUE)];
        let others = reserved_len(keys::ERROR, tag)
            + reserved_len(keys::ERROR_CODE, code)
            + reserved_len(keys::ERROR_DESCRIPTION, b"")
            + if not_acted_upon { reserved_len(keys::NOT_ACTED_UPON, b"True") } else { 0 }
            + END;
        let room = self.boxes.max_bytes.saturating_sub(others);
        let mut end = description.len().min(MAX_VALUE).min(room);
        while !description.is_char_boundary(end) {
            end -= 1;
        }
        let head = |out: &mut BytesMut| {
            put_reserved(out, keys::ERROR, tag);
            put_reserved(out, keys::ERROR_CODE, code);
            put_reserved(out, keys::ERROR_DESCRIPTION, &description.as_bytes()[..end]);
            if not_acted_upon {
                put_reserved(out, keys::NOT_ACTED_UPON, b"True");
            }
        };
        self.counters.errors_sent += 1;
        self.push(head, &mut Body::default());
        self.switch.handle_answered(tag);
    }

    /// Returns what the received box means.
    ///
    /// # Errors
    ///
    /// When it means nothing, which ends the connection.
    #[inline]
    pub fn handle_box(&mut self, ampbox: AmpBox) -> Result<Event<W>, ProtocolError> {
        self.counters.boxes_received += 1;
        self.counters.bytes_received += ampbox.size() as u64;
        let Reserved { ask, answer, error, command } = ampbox.reserved();
        if let Some(tag) = answer {
            self.counters.answers_received += 1;
            let tagged = self.calls.find(ampbox.value_of(tag));
            return Ok(self.answered(tagged, || Ok(ampbox)));
        }
        if let Some(tag) = error {
            self.counters.errors_received += 1;
            let tagged = self.calls.find(ampbox.value_of(tag));
            return Ok(self.answered(tagged, || Err(RemoteError::of(&ampbox))));
        }
        if let Some(command) = command {
            self.counters.calls_received += 1;
            return Ok(Event::Called(IncomingCall { ampbox, command, ask }));
        }
        Err(ProtocolError::NoKind { pairs: ampbox.len() })
    }

    #[inline]
    fn answered(&mut self, tagged: Tagged, answer: impl FnOnce() -> Answer) -> Event<W> {
        match tagged {
            Tagged::Outstanding(id) if self.switch.is_asked_by(id) => {
                return self.switch_answered(id, answer());
            }
            Tagged::Outstanding(id) => {
                if let Some(waiting @ Waiting::For(_)) = self.calls.get_mut(id)
                    && let Waiting::For(waiter) =
                        std::mem::replace(waiting, Waiting::Done(answer()))
                {
                    return Event::Answered { id, waiter };
                }
                self.counters.unknown_answers += 1;
            }
            Tagged::Past(id) => {
                self.counters.late_answers += 1;
                return Event::Late { id, answer: answer() };
            }
            Tagged::Unknown => self.counters.unknown_answers += 1,
        }
        Event::Ignored
    }

    /// Takes the answer of a call, once it is there. The call is then over.
    #[inline]
    pub fn take_answer(&mut self, id: CallId) -> Option<Answer> {
        if !matches!(self.calls.get_mut(id)?, Waiting::Done(_)) {
            return None;
        }
        match self.calls.remove(id)? {
            Waiting::Done(answer) => Some(answer),
            _ => None,
        }
    }

    /// Why a call was not sent after all, if it was not. It is then over.
    pub(crate) fn take_not_sent(&mut self, id: CallId) -> Option<Arc<io::Error>> {
        if !matches!(self.calls.get_mut(id)?, Waiting::NotSent(_)) {
            return None;
        }
        match self.calls.remove(id)? {
            Waiting::NotSent(error) => Some(error),
            _ => None,
        }
    }

    /// The number that a call's tag is, in hexadecimal.
    pub(crate) fn tag(&self, id: CallId) -> u64 {
        self.calls.tag(id)
    }

    /// Returns who waits for the answer of a call that has none yet.
    pub fn waiter_mut(&mut self, id: CallId) -> Option<&mut W> {
        match self.calls.get_mut(id)? {
            Waiting::For(waiter) => Some(waiter),
            _ => None,
        }
    }

    /// Gives up a call: its answer, should one come, is ignored. Returns who waited for it.
    pub fn forget(&mut self, id: CallId) -> Option<W> {
        let waiting = if self.switch.is_asked_by(id) {
            std::mem::replace(self.calls.get_mut(id)?, Waiting::Nobody)
        } else {
            self.calls.remove(id)?
        };
        match waiting {
            Waiting::For(waiter) => Some(waiter),
            _ => None,
        }
    }

    /// Finds the call that an answer with this tag is to.
    #[cfg(any(test, fuzzing))]
    pub(in crate::proto) fn find(&self, tag: &[u8]) -> Tagged {
        self.calls.find(tag)
    }

    /// Gives up a call of the driver's own, which nobody waits for.
    pub(crate) fn abandon(&mut self, id: CallId) {
        if let Some(waiter) = self.forget(id) {
            self.released().gone.push(waiter);
        }
    }

    /// How far the connection has come to its end.
    #[inline]
    pub(crate) fn end(&self) -> &End {
        &self.end
    }

    /// How far a protocol switch has come.
    pub(crate) fn switch(&self) -> &Switch<H> {
        &self.switch
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What the connections of the same server hold together.
    pub(crate) fn together(&self) -> Option<&Together> {
        self.together.as_deref()
    }

    /// Returns how many calls are outstanding.
    pub fn outstanding(&self) -> usize {
        self.calls.len()
    }

    /// Returns how many bytes are queued: those to be sent, and those that are held back.
    pub fn queued(&self) -> usize {
        self.outgoing.len() + self.held.as_ref().map_or(0, Outgoing::len)
    }

    /// Returns how many boxes are queued: those to be sent, and those that are held back. See
    /// [`Outgoing::boxes`].
    pub fn queued_boxes(&self) -> usize {
        self.outgoing.boxes() + self.held.as_ref().map_or(0, Outgoing::boxes)
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
    pub fn holds(&self) -> bool {
        self.held.is_some()
    }

    pub(super) fn check_end(&self) -> Result<(), NotQueued> {
        match self.end.refusal() {
            None => Ok(()),
            Some(reason) => Err(NotQueued::Closed(reason.clone())),
        }
    }

    /// Whether a box is within the limits, whose own pairs have `head_len` bytes.
    #[inline]
    fn check(&self, head_len: usize, head_pairs: usize, body: &Body) -> Result<(), BoxError> {
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

    /// The place of the end of all that is queued, among all bytes that this side sends.
    pub(crate) fn end_of_queue(&self) -> u64 {
        self.taken + self.queued() as u64
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
        self.take_queued(writing);
        let awaits_room = self.tell_of_room();
        // What replaces a transport carries none. The boxes that name them were encoded before; the
        // peer answers that it has not received them.
        let uncarried =
            if self.switch.has_replaced() { writing.take_attachments() } else { VecDeque::new() };
        Transmit::Taken { awaits_room, uncarried }
    }

    /// Takes all that is queued, to be written.
    pub(crate) fn take_queued(&mut self, writing: &mut Outgoing) {
        self.outgoing.take(writing);
        self.taken += writing.len() as u64;
    }

    /// Returns what is to be sent.
    pub fn outgoing(&mut self) -> &mut Outgoing {
        &mut self.outgoing
    }

    /// Returns what happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

impl<W, H: Host> fmt::Debug for Core<W, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("end", &self.end)
            .field("switch", &self.switch)
            .field("outstanding", &self.calls.len())
            .field("outgoing", &self.outgoing)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

/// The bytes of a box's end.
const END: usize = 2;

/// How many bytes [`put_reserved`] writes.
#[inline]
fn reserved_len(key: &[u8], value: &[u8]) -> usize {
    4 + key.len() + value.len()
}

/// Writes a pair whose lengths are known to fit: the protocol's own.
fn put_reserved(out: &mut BytesMut, key: &[u8], value: &[u8]) {
    debug_assert!(value.len() <= MAX_VALUE);
    for part in [key, value] {
        #[allow(clippy::cast_possible_truncation, reason = "checked where it came from")]
        out.put_u16(part.len() as u16);
        out.put_slice(part);
    }
}

/// Writes the tag and the command of a call, but for the name in one piece.
#[inline]
fn put_call(out: &mut BytesMut, tag: u64, command: &[u8]) {
    const ASK: &[u8; 7] = b"\0\x04_ask\0";
    const COMMAND: &[u8; 10] = b"\0\x08_command";
    debug_assert!(command.len() <= MAX_VALUE);
    let mut head = [0; ASK.len() + 1 + TAG_MAX + COMMAND.len() + 2];
    head[..ASK.len()].copy_from_slice(ASK);
    let tag_len = write_tag(tag, &mut head[ASK.len() + 1..]);
    head[ASK.len()] = tag_len;
    let at = ASK.len() + 1 + usize::from(tag_len);
    head[at..at + COMMAND.len()].copy_from_slice(COMMAND);
    let end = at + COMMAND.len() + 2;
    #[allow(clippy::cast_possible_truncation, reason = "checked where it came from")]
    head[end - 2..end].copy_from_slice(&(command.len() as u16).to_be_bytes());
    out.put_slice(&head[..end]);
    out.put_slice(command);
}

/// How many bytes [`put_call`] writes.
#[inline]
fn call_len(tag: u64, command: &[u8]) -> usize {
    let tag_len = (u64::BITS - tag.leading_zeros()).div_ceil(4) as usize;
    reserved_len(keys::ASK, b"") + tag_len + reserved_len(keys::COMMAND, command)
}

/// Writes the tag of an answer.
#[inline]
pub(super) fn put_answer(out: &mut BytesMut, tag: &[u8]) {
    debug_assert!(tag.len() <= MAX_VALUE);
    let mut head = *b"\0\x07_answer\0\0";
    #[allow(clippy::cast_possible_truncation, reason = "checked where it came from")]
    head[9..].copy_from_slice(&(tag.len() as u16).to_be_bytes());
    out.put_slice(&head);
    out.put_slice(tag);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_begins_with_its_reserved_pair() {
        for len in [0, 1, 255, 256, MAX_VALUE] {
            let tag = vec![b'1'; len];
            let (mut head, mut pair) = (BytesMut::new(), BytesMut::new());
            put_answer(&mut head, &tag);
            put_reserved(&mut pair, keys::ANSWER, &tag);
            assert_eq!(head, pair);
        }
    }

    #[test]
    fn a_call_begins_with_its_reserved_pairs() {
        for tag in [1, 15, 16, 0xfff, 0x1000, u64::MAX] {
            for len in [0, 1, 255, 256, MAX_VALUE] {
                let command = vec![b'c'; len];
                let (mut head, mut pairs) = (BytesMut::new(), BytesMut::new());
                put_call(&mut head, tag, &command);
                put_reserved(&mut pairs, keys::ASK, format!("{tag:x}").as_bytes());
                put_reserved(&mut pairs, keys::COMMAND, &command);
                assert_eq!(head, pairs);
                assert_eq!(call_len(tag, &command), pairs.len());
            }
        }
    }
}
