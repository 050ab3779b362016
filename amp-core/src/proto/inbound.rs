//! The reader's half of a connection, which only its driver has, without a lock: boxes that are being
//! decoded, and calls that were received and are not begun.

mod ahead;
mod buffers;
mod input;

#[cfg(feature = "tokio")]
pub(crate) use ahead::Looked;
#[cfg(all(test, feature = "tls"))]
pub(crate) use buffers::LARGE_MAX as LARGE_BUFFERS;
pub(crate) use input::Input;

use bytes::BytesMut;
use std::collections::VecDeque;
use std::io;
use std::ops::RangeInclusive;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use super::box_number::BoxNumber;
use super::timers::{Timer, Timers};
use super::unfinished::Unfinished;
use super::{Answer, Core, Event, Host, IncomingCall, ProtocolError};
use crate::argument::Attachment;
use crate::boxes::{AmpBox, BoxError, BoxLimits, Decoder};
use crate::proto::CloseReason;

/// How many boxes are decoded before they are sorted out. Many small ones take more memory than
/// what they were read into, and callers wait for the lock while they are sorted.
const AT_ONCE: usize = 16;

/// When half of the outstanding calls have their answers, but at least and at most so many, those who
/// made them have their turn before the next boxes. What they call next is sent while others still wait: so
/// both sides are at work at once.
const ANSWERS_AT_ONCE: RangeInclusive<usize> = 8..=16;

/// More than so many callers are many.
const MANY: usize = 32;

/// Of many callers on several threads a fifth, but so many. Whenever a driver wakes two callers, or itself, another
/// thread wakes too, and takes half of them or finds that they are done. That costs as much as ten calls do. Fewer at
/// a time wake it more often, and of more it takes so many that both threads are after the same state.
const MANY_AT_ONCE: RangeInclusive<usize> = 8..=24;

/// So many callers or more that are on one task are answered half at a time, but no more than this. No other thread
/// can take a part of their work. So the driver gives way to that task, where other threads do not find it. That wakes
/// one of them all the same, once each time, so it is to be done seldom.
const HALF_AT_ONCE: usize = 128;

/// A driver that gives way is woken by the thread that it was on, once that has run the other tasks. If one of
/// those keeps the thread, the driver is woken after this time, and another thread runs it. That is less than
/// anybody's timeout, and seldom enough that it costs little to move a driver that was not held up.
pub(crate) const WAITS_BEHIND_OTHERS: Duration = Duration::from_millis(25);

/// The room for calls that is kept when none waits, in bytes.
const KEPT: usize = 1 << 20;

/// How far the last attempt to read has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// There may be more to read.
    Behind,
    /// Nothing may be read: see [`Core::may_read`].
    Paused,
    /// All there was is read.
    Done,
    /// The peer has closed its side, and all it has sent is read.
    Over,
}

/// Those who call, as they were when boxes were last sorted out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Among {
    /// All that one thread runs.
    OneThread,
    /// A few that several threads run.
    Few,
    /// More than [`MANY`] of those.
    Many,
    /// At least [`HALF_AT_ONCE`], all on one task, as `join_all` has them.
    OneTask,
}

/// Whether there may be more boxes among what was received, and what those wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    /// The driver's next turn.
    Turn,
    /// That a protocol switch is decided.
    Switch,
}

/// A call that was received.
#[derive(Debug)]
pub(crate) struct WaitingCall {
    pub(crate) call: IncomingCall,
    pub(crate) number: Option<BoxNumber>,
}

impl WaitingCall {
    /// How many bytes it takes: those of its box, and what it is itself, which is many times as much for a call
    /// without arguments.
    pub(crate) fn size(&self) -> usize {
        size_of::<Self>() + self.call.ampbox().memory()
    }
}

/// What has become of boxes that were sorted out and are neither answers that somebody waits for nor
/// calls that are begun.
#[derive(Debug)]
pub(crate) struct Sorted<D> {
    /// Boxes that nobody reads, and how those are dropped that are answers.
    pub(crate) unwanted: Vec<(BoxNumber, Option<(D, AmpBox)>)>,
    /// How many answers came to calls that are not outstanding.
    pub(crate) ignored: usize,
    /// How many calls nobody waits for any more.
    pub(crate) unanswerable: usize,
}

impl<D> Sorted<D> {
    /// Whether all were answers that somebody waits for and calls that are begun.
    #[inline]
    pub(crate) fn is_nothing(&self) -> bool {
        self.unwanted.is_empty() && self.ignored == 0 && self.unanswerable == 0
    }
}

