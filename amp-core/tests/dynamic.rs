//! Dynamic values are the same bytes as typed ones: of each form on the wire in the table of arguments,
//! and of many of the types in it. Cases are in `cases.rs`, descriptors in amp-unix, the numbers
//! and dates of other crates in the fuzzer, which tries what can be read as well.

use amp_core::argument::{
    Continued, ContinuedZlib, DateTime, Decimal, Json, Numbered, Packed, UuidBytes, UuidInteger,
    Zlib,
};
use amp_core::dynamic::{Value, Values};
use amp_core::schema::{BoxSchema, Schema};
use amp_core::{Argument, Arguments, Command};
use bytes::Bytes;
use ipnet::IpNet;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use url::Url;
use uuid::Uuid;

#[derive(Arguments, Debug, Clone)]
struct Plain {
    small: i8,
    large: u128,
    bytes: Vec<u8>,
    text: String,
    float: f64,
    boolean: bool,
    date: DateTime,
    path: PathBuf,
    address: SocketAddr,
    kind: Kind,
    #[amp(default)]
    defaulted: i64,
}

#[derive(Argument, Debug, Clone, Copy)]
enum Kind {
    One,
    AnOther,
}

#[derive(Arguments, Debug, Clone)]
struct Point {
    x: i64,
    y: Option<f64>,
}

#[derive(Arguments, Debug, Clone)]
struct Tree {
    name: String,
    below: Vec<Tree>,
}

#[derive(Arguments, Debug)]
struct Nested {
    list: Vec<String>,
    lists: Vec<Vec<i64>>,
    points: Vec<Point>,
    boxed: Point,
    map: BTreeMap<String, i64>,
    tree: Tree,
    optional: Option<Vec<Point>>,
    zlib: Zlib<Vec<Point>>,
    zlibs: Vec<Zlib<String>>,
    numbered: Numbered<Vec<u8>>,
    maybe: Option<Numbered<String>>,
    continued: Continued<Zlib<String>>,
    continued_zlib: ContinuedZlib<Vec<u8>>,
    packed: Packed<IpAddr>,
    json: Json<Vec<Option<String>>>,
}

#[derive(Arguments, Debug)]
struct Others {
    character: char,
    letters: Vec<char>,
    single: f32,
    array: [u8; 3],
    at: SystemTime,
    took: Duration,
    pair: (i64, String),
    pairs: Vec<(u8, bool)>,
    set: BTreeSet<String>,
    host: Ipv6Addr,
    net: IpNet,
    packed_net: Packed<IpNet>,
    id: Option<Uuid>,
    id_bytes: UuidBytes,
    id_number: UuidInteger,
    url: Url,
}

/// What is written for `typed` is read and written again as dynamic values, directly and over JSON.
fn assert_same<T: Arguments>(typed: &T) -> Result<(), TestCaseError> {
    let schema = BoxSchema::of::<T>();
    let bytes = typed.encode().unwrap();
    let dynamic = Values::decode(&schema, bytes.clone()).unwrap();
    prop_assert_eq!(&dynamic.encode(&schema).unwrap(), &bytes);
    let json = dynamic.to_json();
    let read = Values::from_json(&schema, &json);
    let read = read.map_err(|error| TestCaseError::fail(format!("{error}: {json}")))?;
    prop_assert_eq!(read.encode(&schema).unwrap(), bytes);
    Ok(())
}

fn date() -> impl Strategy<Value = DateTime> {
    (1..=9999_u16, 1..=12_u8, 1..=28_u8, 0..24_u8, 0..60_u8, -1439..=1439_i16).prop_map(
        |(year, month, day, hour, minute, offset_minutes)| DateTime {
            year,
            month,
            day,
            hour,
            minute,
            second: minute,
            microsecond: u32::from(year),
            offset_minutes,
        },
    )
}

fn point() -> impl Strategy<Value = Point> {
    (any::<i64>(), option::of(any::<f64>())).prop_map(|(x, y)| Point { x, y })
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = any::<String>().prop_map(|name| Tree { name, below: vec![] });
    leaf.prop_recursive(4, 16, 3, |inner| {
        (any::<String>(), vec(inner, 0..3)).prop_map(|(name, below)| Tree { name, below })
    })
}

/// Before the epoch and behind it, in the years 1 to 9999.
fn time() -> impl Strategy<Value = SystemTime> {
    (-62_000_000_000_000_000..250_000_000_000_000_000_i64).prop_map(|micros: i64| {
        let apart = Duration::from_micros(micros.unsigned_abs());
        if micros < 0 { UNIX_EPOCH - apart } else { UNIX_EPOCH + apart }
    })
}

fn net() -> impl Strategy<Value = IpNet> {
    (any::<IpAddr>(), 0..=32_u8).prop_map(|(ip, prefix)| IpNet::new(ip, prefix).unwrap())
}

