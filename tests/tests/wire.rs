//! What happens on the wire, byte for byte: conversations with a peer of the compliance suite, the
//! same ones for Twisted, which sets the standard, and for our own.

mod support;

use amp_core::{AmpBox, BoxLimits, FailurePolicy};
use amp_tests::{Address, Peer, RawClient, Transport};
use bytes::Bytes;
use std::thread;
use support::{ours, twisted};

#[test]
fn twisted_over_a_unix_socket() {
    hold_with(&twisted(Transport::Unix), Kind::Twisted);
}

#[test]
fn twisted_over_tcp() {
    hold_with(&twisted(Transport::Tcp), Kind::Twisted);
}

#[test]
fn ours_over_a_unix_socket() {
    let policy = FailurePolicy::Close;
    hold_with(&ours(Transport::Unix, policy), Kind::Ours(policy));
}

#[test]
fn ours_over_tcp() {
    let policy = FailurePolicy::Close;
    hold_with(&ours(Transport::Tcp, policy), Kind::Ours(policy));
}

#[test]
fn ours_that_stays() {
    let policy = FailurePolicy::Stay;
    hold_with(&ours(Transport::Unix, policy), Kind::Ours(policy));
}

/// Whose peer it is.
#[derive(Clone, Copy)]
enum Kind {
    Twisted,
    Ours(FailurePolicy),
}

/// A conversation on a connection of its own.
struct Case {
    name: &'static str,
    steps: Vec<Step>,
    /// What is deliberately different with our peer.
    ours: Option<Vec<Step>>,
}

#[derive(Clone)]
enum Step {
    /// These bytes are sent.
    Send(Vec<u8>),
    /// These boxes come, byte for byte but in any order.
    Receive(Vec<Vec<u8>>),
    /// Nothing more comes, and the peer closes the connection.
    Closed,
    /// Nothing more comes, and the peer answers another call.
    Open,
    /// [`Closed`] after a failure that is not declared, as Twisted does, or [`Open`] with our peer
    /// under the policy to stay.
    ClosedOrStaying,
}
use Step::{Closed, ClosedOrStaying, Open, Receive, Send};

fn case(name: &'static str, steps: impl IntoIterator<Item = Step>) -> Case {
    Case { name, steps: steps.into_iter().collect(), ours: None }
}

impl Case {
    fn but_ours(self, steps: impl IntoIterator<Item = Step>) -> Self {
        Self { ours: Some(steps.into_iter().collect()), ..self }
    }
}

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

fn cases() -> Vec<Case> {
    let mut cases = boxes();
    cases.extend(tags());
    cases.extend(commands());
    cases.extend(errors());
    cases.extend(closing());
    cases.extend(one_way());
    cases.extend(answers());
    cases
}

fn boxes() -> Vec<Case> {
    let extra = |key_len| {
        let key = vec![b'k'; key_len];
        wire!["_ask" => "1", "_command" => "Sum", "a" => "13", "b" => "81", key => "x"]
    };
    let answered = |name, call| case(name, [Send(call), Receive(vec![total("1")]), Open]);
    let long = vec![0xa5; 65_535];
    let bytes = sum("1").into_iter().map(|byte| Send(vec![byte]));
    vec![
        answered("a call", sum("1")),
        answered(
            "keys in another order",
            wire!["b" => "81", "_command" => "Sum", "a" => "13", "_ask" => "1"],
        ),
        answered(
            "the last value of a key that comes twice",
            wire!["_ask" => "0", "a" => "7", "_command" => "Sum", "b" => "81", "a" => "13",
                "_ask" => "1"],
        ),
        answered("a key that the command does not have", extra(1)),
        answered("a key of 255 bytes", extra(255)),
        case("a key of 256 bytes", [Send(extra(256)), Closed]),
        case(
            "a key of 256 bytes behind a whole box",
            [Send([sum("1"), extra(256)].concat()), Receive(vec![total("1")]), Closed],
        ),
        case("HTTP", [Send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()), Closed]),
        case(
            "a value of 65535 bytes",
            [
                Send(wire!["_ask" => "1", "_command" => "EchoScalars", "string" => &long]),
                Receive(vec![wire!["_answer" => "1", "string" => &long]]),
                Open,
            ],
        ),
        case("one byte at a time", bytes.chain([Receive(vec![total("1")]), Open])),
        case(
            "many boxes at once",
            [
                Send((0..100).flat_map(|n| sum(n.to_string())).collect()),
                Receive((0..100).map(|n| total(n.to_string())).collect()),
                Open,
            ],
        ),
        case("the empty box", [Send(wire![]), Closed]),
        case("a box without reserved keys", [Send(wire!["a" => "1"]), Closed]),
        case("a box that only asks", [Send(wire!["_ask" => "1", "a" => "1"]), Closed]),
        case(
            // Twisted throws away what it has not sent yet.
            "the empty box behind a whole one",
            [Send([sum("1"), wire![]].concat()), Closed],
        )
        // A call that was good is answered, whatever follows it.
        .but_ours([Send([sum("1"), wire![]].concat()), Receive(vec![total("1")]), Closed]),
    ]
}

