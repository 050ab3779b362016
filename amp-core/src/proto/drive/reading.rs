//! What comes in: bytes, the boxes among them, and the attachments beside them.

use std::task::Poll;

use super::Drive;
use super::hands::{AnsweredBy, Hands, Note};
use crate::proto::inbound::{Reading, Sorted};
use crate::proto::stint::TURNS;
use crate::proto::wants::{Public, Situation};
use crate::proto::{CloseReason, Core, Host, ProtocolError};

/// So many bytes are read before what is queued is written.
pub(crate) const READ_AT_ONCE: usize = 256 << 10;

/// Whether more may be received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MayReceive {
    Yes,
    /// The answers to the calls that wait have no room before what is queued is sent.
    SendFirst,
    /// As many responders run as may: see [`Core::may_read`].
    No,
}

impl<W: Clone, S: Default> Drive<W, S> {
    /// Reads; once the end has begun, only what was received before. Whether it is worth another look.
    ///
    /// # Errors
    ///
    /// When the stream broke, which is the end at once.
    pub(super) fn receive_boxes(
        &mut self,
        hands: &mut impl Hands<Caller = W, Stream = S>,
    ) -> Result<bool, CloseReason> {
        if !self.reads(hands.public()) {
            return Ok(false);
        }
        match self.read(hands) {
            Err(reason @ CloseReason::Io(_)) => Err(reason),
            Err(reason) => {
                hands.with(|core| core.close(reason));
                Ok(false)
            }
            read => read,
        }
    }

    /// Whether boxes may be read: once the end has begun, only those that were received before. What
    /// comes later than that is not answered.
    pub(super) fn reads(&self, public: Public) -> bool {
        let reads_left = || self.inbound.has_left() && !public.any(Public::ENDS_BOXES);
        !self.is_ending() && (!public.any(Public::ENDING) || reads_left())
    }

    /// Reads, and deals with what was read, until there is nothing to read.
    fn read(
        &mut self,
        hands: &mut impl Hands<Caller = W, Stream = S>,
    ) -> Result<bool, CloseReason> {
        self.inbound.set_reading(Reading::Behind);
        if self.portions.is_cut() {
            // What is answered by now is sent first.
            return Ok(true);
        }
        let until = self.stint.bytes() + READ_AT_ONCE;
        for _ in 0..TURNS {
            if hands.public().any(Public::ENDS_BOXES) {
                return Ok(false);
            }
            if self.stint.is_over() {
                break;
            }
            if !self.inbound.take_left()
                && let Some(more) = self.receive(hands)?
            {
                return Ok(more);
            }
            self.handle_received(hands)?;
            self.check_queue(hands)?;
            if hands.public().any(Public::ENDING) {
                return Ok(true);
            }
            // Callers who have just got their answers claim what these name before more is read.
            let hoarding = self.inbound.is_hoarding() && hands.peek(Core::is_hoarding);
            let cut = self.portions.is_cut();
            if self.stint.bytes() >= until || hoarding || cut || self.inbound.has_left() {
                break;
            }
        }
        Ok(true)
    }

    /// Receives more bytes, or says how to go on without.
    fn receive(
        &mut self,
        hands: &mut impl Hands<Caller = W, Stream = S>,
    ) -> Result<Option<bool>, CloseReason> {
        if !self.may_receive(hands.public()) {
            let situation = self.situation();
            match hands.peek(|core| self.look_whether_to_receive(core, &situation)) {
                MayReceive::Yes => {}
                MayReceive::SendFirst => return Ok(Some(true)),
                MayReceive::No => return Ok(Some(false)),
            }
        }
        let Self { inbound, line, .. } = self;
        let received = inbound
            .receive(|bytes, attachments| hands.receive(&mut line.stream, bytes, attachments));
        if self.inbound.input.is_large() {
            self.release_buffers_later(|| hands.now());
        }
        let Poll::Ready(received) = received else {
            // Attachments may come apart from bytes, and count then too.
            self.keep_attachments(hands);
            self.inbound.set_reading(Reading::Done);
            // What comes next is seen only once others have had their turn.
            self.stint.reset();
            return Ok(Some(false));
        };
        let received = received?;
        if let Some(liveness) = &mut self.liveness {
            liveness.received(hands.now());
        }
        self.stint.received_bytes(received);
        Ok(None)
    }

    /// Whether more may be received, as far as can be said without a look at the core: whether there is
    /// nothing else to be done, and few enough responders run. Then nothing is read ahead.
    #[inline]
    fn may_receive(&mut self, public: Public) -> bool {
        let usual = self.inbound.is_idle() && !public.any(Public::LOOK) && !self.is_full();
        if usual {
            self.inbound.end_ahead();
        }
        usual
    }

    /// Whether more may be received, by a look at the core. When it may not be, the reader has paused.
    pub(super) fn look_whether_to_receive<H: Host>(
        &mut self,
        core: &Core<W, H>,
        situation: &Situation,
    ) -> MayReceive {
        if core.has_to_send() && situation.writing == 0 && !self.inbound.is_idle() {
            return MayReceive::SendFirst;
        }
        if core.may_read(situation) {
            return MayReceive::Yes;
        }
        self.inbound.set_reading(Reading::Paused);
        MayReceive::No
    }