/// The reader's half of a connection.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "they have nothing to do with each other")]
pub(crate) struct Inbound<W> {
    pub(crate) input: Input,
    decoder: Decoder,
    /// The boxes that were decoded and are not sorted out.
    boxes: Vec<AmpBox>,
    /// Calls that are not answered yet because there is enough to be sent, or that were read ahead.
    calls: VecDeque<WaitingCall>,
    /// How many bytes `calls` take: see [`WaitingCall::size`].
    calls_size: usize,
    /// Calls of the connection's own, which nothing holds back: responders that run may wait for what they
    /// bring. They are answered right after they are sorted out, as callers are told.
    pub(crate) own: VecDeque<WaitingCall>,
    reading: Reading,
    /// How many bytes may be read ahead while as many responders run as may.
    ahead: usize,
    /// Whether the peer had gone at the last look.
    went: bool,
    /// Whether nobody is left to be answered, although there may be more to read.
    gone: bool,
    /// The callers whose answers have come, until they are told.
    pub(crate) callers: Vec<W>,
    /// Whether any of those who were told last is known to be a task of its own.
    pub(crate) on_tasks: bool,
    /// How many answers are given out before others have their turn: see [`ANSWERS_AT_ONCE`].
    turn: usize,
    among: Among,
    left: Left,
    /// Whether so many attachments waited when boxes were last sorted out that they should be claimed
    /// before more are received.
    hoarding: bool,
    /// How many boxes were decoded.
    decoded: u64,
    unfinished: Unfinished,
}

impl<W> Inbound<W> {
    pub(crate) fn new(limits: BoxLimits) -> Self {
        Self {
            input: Input::default(),
            decoder: Decoder::new(limits),
            boxes: Vec::new(),
            calls: VecDeque::new(),
            calls_size: 0,
            own: VecDeque::new(),
            reading: Reading::Behind,
            ahead: 0,
            went: false,
            gone: false,
            callers: Vec::new(),
            on_tasks: true,
            turn: *ANSWERS_AT_ONCE.start(),
            among: Among::OneThread,
            left: Left::Nothing,
            hoarding: false,
            decoded: 0,
            unfinished: Unfinished::default(),
        }
    }

    /// Several threads run those who call.
    #[cfg(any(test, feature = "tokio"))]
    pub(crate) fn share_threads(&mut self) {
        self.among = Among::Few;
    }

    /// Whether several threads run those who call.
    #[inline]
    pub(crate) fn shares_threads(&self) -> bool {
        self.among != Among::OneThread
    }

    /// The driver gives way, and is woken after a while however long others keep its thread. The timer runs once
    /// in that while, however often the driver gives way, so it costs nothing for each time. Where there is but
    /// one thread, no other could go on with it. Returns whether the timer was set just now.
    pub(crate) fn watch_giving_way(
        &self,
        timers: &mut Timers,
        now: impl FnOnce() -> Instant,
    ) -> bool {
        let is_new = self.shares_threads() && !timers.is_set(Timer::GivenWay);
        if is_new {
            timers.set_after(Timer::GivenWay, now(), WAITS_BEHIND_OTHERS);
        }
        is_new
    }

    /// Whether many callers on several threads had outstanding calls when boxes were last sorted out.
    #[inline]
    pub(crate) fn is_among_many(&self) -> bool {
        matches!(self.among, Among::Many | Among::OneTask)
    }

    /// Whether they were on one task.
    #[inline]
    pub(crate) fn is_beside_one_task(&self) -> bool {
        self.among == Among::OneTask
    }

    /// Receives more with `receive`, which appends to what it is given. How many bytes.
    ///
    /// # Errors
    ///
    /// When the stream broke, and when the peer has closed its side.
    #[inline]
    pub(crate) fn receive(
        &mut self,
        receive: impl FnOnce(&mut BytesMut, &mut Vec<Attachment>) -> Poll<io::Result<usize>>,
    ) -> Poll<Result<usize, CloseReason>> {
        let missing = self.decoder.needed().saturating_sub(self.input.len());
        let received = ready!(self.input.receive(missing, receive))?;
        if received == 0 {
            self.reading = Reading::Over;
            return Poll::Ready(Err(CloseReason::end_of_stream(self.input.len())));
        }
        Poll::Ready(Ok(received))
    }

    pub(crate) fn reading(&self) -> Reading {
        self.reading
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.reading == Reading::Paused
    }

    /// Says how far the reader has come.
    pub(crate) fn set_reading(&mut self, reading: Reading) {
        self.reading = reading;
    }

    /// How many bytes may be read ahead.
    pub(crate) fn ahead(&self) -> usize {
        self.ahead
    }

    /// As few responders run as may, so nothing is read ahead.
    pub(crate) fn end_ahead(&mut self) {
        self.ahead = 0;
    }

