//! One side of a connection, for whoever drives it.

use super::switch::Then;
use super::{
    Answer, Body, CallId, CloseReason, Core, Counters, Event, NotQueued, Outgoing, ProtocolError,
    ProtocolLimits, SwitchRefused,
};
use crate::boxes::{AmpBox, BoxError, BoxLimits};
use std::fmt;
use std::time::Duration;

/// One side of a connection, without its input and output.
///
/// Each outstanding call keeps a `W`, which says who waits for its answer: a waker, a channel, or nothing. You get it
/// back with the answer, or when the connection ends.
///
/// # The end
///
/// To let running responders finish, a driver [drains](Self::drain) the connection, and [closes](Self::close) it once it
/// [has drained](Self::has_drained). Boxes that are queued by then are still to be sent. When the stream has ended or
/// failed, [`handle_end`](Self::handle_end) drops everything.
///
/// ```
/// use amp_core::proto::{Body, Event, NotQueued, Protocol, ProtocolLimits};
/// use amp_core::{AmpBox, CloseReason};
///
/// let mut side = Protocol::new(ProtocolLimits::default());
/// side.call(b"Ping", &mut Body::default(), "who waits for it")?;
/// let call = |tag| AmpBox::from_pairs([("_ask", tag), ("_command", "Work")]);
/// assert!(matches!(side.handle_box(call("1")?)?, Event::Called(_)));
///
/// // The call that came before this is answered. A call that comes now is refused.
/// side.drain();
/// assert!(matches!(side.handle_box(call("2")?)?, Event::Ignored));
/// assert!(!side.has_drained());
/// side.answer(b"1", &mut Body::default())?;
/// assert!(side.has_drained());
///
/// // Nobody waits any longer, and the answer is sent before the stream is closed.
/// assert_eq!(side.close(CloseReason::Local), ["who waits for it"]);
/// assert!(!side.outgoing().take_bytes().is_empty());
/// side.handle_end(CloseReason::Local);
/// let late = side.call(b"Ping", &mut Body::default(), "too late");
/// assert!(matches!(late, Err(NotQueued::Closed(CloseReason::Local))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Protocol<W> {
    core: Core<W>,
    /// How many calls of the peer want an answer and have none.
    unanswered: usize,
}

impl<W> Protocol<W> {
    /// Creates a side that has sent and received nothing yet.
    pub fn new(limits: ProtocolLimits) -> Self {
        Self { core: Core::new(limits), unanswered: 0 }
    }

    /// Sets how large boxes may be that are sent from now on.
    pub fn limit_boxes(&mut self, boxes: BoxLimits) {
        self.core.limit_boxes(boxes);
    }

    /// Queues a call that wants an answer. The body is left empty.
    ///
    /// # Errors
    ///
    /// When too many calls are outstanding, when the box would be over a limit, or when the end has begun.
    /// Nothing is queued then, and the body is as it was.
    pub fn call(
        &mut self,
        command: &[u8],
        body: &mut Body,
        waiter: W,
    ) -> Result<CallId, NotQueued> {
        self.core.call(command, body, waiter)
    }

    /// Queues a call that wants no answer. The body is left empty.
    ///
    /// # Errors
    ///
    /// When the box would be over a limit, or when the end has begun. Nothing is queued then, and the
    /// body is as it was.
    pub fn notify(&mut self, command: &[u8], body: &mut Body) -> Result<(), NotQueued> {
        self.core.notify(command, body)
    }

    /// Queues the answer to the call with this tag. The body is left empty. After the end of the connection, the answer
    /// is dropped. If the call has asked for a protocol switch, this refuses it, and boxes go on.
    ///
    /// # Errors
    ///
    /// When the box would be over a limit. Nothing is queued then, and the body is as it was: the
    /// call still wants an answer.
    pub fn answer(&mut self, tag: &[u8], body: &mut Body) -> Result<(), BoxError> {
        self.core.answer(tag, body)?;
        self.note_answer();
        Ok(())
    }

