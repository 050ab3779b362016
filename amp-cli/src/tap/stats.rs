//! The number of calls of each command, and the times of its answers.

use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use crate::table::write_rows;
use crate::watching::{Kind, Seen, shown_time};

/// The longest time that is told apart from longer ones, in microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;

/// How many commands are told apart; a client could make up any number of names.
const COMMANDS: usize = 1000;

/// Where the others are counted.
const OTHERS: &str = "(others)";

#[derive(Default)]
pub(super) struct Stats {
    commands: BTreeMap<String, Counts>,
}

struct Counts {
    calls: u64,
    errors: u64,
    bytes: u64,
    /// In microseconds.
    times: Histogram<u64>,
}

impl Stats {
    pub(super) fn add(&mut self, seen: &Seen) {
        let Some(command) = &seen.command else { return };
        let is_new = !self.commands.contains_key(command);
        let name = if is_new && self.commands.len() >= COMMANDS { OTHERS } else { command };
        let counts = self.commands.entry(name.to_owned()).or_insert_with(Counts::new);
        counts.bytes += seen.len() as u64;
        match seen.kind {
            Kind::Call | Kind::OneWay => counts.calls += 1,
            Kind::Error => counts.errors += 1,
            Kind::Answer | Kind::Box => {}
        }
        if let Some(took) = seen.took {
            let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            counts.times.saturating_record(micros);
        }
    }

    /// A row for each command.
    pub(super) fn write(&self, elapsed: Duration, out: &mut impl Write) -> io::Result<()> {
        let titles = ["command", "calls", "errors", "p50", "p99", "longest", "bytes"];
        let mut rows = vec![titles.map(str::to_owned)];
        for (name, counts) in &self.commands {
            let time = |micros| match counts.times.len() {
                0 => String::new(),
                _ => shown_time(Duration::from_micros(micros)),
            };
            rows.push([
                name.clone(),
                counts.calls.to_string(),
                counts.errors.to_string(),
                time(counts.times.value_at_quantile(0.5)),
                time(counts.times.value_at_quantile(0.99)),
                time(counts.times.max()),
                counts.bytes.to_string(),
            ]);
        }
        writeln!(out, "in {}:", shown_time(elapsed))?;
        let mut table = Vec::new();
        write_rows(&rows, "  ", &mut table)?;
        out.write_all(&table)
    }
}

impl Counts {
    fn new() -> Self {
        let times = Histogram::new_with_max(LONGEST, 3).expect("the range can be had");
        Self { calls: 0, errors: 0, bytes: 0, times }
    }
}