    pub(crate) fn is_hoarding(&self) -> bool {
        self.hoarding
    }

    /// How many calls were received and are not begun.
    pub(crate) fn waiting(&self) -> usize {
        self.calls.len()
    }

    /// How many boxes were decoded.
    pub(crate) fn decoded(&self) -> u64 {
        self.decoded
    }

    /// Whether boxes may be left among what was received.
    pub(crate) fn has_left(&self) -> bool {
        self.left != Left::Nothing
    }

    /// Whether boxes may be left because of a protocol switch.
    pub(crate) fn is_at_switch(&self) -> bool {
        self.left == Left::Switch
    }

    /// Takes the bytes that are no boxes yet. A box that has begun among them is none of what comes next, over
    /// another transport.
    #[cfg(feature = "tokio")]
    pub(crate) fn take_unread(&mut self) -> BytesMut {
        self.decoder.begin_anew();
        self.input.take()
    }

    /// Decodes what is left, if anything is: whether that is so. Nothing ends the boxes any more.
    pub(crate) fn take_left(&mut self) -> bool {
        std::mem::replace(&mut self.left, Left::Nothing) != Left::Nothing
    }

    /// Decodes boxes until there is a turn of them, or one alone; how many there are, and whether more
    /// may be left. The boxes before a mistake are good.
    pub(crate) fn decode(&mut self, alone: bool) -> (&[AmpBox], Result<bool, BoxError>) {
        let turn = self.turn.saturating_sub(self.callers.len());
        let most = if alone { 1 } else { turn.clamp(1, AT_ONCE) };
        let decoded = loop {
            if self.boxes.len() == most {
                break Ok(true);
            }
            match self.decoder.decode(self.input.buffer()) {
                Ok(Some(ampbox)) => {
                    self.input.handle_decoded(ampbox.size());
                    self.boxes.push(ampbox);
                    self.decoded += 1;
                }
                Ok(None) => break Ok(false),
                Err(error) => break Err(error),
            }
        };
        (&self.boxes, decoded)
    }

    /// Takes the box that was decoded alone, where boxes are not sorted out.
    #[cfg(feature = "tokio")]
    pub(crate) fn take_box(&mut self) -> Option<AmpBox> {
        self.boxes.pop()
    }

    /// Sorts out what was decoded: answers to their calls, calls to be begun. `asks_switch` is whether
    /// the first box asks for a protocol switch if it is a call. Then it is the only one.
    pub(crate) fn sort<H: Host>(
        &mut self,
        core: &mut Core<W, H>,
        asks_switch: bool,
    ) -> (Sorted<H::Discard>, Result<(), ProtocolError>) {
        let outstanding = core.outstanding();
        if self.shares_threads() {
            self.among = match outstanding {
                0..=MANY => Among::Few,
                HALF_AT_ONCE.. if !self.on_tasks => Among::OneTask,
                _ => Among::Many,
            };
        }
        let (least, most) = (*ANSWERS_AT_ONCE.start(), *ANSWERS_AT_ONCE.end());
        let (least_of_many, most_of_many) = (*MANY_AT_ONCE.start(), *MANY_AT_ONCE.end());
        self.turn = match self.among {
            // A side without outstanding calls has no answers to give out.
            _ if outstanding == 0 => most,
            Among::Many => (outstanding / 5).clamp(least_of_many, most_of_many),
            Among::OneTask => (outstanding / 2).min(HALF_AT_ONCE),
            Among::Few => least,
            Among::OneThread => (outstanding / 2).clamp(least, most),
        };
        self.hoarding = core.is_hoarding();
        let mut sorted = Sorted { unwanted: Vec::new(), ignored: 0, unanswerable: 0 };
        let (mut boxes, mut handled) = (std::mem::take(&mut self.boxes), Ok(()));
        for ampbox in boxes.drain(..) {
            let number = core.unclaimed.number();
            handled = self.sort_one(ampbox, number, asks_switch, core, &mut sorted);
            if handled.is_err() {
                // Nothing reads the box that is the mistake, and nothing claims what it names.
                if let Some(number) = number {
                    core.handle_unread(number);
                }
                break;
            }
        }
        self.boxes = boxes;
        (sorted, handled)
    }