    /// Queues the failure of the call with this tag. A code or a description that is too long for a value is cut, and so
    /// is a description that does not fit into the box. If the call has asked for a protocol switch, this refuses it,
    /// and boxes go on.
    pub fn fail(&mut self, tag: &[u8], code: &[u8], description: &str) {
        self.core.fail(tag, code, description);
        self.note_answer();
    }

    /// Returns what the received box means. A call that comes while the connection [is drained](Self::drain) is refused.
    /// One that comes while it closes is dropped.
    ///
    /// # Errors
    ///
    /// When the box has no meaning. The driver then has to end the connection.
    pub fn handle_box(&mut self, ampbox: AmpBox) -> Result<Event<W>, ProtocolError> {
        let event = self.core.handle_box(ampbox)?;
        self.let_go();
        let Event::Called(call) = &event else { return Ok(event) };
        let end = self.core.end();
        let (refuses, has_begun) = (end.refuses_calls(), end.begun().is_some());
        match call.tag() {
            Some(tag) if refuses => self.core.refuse(tag),
            Some(_) if !has_begun => {
                self.unanswered += 1;
                return Ok(event);
            }
            None if !refuses && !has_begun => return Ok(event),
            _ => {}
        }
        Ok(Event::Ignored)
    }

    /// Takes the answer of a call, if it has come. The call is then over.
    pub fn take_answer(&mut self, id: CallId) -> Option<Answer> {
        self.core.take_answer(id)
    }

    /// Returns who waits for the answer of a call that has none yet.
    pub fn waiter_mut(&mut self, id: CallId) -> Option<&mut W> {
        self.core.waiter_mut(id)
    }

    /// Gives up a call: if its answer comes later, it is ignored. Returns who waited for it.
    pub fn forget(&mut self, id: CallId) -> Option<W> {
        self.core.forget(id)
    }

    /// Queues a call that asks for a protocol switch. Boxes that are queued behind it are held back until the peer
    /// refuses. If the peer agrees, that is an [`Event::Switched`], and the stream no longer belongs to this connection.
    /// The body is left empty.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call), and when a switch is under way. Nothing is queued then.
    pub fn ask_switch(
        &mut self,
        command: &[u8],
        body: &mut Body,
        waiter: W,
    ) -> Result<CallId, SwitchRefused> {
        self.core.ask_switch(command, body, waiter, &mut Some(Then::HandOver))
    }

    /// Asks for a switch after which boxes go on over another transport that is made of the stream, as for `StartTLS`.
    /// Otherwise this is as [`ask_switch`](Self::ask_switch). The driver [resumes](Self::resume) once it has the
    /// transport.
    ///
    /// # Errors
    ///
    /// As [`ask_switch`](Self::ask_switch), and when the transport would be replaced for the second time.
    pub fn ask_upgrade(
        &mut self,
        command: &[u8],
        body: &mut Body,
        waiter: W,
    ) -> Result<CallId, SwitchRefused> {
        self.core.ask_switch(command, body, waiter, &mut Some(Then::Upgrade(())))
    }

    /// Notes that the last received call, with this tag, asks for a protocol switch. The driver must not read the bytes
    /// behind it as boxes until the call is answered otherwise than by [`accept_switch`](Self::accept_switch), or until
    /// [`resume`](Self::resume).
    ///
    /// # Errors
    ///
    /// When this side has asked for a switch too. The driver then has to end the connection.
    pub fn handle_switch(&mut self, tag: &[u8]) -> Result<(), ProtocolError> {
        self.core.handle_switch(tag)
    }

    /// Agrees to the switch that the peer has asked for with this tag. The answer is the last box that is sent. After it
    /// the stream no longer belongs to this connection.
    ///
    /// # Errors
    ///
    /// When the peer has not [asked](Self::handle_switch) for one with this tag, and when the end has begun.
    /// Nothing is queued then.
    pub fn accept_switch(&mut self, tag: &[u8]) -> Result<(), SwitchRefused> {
        self.accept(tag, Then::HandOver)
    }

