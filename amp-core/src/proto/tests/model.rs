//! What ought to happen between two sides, as far as it can be said without knowing how they do it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::pair::{Pair, Which};
use super::side::{Ended, Mark, Seen, Then, number};
use crate::boxes::{AmpBox, keys};
use crate::proto::{Answer, CallId, Counters};

/// Something that not every case comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reached {
    Answered,
    Failed,
    LateAnswer,
    /// A caller goes while its answer waits for it.
    GivenUpWithAnswer,
    TooManyCalls,
    TooLarge,
    HandedOver,
    TlsStarted,
    SwitchRefused,
    SwitchGivenUp,
    SwitchesCross,
    Broken,
    CallTakenBack,
    AnswerTakenBack,
    NotificationTakenBack,
    SwitchTakenBack,
    StandIn,
}

impl Reached {
    pub(super) const ALL: &[Self] = &[
        Self::Answered,
        Self::Failed,
        Self::LateAnswer,
        Self::GivenUpWithAnswer,
        Self::TooManyCalls,
        Self::TooLarge,
        Self::HandedOver,
        Self::TlsStarted,
        Self::SwitchRefused,
        Self::SwitchGivenUp,
        Self::SwitchesCross,
        Self::Broken,
        #[cfg(feature = "tokio")]
        Self::CallTakenBack,
        #[cfg(feature = "tokio")]
        Self::AnswerTakenBack,
        #[cfg(feature = "tokio")]
        Self::NotificationTakenBack,
        #[cfg(feature = "tokio")]
        Self::SwitchTakenBack,
        #[cfg(feature = "tokio")]
        Self::StandIn,
    ];
}

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
    ended: Option<Ended>,
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

struct Call {
    by: Which,
    id: CallId,
    tag: String,
    asks: Option<Then>,
    given_up: bool,
    /// Whether it was received.
    received: bool,
    /// How it was answered: whether well. The core of the answering side has said so once.
    answered: Option<bool>,
    /// Whether the answer has come in.
    settled: bool,
    /// How it has ended for its caller.
    outcome: Option<Outcome>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Answered,
    Ended(Ended),
    #[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "a driver takes boxes back"))]
    Refused,
}

impl Call {
    /// Whether it takes a place among the outstanding ones. That of a switch which was given up is
    /// kept: its answer says which protocol the peer speaks.
    fn is_outstanding(&self) -> bool {
        let kept = self.asks.is_some() && !self.settled;
        self.outcome.is_none() && (!self.given_up || kept)
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
        asks: Option<Then>,
        attachments: usize,
    ) {
        let tag = format!("{tag:x}");
        let reused = self.sides[which as usize].tags.insert(tag.clone(), n);
        assert_eq!(reused, None, "a tag is never used twice: {tag}");
        let call = Call {
            by: which,
            id,
            tag,
            asks,
            given_up: false,
            received: false,
            answered: None,
            settled: false,
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

    pub(super) fn given_up(&mut self, n: usize, waiter: Option<usize>) {
        let call = self.calls.get_mut(&n).expect("a call that was made");
        let expected = (!call.settled).then_some(n);
        assert_eq!(waiter, expected, "who gives up is who waited, if the answer has not come");
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
                Seen::Box(ampbox, arrived) => {
                    let says = seen.pop_front();
                    let marks = &pair.side(which).marks[..arrived];
                    let marks: Vec<_> = marks.iter().map(|(_, mark)| *mark).collect();
                    self.received(which, &ampbox, says.as_ref(), &marks);
                }
                Seen::Taken(n, answer) => self.taken(which, n, &answer),
                #[cfg(feature = "tokio")]
                Seen::TakenBack(boxes) => {
                    for taken_back in &boxes {
                        self.taken_back(which, taken_back);
                    }
                }
                Seen::Ended(why, told) => self.ended(which, why, &told),
                other => panic!("{other:?} without a box"),
            }
        }
        let side = pair.side(which);
        if side.ended.is_none() {
            assert_eq!(side.core.outstanding(), self.outstanding(which), "outstanding calls");
        }
    }

    /// A box has come in, of which the core says this.
    fn received(&mut self, which: Which, ampbox: &AmpBox, says: Option<&Seen>, marks: &[Mark]) {
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
                    let command = call.asks.map_or("Call".to_owned(), |asks| format!("{asks:?}"));
                    let expected = [tag, Some(command), None, None];
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
        if let Some(ordinals) = ampbox.get("ordinals") {
            let text = std::str::from_utf8(ordinals).expect("text");
            let (first, count) = text.split_once('+').expect("two numbers");
            let [first, count] = [first, count].map(|n| n.parse::<usize>().expect("a number"));
            assert_eq!(count, attachments);
            let named: Vec<_> = marks.iter().copied().skip(first).take(count).collect();
            let expected: Vec<_> = (0..count).map(|at| Mark { of: Some(n), at }).collect();
            assert_eq!(named, expected, "attachments come in order, no later than their box");
            if marks[..first].iter().any(|mark| mark.of.is_none()) {
                self.reached.insert(Reached::StandIn);
            }
        }
    }