proptest! {
    #[test]
    fn plain_values(
        (small, large, bytes, text) in any::<(i8, u128, Vec<u8>, String)>(),
        (float, boolean, defaulted) in any::<(f64, bool, i64)>(),
        (address, date, path) in (any::<SocketAddr>(), date(), "[a-z/é]{0,9}"),
    ) {
        let kind = if boolean { Kind::One } else { Kind::AnOther };
        let path = path.into();
        assert_same(&Plain {
            small, large, bytes, text, float, boolean, date, path, address, kind, defaulted,
        })?;
    }

    #[test]
    fn nested_values(
        (list, lists) in (vec(any::<String>(), 0..4), vec(vec(any::<i64>(), 0..4), 0..4)),
        (points, boxed) in (vec(point(), 0..4), point()),
        (map, tree) in (any::<BTreeMap<String, i64>>(), tree()),
        (text, bytes, packed) in any::<(String, Vec<u8>, IpAddr)>(),
        (json, some) in any::<(Vec<Option<String>>, bool)>(),
    ) {
        assert_same(&Nested {
            zlibs: list.iter().cloned().map(Zlib).collect(),
            list,
            lists,
            zlib: Zlib(points.clone()),
            optional: some.then(|| points.clone()),
            points,
            boxed,
            map,
            tree,
            numbered: Numbered(bytes.clone()),
            maybe: some.then(|| Numbered(format!("{text}."))),
            continued: Continued(Zlib(text)),
            continued_zlib: ContinuedZlib(bytes),
            packed: Packed(packed),
            json: Json(json),
        })?;
    }

    #[test]
    fn values_of_other_types(
        (character, letters, single, array) in any::<(char, Vec<char>, f32, [u8; 3])>(),
        (pair, pairs, set) in any::<((i64, String), Vec<(u8, bool)>, BTreeSet<String>)>(),
        (at, milliseconds, net, packed_net) in (time(), any::<u32>(), net(), net()),
        (host, id, some, path) in (any::<Ipv6Addr>(), any::<u128>(), any::<bool>(), "[a-z0-9/]{0,9}"),
    ) {
        // One of more digits is only as near as an `f64` is.
        let took = Duration::from_millis(milliseconds.into());
        let id = Uuid::from_u128(id);
        let url = format!("https://example.org/{path}").parse().unwrap();
        assert_same(&Others {
            character, letters, single, array, at, took, pair, pairs, set, host, net,
            packed_net: Packed(packed_net), id: some.then_some(id), id_bytes: UuidBytes(id),
            id_number: UuidInteger(id), url,
        })?;
    }

    #[test]
    fn decimals(negative: bool, digits in "[0-9]{1,40}", exponent in -50..50_i64) {
        #[derive(Arguments)]
        struct Price {
            price: Decimal,
        }

        assert_same(&Price { price: Decimal::from_parts(negative, &digits, exponent).unwrap() })?;
    }

    #[test]
    fn any_bytes_are_read_or_refused_as_typed_ones_are(bytes: Vec<u8>) {
        let read = |bytes: &Bytes| Values::decode(&BoxSchema::of::<Point>(), bytes.clone()).is_ok();
        let bytes = Bytes::from([b"\0\x01x".to_vec(), bytes].concat());
        prop_assert_eq!(read(&bytes), Point::decode(bytes.clone()).is_ok());
    }

    #[test]
    fn any_json_is_read_or_refused(text: String) {
        let _ = Values::from_json(&BoxSchema::of::<Plain>(), &text);
    }
}

#[test]
fn values_of_many_keys_are_the_same() {
    #[derive(Arguments)]
    struct Large {
        numbered: Numbered<Vec<u8>>,
        continued: Continued<String>,
        zlib: Numbered<Zlib<Vec<u8>>>,
    }

    assert_same(&Large {
        numbered: Numbered(vec![7; 200_000]),
        continued: Continued("x".repeat(100_000)),
        zlib: Numbered(Zlib(vec![0; 300_000])),
    })
    .unwrap();
}

#[test]
fn a_schema_that_was_read_from_its_text_is_as_good() {
    #[derive(Command)]
    struct Move {
        to: Vec<Point>,
    }

    let mut schema = Schema::default();
    schema.add::<Move>();
    let schema: Schema = schema.to_string().parse().unwrap();
    let schema = &schema.command("Move").unwrap().arguments;
    let values = Values::from_json(schema, r#"{"to": [{"x": 1, "y": 2}, {"x": -3}]}"#).unwrap();
    let typed = Move { to: vec![Point { x: 1, y: Some(2.0) }, Point { x: -3, y: None }] };
    assert_eq!(values.encode(schema).unwrap(), typed.encode().unwrap());
}

#[test]
fn values_are_collected_and_come_out_in_the_order_of_their_names() {
    let mut values: Values =
        [("b", Value::Boolean(true)), ("a", Value::Boolean(false))].into_iter().collect();
    values.extend([("c", Value::Boolean(true)), ("a", Value::Boolean(true))]);
    let pairs: Vec<_> = values.into_iter().collect();
    let expected = ["a", "b", "c"].map(|name| (name.to_owned(), Value::Boolean(true)));
    assert_eq!(pairs, expected);
}

/// A value of a schema is no program that would receive or send.
#[test]
fn an_end_of_a_stream_is_a_number_to_look_at() {
    use amp_core::streams::{ByteSink, ByteStream, SinkOf, StreamOf};

    #[derive(Command)]
    struct Follow {
        lines: StreamOf<String>,
        progress: SinkOf<Vec<u8>>,
        bytes: ByteStream,
        to: ByteSink,
    }

    let mut schema = Schema::default();
    schema.add::<Follow>();
    let text = schema.to_string();
    for line in ["StreamOf(Unicode)", "SinkOf(String)", "ByteStream", "ByteSink"] {
        assert!(text.contains(line), "{text}");
    }
    let schema: Schema = text.parse().unwrap();
    let schema = &schema.command("Follow").unwrap().arguments;
    let pairs = [("lines", "0"), ("progress", "1"), ("bytes", "2"), ("to", "3")];
    let bytes = amp_core::AmpBox::from_pairs(pairs).unwrap().to_bytes();
    let values = Values::decode(schema, bytes).unwrap();
    assert_eq!(values.to_json(), r#"{"bytes": 2, "lines": 0, "progress": 1, "to": 3}"#);
    let error = values.encode(schema).unwrap_err().to_string();
    let message = "an end of a stream, as a value of a schema, has no form on the wire";
    assert!(error.ends_with(message), "{error}");
    assert!(Values::from_json(schema, &values.to_json()).is_err());
}
