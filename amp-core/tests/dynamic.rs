//! Dynamic values are the same bytes as typed ones, of every type in the table of arguments.

use amp_core::argument::{
    Continued, ContinuedZlib, DateTime, Decimal, Json, Numbered, Packed, Zlib,
};
use amp_core::dynamic::{Value, Values};
use amp_core::schema::{BoxSchema, Schema};
use amp_core::{Argument, Arguments, Command};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

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
        |(year, month, day, hour, minute, offset)| DateTime {
            year,
            month,
            day,
            hour,
            minute,
            second: minute,
            microsecond: u32::from(year),
            offset,
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
