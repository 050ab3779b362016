//! One side of a pair: a core, with the callers and responders around it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::command::{Command, Then};
use super::driver::Driver;
use super::queueing::Queue;
use super::seen::{Seen, Taken};
use super::way::Way;
use crate::argument::{Attachment, DecodeErrorKind};
use crate::boxes::{AmpBox, BoxError};
use crate::keys;
use crate::proto::BoxNumber;
use crate::proto::calls::Tagged;
use crate::proto::core::CallOutcome;
use crate::proto::parking::Lent;
use crate::proto::wants::{Public, Wants};
use crate::proto::{
    self, Body, CallId, CloseReason, Core, Counters, Failed, Host, LaneId, Leftover, Limits,
    NotQueued, Parking, Place, SwitchRefused, Together, Turn,
};

/// What is attached: the number of the box that names it, and which of its attachments it is. A
/// stand-in is of no box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) of: Option<usize>,
    pub(super) at: usize,
}

/// What the core keeps for a side: of an answer, what runs when it is written.
pub(super) enum Hosted {}

impl Host for Hosted {
    type After = usize;
    type Successor = ();
    type Upgrade = ();
    type Switched = ();
    type Discard = ();
}

/// A call that is being answered.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) n: usize,
    /// None where no answer is wanted.
    pub(super) tag: Option<Vec<u8>>,
    /// What it asks for, where that is a switch.
    pub(super) asks: Option<Then>,
    /// How many bytes it counts with.
    pub(super) bytes: usize,
    /// Its place in the lane, where it is in that, and whether its turn has come.
    pub(super) place: Option<(Place, Turn)>,
}

impl Running {
    /// Whether it waits for nothing: it is not in the lane, or its turn has come there or never will.
    pub(super) fn may_go_on(&self) -> bool {
        self.place.is_none_or(|(_, turn)| turn != Turn::NotYet)
    }
}

/// Stands for what begins leftover calls, among the callers that are woken.
pub(super) const LEFTOVER: usize = usize::MAX;

/// The driver, among those who are woken.
pub(super) const DRIVER: usize = usize::MAX - 1;

/// Stands for the sender of pings, which is told that one was answered.
pub(super) const PINGER: usize = usize::MAX - 2;

/// Of every so many calls one is in the lane.
const IN_LANE: usize = 3;

/// One side: its core, and those around it. None of them does anything before it is woken, so what
/// nobody wakes it for is never done.
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub(super) struct Side {
    pub(super) core: Core<usize, Hosted>,
    pub(super) driver: Driver,
    /// The driver while it waits, and whether it is woken.
    pub(super) parking: Parking<usize, ()>,
    pub(super) woken: bool,
    /// The line, while a caller has that.
    pub(super) lent: Option<Lent<usize, ()>>,
    /// Whether somebody is encoding a box with attachments.
    pub(super) encoding: bool,
    /// What the driver was woken for while it waited, before and since the end has begun.
    pub(super) woken_for: [Wants; 2],
    /// What the core has made public.
    pub(super) public: Public,
    pub(super) running: Vec<Running>,
    /// Whether it has agreed to a switch that is to be made.
    pub(super) accepted: bool,
    /// The callers that wait for an answer or have one to take, with the call and its command.
    pub(super) callers: BTreeMap<usize, (CallId, Command)>,
    /// How many streams are open whose items, or room for them, its responders may wait for.
    pub(super) streams: usize,
    /// The callers that were woken and have not looked yet.
    woken_callers: Vec<usize>,
    /// The callers that wait for room.
    pub(super) queue: Queue,
    /// The callers whose calls were given up.
    pub(super) gone: Vec<usize>,
    /// The boxes that were decoded and are not sorted out, each with the call of this side that it answers, and
    /// what was counted before them.
    pub(super) decoded: Vec<(AmpBox, Option<(Tagged, bool)>)>,
    pub(super) counted: Counters,
    /// The ordinal of the next attachment.
    pub(super) next_ordinal: usize,
    pub(super) seen: VecDeque<Seen>,
    pub(super) ended: Option<CloseReason>,
    /// Whether any of its responders makes switches.
    pub(super) expects_switches: bool,
    /// Whether attachments may be gone before somebody claims them.
    pub(super) claims_are_late: bool,
    /// Whether one was dropped that somebody would have claimed, since too many waited.
    pub(super) was_too_much: bool,
    /// One-way commands that are begun when fewer responders run, and whether that was told.
    pub(super) leftover: Option<Leftover>,
    pub(super) leftover_is_woken: bool,
    /// Whether one of those has entered the lane before all have looked that the end has sent away.
    pub(super) entered_late: bool,
    lane: LaneId,
}

