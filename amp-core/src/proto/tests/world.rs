//! What may happen to two sides, step by step, each with what ought to come of it.

use std::sync::Arc;
use std::time::Duration;

use super::command::{Command, Then};
use super::model::Model;
use super::pair::{Pair, Which};
use super::queueing::{Looked, Queueing};
use super::reached::Reached;
use super::side::Running;
use super::way::Way;
use crate::boxes::{AmpBox, BoxLimits};
use crate::proto::{Limits, NotQueued, SwitchRefused, Together};

/// So often each side has its turn before both come to rest, unless one wants for ever what it does not
/// get.
const ROUNDS: usize = 10_000;

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
    /// A stream is opened whose items, or room for them, responders of a side may wait for.
    OpenStream {
        by: Which,
    },
    EndStream {
        by: Which,
    },
    /// Items of a stream are sent.
    SendItems {
        by: Which,
        size: usize,
        attachments: usize,
    },
    /// A responder ends, and answers; or it agrees to a switch. Something may run `then`, when the
    /// answer is written.
    Answer {
        by: Which,
        call: usize,
        size: usize,
        attachments: usize,
        then: bool,
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
    /// The caller of a side writes that has the line.
    WriteLent {
        by: Which,
    },
    /// Somebody begins to encode a box with attachments, or is done.
    Encode {
        by: Which,
        begins: bool,
    },
    /// No other transport can be made any more, from here on.
    FailUpgrade {
        of: Which,
    },
    /// Responders of a side take long, each so much.
    Slow {
        of: Which,
        each: Duration,
    },
    /// A caller that was told of room does not look.
    KeepRoom {
        by: Which,
    },
    /// A side closes the connection, or does so once nothing is being answered.
    Close {
        by: Which,
    },
    Drain {
        by: Which,
    },
    /// The stream takes nothing more from a side.
    Deafen {
        of: Which,
    },
    /// The stream breaks.
    Break,
    /// Time passes.
    Pass {
        time: Duration,
    },
}

/// Two sides, and what ought to be true of them.
pub(super) struct World {
    pub(super) pair: Pair,
    pub(super) model: Model,
    outstanding_calls: usize,
}

impl World {
    /// Two sides with a stream that passes on only what it is told to.
    pub(super) fn new(limits: Limits) -> Self {
        Self::of(limits, None, [Way::default(); 2])
    }

    /// As [`new`](Self::new), with sides that are set up so, and what they hold together.
    pub(super) fn of(limits: Limits, together: Option<&Arc<Together>>, ways: [Way; 2]) -> Self {
        let boxes = BoxLimits { max_bytes: MAX_BYTES, ..BoxLimits::default() };
        let limits = Limits { boxes, ..limits };
        let outstanding_calls = limits.outstanding_calls;
        Self { pair: Pair::new(limits, together, ways), model: Model::default(), outstanding_calls }
    }

    /// What `pairs` and those of every box come to in bytes. It says whether they are too large.
    fn fits(pairs: &[(&str, String)], n: usize, size: usize, ordinals: &str) -> bool {
        let mut pairs = pairs.to_vec();
        pairs.extend([("n", n.to_string()), ("padding", "-".repeat(size))]);
        pairs.extend((!ordinals.is_empty()).then(|| ("ordinals", ordinals.to_owned())));
        AmpBox::from_pairs(pairs).expect("a box").encoded_len() <= MAX_BYTES
    }

