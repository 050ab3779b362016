//! What may happen to two sides, step by step, each with what ought to come of it.

use super::model::{Model, Reached};
use super::pair::{Pair, Which};
use super::side::Then;
use crate::boxes::{AmpBox, BoxLimits};
use crate::proto::{CoreLimits, NotQueued, SwitchRefused};

/// How large a box may be that a side sends, in bytes.
const MAX_BYTES: usize = 20_000;

/// What happens next. Which of several calls is meant is counted modulo as many as there are.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Call {
        by: Which,
        size: usize,
        attachments: usize,
    },
    Notify {
        by: Which,
        size: usize,
        attachments: usize,
    },
    /// A caller goes away, answered or not.
    Drop {
        by: Which,
        call: usize,
    },
    AskSwitch {
        by: Which,
        then: Then,
        attachments: usize,
    },
    /// A responder ends, and answers; or it agrees to a switch.
    Answer {
        by: Which,
        call: usize,
        size: usize,
        attachments: usize,
    },
    /// A responder fails, or refuses a switch.
    Fail {
        by: Which,
        call: usize,
    },
    /// The stream takes so many bytes more from this side.
    Take {
        of: Which,
        bytes: usize,
    },
    /// So many bytes of this side arrive at the other.
    Deliver {
        of: Which,
        bytes: usize,
    },
    /// The stream refuses an attachment that is sent next, or all of them.
    Refuse {
        of: Which,
        attachment: usize,
    },
    /// The driver of a side has its turn, if it was woken.
    Run {
        of: Which,
    },
    /// Callers have their turn who were woken.
    Callers {
        of: Which,
    },
    /// The stream breaks.
    Break,
}

/// Two sides, and what ought to be true of them.
pub(super) struct World {
    pub(super) pair: Pair,
    pub(super) model: Model,
    outstanding_calls: usize,
}

impl World {
    /// Two sides with a stream that passes on only what it is told to.
    pub(super) fn new(outstanding_calls: usize, responders: usize) -> Self {
        let boxes = BoxLimits { max_bytes: MAX_BYTES, ..BoxLimits::default() };
        let limits = CoreLimits { outstanding_calls, boxes };
        Self { pair: Pair::stalled(limits, responders), model: Model::default(), outstanding_calls }
    }

    /// What `pairs` and those of every box come to in bytes. It says whether they are too large.
    fn fits(pairs: &[(&str, &str)], n: usize, size: usize, ordinals: &str) -> bool {
        let (n, padding) = (n.to_string(), "-".repeat(size));
        let mut pairs = pairs.to_vec();
        pairs.extend([("n", &n[..]), ("padding", &padding)]);
        pairs.extend((!ordinals.is_empty()).then_some(("ordinals", ordinals)));
        AmpBox::from_pairs(pairs).expect("a box").encoded_len() <= MAX_BYTES
    }

    /// Takes a step. One that makes no sense any more is none.
    pub(super) fn take(&mut self, step: &Step) {
        match *step {
            Step::Call { by, size, attachments } => self.call(by, size, attachments),
            Step::Notify { by, size, attachments } => {
                if self.is_over(by) {
                    return;
                }
                let n = self.model.next();
                let ordinals = self.pair.side(by).ordinals(attachments);
                let fits = Self::fits(&[("_command", &format!("Note {n}"))], n, size, &ordinals);
                let notified = self.pair.side(by).notify(n, size, attachments);
                assert_eq!(notified.is_ok(), fits, "{notified:?}");
                if fits {
                    self.model.notified(by, n, attachments);
                }
            }
            Step::Drop { by, call } => {
                let side = self.pair.side(by);
                let count = side.callers.len().max(1);
                if let Some(n) = side.callers.keys().nth(call % count).copied() {
                    let waiter = side.forget(n);
                    self.model.given_up(n, waiter);
                }
            }
            Step::AskSwitch { by, then, attachments } => self.ask_switch(by, then, attachments),
            Step::Answer { by, call, size, attachments } => {
                self.answer(by, call, size, attachments);
            }
            Step::Fail { by, call } => {
                let side = self.pair.side(by);
                if !side.running.is_empty() {
                    let running = side.fail(call % side.running.len());
                    self.model.answered(by, running.n, false, 0);
                }
            }
            Step::Take { of, bytes } => {
                let room = &mut self.pair.pipe(of).room;
                *room = room.saturating_add(bytes);
            }
            Step::Deliver { of, bytes } => self.pair.pipe(of).deliver(bytes),
            Step::Refuse { of, attachment } => self.pair.pipe(of).refuses = Some(attachment),
            Step::Run { of } => drop(self.run(of)),
            Step::Callers { of } => drop(self.pair.side(of).run_callers()),
            Step::Break => self.pair.break_off(),
        }
        self.look();
    }