impl Side {
    pub(super) fn new(
        limits: Limits,
        together: Option<Arc<Together>>,
        way: Way,
        now: Instant,
    ) -> Self {
        let core = Core::hosted(limits, limits.boxes, together.clone());
        let mut core = core.with_policy(way.policy);
        core.set_own(|command| command == Command::Items.name().as_bytes());
        let public = core.poll_public().unwrap_or_default();
        Self {
            core,
            driver: Driver::new(&limits, together, way, now),
            parking: Parking::default(),
            woken: true,
            lent: None,
            encoding: false,
            woken_for: [Wants::NOTHING; 2],
            public,
            running: Vec::new(),
            accepted: false,
            callers: BTreeMap::new(),
            streams: 0,
            woken_callers: Vec::new(),
            queue: Queue::default(),
            gone: Vec::new(),
            decoded: Vec::new(),
            counted: Counters::default(),
            next_ordinal: 0,
            seen: VecDeque::new(),
            ended: None,
            expects_switches: true,
            claims_are_late: false,
            was_too_much: false,
            leftover: None,
            leftover_is_woken: false,
            entered_late: false,
            lane: LaneId::new(),
        }
    }

    /// The one way to the core, as a connection's is: after a change, what the core wants is made public,
    /// the driver is woken if there is something for it to do, and so is whom else it concerns.
    pub(super) fn with<R>(&mut self, change: impl FnOnce(&mut Core<usize, Hosted>) -> R) -> R {
        self.with_parking(|core, _| change(core))
    }

    pub(super) fn with_parking<R>(
        &mut self,
        change: impl FnOnce(&mut Core<usize, Hosted>, &mut Parking<usize, ()>) -> R,
    ) -> R {
        let result = change(&mut self.core, &mut self.parking);
        if !self.core.concerns_nobody(self.parking.situation()) {
            self.tell();
        }
        result
    }

    fn tell(&mut self) {
        if let Some(public) = self.core.poll_public() {
            self.public = public;
        }
        if let Some(situation) = self.parking.situation() {
            let woken_for = &mut self.woken_for[usize::from(situation.ending)];
            *woken_for = *woken_for | self.core.driver_wants(situation);
        }
        self.woken |= self.parking.take_wanted(&self.core).is_some();
        if let Some(released) = self.core.take_released() {
            let callers = self.tell_of_room(released.callers);
            self.leftover_is_woken |= callers.contains(&LEFTOVER);
            self.woken_callers.extend(callers.iter().filter(|n| **n != LEFTOVER));
            self.gone.extend(released.gone);
            for _ in released.after {
                // What does not run after all is done.
                self.finish_after();
            }
        }
    }

    /// What runs after an answer is done.
    pub(super) fn finish_after(&mut self) {
        self.with(|core| core.end_responder(0, true));
    }

    /// Whether its driver is to have another turn.
    pub(super) fn is_at_work(&self) -> bool {
        self.woken && self.ended.is_none()
    }

    /// The driver says that a caller has its answer.
    pub(super) fn wake_caller(&mut self, n: usize) {
        self.woken_callers.push(n);
    }

    /// How many attachments a box may have of so many: none once the transport carries none, and none while
    /// another box has the ordinals.
    pub(super) fn carried(&self, attachments: usize) -> usize {
        if self.public.any(Public::BYTES_ONLY) || self.encoding { 0 } else { attachments }
    }

    /// Somebody begins to encode a box with attachments, or is done.
    pub(super) fn encode(&mut self, begins: bool) {
        self.encoding = begins;
        if !begins && self.public.any(Public::ORDINALS) {
            self.with(|core| core.await_ordinals(false));
        }
    }

    /// The value that names the next attachments, if any.
    pub(super) fn ordinals(&self, attachments: usize) -> String {
        if attachments > 0 { format!("{}+{attachments}", self.next_ordinal) } else { String::new() }
    }

