use metrics::{Counter, Gauge, SharedString, counter, gauge, histogram};
use std::time::Duration;

use super::watch::{Outcome, Side};
use crate::proto::Counters;

/// The label of all commands whose names came from elsewhere: there is no end to those.
const OTHER: SharedString = SharedString::const_str("(other)");

/// What is measured of one call.
pub(super) struct MeasuredCall {
    side: Side,
    command: SharedString,
    running: Gauge,
}

impl MeasuredCall {
    pub(super) fn new(side: Side, known: Option<&[u8]>) -> Self {
        let running = gauge!("amp_calls_running", "side" => side.word());
        running.increment(1.0);
        Self { side, command: known.map_or(OTHER, label), running }
    }

    pub(super) fn known(&mut self, command: &[u8]) {
        self.command = label(command);
    }

    /// To be called once.
    pub(super) fn end(&mut self, outcome: Outcome, duration: Duration) {
        let (side, command) = (self.side.word(), std::mem::replace(&mut self.command, OTHER));
        self.running.decrement(1.0);
        histogram!("amp_call_duration_seconds", "side" => side, "command" => command.clone())
            .record(duration);
        let outcome = outcome.word();
        counter!("amp_calls_total", "side" => side, "command" => command, "outcome" => outcome)
            .increment(1);
    }
}

fn label(command: &[u8]) -> SharedString {
    String::from_utf8_lossy(command).into_owned().into()
}

/// What is measured of one connection, from its beginning until this is dropped.
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
