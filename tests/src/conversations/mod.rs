//! What happens on the wire, byte for byte: conversations with a peer that serves the commands of
//! the compliance suite. Twisted sets the standard; where ours differs on purpose, the conversation
//! says why.

/// A box on the wire, of pairs in the order given, whether or not a box should be like that.
macro_rules! wire {
    ($($key:expr => $value:expr),* $(,)?) => {{
        #[allow(unused_mut, reason = "the empty box has no pair")]
        let mut bytes = Vec::new();
        $(
            put(&mut bytes, $key);
            put(&mut bytes, $value);
        )*
        [bytes, vec![0, 0]].concat()
    }};
}

mod boxes;
mod calls;
mod switch;
mod values;

use amp_core::{AmpBox, BoxLimits, FailurePolicy, keys};
use bytes::Bytes;
use std::fmt;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Instant;

use crate::{Address, DEADLINE, RawClient};
use Step::{ClosedOrStaying, Open, Receive, ReceiveBytes, Send};

/// Whose behaviour is expected of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standard {
    /// Twisted's.
    #[default]
    Twisted,
    /// That of `compliance-peer`, which differs on purpose here and there.
    Ours,
}

/// What is expected of a peer.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// Whose behaviour.
    pub standard: Standard,
    /// What the peer does after a failure that is not declared. Twisted closes.
    pub policy: FailurePolicy,
}

/// How a conversation went. As text, it is one line.
#[derive(Clone, Debug)]
pub struct Outcome {
    name: &'static str,
    /// Why something else than Twisted's behaviour was expected.
    difference: Option<&'static str>,
    result: Result<(), String>,
}

impl Outcome {
    /// Whether it went as expected.
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

/// How many conversations are held at once. A peer that is slow to accept has no more of them waiting
/// than Twisted's backlog for TCP takes, which is 50: beyond that, Linux may reset a connection that
/// it has already said to be open.
const AT_ONCE: usize = 40;

/// Holds every conversation with the peer at this address, many at once so that few deadlines pass
/// when many fail by hanging. The outcomes are in the order of the table.
///
/// # Panics
///
/// When a thread cannot be started.
pub fn hold_all(address: &Address, expected: Expected) -> Vec<Outcome> {
    let conversations = all();
    // A read that gets nothing gives up before; this is for peers that send a byte now and then.
    let rounds = u32::try_from(conversations.len().div_ceil(AT_ONCE)).unwrap_or(u32::MAX);
    let time = DEADLINE * (rounds + 1);
    let deadline = Instant::now() + time;
    let not_finished = |conversation: &Conversation| {
        let seen = format!("not finished within {} s", time.as_secs());
        Outcome { name: conversation.name, difference: None, result: Err(seen) }
    };
    let mut outcomes: Vec<_> = conversations.iter().map(not_finished).collect();

    let waiting = Arc::new(Mutex::new(conversations.into_iter().enumerate()));
    let (done, finished) = mpsc::channel();
    for _ in 0..AT_ONCE {
        let (address, waiting, done) = (address.clone(), Arc::clone(&waiting), done.clone());
        let next = move || waiting.lock().expect("nothing panics with it").next();
        thread::spawn(move || {
            while let Some((at, conversation)) = next() {
                if done.send((at, hold(&address, &conversation, expected))).is_err() {
                    // Nobody listens any more once the deadline is over.
                    return;
                }
            }
        });
    }
    drop(done);
    let left = || deadline.saturating_duration_since(Instant::now());
    while let Ok((at, outcome)) = finished.recv_timeout(left()) {
        outcomes[at] = outcome;
    }
    outcomes
}

/// A conversation on a connection of its own.
struct Conversation {
    name: &'static str,
    steps: Vec<Step>,
    /// Why it goes another way with our peer, and which.
    ours: Option<(&'static str, Vec<Step>)>,
}

#[derive(Clone)]
enum Step {
    /// These bytes are sent.
    Send(Vec<u8>),
    /// These boxes come, byte for byte but in any order.
    Receive(Vec<Vec<u8>>),
    /// These bytes come, which are no boxes.
    ReceiveBytes(Vec<u8>),
    /// Nothing more comes, and the peer closes the connection.
    Closed,
    /// Nothing more comes, and the peer answers another call.
    Open,
    /// [`Closed`](Step::Closed) after a failure that is not declared, as Twisted does, or
    /// [`Open`] with a peer under the policy to stay.
    ClosedOrStaying,
}

fn case(name: &'static str, steps: impl IntoIterator<Item = Step>) -> Conversation {
    Conversation { name, steps: steps.into_iter().collect(), ours: None }
}

impl Conversation {
    fn but_ours(self, why: &'static str, steps: impl IntoIterator<Item = Step>) -> Self {
        Self { ours: Some((why, steps.into_iter().collect())), ..self }
    }
}

fn put(bytes: &mut Vec<u8>, string: impl AsRef<[u8]>) {
    let string = string.as_ref();
    bytes.extend(u16::try_from(string.len()).unwrap().to_be_bytes());
    bytes.extend(string);
}

fn sum(ask: impl AsRef<[u8]>) -> Vec<u8> {
    wire!["_ask" => ask, "_command" => "Sum", "a" => "13", "b" => "81"]
}

fn total(ask: impl AsRef<[u8]>) -> Vec<u8> {
    wire!["_answer" => ask, "total" => "94"]
}

fn wait(ask: &str, seconds: &str) -> Vec<u8> {
    wire!["_ask" => ask, "_command" => "Wait", "seconds" => seconds, "token" => "t"]
}

fn fail(ask: &str, how: &str, text: &str) -> Vec<u8> {
    wire!["_ask" => ask, "_command" => "Fail", "how" => how, "text" => text]
}

fn error(ask: &str, code: &str, description: &str) -> Vec<u8> {
    wire!["_error" => ask, "_error_code" => code, "_error_description" => description]
}

fn unknown(ask: &str) -> Vec<u8> {
    error(ask, "UNKNOWN", "Unknown Error")
}

fn count_notes(ask: &str) -> Vec<u8> {
    wire!["_ask" => ask, "_command" => "CountNotes"]
}

fn count(ask: &str, notes: &str) -> Vec<u8> {
    wire!["_answer" => ask, "count" => notes]
}

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

fn hold(address: &Address, conversation: &Conversation, expected: Expected) -> Outcome {
    let (difference, steps) = match (expected.standard, &conversation.ours) {
        (Standard::Ours, Some((why, steps))) => (Some(*why), steps),
        _ => (None, &conversation.steps),
    };
    let result = go_through(address, steps, expected.policy);
    Outcome { name: conversation.name, difference, result }
}

fn go_through(address: &Address, steps: &[Step], policy: FailurePolicy) -> Result<(), String> {
    let mut client = RawClient::connect(address).map_err(|error| error.to_string())?;
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