    /// The pairs of a box: its number, its size, and the ordinals of its attachments.
    fn body(&mut self, n: usize, size: usize, attachments: usize) -> Body {
        let mut body = Body::default();
        let mut writer = body.writer();
        writer.put(b"n", n.to_string().as_bytes()).expect("it is short");
        writer.put(b"padding", &vec![b'-'; size]).expect("it is short enough");
        let ordinals = self.ordinals(attachments);
        if !ordinals.is_empty() {
            writer.put(b"ordinals", ordinals.as_bytes()).expect("it is short");
        }
        writer.finish().expect("it has pairs");
        let mark = |at| Arc::new(Mark { of: Some(n), at }) as Attachment;
        body.attachments = (0..attachments).map(mark).collect();
        body
    }

    /// Makes a box with attachments, whose ordinals are taken if it is queued.
    fn queue<R, E>(
        &mut self,
        (n, size, attachments): (usize, usize, usize),
        queue: impl FnOnce(&mut Core<usize, Hosted>, &mut Body) -> Result<R, E>,
    ) -> Result<R, E> {
        let mut body = self.body(n, size, attachments);
        let queued = self.with(|core| queue(core, &mut body))?;
        self.next_ordinal += attachments;
        Ok(queued)
    }

    pub(super) fn call(
        &mut self,
        (n, command): (usize, Command),
        size: usize,
        with: usize,
    ) -> Result<CallId, NotQueued> {
        let (name, mut body) = (command.name().as_bytes(), self.body(n, size, with));
        let (id, lent) = self.with_parking(|core, parking| {
            let id = match command {
                Command::Items => core.call_of_stream(name, &mut body, n),
                _ => core.call(name, &mut body, n),
            };
            // A lone caller has the line, if it can be had.
            (id, if parking.has_line() { parking.lend(core) } else { None })
        });
        self.lent = self.lent.take().or(lent);
        let id = id?;
        self.next_ordinal += with;
        self.callers.insert(n, (id, command));
        Ok(id)
    }

    /// One more stream is open, or one less.
    pub(super) fn await_stream(&mut self, begins: bool) {
        self.streams = if begins { self.streams + 1 } else { self.streams - 1 };
        self.with(|core| core.await_stream(begins));
    }

    /// The calls that bring items of a stream and wait for their answers.
    pub(super) fn items(&self) -> Vec<usize> {
        let items = self.callers.iter().filter(|(_, (_, command))| *command == Command::Items);
        items.map(|(n, _)| *n).collect()
    }

    /// A call of this kind is over.
    fn end_call(&mut self, command: Command) {
        if command == Command::Items {
            self.with(Core::end_call_of_stream);
        }
    }

    pub(super) fn ask_switch(
        &mut self,
        n: usize,
        then: Then,
        attachments: usize,
    ) -> Result<CallId, SwitchRefused> {
        let command = Command::Switch(then);
        let follows = match then {
            Then::HandOver => proto::Then::HandOver,
            Then::StartTls => proto::Then::Upgrade(()),
        };
        let id = self.queue((n, 0, attachments), |core, body| {
            core.ask_switch(command.name().as_bytes(), body, n, &mut Some(follows))
        })?;
        self.callers.insert(n, (id, command));
        Ok(id)
    }

    pub(super) fn notify(&mut self, n: usize, size: usize, with: usize) -> Result<(), NotQueued> {
        let command = format!("Note {n}");
        self.queue((n, size, with), |core, body| core.notify(command.as_bytes(), body))
    }

    /// Gives a call up. Whether somebody waited for its answer.
    pub(super) fn give_up(&mut self, n: usize) -> bool {
        let (id, command) = self.callers.remove(&n).expect("a caller");
        self.woken_callers.retain(|woken| *woken != n);
        let asks_switch = matches!(command, Command::Switch(_));
        let given_up = self.with(|core| core.give_up(id, asks_switch, Some(())));
        self.leave_box(given_up.number);
        let waited = std::mem::take(&mut self.gone) == [n];
        self.end_call(command);
        waited
    }

    /// Answers a call, with what runs when that is written if `then` says so. What is too large is not
    /// sent: the call still wants an answer.
    pub(super) fn answer(
        &mut self,
        at: usize,
        (size, attachments): (usize, usize),
        then: bool,
    ) -> Result<Running, BoxError> {
        let Running { n, ref tag, .. } = self.running[at];
        if let Some(tag) = tag.clone() {
            self.queue((n, size, attachments), |core, body| {
                core.answer_then(&tag, body, &mut then.then_some(n))
            })?;
            if then {
                self.with(|core| core.begin_responder(0, true));
            }
        }
        Ok(self.finish(at))
    }

