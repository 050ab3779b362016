//! How much memory decoding makes of the bytes that a peer sends, for each type of argument: the
//! worst that the budget of a box lets through, and what it refuses.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use amp_core::argument::{
    ContinuedZlib, DateTime, Decimal, Json, Numbered, Packed, UuidBytes, Zlib,
};
use amp_core::boxes::BoxLimits;
use amp_core::{AmpBox, Argument, Arguments, DecodeError, Limits, Proto, ValueWriter};
use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::Value as AnyJson;

/// What one type makes of a box.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// The type.
    pub what: &'static str,
    /// The length of the box, in bytes.
    pub sent: usize,
    /// The most memory at a time, in bytes: the box itself and what is made of it.
    pub peak: usize,
    /// How long the slowest box took that was read or refused.
    pub taken: Duration,
}

impl Figure {
    /// How many bytes of memory there are for each byte that was sent.
    #[expect(clippy::cast_precision_loss, reason = "it is for people")]
    pub fn ratio(&self) -> f64 {
        self.peak as f64 / self.sent as f64
    }
}

/// The figures of all types, for boxes of about `sent` bytes. `measure` runs what it is given and
/// returns the most bytes that were allocated meanwhile: a program has one allocator, so it brings
/// its own.
///
/// # Panics
///
/// When `sent` is less than 1000 or more than 65 000.
pub fn figures(sent: usize, measure: &dyn Fn(&mut dyn FnMut()) -> usize) -> Vec<Figure> {
    assert!((1000..=65_000).contains(&sent), "{sent} bytes");
    typed().into_iter().chain(of_other_crates()).map(|case| case.figure(sent, measure)).collect()
}

type Pairs = Vec<(String, Vec<u8>)>;

/// A type and what a hostile peer sends for it.
struct Case {
    what: &'static str,
    /// The pairs of a box for values that would have so many bytes without compression.
    pairs: Box<dyn Fn(usize) -> Pairs>,
    /// Whether a few bytes stand for many.
    inflates: bool,
    read: fn(Bytes) -> Result<(), DecodeError>,
}

impl Case {
    /// Tries values of many lengths, so that some of them use up the budget and are read. What the
    /// box lacks is filled with a key that nobody knows.
    fn figure(&self, sent: usize, measure: &dyn Fn(&mut dyn FnMut()) -> usize) -> Figure {
        const STEPS: usize = 8;
        let most = if self.inflates { sent * 20 } else { sent - 200 };
        let mut figure = Figure { what: self.what, sent, peak: 0, taken: Duration::ZERO };
        for step in 1..=STEPS {
            // One that is too long is no box of this length.
            let Some(bytes) = self.ampbox(most * step / STEPS, sent) else { continue };
            let (read, len, start) = (self.read, bytes.len(), Instant::now());
            let mut bytes = Some(bytes);
            let peak = measure(&mut || {
                // Whether it is read or refused makes no difference.
                let _ = bytes.take().map(read);
            });
            figure.taken = figure.taken.max(start.elapsed());
            figure.peak = figure.peak.max(peak + len);
        }
        figure
    }

    /// A box of `sent` bytes whose values would have `len` bytes without compression.
    fn ampbox(&self, len: usize, sent: usize) -> Option<Bytes> {
        let mut ampbox = AmpBox::from_pairs((self.pairs)(len)).ok()?;
        let rest = (sent + 200).checked_sub(ampbox.encoded_len() + 5)?;
        ampbox.insert("z", vec![0; rest.saturating_sub(200)]).ok()?;
        Some(ampbox.to_bytes())
    }
}

/// A struct that is large, and nothing on the wire.
#[derive(Arguments, Serialize, Deserialize, Default)]
#[serde(default)]
struct Row {
    a: Option<String>,
    b: Option<String>,
    c: Option<String>,
    d: Option<String>,
    e: Option<String>,
    f: Option<String>,
    g: Option<String>,
    h: Option<String>,
    i: Option<String>,
    j: Option<String>,
    k: Option<String>,
    l: Option<String>,
    m: Option<String>,
    n: Option<String>,
    o: Option<String>,
    p: Option<String>,
    q: Option<String>,
    r: Option<String>,
    s: Option<String>,
    t: Option<String>,
}