    /// Agrees to a switch after which boxes go on over another transport. Otherwise this is as
    /// [`accept_switch`](Self::accept_switch). Boxes that are queued behind the answer are held back until the driver
    /// [resumes](Self::resume).
    ///
    /// # Errors
    ///
    /// As [`accept_switch`](Self::accept_switch), and when the transport would be replaced for the second time.
    pub fn accept_upgrade(&mut self, tag: &[u8]) -> Result<(), SwitchRefused> {
        self.accept(tag, Then::Upgrade(()))
    }

    /// Goes on with boxes after a switch, over another transport. Boxes that were held back can be sent.
    pub fn resume(&mut self) {
        self.core.resume();
        self.let_go();
    }

    /// Refuses the calls that come from here on. Those that came before can still be answered. Once no answer is missing,
    /// the connection [has drained](Self::has_drained), and the driver closes it. The driver decides how long that may
    /// take.
    pub fn drain(&mut self) {
        self.core.drain(Duration::MAX);
    }

    /// Returns whether the connection is [drained](Self::drain), and all calls that want an answer have one. Answers are
    /// counted, and their tags are not compared. So an answer that a driver gives twice, or to an unknown tag, counts for
    /// another one.
    pub fn has_drained(&self) -> bool {
        self.core.end().draining().is_some() && self.unanswered == 0
    }

    /// Begins the end, unless it has begun before: no more calls are made or begun. Boxes that are queued are still to be
    /// sent. Returns who waits for answers: these do not come any more.
    pub fn close(&mut self, reason: CloseReason) -> Vec<W> {
        self.core.begin_end(reason);
        self.core.forget_all()
    }

    /// Notes that the connection has ended. Nothing is sent or answered any more, and queued boxes are dropped. Returns
    /// who waits for answers: these do not come any more. If there were several reasons,
    /// [`end_reason`](Self::end_reason) returns the first.
    pub fn handle_end(&mut self, reason: CloseReason) -> Vec<W> {
        let waiters = self.core.forget_all();
        self.core.finish(reason);
        self.let_go();
        waiters
    }

    /// Returns why the connection ends, once the end has begun.
    pub fn end_reason(&self) -> Option<&CloseReason> {
        self.core.end().begun()
    }

    /// Returns what is to be sent.
    pub fn outgoing(&mut self) -> &mut Outgoing {
        self.core.outgoing()
    }

    /// Returns how many bytes are queued: those to be sent, and those that are held back.
    pub fn queued(&self) -> usize {
        self.core.queued()
    }

    /// Returns how many boxes are queued: those to be sent, and those that are held back. See
    /// [`Outgoing::boxes`].
    pub fn queued_boxes(&self) -> usize {
        self.core.queued_boxes()
    }

    /// Returns whether queued boxes are held back because of a protocol switch.
    pub fn holds(&self) -> bool {
        self.core.holds()
    }

    /// Returns how many calls are outstanding.
    pub fn outstanding(&self) -> usize {
        self.core.outstanding()
    }

    /// Returns what happened so far.
    pub fn counters(&self) -> Counters {
        self.core.counters()
    }

    fn accept(&mut self, tag: &[u8], then: Then<()>) -> Result<(), SwitchRefused> {
        self.core.accept_switch(tag, then).map_err(|(_, refused)| refused)?;
        self.note_answer();
        Ok(())
    }

    fn note_answer(&mut self) {
        self.unanswered = self.unanswered.saturating_sub(1);
    }

    /// Drops what others would do outside of a lock: here there is none.
    fn let_go(&mut self) {
        drop(self.core.take_released());
    }
}

impl<W> fmt::Debug for Protocol<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protocol")
            .field("unanswered", &self.unanswered)
            .field("core", &self.core)
            .finish()
    }
}
