use bytes::BytesMut;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;

use super::event::{Answer, Counters, Event, IncomingCall};
use super::heads::{END, call_len, put_answer, put_call, put_reserved, reserved_len};
use crate::boxes::{AmpBox, BoxError, BoxLimits, Kind, MAX_VALUE};
use crate::keys;
use crate::proto::admission::Admission;
use crate::proto::calls::{CallId, Calls, Tagged};
use crate::proto::held::Claims;
use crate::proto::lanes::Lanes;
use crate::proto::phase::End;
use crate::proto::released::Released;
use crate::proto::switch::Switch;
use crate::proto::together::Together;
use crate::proto::unclaimed::Unclaimed;
use crate::proto::waiters::Order;
use crate::proto::wants::Public;
use crate::proto::{
    Body, FailurePolicy, Host, Limits, NotQueued, Outgoing, ProtocolError, ProtocolLimits,
    RemoteError, TooManyCalls,
};

/// A side of a connection: what its callers, its responders and the wire all change.
///
/// Each outstanding call keeps a `W`, which says who waits for its answer: a waker, a channel,
/// or nothing. What else it keeps for others, the [`Host`] says.
pub(crate) struct Core<W, H: Host = ()> {
    pub(super) calls: Calls<Pending<W>>,
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
    /// How many responders had not answered when the end began.
    pub(super) cut_off: usize,
    pub(super) switch: Switch<H>,
    pub(super) admission: Admission,
    /// What the connections of the same server hold together.
    pub(super) together: Option<Arc<Together>>,
    pub(in crate::proto) unclaimed: Unclaimed<H::Discard>,
    /// What the calls have claimed that are being answered.
    pub(super) claims: Claims,
    /// Responders that are begun one after the other.
    pub(super) lanes: Lanes<W>,
    /// The wakers of tasks that wait until fewer responders run, to begin what a gone peer has left behind.
    pub(super) leftovers: Vec<W>,
    /// How many streams are open, whose items or room for them running responders may wait for.
    pub(super) awaited_streams: usize,
    /// How many calls bring items of them and are not answered.
    pub(super) stream_calls: usize,
    /// What becomes of the connection when a call of the peer's fails.
    pub(super) policy: FailurePolicy,
    /// Which commands are the connection's own, where some are.
    own: Option<fn(&[u8]) -> bool>,
    pub(super) order: Order<W>,
    /// Whether something has changed that the reader looks at before it starts a responder, since
    /// it has last looked.
    pub(super) news: bool,
    /// Whether the driver waits until no box with attachments is being encoded.
    pub(super) awaits_ordinals: bool,
    /// As they were made public last.
    pub(super) published: Public,
    pub(super) released: Option<Box<Released<W, H>>>,
    pub(super) counters: Counters,
}

#[derive(Debug)]
pub(super) enum Pending<W> {
    For(W),
    /// Nobody waits for the answer to a protocol switch any more. It says all the same which
    /// protocol the peer speaks.
    Nobody,
    /// The answer, and whether it came over the transport that a switch has brought.
    Done(Answer, bool),
    /// The call was not sent after all: the transport has refused an attachment.
    NotSent(Arc<io::Error>),
}

/// How many calls with items of one stream wait for their answers at most. The end of it is one more.
pub(crate) const STREAM_CALLS: usize = 64;

/// How many calls may be outstanding: those of the program, and of each stream those that bring its items
/// and its end.
fn places(limits: &Limits) -> usize {
    let of_streams = limits.streams.saturating_mul(STREAM_CALLS + 1);
    limits.outstanding_calls.max(1).saturating_add(of_streams)
}

