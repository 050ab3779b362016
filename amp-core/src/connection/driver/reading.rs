//! What comes in: bytes, the boxes among them, and the attachments beside them.

use std::io;
use std::task::{Context, Poll, Waker};

use super::super::all_held;
use super::clock::now;
use super::state::{Driver, TURNS};
use crate::error::CloseReason;
use crate::proto::{HELD_UNCOUNTED, MayReceive, ProtocolError, Public, Reading, Sorted};

/// So many bytes are read before what is queued is written.
const READ_AT_ONCE: usize = 256 << 10;

impl Driver {
    /// Reads; once the end has begun, only what was received before. Whether it is worth another look.
    ///
    /// # Errors
    ///
    /// When the stream broke, which is the end at once.
    pub(super) fn poll_reading(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        if !self.drive.reads(self.shared.public()) {
            return Ok(false);
        }
        let mut more = false;
        match self.read(cx) {
            Ok(again) => more = again,
            Err(reason @ CloseReason::Io(_)) => return Err(reason),
            Err(reason) => {
                self.shared.close(&reason);
            }
        }
        Ok(more)
    }

    /// Reads, and deals with what was read, until there is nothing to read.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        self.drive.inbound.set_reading(Reading::Behind);
        let until = self.drive.stint.bytes() + READ_AT_ONCE;
        for _ in 0..TURNS {
            if self.shared.wants(Public::BOUNDARY) {
                return Ok(false);
            }
            if self.drive.stint.is_over() {
                break;
            }
            if !self.drive.inbound.take_left()
                && let Some(more) = self.poll_more(cx)?
            {
                return Ok(more);
            }
            self.handle_received()?;
            self.check_queue()?;
            if self.shared.wants(Public::ENDING) {
                return Ok(true);
            }
            // Callers who have just got their answers claim what these name before more is read.
            let hoarding = self.drive.inbound.is_hoarding()
                && self.shared.peek(|state| state.core.is_hoarding());
            if self.drive.stint.bytes() >= until || hoarding || self.drive.inbound.has_left() {
                break;
            }
        }
        Ok(true)
    }

    /// Receives more bytes, or says how to go on without.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Result<Option<bool>, CloseReason> {
        let together = self.shared.settings.together.as_deref();
        if !self.drive.may_receive(self.shared.public(), together) {
            let situation = self.situation();
            let Self { shared, drive, .. } = self;
            let may_receive =
                shared.peek(|state| drive.look_whether_to_receive(&state.core, &situation));
            match may_receive {
                MayReceive::Yes => {}
                MayReceive::SendFirst => return Ok(Some(true)),
                MayReceive::No => return Ok(Some(false)),
            }
        }
        let Poll::Ready(received) = self.poll_receive(cx) else {
            // Attachments may come apart from bytes, and count then too.
            self.receive_attachments()?;
            self.drive.inbound.set_reading(Reading::Done);
            // What comes next is seen only once others have had their turn.
            self.drive.stint.reset();
            return Ok(Some(false));
        };
        let received = received?;
        if received == 0 {
            self.drive.inbound.set_reading(Reading::Over);
            return Err(CloseReason::end_of_stream(self.drive.inbound.input.len()));
        }
        self.drive.handle_received(now);
        self.drive.stint.received_bytes(received);
        Ok(None)
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Self { drive, line, .. } = self;
        let received = drive.inbound.receive(|buffer, attachments| {
            line.transport.as_mut().poll_receive(cx, buffer, attachments)
        });
        if drive.inbound.input.is_large() {
            drive.release_buffers_later(now);
        }
        received
    }

    /// Gives large buffers up. What is received from now on goes into small ones again, if it is not
    /// much.
    pub(super) fn release_buffers(&mut self) {
        self.drive.inbound.input.release();
        self.line.writing.release();
        self.shared.with(|state| state.core.outgoing().release());
    }

    /// Decodes what was read, gives answers to their calls, and starts responders.
    pub(super) fn handle_received(&mut self) -> Result<(), CloseReason> {
        self.receive_attachments()?;
        loop {
            let decoded = self.decode();
            // Answers first: they wake callers, and free places among the outstanding calls.
            self.drive.inbound.callers.drain(..).for_each(Waker::wake);
            self.start_responders()?;
            decoded?;
            // A switch that is refused at once leaves the boxes behind it, and those are answered
            // even if the refusal closes the connection.
            if !self.drive.inbound.is_at_switch() || self.shared.wants(Public::BOUNDARY) {
                return Ok(());
            }
            self.drive.inbound.take_left();
        }
    }

    /// The boxes before a mistake are good; the mistake ends the connection after them.
    fn decode(&mut self) -> Result<(), ProtocolError> {
        if self.shared.wants(Public::LOOK) {
            self.take_news();
        }
        // Behind a box that switches the protocol there are no boxes. Where one is to be expected
        // each box is looked at before the next is decoded.
        let alone = self.locator.has_switches() || self.shared.wants(Public::SWITCH_ASKED);
        loop {
            let Self { shared, drive, .. } = self;
            let inbound = &mut drive.inbound;
            let (boxes, decoded) = inbound.decode(alone);
            if let Some(log) = &shared.settings.wire_log {
                log.received(&shared.address, boxes);
            }
            drive.stint.received(boxes.len());
            // A user's code may say so, so it is asked while nothing is locked.
            let asks_switch = boxes.first().is_some_and(|ampbox| self.locator.is_switch(ampbox));
            let waiting = inbound.waiting();
            let (sorted, handled) = shared.with(|state| {
                self.queued |= state.core.has_to_send();
                inbound.sort(&mut state.core, asks_switch)
            });
            self.drop_unwanted(sorted);
            self.handle_own(waiting);
            handled?;
            if self.shared.wants(Public::BOUNDARY) {
                self.drive.inbound.stop();
                return Ok(());
            }
            let is_late = self.drive.stint.is_over();
            if !decoded? || self.drive.inbound.gives_way(is_late) {
                return Ok(());
            }
        }
    }

    fn drop_unwanted(&self, sorted: Sorted<super::super::shared::Discard>) {
        let Sorted { unwanted, ignored, unanswerable } = sorted;
        for (number, discard) in unwanted {
            match discard {
                Some((discard, answer)) => discard(&self.shared, &answer, number),
                None => self.shared.leave(number),
            }
        }
        if unanswerable > 0 {
            let dropped = unanswerable;
            tracing::debug!(dropped, "dropped calls that nobody waits for any more");
        }
        if ignored > 0 {
            tracing::debug!(ignored, "ignored answers to calls that are not outstanding");
        }
    }

    #[inline]
    fn receive_attachments(&mut self) -> Result<(), CloseReason> {
        if self.drive.inbound.input.attachments.is_empty() {
            return Ok(());
        }
        self.keep_attachments()
    }

    fn keep_attachments(&mut self) -> Result<(), CloseReason> {
        let Self { shared, drive, .. } = self;
        let now = now();
        let first = shared.with(|state| drive.handle_attachments(now, &mut state.core))?;
        if first {
            all_held::register(shared);
        }
        all_held::make_room(shared.settings.limits.attachments_in_all, now);
        Ok(())
    }

    /// Counts what is held among all that the server holds. When it is too much of that, the end
    /// begins.
    ///
    /// # Errors
    ///
    /// When it is too much once the end has begun, which is then over.
    pub(super) fn poll_held(&mut self) -> Result<(), CloseReason> {
        let Err(reason) = self.count_held() else { return Ok(()) };
        self.shared.with(|state| self.drive.handle_too_much(reason, &mut state.core))
    }

    /// Counts what is held among all that the server holds, and fails when it is too much of that.
    #[inline]
    pub(super) fn count_held(&mut self) -> Result<(), CloseReason> {
        // What is queued leaves with this turn, unless something holds it back.
        let leaves = self.line.writing.is_empty() && !self.shared.wants(Public::EVENTFUL);
        if self.held.is_nothing() && leaves && self.drive.inbound.size() <= HELD_UNCOUNTED {
            return Ok(());
        }
        self.counted = self.shared.peek(|state| state.core.queued());
        let held = self.drive.inbound.size() + self.line.writing.len() + self.counted;
        self.held.set(held)
    }
}
