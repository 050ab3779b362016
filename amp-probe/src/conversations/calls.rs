//! Calls, their failures, and answers.

use super::conversation::Step::{Closed, ClosedOrStaying, Open, Receive, Send};
use super::conversation::{Conversation, Step, case};
use super::wire::{count, count_notes, error, fail, sum, total, unknown, wait};

pub(super) fn commands() -> Vec<Conversation> {
    let call = |command: &[u8]| wire!["_ask" => "1", "_command" => command];
    let answered = |command: &[u8], shown: &str| {
        let answer = error("1", "UNHANDLED", &format!("Unhandled Command: {shown}"));
        [Send(call(command)), Receive(vec![answer]), Open]
    };
    let unhandled = |name, command, shown| case(name, answered(command, shown));
    let long_name = "n".repeat(65_535);
    let prefix = "Unhandled Command: b'";
    let cut = prefix.to_owned() + &"n".repeat(65_535 - prefix.len());
    vec![
        unhandled("a command that nobody answers", b"Nope", "b'Nope'"),
        unhandled("a command in lower case", b"sum", "b'sum'"),
        unhandled("an empty command name", b"", "b''"),
        // Python chooses the quotes that leave less to escape.
        unhandled("a command name with odd characters", b"\n'\\", r#"b"\n'\\""#),
        unhandled("a command name with double quotes", b"\"", r#"b'"'"#),
        unhandled("a command name with both quotes", b"'\"", r#"b'\'"'"#),
        // Twisted breaks off when it tries to name it.
        case("a command name that is not ASCII", [Send(call(b"\xff")), Closed])
            .but_ours("a command with any name is answered", answered(b"\xff", r"b'\xff'")),
        case("a command name of 65535 bytes", [Send(call(long_name.as_bytes())), Closed]).but_ours(
            "a description is for people, and is cut where it does not fit",
            [Send(call(long_name.as_bytes())), Receive(vec![error("1", "UNHANDLED", &cut)]), Open],
        ),
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

pub(super) fn errors() -> Vec<Conversation> {
    let sums = |a: &str, b: &str| wire!["_ask" => "1", "_command" => "Sum", "a" => a, "b" => b];
    let echo =
        |key: &str, value: &[u8]| wire!["_ask" => "1", "_command" => "EchoScalars", key => value];
    let half = "x".repeat(40_000);
    let long_response = wire!["_ask" => "1", "_command" => "concatenate-text",
        "left-hand" => &half, "right-hand" => &half];
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
        // Twisted finds that out when it sends the answer, and has no other then.
        case(
            "a call whose response has a value of 80000 bytes",
            [Send(long_response.clone()), Closed],
        )
        .but_ours(
            "a call that came is answered, whatever becomes of it",
            [Send(long_response), Receive(vec![unknown("1")]), ClosedOrStaying],
        ),
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

pub(super) fn closing() -> Vec<Conversation> {
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

pub(super) fn one_way() -> Vec<Conversation> {
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

pub(super) fn answers() -> Vec<Conversation> {
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
    let own_error = "what another call failed with is told to the log, not to the peer";
    // Twisted's responder fails with what its call failed with, and that keeps its description.
    let passed_on = [Receive(vec![error("x", "UNKNOWN", "text")]), Open];
    let no_description = wire!["_error" => "1", "_error_code" => "CODE"];
    let no_code = wire!["_error" => "1", "_error_description" => "text"];
    let error_and_command = wire!["_ask" => "y", "_command" => "Sum", "_error" => "1",
        "_error_code" => "CODE", "_error_description" => "text", "a" => "1", "b" => "1"];
    let everything = wire!["_answer" => "1", "_ask" => "y", "_command" => "Sum", "_error" => "1",
        "_error_code" => "CODE", "_error_description" => "", "a" => "1", "b" => "1",
        "total" => "7"];
    let to_nobody = |name, answer: Vec<u8>| {
        let boxes = [answer, sum("1")].concat();
        case(name, [Send(boxes.clone()), Closed]).but_ours(
            "a call that was given up may still be answered",
            [Send(boxes), Receive(vec![total("1")]), Open],
        )
    };
    vec![
        case("a call back", call_back(wire!["_answer" => "1", "total" => "7"], &seven)),
        case("_answer beside _error and _command", call_back(everything, &seven)),
        case("_error beside _command", call_back(error_and_command.clone(), &passed_on))
            .but_ours(own_error, call_back(error_and_command, &fails)),
        case("a call back that fails", call_back(error("1", "CODE", "text"), &passed_on))
            .but_ours(own_error, call_back(error("1", "CODE", "text"), &fails)),
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
            .but_ours(
                "a description is for people, and may be missing",
                call_back(no_description, &fails),
            ),
        case("an error without a code", call_back(no_code.clone(), &[Closed])).but_ours(
            "an error costs its call and no other, also one that does not say which it is",
            call_back(no_code, &fails),
        ),
        to_nobody("an answer to no call", wire!["_answer" => "1", "total" => "94"]),
        to_nobody("an error to no call", error("1", "CODE", "text")),
    ]
}