    /// Takes a step. One that makes no sense any more is none.
    pub(super) fn take(&mut self, step: &Step) {
        match *step {
            Step::Call { by, size, attachments } => {
                self.queue(by, Queueing { command: Some(Command::Call), size, attachments });
            }
            Step::Notify { by, size, attachments } => {
                self.queue(by, Queueing { command: None, size, attachments });
            }
            Step::SendItems { by, size, attachments } => {
                if self.pair.side(by).streams > 0 {
                    self.queue(by, Queueing { command: Some(Command::Items), size, attachments });
                }
            }
            Step::OpenStream { by } => self.pair.side(by).await_stream(true),
            Step::EndStream { by } => self.end_stream(by),
            Step::Drop { by, call } => {
                let side = self.pair.side(by);
                let (called, queueing) = (side.callers.len(), side.count_queueing());
                let at = call % (called + queueing).max(1);
                if let Some(n) = side.callers.keys().nth(at).copied() {
                    let waited = side.give_up(n);
                    self.model.given_up(n, waited);
                } else if queueing > 0 {
                    side.cancel(at - called);
                }
            }
            Step::AskSwitch { by, then, attachments } => self.ask_switch(by, then, attachments),
            Step::Answer { by, call, size, attachments, then } => {
                self.answer(by, call, (size, attachments), then);
            }
            Step::Fail { by, call } => {
                let side = self.pair.side(by);
                // A call that waits in the lane may be given up.
                if !side.running.is_empty() {
                    let at = call % side.running.len();
                    if side.ended.is_some() {
                        side.finish_unheard(at);
                        return self.look();
                    }
                    let running = side.fail(at);
                    if running.tag.is_some() {
                        self.model.answered(by, running.n, false, 0);
                    }
                }
            }
            Step::Take { of, bytes } => {
                let room = &mut self.pair.pipe(of).room;
                *room = room.saturating_add(bytes);
            }
            Step::Deliver { of, bytes } => self.pair.pipe(of).deliver(bytes),
            Step::Refuse { of, attachment } => self.pair.pipe(of).refuses = Some(attachment),
            Step::Run { of } => drop(self.run(of)),
            Step::Callers { of } => drop(self.run_callers(of)),
            Step::KeepRoom { by } => self.pair.side(by).keep_room(),
            Step::WriteLent { by } => drop(self.pair.write_lent(by)),
            Step::Encode { by, begins } => self.pair.side(by).encode(begins),
            Step::Slow { of, each } => self.pair.side(of).driver.each_call = each,
            Step::FailUpgrade { of } => self.pair.side(of).driver.fails_upgrade = true,
            Step::Close { by } => self.pair.side(by).close(),
            Step::Drain { by } => self.pair.side(by).drain(),
            Step::Deafen { of } => self.pair.pipe(of).deaf = true,
            Step::Break => self.pair.break_off(),
            Step::Pass { time } => self.pair.pass(time),
        }
        self.look();
    }

    /// A stream ends. With the last one, its items are given up that are on their way.
    fn end_stream(&mut self, by: Which) {
        let side = self.pair.side(by);
        if side.streams == 0 {
            return;
        }
        if side.streams == 1 {
            side.cancel_items();
            for n in side.items() {
                let waited = side.give_up(n);
                self.model.given_up(n, waited);
            }
        }
        side.await_stream(false);
    }

    fn run(&mut self, which: Which) -> bool {
        let ran = self.pair.run(which);
        self.look();
        ran
    }

    fn look(&mut self) {
        for which in Which::BOTH {
            self.model.look(&mut self.pair, which);
        }
    }

    /// Lets the callers of a side look that were woken, and those who wait for room.
    fn run_callers(&mut self, of: Which) -> bool {
        let mut ran = self.pair.write_lent(of);
        ran |= self.pair.side(of).run_callers();
        ran |= self.pair.side(of).run_leftover();
        self.look();
        loop {
            match self.pair.side(of).look_for_room() {
                Looked::Nobody => break,
                Looked::Waits => {}
                Looked::Goes(queueing) => {
                    ran = true;
                    self.queue_now(of, queueing);
                }
            }
        }
        self.look();
        ran
    }

    /// Somebody wants to call, who waits while there is no room.
    fn queue(&mut self, by: Which, queueing: Queueing) {
        if let Some(queueing) = self.pair.side(by).come(queueing) {
            self.queue_now(by, queueing);
        }
    }

    /// Whether as many calls of a side are outstanding as may be, beside those that bring items.
    fn is_full(&mut self, by: Which) -> bool {
        let items = self.pair.side(by).items().len();
        self.model.outstanding(by) == self.outstanding_calls + items
    }

    fn queue_now(&mut self, by: Which, queueing: Queueing) {
        let n = self.model.next();
        let Queueing { command, size, attachments } = queueing;
        let wants_answer = command.is_some();
        let full = command != Some(Command::Items) && self.is_full(by);
        let calling = self.pair.side(by);
        let over = calling.core.end().refusal().is_some();
        let attachments = calling.carried(attachments);
        let ordinals = calling.ordinals(attachments);
        let result = if let Some(command) = command {
            calling.call((n, command), size, attachments).map(|id| {
                let tag = calling.core.tag(id);
                self.model.called(by, n, (id, tag), command, attachments);
                vec![("_ask", format!("{tag:x}")), ("_command", command.name().to_owned())]
            })
        } else {
            calling.notify(n, size, attachments).map(|()| {
                self.model.notified(by, n, attachments);
                vec![("_command", format!("Note {n}"))]
            })
        };
        match result {
            Ok(pairs) => {
                assert!(!over && (!full || !wants_answer), "no more are outstanding than may be");
                assert!(Self::fits(&pairs, n, size, &ordinals));
            }
            Err(NotQueued::TooManyCalls(_)) => {
                assert!(full && wants_answer);
                self.model.reached.insert(Reached::TooManyCalls);
            }
            Err(NotQueued::TooLarge(_)) => {
                self.model.reached.insert(Reached::TooLarge);
                let pairs =
                    [("_ask", "ffffffff".to_owned()), ("_command", "Note 10000".to_owned())];
                assert!(!Self::fits(&pairs, n, size, &ordinals));
            }
            Err(NotQueued::Closed(_)) => assert!(over),
        }
    }

