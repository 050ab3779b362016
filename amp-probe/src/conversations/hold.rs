//! Holding the conversations, and comparing what a peer sends with what is expected of it.

use amp_core::boxes::BoxLimits;
use amp_core::{AmpBox, FailurePolicy, keys};
use bytes::Bytes;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Instant;

use super::conversation::Conversation;
use super::conversation::Step::{self, ClosedOrStaying, Open, Receive, ReceiveBytes, Send};
use super::wire::{sum, total};
use super::{boxes, calls, switch, values};
use crate::{DEADLINE, RawClient};

/// The program whose behaviour is expected of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standard {
    /// Twisted.
    #[default]
    Twisted,
    /// The program `compliance-peer`, which differs on purpose here and there.
    Ours,
}

/// The expectations of a peer.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// The program that it is to behave as.
    pub standard: Standard,
    /// The policy of the peer after a failure that is not declared. Twisted closes.
    pub policy: FailurePolicy,
}

/// The outcome of a conversation. As text, it is one line.
#[derive(Clone, Debug)]
pub struct Outcome {
    name: &'static str,
    /// The reason that something else than Twisted's behaviour was expected.
    difference: Option<&'static str>,
    result: Result<(), String>,
}

impl Outcome {
    /// Returns whether it went as expected.
    pub fn is_ok(&self) -> bool {
        self.result.is_ok()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, difference, result } = self;
        write!(f, "{:7} {name}", if self.is_ok() { "ok" } else { "differs" })?;
        if let Err(seen) = result {
            write!(f, ": {seen}")?;
        }
        match difference {
            Some(why) => write!(f, " (not as Twisted: {why})"),
            None => Ok(()),
        }
    }
}

/// The number of conversations that are held at once. A peer that is slow to accept has no more of them waiting
/// than Twisted's backlog for TCP takes, which is 50: beyond that, Linux may reset a connection that
/// it has already said to be open.
const AT_ONCE: usize = 40;

/// Holds every conversation with the peer that `connect` leads to, each on a connection of its own, and
/// many at once so that few deadlines pass when many fail by hanging. `tell` is called with the outcome
/// of each, in the order of the table, as soon as those before it are over too.
///
/// # Panics
///
/// When a thread cannot be started.
pub fn hold_all(
    connect: impl Fn() -> io::Result<RawClient> + std::marker::Send + Sync + 'static,
    expected: Expected,
    mut tell: impl FnMut(&Outcome),
) {
    let conversations = all();
    // A read that gets nothing gives up before; this is for peers that send a byte now and then.
    let rounds = u32::try_from(conversations.len().div_ceil(AT_ONCE)).unwrap_or(u32::MAX);
    let time = DEADLINE * (rounds + 1);
    let deadline = Instant::now() + time;
    let not_finished = |conversation: &Conversation| {
        let seen = format!("not finished within {} s", time.as_secs());
        Outcome { name: conversation.name, difference: None, result: Err(seen) }
    };
    let unfinished: Vec<_> = conversations.iter().map(not_finished).collect();

    let connect = Arc::new(connect);
    let waiting = Arc::new(Mutex::new(conversations.into_iter().enumerate()));
    let (done, finished) = mpsc::channel();
    for _ in 0..AT_ONCE {
        let (connect, waiting, done) = (connect.clone(), waiting.clone(), done.clone());
        let next = move || waiting.lock().expect("nothing panics with it").next();
        thread::spawn(move || {
            while let Some((at, conversation)) = next() {
                if done.send((at, hold(&*connect, &conversation, expected))).is_err() {
                    // Nobody listens any more once the deadline is over.
                    return;
                }
            }
        });
    }
    drop(done);
    let left = || deadline.saturating_duration_since(Instant::now());
    let mut outcomes: Vec<Option<Outcome>> = vec![None; unfinished.len()];
    let mut told = 0;
    while let Ok((at, outcome)) = finished.recv_timeout(left()) {
        outcomes[at] = Some(outcome);
        while let Some(Some(outcome)) = outcomes.get(told) {
            tell(outcome);
            told += 1;
        }
    }
    for (outcome, unfinished) in outcomes.iter().zip(&unfinished).skip(told) {
        tell(outcome.as_ref().unwrap_or(unfinished));
    }
}

/// Leads to the peer.
type Connect = dyn Fn() -> io::Result<RawClient> + std::marker::Send + Sync;