    #[inline]
    fn sort_one<H: Host>(
        &mut self,
        ampbox: AmpBox,
        number: Option<BoxNumber>,
        asks_switch: bool,
        core: &mut Core<W, H>,
        sorted: &mut Sorted<H::Discard>,
    ) -> Result<(), ProtocolError> {
        match core.handle_box(ampbox)? {
            Event::Answered { id, waiter } => {
                if let Some(number) = number {
                    core.unclaimed.answered(id, number);
                }
                self.callers.push(waiter);
            }
            Event::Switched(waiter) => {
                self.callers.extend(waiter);
                sorted.unwanted.extend(number.map(|number| (number, None)));
            }
            // Nobody is there to be answered.
            Event::Called(call) if self.gone && call.tag().is_some() => {
                sorted.unanswerable += 1;
                sorted.unwanted.extend(number.map(|number| (number, None)));
            }
            Event::Called(call) if core.is_own(call.command()) => {
                self.own.push_back(WaitingCall { call, number });
            }
            Event::Called(call) => {
                if asks_switch && let Some(tag) = call.tag() {
                    core.handle_switch(tag)?;
                }
                let received = WaitingCall { call, number };
                self.calls_size += received.size();
                self.calls.push_back(received);
            }
            Event::Late { id, answer } => {
                sorted.ignored += 1;
                let discard = core.unclaimed.take_given_up(id);
                if let Some(number) = number {
                    sorted.unwanted.push((number, discard.zip(Answer::ok(answer))));
                }
            }
            Event::Ignored => {
                sorted.ignored += 1;
                sorted.unwanted.extend(number.map(|number| (number, None)));
            }
        }
        Ok(())
    }

    /// Whether those who got their answers, or others, have their turn before what is left of the boxes.
    pub(crate) fn gives_way(&mut self, is_late: bool) -> bool {
        let enough = self.callers.len() >= self.turn || is_late;
        let gives_way = enough && !self.input.is_empty();
        if gives_way {
            self.left = Left::Turn;
        }
        gives_way
    }

    /// What was sorted out is not all dealt with: others have their turn first.
    pub(crate) fn leave_own(&mut self) {
        self.left = Left::Turn;
    }

    /// A protocol switch ends the boxes here, at least until it is decided.
    pub(crate) fn stop(&mut self) {
        self.left = Left::Switch;
    }

    /// Whether no call waits to be begun.
    pub(crate) fn is_idle(&self) -> bool {
        self.calls.is_empty()
    }

    /// How many bytes the calls take that wait to be begun.
    pub(crate) fn calls_size(&self) -> usize {
        self.calls_size
    }

    /// How many bytes wait that were received and are not dealt with.
    pub(crate) fn size(&self) -> usize {
        self.calls_size + self.input.len()
    }

    /// The call that is begun next.
    #[inline]
    pub(crate) fn next_call(&mut self) -> Option<WaitingCall> {
        let received = self.calls.pop_front()?;
        self.calls_size -= received.size();
        Some(received)
    }

    /// What a flood of calls needed is not kept.
    pub(crate) fn release(&mut self) {
        if self.calls.is_empty() && self.calls.capacity() * size_of::<WaitingCall>() > KEPT {
            self.calls = VecDeque::new();
        }
    }

    /// Takes all calls that wait to be begun.
    pub(crate) fn take_calls(&mut self) -> VecDeque<WaitingCall> {
        self.calls_size = 0;
        std::mem::take(&mut self.calls)
    }

    /// Takes those that want an answer.
    pub(crate) fn take_unanswerable(&mut self) -> VecDeque<WaitingCall> {
        let (unanswerable, left): (VecDeque<_>, _) =
            self.take_calls().into_iter().partition(|received| received.call.tag().is_some());
        self.calls_size = left.iter().map(WaitingCall::size).sum();
        self.calls = left;
        unanswerable
    }

    /// Takes those that came last, until the others take no more than so many bytes.
    pub(crate) fn take_calls_over(&mut self, bytes: usize) -> VecDeque<WaitingCall> {
        let mut over = VecDeque::new();
        while self.calls_size > bytes
            && let Some(received) = self.calls.pop_back()
        {
            self.calls_size -= received.size();
            over.push_front(received);
        }
        over
    }

    /// Sets the timer of a box that has begun, if one has.
    #[inline]
    pub(crate) fn watch_box(
        &mut self,
        after: Duration,
        timers: &mut Timers,
        now: impl FnOnce() -> Instant,
    ) {
        let read = self.reading == Reading::Done;
        self.unfinished.watch(read, !self.input.is_empty(), self.decoded, after, timers, now);
    }

    /// The timer of a box that has begun is due.
    ///
    /// # Errors
    ///
    /// When it is still the same box.
    pub(crate) fn handle_box_timeout(
        &mut self,
        after: Duration,
        timers: &mut Timers,
        now: Instant,
    ) -> Result<(), CloseReason> {
        let read = self.reading == Reading::Done;
        self.unfinished.handle_timeout(
            read,
            !self.input.is_empty(),
            self.decoded,
            after,
            timers,
            now,
        )
    }
}

#[cfg(test)]
pub(super) mod tests;