/// A struct that is nothing anywhere.
#[derive(Arguments)]
struct Unit {}

/// A box that is kept as it came.
#[derive(Arguments)]
struct AnyBox {
    #[amp(flatten)]
    all: AmpBox,
}

/// A struct inside of itself.
#[derive(Arguments)]
struct Tree {
    a: Option<Box<Row>>,
    b: Vec<Tree>,
}

/// What serde buffers, and may be inside of itself.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u8),
    Text(String),
    List(Vec<Untagged>),
    Map(HashMap<String, Untagged>),
    Row([u64; 8]),
}

/// The same with a tag.
#[derive(Serialize, Deserialize)]
#[serde(tag = "t")]
enum Tagged {
    N,
    L { v: Vec<Tagged>, a: Option<[u64; 8]> },
}

/// What serde buffers but for one field.
#[derive(Serialize, Deserialize)]
struct Flat {
    b: Option<i64>,
    #[serde(flatten)]
    rest: HashMap<String, Untagged>,
}

#[derive(Arguments)]
struct One<T: Argument> {
    a: T,
}

#[derive(Deserialize)]
struct OneOfSerde<T> {
    #[serde(rename = "a")]
    _a: T,
}

/// Reads it as from a peer that may be anybody.
fn read<T: Argument>(bytes: Bytes) -> Result<(), DecodeError> {
    let decoded_bytes = Limits::untrusted().decoded_bytes;
    One::<T>::decode_within(bytes, decoded_bytes).map(|one| drop(one.a))
}

fn read_with_serde<T: serde::de::DeserializeOwned>(mut bytes: Bytes) -> Result<(), DecodeError> {
    let ampbox = AmpBox::parse(&mut bytes, BoxLimits::default())?;
    let decoded_bytes = Limits::untrusted().decoded_bytes;
    amp_core::serde::from_box_within::<OneOfSerde<T>>(&ampbox, decoded_bytes).map(drop)
}

/// As many copies of `element` as have `len` bytes.
fn copies(element: &'static [u8]) -> impl Fn(usize) -> Vec<u8> + Clone {
    move |len| element.repeat(len / element.len())
}

/// As many elements of their numbers as have `len` bytes.
fn numbered(element: impl Fn(usize) -> Vec<u8> + Clone) -> impl Fn(usize) -> Vec<u8> + Clone {
    move |len| {
        let mut value = Vec::new();
        for n in 0.. {
            let element = element(n);
            if value.len() + element.len() > len {
                break;
            }
            value.extend(element);
        }
        value
    }
}

/// A box with a key and a value.
fn entry(key: &str, value: &[u8]) -> Vec<u8> {
    let pairs = [("key", key.as_bytes()), ("value", value)];
    AmpBox::from_pairs(pairs).expect("both fit into a box").to_bytes().into()
}

/// An element of a `ListOf`.
fn element(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).expect("it fits into an element");
    [&len.to_be_bytes(), bytes].concat()
}

/// JSON texts between brackets, with commas between them.
fn array(element: &'static str) -> impl Fn(usize) -> Vec<u8> + Clone {
    move |len| {
        let mut text = format!("[{element}");
        while text.len() + element.len() + 2 <= len {
            text.push(',');
            text.push_str(element);
        }
        text.push(']');
        text.into()
    }
}

/// As many brackets around a JSON text as there may be, as often as have `len` bytes.
fn deep(
    open: &'static str,
    leaf: &'static str,
    close: &'static str,
) -> impl Fn(usize) -> Vec<u8> + Clone {
    let levels = 60 / open.chars().filter(|c| matches!(c, '[' | '{')).count();
    let text = format!("{}{leaf}{}", open.repeat(levels), close.repeat(levels));
    array(text.leak())
}

