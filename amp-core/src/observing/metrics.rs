use metrics::{Counter, Gauge, Histogram, SharedString, counter, gauge, histogram};
use rustc_hash::FxHashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use super::outcome::{Outcome, Side};
use crate::proto::Counters;

/// The label of all commands whose names came from elsewhere: there is no end to those.
const OTHER: SharedString = SharedString::const_str("(other)");

/// The measurements of the calls of one connection. A recorder is asked for each metric once, since
/// finding one by its labels costs many times what recording does.
pub(crate) struct Measures {
    asking: MeasuredSide,
    answering: MeasuredSide,
}

struct MeasuredSide {
    side: Side,
    running: Gauge,
    other: Arc<MeasuredCommand>,
    /// Only names that the program itself knows are kept here, so no peer can add any.
    commands: RwLock<FxHashMap<Box<[u8]>, Arc<MeasuredCommand>>>,
}

/// The metrics of one command on one side.
struct MeasuredCommand {
    side: Side,
    label: SharedString,
    duration: Histogram,
    /// Each is asked for when it is needed, so that what never happens is no metric.
    outcomes: [OnceLock<Counter>; Outcome::COUNT],
}

/// The measurements of one call.
pub(super) struct MeasuredCall {
    command: Arc<MeasuredCommand>,
    running: Gauge,
}

impl Measures {
    pub(crate) fn new() -> Self {
        Self {
            asking: MeasuredSide::new(Side::Asking),
            answering: MeasuredSide::new(Side::Answering),
        }
    }

    /// A call begins. Its command has a label of its own if that is `known`.
    pub(super) fn call(&self, side: Side, known: Option<&[u8]>) -> MeasuredCall {
        let measured = self.of(side);
        measured.running.increment(1.0);
        let command =
            known.map_or_else(|| Arc::clone(&measured.other), |name| measured.named(name));
        MeasuredCall { command, running: measured.running.clone() }
    }

    /// The command of a call that has begun is known after all.
    pub(super) fn known(&self, call: &mut MeasuredCall, command: &[u8]) {
        call.command = self.of(call.command.side).named(command);
    }

    fn of(&self, side: Side) -> &MeasuredSide {
        match side {
            Side::Asking => &self.asking,
            Side::Answering => &self.answering,
        }
    }
}

impl MeasuredSide {
    fn new(side: Side) -> Self {
        Self {
            side,
            running: gauge!("amp_calls_running", "side" => side.word()),
            other: Arc::new(MeasuredCommand::new(side, OTHER)),
            commands: RwLock::default(),
        }
    }

    fn named(&self, name: &[u8]) -> Arc<MeasuredCommand> {
        let commands = self.commands.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(command) = commands.get(name) {
            return Arc::clone(command);
        }
        drop(commands);
        // A recorder is the user's code, so here as in `outcome` it is asked while nothing is
        // locked. Two that ask at the same time get handles of the same metrics.
        let label = String::from_utf8_lossy(name).into_owned();
        let command = Arc::new(MeasuredCommand::new(self.side, label.into()));
        let mut commands = self.commands.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(commands.entry(name.into()).or_insert(command))
    }
}

impl MeasuredCommand {
    fn new(side: Side, label: SharedString) -> Self {
        let duration = histogram!(
            "amp_call_duration_seconds", "side" => side.word(), "command" => label.clone()
        );
        Self { side, label, duration, outcomes: Default::default() }
    }

    fn outcome(&self, outcome: Outcome) -> &Counter {
        let kept = &self.outcomes[outcome as usize];
        if let Some(counter) = kept.get() {
            return counter;
        }
        let counter = counter!(
            "amp_calls_total",
            "side" => self.side.word(),
            "command" => self.label.clone(),
            "outcome" => outcome.word()
        );
        kept.get_or_init(|| counter)
    }
}

impl MeasuredCall {
    /// To be called once.
    pub(super) fn end(&self, outcome: Outcome, duration: Duration) {
        self.running.decrement(1.0);
        self.command.duration.record(duration);
        self.command.outcome(outcome).increment(1);
    }
}

/// The measurements of one connection, from its beginning until this is dropped.
pub(crate) struct MeasuredConnection {
    open: Gauge,
    boxes: Directions,
    bytes: Directions,
    late_answers: Counter,
    unknown_answers: Counter,
    reported: Counters,
}

struct Directions {
    sent: Counter,
    received: Counter,
}

impl MeasuredConnection {
    pub(crate) fn new() -> Self {
        let open = gauge!("amp_connections_open");
        open.increment(1.0);
        Self {
            open,
            boxes: Directions {
                sent: counter!("amp_boxes_total", "direction" => "sent"),
                received: counter!("amp_boxes_total", "direction" => "received"),
            },
            bytes: Directions {
                sent: counter!("amp_bytes_total", "direction" => "sent"),
                received: counter!("amp_bytes_total", "direction" => "received"),
            },
            late_answers: counter!("amp_late_answers_total"),
            unknown_answers: counter!("amp_unknown_answers_total"),
            reported: Counters::default(),
        }
    }

    /// Reports what has happened since the last time. Not to be called with the state locked.
    pub(crate) fn report(&mut self, counters: Counters) {
        let before = std::mem::replace(&mut self.reported, counters);
        for (counter, before, after) in [
            (&self.boxes.sent, before.boxes_sent, counters.boxes_sent),
            (&self.boxes.received, before.boxes_received, counters.boxes_received),
            (&self.bytes.sent, before.bytes_sent, counters.bytes_sent),
            (&self.bytes.received, before.bytes_received, counters.bytes_received),
            (&self.late_answers, before.late_answers, counters.late_answers),
            (&self.unknown_answers, before.unknown_answers, counters.unknown_answers),
        ] {
            if after > before {
                counter.increment(after - before);
            }
        }
    }
}

impl Drop for MeasuredConnection {
    fn drop(&mut self) {
        self.open.decrement(1.0);
    }
}