/// The table.
fn all() -> Vec<Conversation> {
    [
        boxes::boxes(),
        boxes::tags(),
        calls::commands(),
        calls::errors(),
        calls::closing(),
        calls::one_way(),
        calls::answers(),
        values::numbers(),
        values::decimals(),
        values::date_times(),
        values::paths(),
        values::lists(),
        switch::switch(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn hold(connect: &Connect, conversation: &Conversation, expected: Expected) -> Outcome {
    let (difference, steps) = match (expected.standard, &conversation.ours) {
        (Standard::Ours, Some((why, steps))) => (Some(*why), steps),
        _ => (None, &conversation.steps),
    };
    let result = go_through(connect, steps, expected.policy);
    Outcome { name: conversation.name, difference, result }
}

fn go_through(connect: &Connect, steps: &[Step], policy: FailurePolicy) -> Result<(), String> {
    let mut client = connect().map_err(|error| error.to_string())?;
    for step in steps {
        match (step, policy) {
            (Send(bytes), _) => {
                client.send(bytes).map_err(|error| format!("not sent: {error}"))?;
            }
            (Receive(boxes), _) => receive(&mut client, boxes)?,
            (ReceiveBytes(bytes), _) => receive_bytes(&mut client, bytes)?,
            (Open, _) | (ClosedOrStaying, FailurePolicy::Stay) => {
                // A peer that is about to close still answers what it has received by then, but
                // not what is asked after that answer.
                for ask in ["first", "second"] {
                    client.send(&sum(ask)).map_err(|error| format!("not open: {error}"))?;
                    receive(&mut client, &[total(ask)])?;
                }
            }
            (Step::Closed | ClosedOrStaying, _) => match next(&mut client)? {
                None => {}
                Some(more) => return Err(format!("expected the end, but {}", shown(&more))),
            },
        }
    }
    Ok(())
}

fn receive(client: &mut RawClient, boxes: &[Vec<u8>]) -> Result<(), String> {
    let mut expected: Vec<&[u8]> = boxes.iter().map(Vec::as_slice).collect();
    while !expected.is_empty() {
        let wanted = || expected.iter().map(|bytes| shown(bytes)).collect::<Vec<_>>().join(", ");
        let Some(received) = next(client)? else {
            return Err(format!("expected {}, but it is closed", wanted()));
        };
        let Some(at) = expected.iter().position(|bytes| *bytes == received) else {
            return Err(format!("expected {}, but {}", wanted(), shown(&received)));
        };
        expected.swap_remove(at);
    }
    Ok(())
}

fn receive_bytes(client: &mut RawClient, expected: &[u8]) -> Result<(), String> {
    let wanted = expected.escape_ascii();
    let received = client
        .receive_bytes(expected.len())
        .map_err(|error| format!("expected {wanted}, but nothing received: {error}"))?;
    if received == expected {
        return Ok(());
    }
    Err(format!("expected {wanted}, but {}", received.escape_ascii()))
}

fn next(client: &mut RawClient) -> Result<Option<Bytes>, String> {
    let received = client.receive().map_err(|error| format!("nothing received: {error}"))?;
    Ok(received.map(without_reference))
}

fn shown(bytes: &[u8]) -> String {
    let ampbox = AmpBox::parse(&mut Bytes::copy_from_slice(bytes), BoxLimits::default());
    format!("{:?}", ampbox.expect("it was received as a box, or made as one"))
}

/// The box without the reference to a log that a peer may put behind Twisted's `Unknown Error`. It
/// is another one each time.
fn without_reference(bytes: Bytes) -> Bytes {
    let ampbox = AmpBox::parse(&mut bytes.clone(), BoxLimits::default());
    let mut ampbox = ampbox.expect("it was received as a box");
    let description = ampbox.get(keys::ERROR_DESCRIPTION).unwrap_or_default();
    if !description.starts_with(b"Unknown Error (reference ") {
        return bytes;
    }
    ampbox.insert(keys::ERROR_DESCRIPTION, "Unknown Error").expect("it fits");
    ampbox.to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversations::conversation::Step::Closed;

    const GUIDE: &str = include_str!("../../../amp-core/src/cookbook/from_twisted.rs");

    /// The rows of the table: what the peer sends, what Twisted does, what this does, and why.
    fn rows() -> Vec<[&'static str; 4]> {
        let (_, section) = GUIDE.split_once("//! # Where this differs from Twisted\n").unwrap();
        let (section, _) = section.split_once("\n//! # ").unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("//! | ")).skip(1);
        let cells = |row: &'static str| row.trim_end_matches(" |").split(" | ").collect::<Vec<_>>();
        rows.map(|row| cells(row).try_into().expect("a row has four cells")).collect()
    }

    #[test]
    fn the_guide_has_each_difference_and_its_reason() {
        let mut said: Vec<_> = rows()
            .iter()
            .map(|[sent, .., why]| [sent, why].map(|cell| cell.replace('`', "")))
            .collect();
        let differing = all().into_iter().filter_map(|it| Some([it.name, it.ours?.0]));
        let mut held: Vec<_> = differing.map(|row| row.map(str::to_owned)).collect();
        said.sort();
        held.sort();
        assert_eq!(said, held);
    }

    /// What a cell says of the end and of errors is what the conversation expects, and each text in it is in that.
    #[test]
    fn the_guide_says_of_both_sides_what_their_conversations_expect() {
        let conversations = all();
        let mut above = ["", ""];
        for [sent, twisted, ours, _] in rows() {
            let name = sent.replace('`', "");
            let held = conversations.iter().find(|it| it.name == name).expect("it is held");
            let (_, our_steps) = held.ours.as_ref().expect("it differs");
            let cells = if twisted == "as above" { above } else { [twisted, ours] };
            above = cells;
            for (cell, steps) in cells.into_iter().zip([&held.steps, our_steps]) {
                let closes = steps.iter().any(|step| matches!(step, Closed));
                assert_eq!(cell.contains("closes"), closes, "{name}: {cell}");
                let (mut sent, mut received) = (Vec::new(), Vec::new());
                for step in steps {
                    match step {
                        Send(bytes) => sent.extend_from_slice(bytes),
                        Receive(boxes) => received.extend(boxes.concat()),
                        _ => {}
                    }
                }
                let has = |bytes: &[u8], text: &str| {
                    bytes.windows(text.len()).any(|part| part == text.as_bytes())
                };
                let fails = ["refuses", "fails", "UNKNOWN", "UNHANDLED"]
                    .iter()
                    .any(|word| cell.contains(word));
                assert_eq!(fails, has(&received, "_error"), "{name}: {cell}");
                for text in cell.split('`').skip(1).step_by(2) {
                    assert!(has(&received, text) || has(&sent, text), "{name}: {text}");
                }
            }
        }
    }
}