/// A JSON object of many entries, inside of as many lists as there may be.
fn deepest(entry: impl Fn(usize) -> Vec<u8> + Clone) -> impl Fn(usize) -> Vec<u8> + Clone {
    move |len| {
        let mut text = b"[".repeat(60);
        text.push(b'{');
        for n in 0.. {
            let entry = entry(n);
            if text.len() + entry.len() + 70 > len {
                break;
            }
            text.extend(entry);
            text.push(b',');
        }
        // In place of the last comma, if there is one.
        text.pop_if(|last| *last == b',');
        text.push(b'}');
        text.extend(b"]".repeat(60));
        text
    }
}

fn compressed(value: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    let mut writer = ValueWriter::new(&mut out);
    let value = Zlib(value.to_vec());
    Proto::detached(|proto| value.to_string_proto(proto, &mut writer)).expect("it has a form");
    out.into()
}

/// The name of a type, how its value is made, and how it is read.
macro_rules! cases {
    ($(
        $kind:ident $ty:ty $(as $read:ident)?: $value:expr;
    )*) => {
        vec![$({
            let value = $value;
            let pairs = move |len| cases!(@$kind value, len);
            Case {
                what: concat!(stringify!($ty) $(, " with ", stringify!($read))?),
                pairs: Box::new(pairs),
                inflates: cases!(@inflates $kind),
                read: cases!(@read $ty $(, $read)?),
            }
        }),*]
    };
    (@plain $value:ident, $len:ident) => { vec![("a".to_owned(), $value($len))] };
    (@zlib $value:ident, $len:ident) => { vec![("a".to_owned(), compressed(&$value($len)))] };
    (@spread $value:ident, $len:ident) => {
        $value($len)
            .chunks(1000)
            .enumerate()
            .map(|(part, bytes)| (format!("a.{part}"), bytes.to_vec()))
            .collect()
    };
    (@compressed_parts $value:ident, $len:ident) => {
        $value($len)
            .chunks(65_535)
            .enumerate()
            .map(|(part, bytes)| {
                let key = if part == 0 { "a".to_owned() } else { format!("a.{}", part + 1) };
                (key, compressed(bytes))
            })
            .collect()
    };
    (@inflates zlib) => { true };
    (@inflates compressed_parts) => { true };
    (@inflates $kind:ident) => { false };
    (@read $ty:ty) => { read::<$ty> };
    (@read $ty:ty, serde) => { read_with_serde::<$ty> };
}

