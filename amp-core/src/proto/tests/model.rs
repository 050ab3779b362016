//! What ought to happen between two sides, as far as it can be said without knowing how they do it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::command::{Command, Then};
use super::pair::{Pair, Which};
use super::reached::Reached;
use super::seen::{Seen, Taken, TakenBack};
use super::side::{Mark, PINGER, number, ordinals};
use crate::boxes::AmpBox;
use crate::keys;
use crate::proto::core::WasRemoved;
use crate::proto::{Answer, CallId, CloseReason, Counters, LimitKind};

/// What is known of both sides.
#[derive(Default)]
pub(super) struct Model {
    pub(super) reached: BTreeSet<Reached>,
    sides: [Sent; 2],
    /// All calls, by their numbers.
    calls: BTreeMap<usize, Call>,
    /// The number of the next box.
    next: usize,
}

/// What one side has sent.
#[derive(Default)]
struct Sent {
    /// The boxes that the other side has not received, in their order.
    boxes: VecDeque<Expected>,
    /// The tags of all its calls.
    tags: BTreeMap<String, usize>,
    /// The answers behind which something runs, and where they end. That is not known any more once
    /// boxes were taken back.
    after: BTreeMap<usize, Option<u64>>,
    /// Which boxes were received with attachments, and whether those came.
    attached: BTreeMap<usize, (usize, bool)>,
    ended: Option<String>,
}

/// A box that is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Expected {
    kind: Kind,
    /// The number of the call that it is or belongs to, or of the notification.
    n: usize,
    attachments: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Call,
    Notification,
    Answer,
    Failure,
}

#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
struct Call {
    by: Which,
    id: CallId,
    tag: String,
    command: Command,
    given_up: bool,
    /// Whether it was received.
    received: bool,
    /// How it was answered: whether well. The core of the answering side has said so once.
    answered: Option<bool>,
    /// Whether the answer has come in.
    settled: bool,
    /// Whether it was taken back before it was sent.
    taken_back: bool,
    /// How it has ended for its caller.
    outcome: Option<Outcome>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Answered,
    NotSent,
    /// For this reason.
    Closed(String),
}

impl Call {
    /// What it asks for, where that is a switch.
    fn asks(&self) -> Option<Then> {
        if let Command::Switch(then) = self.command { Some(then) } else { None }
    }

    /// Whether nobody waits for it any more.
    fn is_over(&self) -> bool {
        self.given_up || self.outcome.is_some()
    }

    /// Whether it takes a place among the outstanding ones. That of a switch which was given up is
    /// kept: its answer says which protocol the peer speaks.
    fn is_outstanding(&self) -> bool {
        let kept = self.asks().is_some() && !self.settled;
        kept || self.outcome.is_none() && !self.given_up
    }
}