    /// A responder is done.
    fn finish(&mut self, at: usize) -> Running {
        let running = self.running.swap_remove(at);
        self.leave_lane(running.place);
        self.with(|core| core.end_responder(running.bytes, false));
        running
    }

    /// A responder enters the lane, if its call is one of those: its place, and whether its turn has
    /// come.
    pub(super) fn enter_lane(
        &mut self,
        n: usize,
        asks: Option<Then>,
        requires_answer: bool,
    ) -> Option<(Place, Turn)> {
        if asks.is_some() || !n.is_multiple_of(IN_LANE) {
            return None;
        }
        let lane = self.lane;
        let place = self.with(|core| core.enter_lane(lane, requires_answer));
        // Those whose turn never comes are there no longer, although they have yet to look.
        let is_gone = |turn| turn == Turn::Never;
        let others = self.running.iter().filter_map(|running| running.place);
        let (gone, others): (Vec<_>, Vec<_>) = others.partition(|(_, turn)| is_gone(*turn));
        let first = others.is_empty();
        self.entered_late |= !gone.is_empty() && !first;
        let turn = self.turn_of(n, place);
        assert_eq!(turn == Turn::Yes, first, "whoever is alone in the lane has its turn");
        assert!(!is_gone(turn), "who is begun in the lane has its turn some time");
        Some((place, turn))
    }

    fn turn_of(&mut self, n: usize, place: Place) -> Turn {
        let lane = self.lane;
        self.with(|core| core.poll_turn(lane, place, &mut Some(n)))
    }

    /// Leaves a place in a lane, so that the next call there has its turn.
    fn leave_lane(&mut self, place: Option<(Place, Turn)>) {
        let Some((place, turn)) = place else { return };
        let lane = self.lane;
        let before = self.woken_callers.len();
        self.with(|core| core.leave_lane(lane, place));
        let next = self.woken_callers.split_off(before).pop();
        if turn != Turn::Yes {
            return;
        }
        let waiting = self.running.iter().filter(|running| !running.may_go_on());
        let first = waiting.map(|running| running.n).min();
        assert_eq!(next, first, "the turn goes to whoever has waited for longest");
        let Some(next) = next else { return };
        let at = self.running.iter().position(|running| running.n == next).expect("it waits");
        let place = self.running[at].place.expect("it is in the lane").0;
        assert_eq!(self.turn_of(next, place), Turn::Yes, "its turn has come");
        self.running[at].place = Some((place, Turn::Yes));
    }

    /// The connection has ended: who waits in the lane to answer is told, and looks some time.
    pub(super) fn dismiss(&mut self) {
        for Running { n, tag, place, .. } in &mut self.running {
            if let Some((_, turn @ Turn::NotYet)) = place
                && tag.is_some()
            {
                assert!(self.woken_callers.contains(n), "nobody could be answered");
                *turn = Turn::Never;
            }
        }
    }

    /// A responder that has outlived the connection is done, which nobody hears of, or finds that its turn
    /// never comes.
    pub(super) fn finish_unheard(&mut self, at: usize) {
        let Running { n, ref tag, place, .. } = self.running[at];
        if let Some((place, Turn::Never)) = place {
            assert_eq!(self.turn_of(n, place), Turn::Never, "nobody could be answered");
        } else if let Some(tag) = tag.clone() {
            let queued = (self.core.queued(), self.core.counters().answers_sent);
            self.with(|core| core.answer(&tag, &mut Body::default())).expect("it is small");
            assert_eq!(queued, (self.core.queued(), self.core.counters().answers_sent));
        }
        self.finish(at);
    }

    /// Answers a ping, or items.
    pub(super) fn pong(&mut self, tag: &[u8]) {
        self.with(|core| core.answer(tag, &mut Body::default())).expect("it is small");
        self.seen.push_back(Seen::Ponged(String::from_utf8_lossy(tag).into_owned()));
    }

    pub(super) fn fail(&mut self, at: usize) -> Running {
        let running = &self.running[at];
        let (n, tag) = (running.n, running.tag.clone());
        let failed = Failed { declared: false, answered: tag.is_some(), fatal: false };
        self.with(|core| {
            if let Some(tag) = &tag {
                core.fail(tag, b"NO", &n.to_string());
            }
            core.handle_failure(Some(b"Call"), b"NO", failed);
        });
        self.finish(at)
    }

