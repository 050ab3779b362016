//! What comes in: boxes, the answers among them, and the calls to be answered.

use std::collections::VecDeque;
use std::io;
use std::ops::RangeInclusive;
use std::task::{Context, Poll, Waker, ready};
use tokio::time::{Instant, sleep};

use super::super::all_held;
use super::super::peer::Peer;
use super::{Driver, Input, Progress, READ_MAX, READ_MIN, Reading, Received, TURNS, begin};
use crate::error::CloseReason;
use crate::proto::{Event, ProtocolError, Refusal, Wants};
use crate::responder::{Question, Undeclared};

/// How many boxes are decoded before they are sorted out. Many small ones take more memory than
/// what they were read into, and callers wait for the lock while they are sorted.
const AT_ONCE: usize = 16;

/// When half of the outstanding calls have their answers, but at least and at most so many, those who
/// made them have their turn before the next boxes. What they call next is sent while others still wait: so
/// both sides are at work at once. And a few tasks have run before another thread of the runtime
/// comes to share them, which costs more than it gains when all that they do is to call.
pub(super) const ANSWERS_AT_ONCE: RangeInclusive<usize> = 8..=16;

impl Driver {
    /// Reads, and deals with what was read, until there is nothing to read.
    pub(super) fn poll_reading(&mut self, cx: &mut Context<'_>) -> Result<Progress, CloseReason> {
        self.reading = Reading::Behind;
        let until = self.stint.bytes() + READ_MAX;
        for _ in 0..TURNS {
            if self.shared.wants(Wants::BOUNDARY) {
                return Ok(Progress::Waiting);
            }
            self.input.boundary = false;
            if self.stint.is_over() {
                break;
            }
            if !std::mem::take(&mut self.input.left)
                && let Some(progress) = self.poll_more(cx)?
            {
                return Ok(progress);
            }
            self.handle_received()?;
            self.check_send_queue()?;
            let mut hoarding = self.input.hoarding;
            if hoarding || self.shared.wants(Wants::EVENTFUL) {
                let (closes, hoards) = self.shared.with(|state| {
                    let hoards = state.core.is_hoarding(state.core.unclaimed.len());
                    (state.core.end.begun().is_some(), hoards)
                });
                if closes {
                    // What comes later than the failure that closes the connection is not answered.
                    return Ok(Progress::More);
                }
                // Those who have just got their answers claim what these name before more is read.
                hoarding = hoards;
            }
            if self.stint.bytes() >= until || hoarding || self.input.left {
                break;
            }
        }
        Ok(Progress::More)
    }