    fn run(&mut self, which: Which) -> bool {
        let ran = self.pair.run(which);
        self.look();
        ran
    }

    fn is_over(&mut self, which: Which) -> bool {
        self.pair.side(which).ended.is_some()
    }

    fn look(&mut self) {
        for which in Which::BOTH {
            self.model.look(&mut self.pair, which);
        }
    }

    fn call(&mut self, by: Which, size: usize, attachments: usize) {
        if self.is_over(by) {
            return;
        }
        let n = self.model.next();
        let full = self.model.outstanding(by) == self.outstanding_calls;
        let calling = self.pair.side(by);
        let ordinals = calling.ordinals(attachments);
        match calling.call(n, size, attachments) {
            Ok(id) => {
                let tag = calling.core.tag(id);
                assert!(!full, "no more calls are outstanding than may be");
                let pairs = [("_ask", &*format!("{tag:x}")), ("_command", "Call")];
                assert!(Self::fits(&pairs, n, size, &ordinals));
                self.model.called(by, n, (id, tag), None, attachments);
            }
            Err(NotQueued::TooManyCalls(_)) => {
                assert!(full);
                self.model.reached.insert(Reached::TooManyCalls);
            }
            Err(NotQueued::TooLarge(_)) => {
                self.model.reached.insert(Reached::TooLarge);
                let pairs = [("_ask", "ffffffff"), ("_command", "Call")];
                assert!(!Self::fits(&pairs, n, size, &ordinals));
            }
            Err(error @ NotQueued::Closed(_)) => panic!("{error}"),
        }
    }

    fn ask_switch(&mut self, by: Which, then: Then, attachments: usize) {
        if self.is_over(by) {
            return;
        }
        let n = self.model.next();
        let full = self.model.outstanding(by) == self.outstanding_calls;
        let side = self.pair.side(by);
        let held = side.core.holds();
        match side.ask_switch(n, then, attachments) {
            Ok(id) => {
                assert!(!full && !held);
                let tag = side.core.tag(id);
                self.model.called(by, n, (id, tag), Some(then), attachments);
            }
            Err(SwitchRefused::NotQueued(NotQueued::TooManyCalls(_))) => assert!(full),
            Err(SwitchRefused::UnderWay | SwitchRefused::Replaced) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn answer(&mut self, by: Which, call: usize, size: usize, attachments: usize) {
        let answering = self.pair.side(by);
        if answering.running.is_empty() {
            return;
        }
        let at = call % answering.running.len();
        if answering.running[at].asks.is_some() {
            let (n, well) = match answering.accept_switch(at) {
                Ok(running) => (running.n, true),
                Err(running) => (running.n, false),
            };
            self.model.answered(by, n, well, 0);
            return;
        }
        let ordinals = answering.ordinals(attachments);
        let n = answering.running[at].n;
        let tag = String::from_utf8(answering.running[at].tag.clone()).expect("text");
        let fits = Self::fits(&[("_answer", &tag)], n, size, &ordinals);
        let answered = answering.answer(at, size, attachments);
        assert_eq!(answered.is_ok(), fits, "{answered:?}");
        if fits {
            self.model.answered(by, n, true, attachments);
        }
    }

    /// Lets everything come to its end: the stream passes all, responders end, callers look. Nobody is
    /// woken who is not woken by that.
    pub(super) fn finish(&mut self) {
        loop {
            for which in Which::BOTH {
                self.pair.pipe(which).open();
                self.pair.pipe(which).deliver(usize::MAX);
            }
            let mut went_on = false;
            for which in Which::BOTH {
                went_on |= self.run(which) | self.pair.side(which).run_callers();
                self.look();
                if let Some(running) = self.pair.side(which).running.first() {
                    let n = running.n;
                    self.take(&match n % 3 {
                        0 => Step::Fail { by: which, call: 0 },
                        n => Step::Answer { by: which, call: 0, size: 0, attachments: n - 1 },
                    });
                    went_on = true;
                }
            }
            self.look();
            if !went_on {
                return self.model.check_end(&mut self.pair);
            }
        }
    }
}