impl<W> Core<W> {
    /// Creates a side that has sent and received nothing yet.
    pub(crate) fn new(limits: ProtocolLimits) -> Self {
        let ProtocolLimits { outstanding_calls, boxes } = limits;
        let limits = Limits { boxes, outstanding_calls, streams: 0, ..Limits::default() };
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
            calls: Calls::new(places(&limits)),
            limits,
            boxes,
            outgoing: Outgoing::default(),
            held: None,
            taken: 0,
            after: VecDeque::new(),
            end: End::new(),
            cut_off: 0,
            switch: Switch::new(),
            admission: Admission::default(),
            together,
            unclaimed: Unclaimed::default(),
            claims: Claims::default(),
            lanes: Lanes::default(),
            leftovers: Vec::new(),
            awaited_streams: 0,
            stream_calls: 0,
            policy: FailurePolicy::default(),
            own: None,
            order: Order::default(),
            news: true,
            awaits_ordinals: false,
            published: Public::NOTHING,
            released: None,
            counters: Counters::default(),
        }
    }

    pub(crate) fn with_policy(mut self, policy: FailurePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets how large a box may be that is sent from now on.
    pub(crate) fn limit_boxes(&mut self, boxes: BoxLimits) {
        self.boxes = boxes;
    }

    /// Calls of these commands are dealt with as answers are, beside those of responders.
    pub(crate) fn set_own(&mut self, is_own: fn(&[u8]) -> bool) {
        self.own = Some(is_own);
    }

    #[inline]
    pub(in crate::proto) fn is_own(&self, command: &[u8]) -> bool {
        self.own.is_some_and(|is_own| is_own(command))
    }

    /// Queues a call that wants an answer. The body is left empty.
    ///
    /// # Errors
    ///
    /// When too many calls are outstanding, when the box would be over a limit, or when no more calls
    /// are made. Nothing is queued then, and the body is as it was.
    pub(crate) fn call(
        &mut self,
        command: &[u8],
        body: &mut Body,
        waiter: W,
    ) -> Result<CallId, NotQueued> {
        self.check_end()?;
        self.check(call_len(self.calls.next_tag(), command), 2, body)?;
        // Those of streams have places of their own.
        let limit = self.limits.outstanding_calls.max(1);
        if self.calls.len().saturating_sub(self.stream_calls) >= limit {
            return Err(TooManyCalls { limit }.into());
        }
        let id = self.calls.insert(Pending::For(waiter))?;
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
    pub(crate) fn notify(&mut self, command: &[u8], body: &mut Body) -> Result<(), NotQueued> {
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
    pub(crate) fn answer(&mut self, tag: &[u8], body: &mut Body) -> Result<(), BoxError> {
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
    pub(crate) fn fail(&mut self, tag: &[u8], code: &[u8], description: &str) {
        self.push_failure(tag, code, description, false);
    }

    /// Queues the refusal of the call with this tag, because the connection is about to end: it was
    /// certainly not acted upon, which [`NOT_ACTED_UPON`](keys::NOT_ACTED_UPON) says. No failure of
    /// a command is marked so, whatever its code.
    pub(crate) fn refuse(&mut self, tag: &[u8]) {
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
    pub(crate) fn handle_box(&mut self, ampbox: AmpBox) -> Result<Event<W>, ProtocolError> {
        self.counters.boxes_received += 1;
        self.counters.bytes_received += ampbox.size() as u64;
        match ampbox.kind() {
            Kind::Answer(tag) => {
                self.counters.answers_received += 1;
                let tagged = self.calls.find(ampbox.value_of(tag));
                Ok(self.answered(tagged, || Ok(ampbox)))
            }
            Kind::Error(tag) => {
                self.counters.errors_received += 1;
                let tagged = self.calls.find(ampbox.value_of(tag));
                Ok(self.answered(tagged, || Err(RemoteError::of(&ampbox))))
            }
            Kind::Call { command, ask } => {
                self.counters.calls_received += 1;
                let upgraded = self.switch.has_upgraded();
                Ok(Event::Called(IncomingCall { ampbox, command, ask, upgraded }))
            }
            Kind::Other => Err(ProtocolError::NoKind { pairs: ampbox.len() }),
        }
    }

    #[inline]
    fn answered(&mut self, tagged: Tagged, answer: impl FnOnce() -> Answer) -> Event<W> {
        match tagged {
            Tagged::Outstanding(id) if self.switch.is_asked_by(id) => {
                return self.switch_answered(id, answer());
            }
            Tagged::Outstanding(id) => {
                let upgraded = self.switch.has_upgraded();
                if let Some(waiting @ Pending::For(_)) = self.calls.get_mut(id)
                    && let Pending::For(waiter) =
                        std::mem::replace(waiting, Pending::Done(answer(), upgraded))
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
    pub(crate) fn take_answer(&mut self, id: CallId) -> Option<Answer> {
        self.take_done(id).map(|(answer, _)| answer)
    }

    /// The same, and whether it came over the transport that a switch has brought.
    #[inline]
    pub(super) fn take_done(&mut self, id: CallId) -> Option<(Answer, bool)> {
        if !matches!(self.calls.get_mut(id)?, Pending::Done(..)) {
            return None;
        }
        match self.calls.remove(id)? {
            Pending::Done(answer, upgraded) => Some((answer, upgraded)),
            _ => None,
        }
    }

    /// Why a call was not sent after all, if it was not. It is then over.
    pub(crate) fn take_not_sent(&mut self, id: CallId) -> Option<Arc<io::Error>> {
        if !matches!(self.calls.get_mut(id)?, Pending::NotSent(_)) {
            return None;
        }
        match self.calls.remove(id)? {
            Pending::NotSent(error) => Some(error),
            _ => None,
        }
    }

    /// The number that a call's tag is, in hexadecimal.
    pub(crate) fn tag(&self, id: CallId) -> u64 {
        self.calls.tag(id)
    }

    /// Returns who waits for the answer of a call that has none yet.
    pub(crate) fn waiter_mut(&mut self, id: CallId) -> Option<&mut W> {
        match self.calls.get_mut(id)? {
            Pending::For(waiter) => Some(waiter),
            _ => None,
        }
    }

    /// Gives up a call: its answer, should one come, is ignored. Returns who waited for it.
    pub(crate) fn forget(&mut self, id: CallId) -> Option<W> {
        let waiting = if self.switch.is_asked_by(id) {
            std::mem::replace(self.calls.get_mut(id)?, Pending::Nobody)
        } else {
            self.calls.remove(id)?
        };
        match waiting {
            Pending::For(waiter) => Some(waiter),
            _ => None,
        }
    }

    /// Gives up all calls that have no answer. Returns who waited for them.
    pub(crate) fn forget_all(&mut self) -> Vec<W> {
        let all = self.calls.ids();
        let waiting: Vec<_> = all.into_iter().filter(|id| self.waiter_mut(*id).is_some()).collect();
        waiting.into_iter().filter_map(|id| self.forget(id)).collect()
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
    pub(crate) fn outstanding(&self) -> usize {
        self.calls.len()
    }

    #[inline]
    pub(super) fn check_end(&self) -> Result<(), NotQueued> {
        match self.end.refusal() {
            None => Ok(()),
            Some(reason) => Err(NotQueued::Closed(reason.clone())),
        }
    }

    /// Returns what happened so far.
    pub(crate) fn counters(&self) -> Counters {
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