    /// Receives more bytes, or says how to go on without.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Result<Option<Progress>, CloseReason> {
        let usual = self.input.calls.is_empty()
            && !self.shared.wants(Wants::LOOK)
            && !self.busy.is_full(&self.shared.settings);
        if usual {
            self.input.ahead = 0;
        } else {
            let waits = self.waits();
            let (queued, may_read) = self
                .shared
                .with(|state| (!state.core.outgoing().is_empty(), state.core.may_read(&waits)));
            if queued && self.line.writing.is_empty() && !self.input.calls.is_empty() {
                // What their answers wait behind is sent first.
                return Ok(Some(Progress::More));
            }
            if !may_read {
                self.reading = Reading::Paused;
                return Ok(Some(Progress::Waiting));
            }
        }
        let Poll::Ready(received) = self.poll_receive(cx) else {
            // They may come apart from bytes, and count then too.
            self.receive_attachments()?;
            self.reading = Reading::Done;
            // What comes next is seen only once others have had their turn.
            self.stint.reset();
            return Ok(Some(Progress::Waiting));
        };
        let received = received?;
        if received == 0 {
            self.leave_behind();
            let received = self.input.buffer.len();
            return Err(CloseReason::end_of_stream(received));
        }
        if let Some(watch) = &mut self.watch {
            watch.received();
        }
        self.stint.received_bytes(received);
        Ok(None)
    }

    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Input { buffer, buffers, decoder, attachments, ask, .. } = &mut self.input;
        let missing = decoder.needed().saturating_sub(buffer.len());
        let room = missing.max(*ask);
        // A reserve that moves what is there costs more than a short read, so half is enough.
        if buffer.capacity() - buffer.len() < missing.max(room / 2) {
            buffers.make_room(buffer, missing, room);
        }
        let room = buffer.capacity() - buffer.len();
        let received = self.line.transport.as_mut().poll_receive(cx, buffer, attachments);
        if received.is_pending() && buffers.poll_release(cx, buffer) {
            *ask = READ_MIN;
            self.line.writing.release();
            self.shared.with(|state| state.core.outgoing().release());
        }
        let received = ready!(received)?;
        if received == room && *ask < READ_MAX {
            *ask *= 2;
        }
        Poll::Ready(Ok(received))
    }

    /// Decodes what was read, gives answers to their calls, and starts responders.
    pub(super) fn handle_received(&mut self) -> Result<(), CloseReason> {
        self.receive_attachments()?;
        loop {
            let decoded = self.decode();
            // Answers first: they wake callers, and free places among the outstanding calls.
            self.input.wakers.drain(..).for_each(Waker::wake);
            self.start_responders()?;
            decoded?;
            // A switch that is refused at once leaves the boxes behind it, and those are answered
            // even if the refusal closes the connection.
            if !self.input.boundary || self.shared.wants(Wants::BOUNDARY) {
                return Ok(());
            }
            (self.input.left, self.input.boundary) = (false, false);
        }
    }

    /// Starts the responders of the calls that were received. Most of them answer at once, so this
    /// stops while there is enough to be sent. Where the attachments that they bring come near to
    /// their own limit, it goes on longer.
    pub(super) fn start_responders(&mut self) -> Result<(), CloseReason> {
        while !self.input.calls.is_empty() && !self.stint.is_over() {
            let full = self.busy.is_full(&self.shared.settings);
            if full || self.shared.wants(Wants::CROWDED | Wants::LOOK) {
                self.look();
                if !self.may_start() {
                    break;
                }
            }
            if let Some(received) = self.input.calls.pop_front() {
                self.input.calls_size -= received.size();
                self.stint.before_call();
                self.start_responder(&received)?;
                self.stint.after_call(received.call.ampbox().size());
            }
        }
        // What a flood of calls needed is not kept.
        let calls = &mut self.input.calls;
        if calls.is_empty() && calls.capacity() * size_of::<Received>() > 4 * READ_MAX {
            *calls = VecDeque::new();
        }
        Ok(())
    }

    /// Looks at what has changed: what calls are answered by, and how much goes on already.
    fn look(&mut self) {
        let Self { shared, busy, .. } = self;
        let replaced = shared.with(|state| {
            (busy.admission, busy.closing) = state.core.look();
            state.replaced.take()
        });
        // Those that were there before are dropped here, and their state is the user's.
        if let Some(locator) = replaced {
            self.locator = locator;
        }
    }

    /// Whether a call waits whose responder may start.
    pub(super) fn may_start(&self) -> bool {
        if self.input.calls.is_empty() {
            return false;
        }
        let waits = self.waits();
        self.shared.with(|state| state.core.may_start(&waits))
    }

    pub(super) fn receive_attachments(&mut self) -> Result<(), CloseReason> {
        if self.input.attachments.is_empty() {
            return Ok(());
        }
        let limits = self.shared.settings.limits;
        let limit = limits.unclaimed_attachments;
        let now = Instant::now().into_std();
        let Self { shared, input, .. } = self;
        let (first, over) = shared.with(|state| {
            let unclaimed = &mut state.core.unclaimed;
            let first = unclaimed.receive(input.attachments.drain(..), now);
            (first, (unclaimed.len() > limit).then(|| unclaimed.take_all()))
        });
        if let Some(over) = over {
            tracing::debug!(count = over.len(), "dropped attachments that nothing has claimed");
            return Err(CloseReason::Limit { what: "unclaimed attachments", limit });
        }
        if first {
            all_held::register(&self.shared);
        }
        all_held::make_room(limits.attachments_in_all, now);
        self.aging.get_or_insert_with(|| Box::pin(sleep(limits.unclaimed_timeout)));
        Ok(())
    }

    /// Drops the attachments that have waited for too long.
    pub(super) fn poll_aging(&mut self, cx: &mut Context<'_>) {
        while let Some(timer) = &mut self.aging
            && timer.as_mut().poll(cx).is_ready()
        {
            let after = self.shared.settings.limits.unclaimed_timeout;
            let now = Instant::now().into_std();
            let (dead, next) = self.shared.with(|state| state.core.unclaimed.expire(now, after));
            match next {
                Some(next) => timer.as_mut().reset(next.into()),
                None => self.aging = None,
            }
            if !dead.is_empty() {
                tracing::debug!(count = dead.len(), "dropped attachments that nothing has claimed");
            }
        }
    }

    /// The boxes before a mistake are good; the mistake ends the connection after them.
    pub(super) fn decode(&mut self) -> Result<(), ProtocolError> {
        // Behind a box that switches the protocol there are no boxes. Where one is to be expected
        // each box is looked at before the next is decoded.
        if self.shared.wants(Wants::LOOK) {
            self.look();
        }
        let expected = self.locator.has_switches() || self.shared.wants(Wants::SWITCH_ASKED);
        loop {
            let turn = self.input.turn.saturating_sub(self.input.wakers.len());
            let most = if expected { 1 } else { turn.clamp(1, AT_ONCE) };
            let Input { buffer, buffers, decoder, boxes, decoded: decoded_boxes, .. } =
                &mut self.input;
            let decoded = loop {
                if boxes.len() == most {
                    break Ok(true);
                }
                match decoder.decode(buffer) {
                    Ok(Some(ampbox)) => {
                        if ampbox.size() > READ_MAX {
                            buffers.leave(buffer);
                        }
                        boxes.push(ampbox);
                        *decoded_boxes += 1;
                    }
                    Ok(None) => break Ok(false),
                    Err(error) => break Err(error),
                }
            };
            if let Some(log) = &self.shared.settings.wire_log {
                log.received(&self.shared.address, &self.input.boxes);
            }
            self.stint.received(self.input.boxes.len());
            self.handle_boxes()?;
            if self.shared.wants(Wants::BOUNDARY) {
                (self.input.left, self.input.boundary) = (true, true);
                return Ok(());
            }
            if !decoded? {
                return Ok(());
            }
            let enough = self.input.wakers.len() >= self.input.turn || self.stint.is_over();
            if enough && !self.input.buffer.is_empty() {
                self.input.left = true;
                return Ok(());
            }
        }
    }

    /// Sorts out what was decoded: answers to their calls, calls to be answered.
    pub(super) fn handle_boxes(&mut self) -> Result<(), ProtocolError> {
        let Self { shared, locator, input, .. } = self;
        let Input { boxes, calls, calls_size, gone, wakers, hoarding, turn, .. } = input;
        let (mut ignored, mut unanswerable) = (0, 0);
        let mut unwanted = Vec::new();
        // A user's code may say so, so it is asked while nothing is locked. Where it may be true
        // there is one box at a time.
        let asks_switch = boxes.first().is_some_and(|ampbox| locator.is_switch(ampbox));
        let handled = shared.with(|state| {
            let core = &mut state.core;
            *hoarding = core.is_hoarding(core.unclaimed.len());
            let (least, most) = ANSWERS_AT_ONCE.into_inner();
            // Who waits for nothing has no answers to give out.
            *turn = match core.outstanding() {
                0 => most,
                outstanding => (outstanding / 2).clamp(least, most),
            };
            boxes.drain(..).try_for_each(|ampbox| {
                let number = core.unclaimed.number();
                match core.handle_box(ampbox)? {
                    Event::Answered { id, waiter } => {
                        if let Some(number) = number {
                            core.unclaimed.answered(id, number);
                        }
                        wakers.push(waiter);
                    }
                    Event::Switched(waker) => {
                        wakers.extend(waker);
                        unwanted.extend(number.map(|number| (number, None)));
                    }
                    // Nobody is there to be answered.
                    Event::Called(call) if *gone && call.tag().is_some() => {
                        unanswerable += 1;
                        unwanted.extend(number.map(|number| (number, None)));
                    }
                    Event::Called(call) => {
                        if asks_switch {
                            core.handle_switch()?;
                        }
                        let received = Received { call, number };
                        *calls_size += received.size();
                        calls.push_back(received);
                    }
                    Event::Late { id, answer } => {
                        ignored += 1;
                        let discard = core.unclaimed.take_given_up(id);
                        if let Some(number) = number {
                            unwanted.push((number, discard.zip(answer.ok())));
                        }
                    }
                    Event::Ignored => {
                        ignored += 1;
                        unwanted.extend(number.map(|number| (number, None)));
                    }
                }
                Ok(())
            })
        });
        for (number, discard) in unwanted {
            match discard {
                Some((discard, answer)) => discard(shared, &answer, number),
                None => shared.leave(number),
            }
        }
        if unanswerable > 0 {
            let dropped = unanswerable;
            tracing::debug!(dropped, "dropped calls that nobody waits for any more");
        }
        if ignored > 0 {
            tracing::debug!(ignored, "ignored answers to calls that are not outstanding");
        }
        handled
    }

    /// Starts the responder of a call, and leaves it to a task of its own if it has to wait.
    fn start_responder(&mut self, received: &Received) -> Result<(), CloseReason> {
        let Received { call, number } = received;
        // Behind a call that asks for a switch nothing is decoded: it is the last one.
        let asks_switch = self.input.calls.is_empty() && self.shared.wants(Wants::DECIDING);
        let peer = Peer::recent(&self.shared, &mut self.handle);
        let mut question = Question::new(peer, call, *number, asks_switch);
        match self.busy.admit(&self.shared.settings) {
            Ok(()) => {}
            Err(Refusal::Closing) => {
                question.fail_closing();
                return Ok(());
            }
            Err(Refusal::TooMany { what, limit }) => {
                question.fail_undeclared(&Undeclared::TooMany { what, limit });
                let one_way = call.tag().is_none();
                return if one_way { Err(CloseReason::Limit { what, limit }) } else { Ok(()) };
            }
        }
        begin(&self.shared, &self.locator, question, received);
        Ok(())
    }
}