impl Model {
    /// A number for another box.
    pub(super) fn next(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    /// How many calls of a side are outstanding.
    pub(super) fn outstanding(&self, which: Which) -> usize {
        self.calls.values().filter(|call| call.by == which && call.is_outstanding()).count()
    }

    fn push(&mut self, which: Which, kind: Kind, n: usize, attachments: usize) {
        self.sides[which as usize].boxes.push_back(Expected { kind, n, attachments });
    }

    pub(super) fn called(
        &mut self,
        which: Which,
        n: usize,
        (id, tag): (CallId, u64),
        command: Command,
        attachments: usize,
    ) {
        let tag = format!("{tag:x}");
        let reused = self.sides[which as usize].tags.insert(tag.clone(), n);
        assert_eq!(reused, None, "a tag is never used twice: {tag}");
        let call = Call {
            by: which,
            id,
            tag,
            command,
            given_up: false,
            received: false,
            answered: None,
            settled: false,
            taken_back: false,
            outcome: None,
        };
        self.calls.insert(n, call);
        self.push(which, Kind::Call, n, attachments);
    }

    pub(super) fn notified(&mut self, which: Which, n: usize, attachments: usize) {
        self.push(which, Kind::Notification, n, attachments);
    }

    pub(super) fn answered(&mut self, which: Which, n: usize, well: bool, attachments: usize) {
        let call = self.calls.get_mut(&n).expect("a call that was made");
        assert!(call.received, "only what was received is answered");
        assert_eq!(call.answered.replace(well), None, "a call is answered once");
        self.push(which, if well { Kind::Answer } else { Kind::Failure }, n, attachments);
    }

    /// What runs once this answer is written, which ends at this place.
    pub(super) fn runs_after(&mut self, which: Which, n: usize, end: u64) {
        self.sides[which as usize].after.insert(n, Some(end));
    }

    /// A caller has gone; `waited` says whether it was taken from among those who wait.
    pub(super) fn given_up(&mut self, n: usize, waited: bool) {
        let call = self.calls.get_mut(&n).expect("a call that was made");
        assert_eq!(waited, !call.settled, "who gives up waited, if the answer has not come");
        call.given_up = true;
        if call.settled {
            self.reached.insert(Reached::GivenUpWithAnswer);
        }
    }

    /// Looks at all that a side has seen since the last time.
    pub(super) fn look(&mut self, pair: &mut Pair, which: Which) {
        let mut seen = std::mem::take(&mut pair.side(which).seen);
        while let Some(first) = seen.pop_front() {
            match first {
                Seen::Box { ampbox, arrived, carried } => {
                    let says = seen.pop_front();
                    let marks: Vec<_> = pair.side(which).driver.marks(arrived).collect();
                    self.received(which, &ampbox, says.as_ref(), &marks, carried);
                }
                Seen::Claimed(n, claimed) => {
                    let side = pair.side(which);
                    let may_be_gone = side.claims_are_late || side.was_too_much;
                    self.claimed(which, n, &claimed, may_be_gone);
                }
                Seen::Taken(n, taken) => self.taken(which, n, &taken),
                Seen::Refused(tag) => {
                    let n = self.sides[which.other() as usize].tags[&tag];
                    self.reached.insert(Reached::Refused);
                    self.answered(which, n, false, 0);
                }
                Seen::After(n, written) => {
                    self.reached.insert(Reached::After);
                    let end = self.sides[which as usize].after.remove(&n).expect("it runs once");
                    assert!(end.is_none_or(|end| end <= written), "the answer is written first");
                }
                Seen::TakenBack(boxes) => {
                    for taken_back in &boxes {
                        self.taken_back(which, taken_back);
                    }
                }
                Seen::PingTaken(id) => self.ping_taken(which, id),
                Seen::Pinged(id) => {
                    let n = self.next();
                    let tag = pair.side(which).core.tag(id);
                    self.called(which, n, (id, tag), Command::Ping, 0);
                    self.reached.insert(Reached::Pinged);
                }
                Seen::PingGivenUp(id, waited) => self.given_up(self.ping(which, id), waited),
                Seen::Ponged(tag) => {
                    let n = self.sides[which.other() as usize].tags[&tag];
                    self.answered(which, n, true, 0);
                    if self.calls[&n].command == Command::Items && pair.side(which).core.is_full() {
                        self.reached.insert(Reached::ItemsBesideResponders);
                    }
                }
                Seen::Ended(why) => self.ended(which, &why),
                other => panic!("{other:?} without a box"),
            }
        }
        let side = pair.side(which);
        if side.ended.is_none() {
            assert_eq!(side.core.outstanding(), self.outstanding(which), "outstanding calls");
        }
        if side.driver.drive().inbound.is_paused() {
            self.reached.insert(Reached::Paused);
        }
        if side.claims_are_late {
            self.reached.insert(Reached::Expired);
        }
        if side.was_too_much {
            self.reached.insert(Reached::TooManyUnclaimed);
        }
        if side.running.iter().any(|running| !running.may_go_on()) {
            self.reached.insert(Reached::InLane);
        }
        if side.leftover.as_ref().is_some_and(|leftover| leftover.len() > 0) {
            self.reached.insert(Reached::LeftBehind);
        }
        for (reached, is_so) in [
            (Reached::Lent, side.lent.is_some()),
            (Reached::CameMeanwhile, side.driver.came),
            (Reached::GaveWay, side.driver.gave_way),
            (Reached::DueWhileHeldUp, side.driver.was_due),
            (Reached::NotPinged, side.driver.not_pinged),
            (Reached::UpgradeFailed, side.driver.upgrade_failed),
        ] {
            self.reached.extend(is_so.then_some(reached));
        }
        if side.queue.all_were_told {
            self.reached.insert(Reached::AllToldOfRoom);
        }
        if !side.queue.is_empty() {
            self.reached.insert(Reached::NoRoom);
        }
    }

    /// A box has come in, of which the core says this.
    fn received(
        &mut self,
        which: Which,
        ampbox: &AmpBox,
        says: Option<&Seen>,
        marks: &[Mark],
        carried: bool,
    ) {
        let sent = &mut self.sides[which.other() as usize];
        let expected = sent.boxes.pop_front().expect("a box that was sent");
        let Expected { kind, n, attachments } = expected;
        let text = |key| ampbox.get(key).map(|value| String::from_utf8_lossy(value).into_owned());
        let found = [keys::ASK, keys::COMMAND, keys::ANSWER, keys::ERROR].map(text);
        if kind == Kind::Notification {
            let command = Some(format!("Note {n}"));
            assert_eq!(found, [None, command, None, None], "boxes come in their order");
            assert!(matches!(says, Some(Seen::Called)), "{says:?}");
        } else {
            let call = self.calls.get_mut(&n).expect("a call that was made");
            let tag = Some(call.tag.clone());
            match kind {
                Kind::Call => {
                    let expected = [tag, Some(call.command.name().to_owned()), None, None];
                    assert_eq!(found, expected, "boxes come in their order");
                    assert!(!std::mem::replace(&mut call.received, true), "a call comes once");
                    assert!(matches!(says, Some(Seen::Called)), "{says:?}");
                }
                Kind::Answer => assert_eq!(found, [None, None, tag, None], "in their order"),
                Kind::Failure => assert_eq!(found, [None, None, None, tag], "in their order"),
                Kind::Notification => {}
            }
            if matches!(kind, Kind::Answer | Kind::Failure) {
                self.answer_received(which, n, says);
            }
        }
        let named = ordinals(ampbox).unwrap_or(0..0);
        assert_eq!(named.len(), attachments);
        if attachments == 0 {
            return;
        }
        let place = (attachments, carried);
        self.sides[which as usize].attached.insert(n, place);
        if !carried {
            self.reached.insert(Reached::Uncarried);
            return;
        }
        let first = named.start;
        let named = marks.iter().copied().skip(first).take(attachments);
        let expected = (0..attachments).map(|at| Mark { of: Some(n), at });
        assert!(named.eq(expected), "attachments come in order, no later than their box");
        if marks[..first].iter().any(|mark| mark.of.is_none()) {
            self.reached.insert(Reached::StandIn);
        }
    }

    /// The reader of a box gets what it names, whatever others leave unread.
    fn claimed(&mut self, which: Which, n: usize, claimed: &[Option<Mark>], may_be_gone: bool) {
        let (count, carried) =
            self.sides[which as usize].attached.remove(&n).expect("claimed once");
        let mark = |at| carried.then_some(Mark { of: Some(n), at });
        let gone = |(at, claimed): (usize, &Option<Mark>)| {
            *claimed == mark(at) || may_be_gone && claimed.is_none()
        };
        assert_eq!(claimed.len(), count);
        assert!(claimed.iter().enumerate().all(gone), "{n} has claimed {claimed:?}");
    }

    fn answer_received(&mut self, which: Which, n: usize, says: Option<&Seen>) {
        let call = self.calls.get_mut(&n).expect("a call that was made");
        let well = call.answered.expect("it was answered");
        assert!(!std::mem::replace(&mut call.settled, true), "a call has one answer");
        match says {
            Some(Seen::Answered(waiter)) => {
                let caller = if call.command == Command::Ping { PINGER } else { n };
                assert_eq!((*waiter, call.is_over()), (caller, false), "it is its caller's");
                assert!(!well || call.asks().is_none(), "a switch that was agreed to is made");
                self.reached.insert(match (well, call.asks()) {
                    (true, _) => Reached::Answered,
                    (false, None) => Reached::Failed,
                    (false, Some(_)) => Reached::SwitchRefused,
                });
            }
            Some(Seen::Switched(waiter)) => {
                let waits = (!call.is_over()).then_some(n);
                assert_eq!((*waiter, well), (waits, true), "who asked learns of the switch");
                self.reached.insert(match call.asks().expect("it asks for a switch") {
                    Then::HandOver => Reached::HandedOver,
                    Then::StartTls => Reached::TlsStarted,
                });
            }
            Some(Seen::Late(id, was_well)) => {
                assert_eq!((*id, *was_well), (call.id, well), "a late answer is its call's");
                assert!(call.is_over() && call.asks().is_none(), "somebody waits: {n}");
                self.reached.insert(Reached::LateAnswer);
            }
            Some(Seen::Ignored) => {
                assert!(call.is_over() && call.asks().is_some() && !well, "somebody waits: {n}");
                self.reached.insert(Reached::SwitchGivenUp);
            }
            other => panic!("{which:?} says {other:?} of the answer to call {n}"),
        }
    }

    /// A caller has learned what has come of its call.
    fn taken(&mut self, which: Which, n: usize, taken: &Taken) {
        let call = self.calls.get_mut(&n).expect("a call that was made");
        assert_eq!((call.by, call.given_up), (which, false));
        let outcome = match taken {
            Taken::Answer(answer) => {
                assert!(call.settled && !call.taken_back, "an answer has come");
                check_answer(n, answer, call.answered);
                Outcome::Answered
            }
            Taken::NotSent => {
                assert!(call.taken_back, "it was taken back");
                Outcome::NotSent
            }
            Taken::Closed(reason) => {
                assert!(!call.settled, "an answer that has come counts");
                Outcome::Closed(format!("{reason:?}"))
            }
        };
        assert_eq!(call.outcome.replace(outcome), None, "a call has one outcome");
    }

    /// The number of the ping which is this call.
    fn ping(&self, which: Which, id: CallId) -> usize {
        let is_it = |call: &Call| {
            call.by == which && call.id == id && call.command == Command::Ping && !call.is_over()
        };
        let mut found = self.calls.iter().filter(|(_, call)| is_it(call));
        *found.next().expect("a ping that was sent").0
    }

    /// The sender of a ping has seen its answer.
    fn ping_taken(&mut self, which: Which, id: CallId) {
        let n = self.ping(which, id);
        let call = self.calls.get_mut(&n).expect("it was sent");
        assert!(call.settled && !call.given_up && !call.taken_back, "an answer has come");
        assert_eq!(call.outcome.replace(Outcome::Answered), None, "a ping has one answer");
    }

    fn taken_back(&mut self, which: Which, taken_back: &TakenBack) {
        let after = &mut self.sides[which as usize].after;
        for end in after.values_mut() {
            *end = None;
        }
        let value = String::from_utf8(taken_back.value.clone()).expect("text");
        let (kind, n) = match &taken_back.key[..] {
            keys::ASK => (Kind::Call, self.sides[which as usize].tags[&value]),
            keys::ANSWER => (Kind::Answer, self.sides[which.other() as usize].tags[&value]),
            keys::COMMAND => {
                (Kind::Notification, value.strip_prefix("Note ").unwrap().parse().unwrap())
            }
            other => panic!("{other:?} has no attachments"),
        };
        let boxes = &mut self.sides[which as usize].boxes;
        let at = boxes.iter().position(|expected| (expected.kind, expected.n) == (kind, n));
        let removed = boxes.remove(at.expect("it was not sent")).expect("it is there");
        assert!(removed.attachments > 0, "only what names attachments is taken back");
        match (kind, &taken_back.was) {
            (Kind::Call, WasRemoved::Call { id, waits: waited, asked_switch }) => {
                let call = self.calls.get_mut(&n).expect("a call that was made");
                let waits = !call.given_up && call.outcome.is_none();
                assert_eq!((*id, *waited), (call.id, waits));
                assert_eq!(*asked_switch, call.asks().is_some());
                (call.settled, call.taken_back) = (true, true);
                self.reached.insert(match call.asks() {
                    None => Reached::CallTakenBack,
                    Some(_) => Reached::SwitchTakenBack,
                });
            }
            (Kind::Call, WasRemoved::OneWay) => {
                let call = &self.calls[&n];
                assert!(call.given_up || call.outcome.is_some(), "somebody waits: {n}");
            }
            (Kind::Answer, WasRemoved::Answer) => {
                self.calls.get_mut(&n).expect("a call that was made").answered = Some(false);
                self.push(which, Kind::Failure, n, 0);
                self.sides[which as usize].after.remove(&n);
                self.reached.insert(Reached::AnswerTakenBack);
            }
            (Kind::Notification, WasRemoved::OneWay) => {
                self.reached.insert(Reached::NotificationTakenBack);
            }
            (kind, was) => panic!("{was:?} was the {kind:?} {n}"),
        }
    }

    fn ended(&mut self, which: Which, why: &CloseReason) {
        let reason = format!("{why:?}");
        let before = self.sides[which as usize].ended.replace(reason);
        assert_eq!(before, None, "a side ends once");
        match why {
            CloseReason::Io(_) => self.reached.insert(Reached::Broken),
            CloseReason::Protocol(_) => self.reached.insert(Reached::SwitchesCross),
            CloseReason::Local => self.reached.insert(Reached::Closed),
            CloseReason::Idle { .. } | CloseReason::PingTimeout { .. } => {
                self.reached.insert(Reached::Silent)
            }
            CloseReason::BoxTimeout { .. } => self.reached.insert(Reached::BoxTimeout),
            CloseReason::Failed { .. } => self.reached.insert(Reached::FailureCloses),
            CloseReason::Limit { what: LimitKind::SendQueue, .. } => {
                self.reached.insert(Reached::TooMuchToSend)
            }
            _ => false,
        };
    }

    /// Nothing is left to be done on either side: everything has come to its end.
    pub(super) fn check_end(&self, pair: &mut Pair) {
        for (n, call) in &self.calls {
            assert!(call.is_over(), "the {:?} side waits for call {n} for ever", call.by);
            let ended = &self.sides[call.by as usize].ended;
            if let Some(Outcome::Closed(why)) = &call.outcome {
                assert_eq!(Some(why), ended.as_ref(), "all are failed for the same reason");
            }
        }
        for which in Which::BOTH {
            let side = pair.side(which);
            assert!(side.queue.is_empty(), "the {which:?} side waits for room for ever");
            assert!(side.leftover.is_none(), "what was left behind is begun");
            assert!(side.running.is_empty(), "all responders are done");
            assert_eq!(side.core.waiters(), 0, "nobody waits in the core of the {which:?} side");
            let admission = side.core.admission();
            assert_eq!((admission.running, admission.following, admission.bytes), (0, 0, 0));
        }
        let ended = Which::BOTH.map(|which| self.sides[which as usize].ended.as_ref());
        if ended != [None, None] {
            assert!(!ended.contains(&None), "one side has ended, and the other has not: {ended:?}");
            return;
        }
        for which in Which::BOTH {
            let sent = &self.sides[which as usize];
            assert!(sent.boxes.is_empty(), "the {which:?} side has not sent {:?}", sent.boxes);
            assert!(sent.after.is_empty(), "{:?} have not run", sent.after);
            let side = pair.side(which);
            assert!(side.core.end().is_far(), "an end that was to come has come");
            assert_eq!(side.core.outstanding(), 0);
            assert_eq!((side.core.queued(), side.core.queued_boxes()), (0, 0));
            assert!(!side.core.holds() && !side.core.switch().is_asked());
        }
        let [near, far] = Which::BOTH.map(|which| pair.side(which).core.counters());
        check_counters(near, far);
        check_counters(far, near);
    }
}

/// What was answered is what comes.
fn check_answer(n: usize, answer: &Answer, answered: Option<bool>) {
    assert_eq!(answered, Some(answer.is_ok()), "what was answered comes");
    let says = match answer {
        Ok(ampbox) => number(ampbox),
        Err(error) => error.description.parse().ok(),
    };
    assert!(says.is_none_or(|says| says == n), "call {n} has the answer of {says:?}");
}

/// What one side counts as sent, the other counts as received.
fn check_counters(sent: Counters, received: Counters) {
    assert_eq!(
        (sent.calls_sent, sent.answers_sent, sent.errors_sent),
        (received.calls_received, received.answers_received, received.errors_received)
    );
    assert_eq!(
        (sent.boxes_sent, sent.bytes_sent),
        (received.boxes_received, received.bytes_received)
    );
    assert_eq!(received.unknown_answers, 0, "no answer is to a call that was never made");
}