/// The types of this framework and of `std`.
fn typed() -> Vec<Case> {
    let empty = copies(b"\0\0");
    let one = copies(b"\0\x011");
    let list = copies(b"\0\x02\0\0");
    let text = copies(b"text");
    let entries = |value: &'static [u8]| numbered(move |n| entry(&n.to_string(), value));
    let distinct = numbered(|n| element(n.to_string().as_bytes()));
    let small_zlib = element(&compressed(&[0; 2000]));
    let small_zlib: &'static [u8] = small_zlib.leak();
    cases! {
        plain String: text.clone();
        plain Vec<u8>: text.clone();
        plain Bytes: text.clone();
        plain PathBuf: text.clone();
        plain Decimal: copies(b"1");
        plain Vec<Unit>: empty.clone();
        plain Vec<AnyBox>: empty.clone();
        plain Vec<AnyBox>: copies(b"\0\x01a\0\0\0\x01b\0\0\0\x01c\0\0\0\x01d\0\0\0\0");
        plain Vec<String>: empty.clone();
        plain Vec<Bytes>: empty.clone();
        plain Vec<Vec<u8>>: copies(b"\0\x01x");
        plain Vec<i64>: one.clone();
        plain Vec<u128>: one.clone();
        plain Vec<f64>: one.clone();
        plain Vec<bool>: copies(b"\0\x04True");
        plain Vec<char>: one.clone();
        plain Vec<Decimal>: one.clone();
        plain Vec<DateTime>: copies(b"\0\x202010-06-25T16:46:37.000001-05:30");
        plain Vec<PathBuf>: one.clone();
        plain Vec<IpAddr>: copies(b"\0\x02::");
        plain Vec<Packed<IpAddr>>: copies(b"\0\x04\0\0\0\0");
        plain Vec<Vec<String>>: list.clone();
        plain Vec<Vec<Vec<String>>>: copies(b"\0\x04\0\x02\0\0");
        plain Vec<[String; 1]>: list.clone();
        plain VecDeque<String>: empty.clone();
        plain Box<[String]>: empty.clone();
        plain Arc<[String]>: empty.clone();
        plain Vec<Box<String>>: empty.clone();
        plain Vec<Arc<i64>>: one.clone();
        plain BTreeSet<i64>: distinct.clone();
        plain HashSet<i64>: distinct.clone();
        plain Vec<HashSet<u8>>: copies(b"\0\x01x");
        plain Vec<BTreeSet<u8>>: copies(b"\0\x01x");
        plain Vec<HashSet<u16>>: copies(b"\0\x03\0\x011");
        plain Vec<HashSet<String>>: copies(b"\0\x02\0\0");
        plain Vec<BTreeSet<String>>: copies(b"\0\x02\0\0");
        plain Vec<Box<[String]>>: list.clone();
        plain Vec<Arc<[String]>>: list.clone();
        plain Vec<Arc<[u8]>>: copies(b"\0\x01x");
        plain Vec<VecDeque<String>>: list.clone();
        plain Vec<Vec<Box<Row>>>: list.clone();
        plain Vec<BTreeSet<i64>>: copies(b"\0\x03\0\x011");
        plain Vec<HashSet<i64>>: copies(b"\0\x03\0\x011");
        plain HashMap<String, String>: entries(b"");
        plain HashMap<i64, Row>: entries(b"\0\0");
        plain BTreeMap<String, String>: entries(b"");
        plain BTreeMap<i64, Row>: entries(b"\0\0");
        plain Vec<HashMap<String, String>>: empty.clone();
        plain Vec<BTreeMap<String, String>>: numbered(|_| element(&entry("", b"")));
        plain Vec<BTreeMap<String, Row>>: numbered(|_| element(&entry("", b"\0\0")));
        plain Vec<Row>: empty.clone();
        plain Vec<Box<Row>>: empty.clone();
        plain Vec<Option<Row>>: list.clone();
        plain Vec<Option<String>>: empty.clone();
        plain Vec<Tree>: copies(b"\0\x01b\0\x07\0\x01b\0\0\0\0\0\0");
        plain Option<Arc<Vec<Row>>>: empty.clone();
        spread Numbered<Vec<Row>>: empty.clone();
        spread Numbered<Vec<String>>: empty.clone();
        zlib Zlib<Vec<Row>>: empty.clone();
        zlib Zlib<Vec<String>>: empty.clone();
        zlib Zlib<Vec<Unit>>: empty.clone();
        zlib Zlib<String>: text.clone();
        zlib Zlib<Bytes>: text.clone();
        zlib Zlib<BTreeMap<i64, Row>>: entries(b"\0\0");
        plain Vec<Zlib<String>>: copies(small_zlib);
        plain Vec<Zlib<Vec<Row>>>: copies(small_zlib);
        zlib Zlib<Vec<Zlib<Vec<u8>>>>: copies(small_zlib);
        compressed_parts ContinuedZlib<Vec<Row>>: empty.clone();
        compressed_parts ContinuedZlib<String>: text.clone();
    }
}

