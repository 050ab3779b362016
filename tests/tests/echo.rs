//! What comes back of any value, from Twisted's peer and from ours: the same bytes.

mod support;

use amp_core::{Arguments, FailurePolicy};
use amp_tests::commands::{EchoLists, EchoScalars, Point, Polygon};
use amp_tests::{Peer, RawClient, Transport};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::num::f64::ANY as FLOAT;
use proptest::option::of;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::RefCell;
use std::fmt::Debug;
use support::{ours, twisted};

#[test]
fn scalars_come_back() {
    let bytes = || of(vec(any::<u8>(), 0..300).prop_map(Bytes::from));
    let scalars = (of(any::<i128>()), bytes(), of(".{0,99}"), of(FLOAT), any::<Option<bool>>());
    let scalars = scalars.prop_map(|(integer, string, unicode, float, boolean)| EchoScalars {
        integer,
        string,
        unicode,
        float,
        boolean,
    });
    comes_back("EchoScalars", &scalars);
}

#[test]
fn lists_come_back() {
    let points = || {
        let point = (any::<i128>(), FLOAT, of(".{0,9}"));
        vec(point.prop_map(|(x, y, label)| Point { x, y, label }), 0..9)
    };
    let polygon = (".{0,9}", points()).prop_map(|(name, points)| Polygon { name, points });
    let simple = (
        of(vec(any::<i128>(), 0..20)),
        of(vec(vec(any::<u8>(), 0..99).prop_map(Bytes::from), 0..20)),
        of(vec(".{0,20}", 0..20)),
        of(vec(FLOAT, 0..20)),
        of(vec(any::<bool>(), 0..20)),
    );
    let nested = of(vec(vec(any::<i128>(), 0..5), 0..9));
    let lists = (simple, nested, of(points()), of(vec(polygon, 0..9)));
    let lists = lists.prop_map(|(simple, nested, points, polygons)| {
        let (integers, strings, texts, floats, booleans) = simple;
        EchoLists { integers, strings, texts, floats, booleans, nested, points, polygons }
    });
    comes_back("EchoLists", &lists);
}

/// Both peers read the same odd numbers, as the same ones, and refuse the same.
#[test]
fn odd_scalars_are_read_alike() {
    let integer = r"[ \n\t\x0b]?[-+]?[ _]?[0-9_.]{0,9}[ \x0c\r\x1c\x85]?";
    let float = r"[ \n]?[-+]?([0-9_]{0,4}|[iI][nN][fF](inity)?|(nan|NaN|NAN)[0-9]?)(\.[0-9_]{0,3})?([eE][-+]?[0-9_]{0,3})?[ \r\x1c]?";
    let boolean = "(True|False|true|0|1|)";
    let value = prop_oneof![
        integer.prop_map(|text| ("integer", text.into_bytes())),
        float.prop_map(|text| ("float", text.into_bytes())),
        boolean.prop_map(|text| ("boolean", text.into_bytes())),
        vec(any::<u8>(), 0..6).prop_map(|bytes| ("unicode", bytes)),
        prop_oneof![Just("integer"), Just("float"), Just("boolean")].prop_flat_map(|key| vec(
            any::<u8>(),
            0..3
        )
        .prop_map(move |bytes| (key, bytes))),
    ];
    let peers = [twisted(Transport::Unix), ours(Transport::Unix, FailurePolicy::Close)];
    run(1000, &value, |(key, value)| {
        let arguments = wire(&[(key, &value)]);
        let [theirs, ours] = peers.each_ref().map(|peer| {
            // A connection of its own, since what is refused ends it.
            ask(&mut connected(peer), "EchoScalars", &arguments)
        });
        prop_assert_eq!(ours, theirs);
        Ok(())
    });
}

/// Sends any of `values` to both peers: what they answer are the very bytes that they were sent,
/// which are those that the value is written as.
fn comes_back<A: Arguments + Debug>(command: &str, values: &impl Strategy<Value = A>) {
    let peers = [twisted(Transport::Unix), ours(Transport::Unix, FailurePolicy::Close)];
    let clients = peers.each_ref().map(|peer| RefCell::new(connected(peer)));
    run(256, values, |value| {
        let arguments = value.encode().expect("it is short enough");
        let expected = behind(&[("_answer", b"tag")], &arguments);
        for client in &clients {
            prop_assert_eq!(&ask(&mut client.borrow_mut(), command, &arguments), &expected);
        }
        Ok(())
    });
}

fn run<S: Strategy>(cases: u32, values: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    // Peers are not to be told apart by what failed long ago.
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(values, test).unwrap_or_else(|failure| panic!("{failure}"));
}

fn connected(peer: &Peer) -> RawClient {
    RawClient::connect(peer.address()).expect("the peer listens")
}

/// The answer to a call whose arguments are this box.
fn ask(client: &mut RawClient, command: &str, arguments: &[u8]) -> Bytes {
    let call = behind(&[("_ask", b"tag"), ("_command", command.as_bytes())], arguments);
    client.send(&call).expect("the peer reads");
    client.receive().expect("the peer answers").expect("the peer answers before it closes")
}

/// A box with these pairs first and those of another box behind them.
fn behind(pairs: &[(&str, &[u8])], ampbox: &[u8]) -> Bytes {
    let first = wire(pairs);
    [&first[..first.len() - 2], ampbox].concat().into()
}

fn wire(pairs: &[(&str, &[u8])]) -> Vec<u8> {
    let strings = pairs.iter().flat_map(|(key, value)| [key.as_bytes(), *value]);
    let prefixed = strings.flat_map(|string| {
        let length = u16::try_from(string.len()).expect("it is short enough");
        [&length.to_be_bytes(), string].concat()
    });
    prefixed.chain([0, 0]).collect()
}
