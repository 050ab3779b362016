//! The largest and the deepest that a peer can send: bounded work, and the connection stays.

mod support;

use amp_core::argument::{Numbered, Zlib};
use amp_core::{AmpBox, Argument, Arguments, Command, Connection, DecodeError, Limits, NoError};
use amp_core::{Proto, Responders, Value, ValueWriter};
use bytes::{Bytes, BytesMut};
use support::Script;

#[derive(Command)]
#[amp(response = Count)]
struct Everything {
    packed: Option<Zlib<Vec<Bytes>>>,
    spread: Option<Numbered<Vec<Bytes>>>,
    number: Option<i64>,
    tree: Option<Tree>,
}

#[derive(Arguments)]
struct Count {
    count: usize,
}

#[derive(Arguments)]
struct Tree {
    branches: Vec<Tree>,
}

async fn count(_: amp_core::Context, command: Everything) -> Result<Count, NoError> {
    let packed = command.packed.map_or(0, |list| list.len());
    let spread = command.spread.map_or(0, |list| list.len());
    Ok(Count { count: packed + spread })
}

fn encode(value: &impl Argument) -> Vec<u8> {
    let mut out = BytesMut::new();
    Proto::detached(|proto| value.to_string_proto(proto, &mut ValueWriter::new(&mut out))).unwrap();
    out.to_vec()
}

fn call(tag: &str, key: &str, value: &[u8]) -> Vec<u8> {
    let call = [("_ask", tag.as_bytes()), ("_command", b"Everything"), (key, value)];
    AmpBox::from_pairs(call).unwrap().to_bytes().to_vec()
}

#[tokio::test]
async fn the_largest_values_are_dealt_with_and_the_connection_stays() {
    let responders = || Responders::new(()).respond(count);
    let (_peer, mut script) = Script::start(|connection| connection.responders(responders()));

    // A million empty elements, in 2 kB on the wire, are over the limit, unless that was raised.
    let packed = encode(&Zlib(vec![Bytes::new(); 1_000_000]));
    assert!(packed.len() < 10_000);
    script.send(&call("1", "packed", &packed)).await;
    script.expect_unknown("1").await;
    let limits = Limits::default().decoded_bytes(64 << 20);
    let raised = |connection: Connection| connection.limits(limits).responders(responders());
    let (_raised_peer, mut raised) = Script::start(raised);
    raised.send(&call("1", "packed", &packed)).await;
    raised.expect([("_answer", "1"), ("count", "1000000")]).await;

    // A million more, in 31 values.
    let mut spread = AmpBox::from_pairs([("_ask", "2"), ("_command", "Everything")]).unwrap();
    for (part, bytes) in vec![0; 2_000_000].chunks(65_534).enumerate() {
        spread.insert(format!("spread.{part}"), bytes).unwrap();
    }
    script.send(&spread.to_bytes()).await;
    script.expect([("_answer", "2"), ("count", "1000000")]).await;

    // So are 40 MB of nothing, in 40 kB on the wire.
    let bomb = encode(&Zlib(Bytes::from(vec![0; 40 << 20])));
    script.send(&call("3", "packed", &bomb)).await;
    script.expect_unknown("3").await;

    // Digits that no integer holds.
    script.send(&call("4", "number", "9".repeat(60_000).as_bytes())).await;
    script.expect_unknown("4").await;

    // Boxes in boxes, as deep as a value goes.
    let mut nested = Vec::new();
    while nested.len() < 65_000 {
        let mut outer = b"\0\x08branches".to_vec();
        outer.extend(u16::try_from(nested.len()).unwrap().to_be_bytes());
        outer.append(&mut nested);
        outer.extend(b"\0\0");
        nested = outer;
    }
    script.send(&call("5", "tree", &nested)).await;
    script.expect_unknown("5").await;

    script.send(&call("6", "number", b"7")).await;
    script.expect([("_answer", "6"), ("count", "0")]).await;
}

#[test]
fn the_error_of_a_bad_value_is_short_and_names_the_argument() {
    let long = vec![b'x'; 60_000];
    let ampbox = AmpBox::from_pairs([("number", &long)]).unwrap();
    let error = Everything::decode(ampbox.to_bytes()).map(|_| ()).unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("argument number: \"xxx"), "{message}");
    assert!(message.ends_with("...\" (60000 bytes) is not an Integer"), "{message}");
    assert!(message.len() < 200, "{message}");
    let error: DecodeError =
        Proto::detached(|proto| i64::from_string_proto(Value::from(&long[..]), proto)).unwrap_err();
    assert_eq!(error.argument(), "");
}