    fn ask_switch(&mut self, by: Which, then: Then, attachments: usize) {
        let n = self.model.next();
        let full = self.is_full(by);
        let asking = self.pair.side(by);
        let over = asking.core.end().refusal().is_some();
        let held = asking.core.holds();
        let attachments = asking.carried(attachments);
        match asking.ask_switch(n, then, attachments) {
            Ok(id) => {
                assert!(!full && !held && !over);
                let tag = asking.core.tag(id);
                self.model.called(by, n, (id, tag), Command::Switch(then), attachments);
            }
            Err(SwitchRefused::NotQueued(NotQueued::TooManyCalls(_))) => assert!(full),
            Err(SwitchRefused::NotQueued(NotQueued::Closed(_))) => assert!(over),
            Err(SwitchRefused::UnderWay | SwitchRefused::Upgraded) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn answer(&mut self, by: Which, call: usize, (size, with): (usize, usize), then: bool) {
        let answering = self.pair.side(by);
        if answering.running.is_empty() {
            return;
        }
        let at = call % answering.running.len();
        if !answering.running[at].may_go_on() {
            return;
        }
        if answering.ended.is_some() {
            answering.finish_unheard(at);
            return;
        }
        if answering.running[at].asks.is_some() {
            let (n, well) = match answering.accept_switch(at) {
                Ok(running) => (running.n, true),
                Err(running) => (running.n, false),
            };
            self.model.answered(by, n, well, 0);
            return;
        }
        let attachments = answering.carried(with);
        let ordinals = answering.ordinals(attachments);
        let n = answering.running[at].n;
        let tag = answering.running[at].tag.clone();
        let answered = answering.answer(at, (size, attachments), then);
        let Some(tag) = tag else { return };
        let tag = String::from_utf8(tag).expect("text");
        let fits = Self::fits(&[("_answer", tag)], n, size, &ordinals);
        assert_eq!(answered.is_ok(), fits, "{answered:?}");
        if fits {
            let end = answering.core.end_of_queue();
            self.model.answered(by, n, true, attachments);
            if then {
                self.model.runs_after(by, n, end);
            }
        }
    }

    /// Lets everything come to its end: the stream passes all, responders end, callers look. Nobody is
    /// woken who is not woken by that.
    pub(super) fn finish(&mut self) {
        for which in Which::BOTH {
            self.take(&Step::Encode { by: which, begins: false });
        }
        self.go_on_without_responders();
        for which in Which::BOTH {
            let side = self.pair.side(which);
            // Once the end has begun nobody waits for answers.
            let goes_on = side.ended.is_none() && side.core.end().begun().is_none();
            let waits = goes_on && side.driver.drive().inbound.is_paused();
            let outstanding = side.core.outstanding() - side.driver.pings() - side.items().len();
            assert!(!waits || outstanding == 0, "answers are read however many run");
            assert!(!waits || side.streams == 0, "items are read however many run");
        }
        self.check_items();
        for which in Which::BOTH {
            while self.pair.side(which).streams > 0 {
                self.take(&Step::EndStream { by: which });
            }
        }
        while self.end_a_responder() || self.pair.pass_to_deadline() {
            self.go_on_without_responders();
        }
        self.model.check_end(&mut self.pair);
    }

    /// What responders wait for has come, where nothing but them could hold it up.
    fn check_items(&mut self) {
        let goes_on = |world: &mut Self, which| {
            let core = &world.pair.side(which).core;
            core.end().refusal().is_none() && !core.holds() && !core.switch().ends_boxes()
        };
        if !Which::BOTH.into_iter().all(|which| goes_on(self, which)) {
            return;
        }
        for which in Which::BOTH {
            let awaits = self.pair.side(which).streams > 0;
            let items = self.pair.side(which.other()).items();
            assert!(
                !awaits || items.is_empty(),
                "items are dealt with however many responders run"
            );
        }
    }

    fn go_on_without_responders(&mut self) {
        for _ in 0..ROUNDS {
            for which in Which::BOTH {
                self.pair.pipe(which).open();
                self.pair.pipe(which).deliver(usize::MAX);
            }
            let ran = Which::BOTH.map(|which| self.run(which) | self.run_callers(which));
            if ran == [false, false] && !self.pair.pass_while_held_up() {
                return;
            }
        }
        panic!("a side wants something that no turn of its driver takes away");
    }

    fn end_a_responder(&mut self) -> bool {
        for which in Which::BOTH {
            let running = &self.pair.side(which).running;
            if let Some(call) = running.iter().position(Running::may_go_on) {
                let n = running[call].n;
                self.take(&match n % 4 {
                    0 => Step::Fail { by: which, call },
                    n => Step::Answer { by: which, call, size: 0, attachments: n - 1, then: false },
                });
                return true;
            }
        }
        false
    }
}