    /// Decodes what was received, gives answers to their calls, and begins to answer others.
    pub(crate) fn handle_received(
        &mut self,
        hands: &mut impl Hands<Caller = W, Stream = S>,
    ) -> Result<(), CloseReason> {
        self.keep_attachments(hands);
        loop {
            let decoded = self.decode(hands);
            // Answers first: they wake callers, and free places among the outstanding calls.
            if !self.inbound.callers.is_empty() {
                self.inbound.on_tasks = hands.wake(&mut self.inbound.callers);
            }
            self.start_calls(decoded.is_err(), hands)?;
            decoded?;
            // A switch that is refused at once leaves the boxes behind it, and those are answered
            // even if the refusal closes the connection.
            if !self.inbound.is_at_switch() || hands.public().any(Public::ENDS_BOXES) {
                return Ok(());
            }
            self.inbound.take_left();
        }
    }

    /// The boxes before a mistake are good; the mistake ends the connection after them.
    fn decode(
        &mut self,
        hands: &mut impl Hands<Caller = W, Stream = S>,
    ) -> Result<(), ProtocolError> {
        if hands.public().any(Public::LOOK) {
            self.look_at_news(hands);
        }
        // Behind a box that switches the protocol there are no boxes. Where one is to be expected
        // each box is looked at before the next is decoded.
        let alone = self.makes_switches || hands.public().any(Public::SWITCH_ASKED);
        if !self.inbound.own.is_empty() && !self.begin_own(false, hands) {
            return Ok(());
        }
        loop {
            let Self { inbound, stint, queued, answers_only, .. } = self;
            let (boxes, decoded) = inbound.decode(alone);
            stint.received(boxes.len());
            // A user's code may say so, so it is asked while nothing is locked.
            let asks_switch = hands.decoded(boxes);
            let (sorted, handled) = hands.with(|core| {
                *queued |= core.has_to_send();
                *answers_only = core.outstanding() == 0;
                inbound.sort(core, asks_switch)
            });
            hands.sorted(&sorted, inbound);
            if !sorted.is_nothing() {
                Self::drop_unwanted(sorted, hands);
            }
            let ends_boxes = hands.public().any(Public::ENDS_BOXES);
            if !self.inbound.own.is_empty() {
                let are_last = ends_boxes || handled.is_err() || decoded.is_err();
                if !self.begin_own(are_last, hands) {
                    return Ok(());
                }
            }
            handled?;
            let Self { inbound, stint, .. } = self;
            if ends_boxes {
                inbound.stop();
                return Ok(());
            }
            if !decoded? || inbound.gives_way(stint.is_over()) {
                return Ok(());
            }
        }
    }

    /// Answers calls of the connection's own, until others are to have their turn. Whether none is left. Behind
    /// those that are `last` nothing is decoded any more, so all of them are answered.
    #[inline(never)]
    fn begin_own(&mut self, last: bool, hands: &mut impl Hands<Caller = W, Stream = S>) -> bool {
        self.queued = true;
        while let Some(received) = self.inbound.own.pop_front() {
            let size = received.call.ampbox().size();
            self.stint.before_call(|| hands.now());
            hands.begin(&received, false, AnsweredBy::Own);
            self.stint.after_call(size, || hands.now());
            if self.stint.is_over() && !last && !self.inbound.own.is_empty() {
                self.inbound.leave_own();
                return false;
            }
        }
        true
    }

    #[inline(never)]
    fn drop_unwanted<H: Hands<Caller = W, Stream = S>>(
        sorted: Sorted<<H::Host as Host>::Discard>,
        hands: &mut H,
    ) {
        let Sorted { unwanted, ignored, unanswerable } = sorted;
        if ignored > 0 || unanswerable > 0 {
            hands.note(Note::Unwanted { ignored, unanswerable });
        }
        for (number, discard) in unwanted {
            match discard {
                Some((discard, answer)) => hands.discard(discard, &answer, number),
                None => hands.with(|core| core.handle_unread(number)),
            }
        }
    }

    /// Keeps the attachments that have just arrived, if any have.
    #[inline]
    fn keep_attachments(&mut self, hands: &mut impl Hands<Caller = W, Stream = S>) {
        if !self.inbound.input.attachments.is_empty() {
            self.keep(hands);
        }
    }

    #[inline(never)]
    fn keep(&mut self, hands: &mut impl Hands<Caller = W, Stream = S>) {
        let now = hands.now();
        let first = hands.with(|core| self.handle_attachments(now, core));
        hands.share_attachments(first, now);
    }

    /// Counts what is held among all that the server holds. When it is too much of that, the end
    /// begins.
    ///
    /// # Errors
    ///
    /// When it is too much once the end has begun, which is then over.
    pub(super) fn check_held(
        &mut self,
        hands: &mut impl Hands<Caller = W, Stream = S>,
    ) -> Result<(), CloseReason> {
        let Err(reason) = self.count_held(hands) else { return Ok(()) };
        hands.with(|core| self.handle_too_much(reason, core))
    }

    /// Counts what is held among all that the server holds, and fails when it is too much of that.
    #[inline]
    pub(super) fn count_held(
        &mut self,
        hands: &mut impl Hands<Caller = W, Stream = S>,
    ) -> Result<(), CloseReason> {
        // What is queued leaves with this turn, unless something holds it back.
        let leaves = self.line.writing.is_empty() && !hands.public().any(Public::EVENTFUL);
        if self.share.is_nothing() && leaves && self.share.leaves_out(self.inbound.size()) {
            return Ok(());
        }
        self.counted = hands.peek(Core::queued);
        self.share.set(self.inbound.size() + self.line.writing.len() + self.counted)
    }
}
