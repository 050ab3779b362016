//! Boxes and what is none, and tags.

use super::conversation::Step::{Closed, Open, Receive, Send};
use super::conversation::{Conversation, case};
use super::wire::{sum, total, wait};

pub(super) fn boxes() -> Vec<Conversation> {
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
        case(
            "an argument whose key comes before _",
            [
                Send(wire!["Zone" => "UTC", "_ask" => "1", "_command" => "EchoScalars"]),
                Receive(vec![wire!["Zone" => "UTC", "_answer" => "1"]]),
                Open,
            ],
        )
        .but_ours(
            "the protocol's own keys come first in every box, where peers look for them",
            [
                Send(wire!["Zone" => "UTC", "_ask" => "1", "_command" => "EchoScalars"]),
                Receive(vec![wire!["_answer" => "1", "Zone" => "UTC"]]),
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
        .but_ours(
            "a call that was good is answered, whatever follows it",
            [Send([sum("1"), wire![]].concat()), Receive(vec![total("1")]), Closed],
        ),
    ]
}

pub(super) fn tags() -> Vec<Conversation> {
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
