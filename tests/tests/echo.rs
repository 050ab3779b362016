//! What comes back of any value, from Twisted's peer and from ours: the same bytes.

mod support;

use amp_core::argument::{DateTime, Decimal};
use amp_core::{Arguments, FailurePolicy};
use amp_tests::commands::{EchoLists, EchoScalars, Point, Polygon};
use amp_tests::{Peer, RawClient, Transport};
use bytes::Bytes;
use num_bigint::BigInt;
use proptest::collection::vec;
use proptest::num::f64::ANY as FLOAT;
use proptest::option::of;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::RefCell;
use std::fmt::Debug;
use std::path::PathBuf;
use support::{ours, twisted};

#[test]
fn scalars_come_back() {
    let bytes = || of(vec(any::<u8>(), 0..300).prop_map(Bytes::from));
    let simple = (of(integer()), bytes(), of(".{0,99}"), of(FLOAT), any::<Option<bool>>());
    // Twisted makes a path absolute and takes dots and doubled slashes out of it.
    let path = of("(/[a-zü ][^/\0]{0,9}){1,5}".prop_map(PathBuf::from));
    let scalars = (simple, of(decimal()), of(date_time()), path);
    let scalars = scalars.prop_map(|(simple, decimal, datetime, path)| {
        let (integer, string, unicode, float, boolean) = simple;
        // Twisted writes `Zone` before `_answer`: a conversation has it.
        let zone = None;
        EchoScalars { integer, string, unicode, float, boolean, decimal, datetime, path, zone }
    });
    comes_back("EchoScalars", &scalars);
}

#[test]
fn lists_come_back() {
    let points = || {
        let point = (integer(), FLOAT, of(".{0,9}"));
        vec(point.prop_map(|(x, y, label)| Point { x, y, label }), 0..9)
    };
    let polygon = (".{0,9}", points()).prop_map(|(name, points)| Polygon { name, points });
    let simple = (
        of(vec(integer(), 0..20)),
        of(vec(vec(any::<u8>(), 0..99).prop_map(Bytes::from), 0..20)),
        of(vec(".{0,20}", 0..20)),
        of(vec(FLOAT, 0..20)),
        of(vec(any::<bool>(), 0..20)),
        of(vec(decimal(), 0..20)),
        of(vec(date_time(), 0..20)),
    );
    let nested = of(vec(vec(integer(), 0..5), 0..9));
    let lists = (simple, nested, of(points()), of(vec(polygon, 0..9)));
    let lists = lists.prop_map(|(simple, nested, points, polygons)| {
        let (integers, strings, texts, floats, booleans, decimals, datetimes) = simple;
        EchoLists {
            integers,
            strings,
            texts,
            floats,
            booleans,
            decimals,
            datetimes,
            nested,
            points,
            polygons,
        }
    });
    comes_back("EchoLists", &lists);
}

fn integer() -> impl Strategy<Value = BigInt> {
    let huge = "-?[1-9][0-9]{38,200}".prop_map(|digits| digits.parse().expect("it is an integer"));
    prop_oneof![any::<i128>().prop_map(BigInt::from), huge]
}

fn decimal() -> impl Strategy<Value = Decimal> {
    let text =
        "-?([0-9]{1,30}(\\.[0-9]{0,12})?(E[-+]?[0-9]{1,9})?|Infinity|s?NaN([1-9][0-9]{0,20})?)";
    text.prop_map(|text| text.parse().expect("it is a Decimal"))
}

fn date_time() -> impl Strategy<Value = DateTime> {
    let date = (1..=9999_u16, 1..=12_u8, 1..=28_u8);
    let time = (..24_u8, ..60_u8, ..60_u8, ..1_000_000_u32, -1439..=1439_i16);
    (date, time).prop_map(
        |((year, month, day), (hour, minute, second, microsecond, offset_minutes))| DateTime {
            year,
            month,
            day,
            hour,
            minute,
            second,
            microsecond,
            offset_minutes,
        },
    )
}

/// Both peers read the same odd numbers, as the same ones, and refuse the same.
#[test]
fn odd_scalars_are_read_alike() {
    let integer = r"[ \n\t\x0b]?[-+]?[ _]?[0-9_.]{0,9}[ \x0c\r\x1c\x85]?";
    let float = r"[ \n]?[-+]?([0-9_]{0,4}|[iI][nN][fF](inity)?|(nan|NaN|NAN)[0-9]?)(\.[0-9_]{0,3})?([eE][-+]?[0-9_]{0,3})?[ \r\x1c]?";
    let boolean = "(True|False|true|0|1|)";
    let decimal = r"[ \n]?[-+]?([0-9_]{0,4}|[iI][nN][fF](inity)?|[sS]?(nan|NaN|NAN)[0-9_]{0,3})(\.[0-9_]{0,3})?([eE][-+]?[0-9_]{0,3})?[ \r\x1c]?";
    // Odd digits in the places where there are digits, and odd signs around them.
    let date_time = r"[0 ]20[01]0[-/][01 +][0-3_][-.][0-3 +][0-9][T ][012 +-][0-9]:[0-6][0-9]:[0-6][0-9].[0-9_+]{6}[-+ ][0-2 +-][0-9]:[0-9+-][0-9]|20[01][0-9]-[01][0-9]-[0-3][0-9]T[0-2+][0-9]:[0-6 ][0-9]:[0-6_][0-9][.,][ +]?[0-9_]{5,6}[-+x][0-2+-][0-9]:[0-9+-][0-9]";
    let value = prop_oneof![
        integer.prop_map(|text| ("integer", text.into_bytes())),
        float.prop_map(|text| ("float", text.into_bytes())),
        boolean.prop_map(|text| ("boolean", text.into_bytes())),
        decimal.prop_map(|text| ("decimal", text.into_bytes())),
        date_time.prop_map(|text| ("datetime", text.into_bytes())),
        vec(any::<u8>(), 0..6).prop_map(|bytes| ("unicode", bytes)),
        prop_oneof![Just("integer"), Just("float"), Just("boolean"), Just("decimal")]
            .prop_flat_map(|key| vec(any::<u8>(), 0..3).prop_map(move |bytes| (key, bytes))),
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