fn tags() -> Vec<Case> {
    let tag = |name, tag: &[u8]| case(name, [Send(sum(tag)), Receive(vec![total(tag)]), Open]);
    vec![
        tag("an empty tag", b""),
        tag("a tag that is not UTF-8", b"\xff\0\xfe"),
        tag("a tag of 65535 bytes", &[b't'; 65_535]),
        case(
            "a tag that is used twice",
            [Send([sum("1"), sum("1")].concat()), Receive(vec![total("1"), total("1")]), Open],
        ),
        case(
            "answers that overtake others",
            [
                Send([wait("1", "3600.0"), wait("2", "0.1"), sum("3")].concat()),
                Receive(vec![total("3")]),
                Receive(vec![wire!["_answer" => "2", "token" => "t"]]),
                Open,
            ],
        ),
    ]
}

fn commands() -> Vec<Case> {
    let call = |command: &[u8]| wire!["_ask" => "1", "_command" => command];
    let answered = |command: &[u8], shown: &str| {
        let answer = error("1", "UNHANDLED", &format!("Unhandled Command: {shown}"));
        [Send(call(command)), Receive(vec![answer]), Open]
    };
    let unhandled = |name, command, shown| case(name, answered(command, shown));
    vec![
        unhandled("a command that nobody answers", b"Nope", "b'Nope'"),
        unhandled("a command in lower case", b"sum", "b'sum'"),
        unhandled("an empty command name", b"", "b''"),
        // Python chooses the quotes that leave less to escape. The text is for people, who can read
        // it either way.
        unhandled("a command name with odd characters", b"\n'\\", r#"b"\n'\\""#)
            .but_ours(answered(b"\n'\\", r"b'\n\'\\'")),
        unhandled("a command name with double quotes", b"\"", r#"b'"'"#)
            .but_ours(answered(b"\"", r#"b'\"'"#)),
        // Twisted breaks off when it tries to name it.
        case("a command name that is not ASCII", [Send(call(b"\xff")), Closed])
            .but_ours(answered(b"\xff", r"b'\xff'")),
        case(
            "names with dashes",
            [
                Send(wire!["_ask" => "1", "_command" => "concatenate-text", "left-hand" => "Gr",
                    "right-hand" => "üße"]),
                Receive(vec![wire!["_answer" => "1", "both" => "Grüße"]]),
                Open,
            ],
        ),
        case(
            "optional arguments that are absent",
            [Send(call(b"EchoScalars")), Receive(vec![wire!["_answer" => "1"]]), Open],
        ),
        case(
            "empty values, which are not absent",
            [
                Send(wire!["_ask" => "1", "_command" => "EchoScalars", "string" => "",
                    "unicode" => ""]),
                Receive(vec![wire!["_answer" => "1", "string" => "", "unicode" => ""]]),
                Open,
            ],
        ),
    ]
}

fn errors() -> Vec<Case> {
    let sums = |a: &str, b: &str| wire!["_ask" => "1", "_command" => "Sum", "a" => a, "b" => b];
    let echo =
        |key: &str, value: &[u8]| wire!["_ask" => "1", "_command" => "EchoScalars", key => value];
    let declared = |name, call, code, description| {
        case(name, [Send(call), Receive(vec![error("1", code, description)]), Open])
    };
    let rejected =
        |name, call| case(name, [Send(call), Receive(vec![unknown("1")]), ClosedOrStaying]);
    vec![
        declared(
            "a declared error",
            wire!["_ask" => "1", "_command" => "Divide", "denominator" => "0", "numerator" => "1"],
            "ZERO_DIVISION",
            "division by zero",
        ),
        declared("an error with text", fail("1", "friendly", "Grüße"), "FRIENDLY", "Grüße"),
        declared("an error with an empty text", fail("1", "friendly", ""), "FRIENDLY", ""),
        case(
            "a fatal error",
            [
                Send(fail("1", "deadly", "text")),
                Receive(vec![error("1", "DEADLY", "text")]),
                Closed,
            ],
        ),
        rejected("an undeclared error", fail("1", "undeclared", "secret")),
        rejected("a response that does not encode", fail("1", "bad-response", "")),
        rejected("a missing argument", wire!["_ask" => "1", "_command" => "Sum", "a" => "1"]),
        rejected("an Integer that is a word", sums("1", "one")),
        rejected("an empty Integer", sums("1", "")),
        rejected("an empty Integer that is optional", echo("integer", b"")),
        rejected("an Integer with a point", echo("integer", b"1.0")),
        rejected("a hexadecimal Integer", echo("integer", b"0x10")),
        rejected("a Boolean in lower case", echo("boolean", b"true")),
        rejected("an empty Float", echo("float", b"")),
        rejected("a Unicode that is not UTF-8", echo("unicode", b"\xff")),
    ]
}

fn closing() -> Vec<Case> {
    let behind = |name, first: Vec<u8>, answer: Vec<u8>, end| {
        case(
            name,
            [
                Send([first, sum("2"), sum("3")].concat()),
                Receive(vec![answer, total("2"), total("3")]),
                end,
            ],
        )
    };
    vec![
        behind(
            "calls behind a fatal error",
            fail("1", "deadly", "text"),
            error("1", "DEADLY", "text"),
            Closed,
        ),
        behind(
            "calls behind an undeclared error",
            fail("1", "undeclared", ""),
            unknown("1"),
            ClosedOrStaying,
        ),
        case(
            "calls behind a failing one-way call",
            [
                Send([wire!["_command" => "Nope"], sum("2"), sum("3")].concat()),
                Receive(vec![total("2"), total("3")]),
                ClosedOrStaying,
            ],
        ),
        case(
            "a call that still runs when the connection closes",
            [
                Send([wait("1", "3600.0"), fail("2", "undeclared", "")].concat()),
                Receive(vec![unknown("2")]),
                ClosedOrStaying,
            ],
        ),
    ]
}

fn one_way() -> Vec<Case> {
    let note = || wire!["_command" => "Note", "text" => "note"];
    let fails = |how: &str| wire!["_command" => "Fail", "how" => how, "text" => "text"];
    vec![
        case(
            "one-way calls",
            [
                Send([note(), note(), count_notes("1")].concat()),
                Receive(vec![count("1", "2")]),
                Send([note(), count_notes("2")].concat()),
                Receive(vec![count("2", "3")]),
                Open,
            ],
        ),
        case(
            "a one-way command that asks",
            [
                Send(wire!["_ask" => "1", "_command" => "Note", "text" => "note"]),
                Receive(vec![wire!["_answer" => "1"]]),
                Open,
            ],
        ),
        case(
            "a command with a response that does not ask",
            [Send(wire!["_command" => "Sum", "a" => "1", "b" => "2"]), Open],
        ),
        case(
            "a one-way call that nobody answers",
            [Send(wire!["_command" => "Nope"]), ClosedOrStaying],
        ),
        case(
            "a one-way call with a missing argument",
            [Send(wire!["_command" => "Note"]), ClosedOrStaying],
        ),
        case(
            "a one-way call with an undeclared error",
            [Send(fails("undeclared")), ClosedOrStaying],
        ),
        case("a one-way call with a declared error", [Send(fails("friendly")), ClosedOrStaying]),
        case("a one-way call with a fatal error", [Send(fails("deadly")), Closed]),
        case("a one-way call with a bad response", [Send(fails("bad-response")), ClosedOrStaying]),
    ]
}

fn answers() -> Vec<Case> {
    // A call that makes the peer call back, which it does with its first tag; what is answered to
    // that; and what comes of it.
    let call_back = |answer: Vec<u8>, then: &[Step]| {
        let asked = [
            Send(wire!["_ask" => "x", "_command" => "CallBack", "a" => "2", "b" => "3"]),
            Receive(vec![wire!["_ask" => "1", "_command" => "Sum", "a" => "2", "b" => "3"]]),
            Send(answer),
        ];
        [&asked, then].concat()
    };
    let seven = [Receive(vec![wire!["_answer" => "x", "total" => "7"]]), Open];
    let fails = [Receive(vec![unknown("x")]), ClosedOrStaying];
    // Twisted's responder fails with what its call failed with, and that keeps its description.
    let passed_on = [Receive(vec![error("x", "UNKNOWN", "text")]), Open];
    let no_description = wire!["_error" => "1", "_error_code" => "CODE"];
    let error_and_command = wire!["_ask" => "y", "_command" => "Sum", "_error" => "1",
        "_error_code" => "CODE", "_error_description" => "text", "a" => "1", "b" => "1"];
    let everything = wire!["_answer" => "1", "_ask" => "y", "_command" => "Sum", "_error" => "1",
        "_error_code" => "CODE", "_error_description" => "", "a" => "1", "b" => "1",
        "total" => "7"];
    let to_nobody = |name, answer: Vec<u8>| {
        let boxes = [answer, sum("1")].concat();
        case(name, [Send(boxes.clone()), Closed])
            // A call that was given up may still be answered.
            .but_ours([Send(boxes), Receive(vec![total("1")]), Open])
    };
    vec![
        case("a call back", call_back(wire!["_answer" => "1", "total" => "7"], &seven)),
        case("_answer beside _error and _command", call_back(everything, &seven)),
        case("_error beside _command", call_back(error_and_command.clone(), &passed_on))
            .but_ours(call_back(error_and_command, &fails)),
        case("a call back that fails", call_back(error("1", "CODE", "text"), &passed_on))
            .but_ours(call_back(error("1", "CODE", "text"), &fails)),
        case(
            "a call back that nobody answers",
            call_back(error("1", "UNHANDLED", "Unhandled Command: b'Sum'"), &fails),
        ),
        case(
            "an answer that does not decode",
            call_back(wire!["_answer" => "1", "total" => "seven"], &fails),
        ),
        case("an answer without its value", call_back(wire!["_answer" => "1"], &fails)),
        case("an error without a description", call_back(no_description.clone(), &[Closed]))
            .but_ours(call_back(no_description, &fails)),
        to_nobody("an answer to no call", wire!["_answer" => "1", "total" => "94"]),
        to_nobody("an error to no call", error("1", "CODE", "text")),
    ]
}

/// Holds every conversation with a peer, all at once so that those that fail by hanging share one
/// deadline, and names all that went another way.
fn hold_with(peer: &Peer, kind: Kind) {
    let cases = cases();
    let address = peer.address();
    let failures: Vec<String> = thread::scope(|scope| {
        let hold = |case: &Case| {
            let steps = match (kind, &case.ours) {
                (Kind::Ours(_), Some(ours)) => ours,
                _ => &case.steps,
            };
            let seen = hold(address, steps, kind).err()?;
            Some(format!("{}: {seen}", case.name))
        };
        let started: Vec<_> = cases.iter().map(|case| scope.spawn(move || hold(case))).collect();
        started.into_iter().filter_map(|case| case.join().expect("it does not panic")).collect()
    });
    let (count, failures) = (cases.len(), failures.join("\n"));
    assert!(failures.is_empty(), "of {count} conversations these failed:\n{failures}");
}

fn hold(address: &Address, steps: &[Step], kind: Kind) -> Result<(), String> {
    let mut client = RawClient::connect(address).map_err(|error| error.to_string())?;
    for step in steps {
        match (step, kind) {
            (Send(bytes), _) => {
                client.send(bytes).map_err(|error| format!("not sent: {error}"))?;
            }
            (Receive(boxes), _) => receive(&mut client, boxes)?,
            (Open, _) | (ClosedOrStaying, Kind::Ours(FailurePolicy::Stay)) => {
                // A peer that is about to close still answers what it has received by then, but
                // not what is asked after that answer.
                for ask in ["first", "second"] {
                    client.send(&sum(ask)).map_err(|error| format!("not open: {error}"))?;
                    receive(&mut client, &[total(ask)])?;
                }
            }
            (Closed | ClosedOrStaying, _) => match next(&mut client)? {
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

fn next(client: &mut RawClient) -> Result<Option<Bytes>, String> {
    client.receive().map_err(|error| format!("nothing received: {error}"))
}

fn shown(bytes: &[u8]) -> String {
    let ampbox = AmpBox::parse(&mut Bytes::copy_from_slice(bytes), BoxLimits::default());
    format!("{:?}", ampbox.expect("it was received as a box, or made as one"))
}