/// JSON, what serde reads without a schema, and the types of other crates.
fn of_other_crates() -> Vec<Case> {
    let empty = copies(b"\0\0");
    let one = copies(b"\0\x011");
    let list = copies(b"\0\x02\0\0");
    cases! {
        plain Json<AnyJson>: array("1");
        plain Json<AnyJson>: array("[]");
        plain Json<AnyJson>: array("[[1]]");
        plain Json<AnyJson>: array("{\"\":0}");
        plain Json<AnyJson>: array("\"\"");
        plain Json<Vec<AnyJson>>: array("1");
        plain Json<Vec<u8>>: array("1");
        plain Json<Vec<String>>: array("\"\"");
        plain Json<Vec<Row>>: array("{}");
        plain Json<Vec<Box<Row>>>: array("{}");
        plain Json<Vec<Option<Row>>>: array("{}");
        plain Json<Vec<HashMap<String, u8>>>: array("{\"\":0}");
        plain Json<Vec<BTreeMap<String, Row>>>: array("{\"\":{}}");
        plain Json<Vec<Vec<Row>>>: array("[{}]");
        plain Json<Vec<AmpBox>>: array("{}");
        plain Json<Vec<AmpBox>>: array("{\"\":[]}");
        plain Json<AmpBox>: |len| [b"{\"a\":", &array("1")(len - 8)[..], b"}"].concat();
        plain Json<Untagged>: array("0");
        plain Json<Untagged>: array("[]");
        plain Json<Untagged>: array("{}");
        plain Json<Untagged>: array("[\"text\"]");
        plain Json<Untagged>: deep("[", "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0", "]");
        plain Json<Untagged>: deep("[[[[[[[[", "0", "]]]]]]]]");
        plain Json<Untagged>: deep("{\"a\":", "\"texttexttext\"", "}");
        plain Json<Untagged>: deepest(|n| format!("\"{n}\":0").into());
        plain Json<Vec<Untagged>>: array("0");
        plain Json<Vec<Untagged>>: array("[[{}]]");
        plain Json<Vec<Tagged>>: array("{\"t\":\"N\"}");
        plain Json<Tagged>: |len| [b"{\"t\":\"L\",\"v\":", &array("{\"t\":\"N\"}")(len - 16)[..], b"}"].concat();
        plain Json<Vec<Flat>>: array("{\"a\":0}");
        plain Json<Vec<Flat>>: array("{\"a\":[0,0,0,0]}");
        zlib Zlib<Json<AnyJson>>: array("1");
        zlib Zlib<Json<Vec<Row>>>: array("{}");
        plain Vec<String> as serde: empty.clone();
        plain Vec<Row> as serde: empty.clone();
        plain Vec<Vec<u8>> as serde: empty.clone();
        plain Vec<Option<Box<Row>>> as serde: list.clone();
        plain Vec<HashMap<String, String>> as serde: copies(b"\0\x01a\0\0\0\0");
        plain Vec<num_bigint::BigInt>: one.clone();
        plain num_bigint::BigInt: copies(b"7");
        plain Vec<rust_decimal::Decimal>: one.clone();
        plain Vec<chrono::DateTime<chrono::FixedOffset>>:
            copies(b"\0\x202010-06-25T16:46:37.000001-05:30");
        plain Vec<jiff::Zoned>: copies(b"\0\x202010-06-25T16:46:37.000001-05:30");
        plain Vec<time::OffsetDateTime>: copies(b"\0\x202010-06-25T16:46:37.000001-05:30");
        plain Vec<ipnet::IpNet>: copies(b"\0\x04::/0");
        plain Vec<Packed<ipnet::IpNet>>: copies(b"\0\x05\0\0\0\0\0");
        plain Vec<url::Url>: copies(b"\0\x02a:");
        plain url::Url: |len| [b"a:/", &"\u{1}".repeat(len).into_bytes()[..]].concat();
        plain url::Url: |len| [b"http://a/", &"\u{e9}".repeat(len / 2).into_bytes()[..]].concat();
        plain Vec<uuid::Uuid>: copies(b"\0\x2067e5504410b1426f9247bb680e5fe0c8");
        plain Vec<UuidBytes>: copies(b"\0\x100123456789abcdef");
    }
}
