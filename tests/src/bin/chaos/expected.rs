//! What happens in every run that is long enough: a run without it has shown nothing of it.

use std::time::Duration;

use crate::options::Options;
use crate::report::{Group, Tally, Violations};
use crate::streaming::{DROPPED_BY_SENDER, DROPPED_BY_TAKER};

/// Of so many clients each sort is one, over each transport; each makes a few calls in so much time.
const CLIENTS: u32 = 24;
const TIME: Duration = Duration::from_secs(4);

const EXPECTED: [(Group, &[&str]); 4] = [
    (
        Group::Outcomes,
        &[
            "answered",
            "answered with a descriptor",
            "answered with a stream",
            "answer that cannot be decoded",
            "descriptor refused",
            "dropped",
            "error that the command declares",
            "sent",
            "timed out",
            "UNHANDLED",
            "UNKNOWN",
        ],
    ),
    (
        Group::Ways,
        &[
            "Clear over Tcp",
            "Clear over Unix",
            "Routes over Tcp",
            "Routes over Unix",
            "StartTls over Tcp",
            "StartTls over Unix",
            "Tls over Tcp",
            "Tls over Unix",
        ],
    ),
    (
        Group::Streams,
        &[
            "bytes received to the end",
            "not wanted any more",
            DROPPED_BY_SENDER,
            DROPPED_BY_TAKER,
            "pipes sent, and taken to the end",
            "received to the end",
            "sent, and taken to the end",
        ],
    ),
    (Group::Faults, &["cut, as a reset", "cut, as an end", "stall"]),
];

/// Whether these are enough clients for long enough.
fn is_expected(options: &Options) -> bool {
    options.clients >= CLIENTS && options.time >= TIME
}

/// What has not happened.
fn missing(tally: &Tally) -> impl Iterator<Item = (Group, &'static str)> {
    let all =
        EXPECTED.into_iter().flat_map(|(group, all)| all.iter().map(move |what| (group, *what)));
    all.filter(|(group, what)| !tally.has(*group, what))
}

/// Whether a machine that is very busy has to go on for something to happen that does in time elsewhere.
pub(crate) fn is_late(options: &Options, tally: &Tally) -> bool {
    is_expected(options) && missing(tally).next().is_some()
}

/// Makes a violation of each that has not happened.
pub(crate) fn look(options: &Options, tally: &Tally, violations: &Violations) {
    if !is_expected(options) {
        println!("too few clients, or too short, to see whether everything happens");
        return;
    }
    for (group, what) in missing(tally) {
        violations.add(format!("nothing was {what:?}, of {group:?}"));
    }
}
