//! The protocol switch: where the boxes end, and that they go on when it is refused.

use super::conversation::Step::{ClosedOrStaying, Open, Receive, ReceiveBytes, Send};
use super::conversation::{Conversation, case};
use super::wire::{error, sum, total, unknown, wait};

pub(super) fn switch() -> Vec<Conversation> {
    let ask = |tag: &str| wire!["_ask" => tag, "_command" => "SwitchToEcho"];
    let ask_to = |tag: &str, refuse: &str| {
        let refuse = wire!["refuse" => refuse];
        let ask = ask(tag);
        [&ask[..ask.len() - 2], &refuse].concat()
    };
    let agreed = |tag: &str| wire!["_answer" => tag];
    let refused = |tag: &str| error(tag, "FRIENDLY", "not today");
    let start_tls = || wire!["_ask" => "1", "_command" => "StartTLS"];
    let silent = wire!["_command" => "SwitchToEcho"];
    // The first could be taken for a call, and the second could be no box.
    let odd = [sum("2"), b"\0\0\xff\xffhello".to_vec()].concat();
    let bytes = [ask("1"), odd.clone()].concat().into_iter().map(|byte| Send(vec![byte]));
    let hello = || [Send(b"hello".to_vec()), ReceiveBytes(b"hello".to_vec())];
    vec![
        case("a switch", [Send(ask("1")), Receive(vec![agreed("1")])].into_iter().chain(hello())),
        case(
            "bytes behind the switch",
            [
                Send([ask("1"), odd.clone()].concat()),
                Receive(vec![agreed("1")]),
                ReceiveBytes(odd.clone()),
            ]
            .into_iter()
            .chain(hello()),
        ),
        case(
            "bytes behind the switch, one at a time",
            bytes.chain([Receive(vec![agreed("1")]), ReceiveBytes(odd.clone())]),
        ),
        case(
            "a switch that says that it is not to be refused",
            [
                Send([ask_to("1", "False"), odd.clone()].concat()),
                Receive(vec![agreed("1")]),
                ReceiveBytes(odd.clone()),
            ],
        ),
        case(
            "calls before the switch",
            [
                Send([sum("1"), sum("2"), ask("3"), odd.clone()].concat()),
                Receive(vec![total("1"), total("2"), agreed("3")]),
                ReceiveBytes(odd.clone()),
            ],
        ),
        case(
            "a call that still runs when the protocol switches",
            [
                Send([wait("1", "3600.0"), ask("2"), odd.clone()].concat()),
                Receive(vec![agreed("2")]),
                ReceiveBytes(odd.clone()),
            ],
        ),
        case("a refused switch", [Send(ask_to("1", "True")), Receive(vec![refused("1")]), Open]),
        case(
            "boxes behind a refused switch",
            [
                Send([ask_to("1", "True"), sum("2"), sum("3")].concat()),
                Receive(vec![refused("1"), total("2"), total("3")]),
                Open,
            ],
        ),
        case(
            "a switch behind a refused one",
            [
                Send([ask_to("1", "True"), ask("2"), odd.clone()].concat()),
                Receive(vec![refused("1"), agreed("2")]),
                ReceiveBytes(odd),
            ],
        ),
        case(
            "boxes behind a switch with an argument that does not decode",
            [
                Send([ask_to("1", "maybe"), sum("2"), sum("3")].concat()),
                Receive(vec![unknown("1"), total("2"), total("3")]),
                ClosedOrStaying,
            ],
        ),
        case("a switch that does not ask", [Send(silent), Open]),
        case(
            "StartTLS to a peer without a certificate",
            [Send(start_tls()), Receive(vec![agreed("1")])],
        )
        .but_ours(
            "a certificate that nobody can check protects nobody",
            [
                Send(start_tls()),
                Receive(vec![error("1", "UNHANDLED", "Unhandled Command: b'StartTLS'")]),
                Open,
            ],
        ),
    ]
}