    /// Agrees to a switch. It fails instead where it cannot be made.
    pub(super) fn accept_switch(&mut self, at: usize) -> Result<Running, Running> {
        let running = &self.running[at];
        let tag = running.tag.clone().expect("a switch wants an answer");
        let follows = match running.asks {
            Some(Then::StartTls) => proto::Then::Upgrade(()),
            _ => proto::Then::Succeed(()),
        };
        match self.with(|core| core.accept_switch(&tag, follows)) {
            Ok(()) => {
                self.accepted = true;
                Ok(self.finish(at))
            }
            Err(_) => Err(self.fail(at)),
        }
    }

    pub(super) fn close(&mut self) {
        self.with(|core| core.close(CloseReason::Local));
    }

    pub(super) fn drain(&mut self) {
        self.with(|core| core.drain(Duration::from_secs(1)));
    }

    /// Lets the callers look that were woken.
    pub(super) fn run_callers(&mut self) -> bool {
        let woken = std::mem::take(&mut self.woken_callers);
        for n in &woken {
            let Some((id, command)) = self.callers.get(n).copied() else { continue };
            let Some(outcome) = self.with(|core| core.poll_answer(id)) else { continue };
            self.callers.remove(n);
            self.end_call(command);
            let taken = match outcome {
                CallOutcome::Answered { answer, number, .. } => {
                    if let Ok(ampbox) = &answer {
                        self.claim(*n, ampbox, number);
                    } else if let Some(number) = number {
                        self.with(|core| core.handle_read(number, None, true));
                    }
                    Taken::Answer(answer)
                }
                CallOutcome::NotSent(_) => Taken::NotSent,
                CallOutcome::Closed(reason) => Taken::Closed(reason),
            };
            self.gone.clear();
            self.seen.push_back(Seen::Taken(*n, taken));
        }
        !woken.is_empty()
    }

    /// Reads a box whole: claims what it names.
    pub(super) fn claim(&mut self, n: usize, ampbox: &AmpBox, number: Option<BoxNumber>) {
        let ordinals = ordinals(ampbox).unwrap_or(0..0);
        let claimed: Vec<_> = ordinals
            .clone()
            .map(|ordinal| match self.with(|core| core.claim(ordinal as u64)) {
                Ok(claimed) => Some(*claimed.downcast::<Mark>().expect("a mark")),
                Err(error) => {
                    let too_many = DecodeErrorKind::TooManyUnclaimed {
                        ordinal: ordinal as u64,
                        limit: self.core.limits().unclaimed_attachments,
                    };
                    self.was_too_much |= error.to_string() == too_many.to_string();
                    None
                }
            })
            .collect();
        if let Some(number) = number {
            let range =
                (ordinals.start as u64, ordinals.end as u64 - u64::from(!ordinals.is_empty()));
            let range = (!ordinals.is_empty()).then_some(range);
            self.with(|core| core.handle_read(number, range, true));
        }
        if !ordinals.is_empty() {
            self.seen.push_back(Seen::Claimed(n, claimed));
        }
    }

    /// Nothing reads this box.
    pub(super) fn leave_box(&mut self, number: Option<BoxNumber>) {
        if let Some(number) = number {
            self.with(|core| core.handle_unread(number));
        }
    }
}

/// The ordinals that a box names.
pub(super) fn ordinals(ampbox: &AmpBox) -> Option<std::ops::Range<usize>> {
    let text = std::str::from_utf8(ampbox.get("ordinals")?).expect("text");
    let (first, count) = text.split_once('+').expect("two numbers");
    let [first, count] = [first, count].map(|n| n.parse::<usize>().expect("a number"));
    Some(first..first + count)
}

/// What a call asks for, where that is a switch.
pub(super) fn asks(ampbox: &AmpBox) -> Option<Then> {
    match ampbox.get(keys::COMMAND)? {
        b"HandOver" => Some(Then::HandOver),
        b"StartTls" => Some(Then::StartTls),
        _ => None,
    }
}

/// The number that a box has, or the description that a failure has.
pub(super) fn number(ampbox: &AmpBox) -> Option<usize> {
    let text = ampbox.get("n").or_else(|| ampbox.get(keys::ERROR_DESCRIPTION))?;
    std::str::from_utf8(text).ok()?.parse().ok()
}