    fn answer_received(&mut self, which: Which, n: usize, says: Option<&Seen>) {
        let call = self.calls.get_mut(&n).expect("a call that was made");
        let well = call.answered.expect("it was answered");
        assert!(!std::mem::replace(&mut call.settled, true), "a call has one answer");
        match says {
            Some(Seen::Answered(waiter)) => {
                assert_eq!((*waiter, call.given_up), (n, false), "the answer is its caller's");
                assert!(!well || call.asks.is_none(), "a switch that was agreed to is made");
                self.reached.insert(match (well, call.asks) {
                    (true, _) => Reached::Answered,
                    (false, None) => Reached::Failed,
                    (false, Some(_)) => Reached::SwitchRefused,
                });
            }
            Some(Seen::Switched(waiter)) => {
                let waits = (!call.given_up).then_some(n);
                assert_eq!((*waiter, well), (waits, true), "who asked learns of the switch");
                self.reached.insert(match call.asks.expect("it asks for a switch") {
                    Then::HandOver => Reached::HandedOver,
                    Then::StartTls => Reached::TlsStarted,
                });
            }
            Some(Seen::Late(id, was_well)) => {
                assert_eq!((*id, *was_well), (call.id, well), "a late answer is its call's");
                assert!(call.given_up && call.asks.is_none(), "somebody waits: {n}");
                self.reached.insert(Reached::LateAnswer);
            }
            Some(Seen::Ignored) => {
                assert!(call.given_up && call.asks.is_some() && !well, "somebody waits: {n}");
                self.reached.insert(Reached::SwitchGivenUp);
            }
            other => panic!("{which:?} says {other:?} of the answer to call {n}"),
        }
    }

    /// A caller has taken its answer.
    fn taken(&mut self, which: Which, n: usize, answer: &Answer) {
        let call = self.calls.get_mut(&n).expect("a call that was made");
        assert_eq!((call.by, call.settled, call.given_up), (which, true, false));
        assert_eq!(answer.is_ok(), call.answered == Some(true), "what was answered comes");
        let says = match answer {
            Ok(ampbox) => number(ampbox),
            Err(error) => error.description.parse().ok(),
        };
        assert!(says.is_none_or(|says| says == n), "call {n} has the answer of {says:?}");
        assert_eq!(call.outcome.replace(Outcome::Answered), None, "a call has one outcome");
    }

    #[cfg(feature = "tokio")]
    fn taken_back(&mut self, which: Which, taken_back: &super::side::TakenBack) {
        use crate::proto::WasRemoved;

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
                let waits = (!call.given_up).then_some(n);
                assert_eq!((*id, *waited), (call.id, waits.is_some()));
                assert_eq!(*asked_switch, call.asks.is_some());
                call.settled = true;
                let before = waits.and_then(|_| call.outcome.replace(Outcome::Refused));
                assert_eq!(before, None, "a call has one outcome");
                self.reached.insert(match call.asks {
                    None => Reached::CallTakenBack,
                    Some(_) => Reached::SwitchTakenBack,
                });
            }
            (Kind::Call, WasRemoved::OneWay) => assert!(self.calls[&n].given_up),
            (Kind::Answer, WasRemoved::Answer) => {
                self.calls.get_mut(&n).expect("a call that was made").answered = Some(false);
                self.push(which, Kind::Failure, n, 0);
                self.reached.insert(Reached::AnswerTakenBack);
            }
            (Kind::Notification, WasRemoved::OneWay) => {
                self.reached.insert(Reached::NotificationTakenBack);
            }
            (kind, was) => panic!("{was:?} was the {kind:?} {n}"),
        }
    }

    /// A side has ended: all callers whose calls are outstanding are told so, and nobody else.
    fn ended(&mut self, which: Which, why: Ended, told: &[usize]) {
        self.sides[which as usize].ended = Some(why);
        match why {
            Ended::Broken => self.reached.insert(Reached::Broken),
            Ended::SwitchesCross => self.reached.insert(Reached::SwitchesCross),
            Ended::Switched => false,
        };
        let told: BTreeSet<usize> = told.iter().copied().collect();
        let mut waiting = BTreeSet::new();
        for (n, call) in &mut self.calls {
            if call.by == which && !call.given_up && call.outcome.is_none() {
                call.outcome = Some(Outcome::Ended(why));
                waiting.insert(*n);
            }
        }
        assert_eq!(told, waiting, "every outstanding call is failed when its side ends");
    }

    /// Nothing is left to be done on either side: everything has come to its end.
    pub(super) fn check_end(&self, pair: &mut Pair) {
        for (n, call) in &self.calls {
            let over = call.outcome.is_some() || call.given_up;
            assert!(over, "the {:?} side waits for call {n} for ever", call.by);
            let outcome = self.sides[call.by as usize].ended;
            if let Some(Outcome::Ended(why)) = call.outcome {
                assert_eq!(Some(why), outcome, "all are failed for the same reason");
            }
        }
        let ended = Which::BOTH.map(|which| self.sides[which as usize].ended);
        if ended != [None, None] {
            assert!(!ended.contains(&None), "one side has ended, and the other has not: {ended:?}");
            return;
        }
        for which in Which::BOTH {
            let left = &self.sides[which as usize].boxes;
            assert!(left.is_empty(), "the {which:?} side has not sent {left:?}");
            let side = pair.side(which);
            assert_eq!(side.core.outstanding(), 0);
            assert_eq!((side.core.queued(), side.core.queued_boxes()), (0, 0));
            assert!(!side.core.holds() && !side.core.is_switching());
            assert_eq!(side.core.waiters().count(), 0);
        }
        for calls in self.calls.values().filter(|call| call.received) {
            assert!(calls.answered.is_some(), "a call that was received is answered");
        }
        let [near, far] = Which::BOTH.map(|which| pair.side(which).core.counters());
        check_counters(near, far);
        check_counters(far, near);
    }
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
