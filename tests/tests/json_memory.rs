//! What JSON becomes in memory in boxes of many values, within default limits: rows that serde
//! buffers, which nothing can count, and the collections of `std`.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};

use amp_core::argument::{Json, Numbered};
use amp_core::{Argument, Arguments, Limits};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How many bytes of memory there are at most for each byte of a box.
const PER_BYTE: usize = 20;

/// How many bytes a box has at least whose bound is in proportion to its length.
const NOT_SMALL: usize = 64_000;

#[derive(Arguments)]
struct One<T: Argument> {
    a: T,
}

/// How many bytes more there are in a box of rows that serde buffers: a few thousand of them are taken for
/// small, since honest ones are.
const SHORT_ROWS: usize = 6 << 20;

/// Reads the JSON text `text` as a `T`, from a peer, and returns what was allocated at once for each
/// byte of its box, and whether it was read.
fn cost<T: Serialize + DeserializeOwned>(text: &str) -> (usize, bool) {
    cost_beside::<T>(text, 0)
}

/// As [`cost`], of rows that serde buffers.
fn cost_of_rows<T: Serialize + DeserializeOwned>(text: &str) -> (usize, bool) {
    cost_beside::<T>(text, SHORT_ROWS)
}

fn cost_beside<T: Serialize + DeserializeOwned>(text: &str, beside: usize) -> (usize, bool) {
    let text = Bytes::copy_from_slice(text.as_bytes());
    let sent = One { a: Numbered(text) }.encode().unwrap();
    let len = sent.len().max(NOT_SMALL);
    // The box itself is there too.
    let mut sent = Some(Bytes::from(sent.to_vec()));
    let mut read = false;
    let info = allocation_counter::measure(|| {
        let decoded_bytes = Limits::untrusted().decoded_bytes;
        let one =
            sent.take().map(|sent| One::<Numbered<Json<T>>>::decode_within(sent, decoded_bytes));
        read = one.is_some_and(|one| one.is_ok());
    });
    let peak = usize::try_from(info.bytes_max).unwrap() + len;
    (peak.saturating_sub(beside).div_ceil(len), read)
}

/// Tries texts of many elements, each with white space behind it, so that some use up the budget and
/// are read. Returns what is over the bound.
fn tried<T: Serialize + DeserializeOwned>(
    open: &str,
    elements: &[&str],
    close: &str,
) -> Vec<String> {
    tried_at(cost::<T>, open, elements, close)
}

/// As [`tried`], with rows that serde buffers.
fn tried_rows<T: Serialize + DeserializeOwned>(
    open: &str,
    elements: &[&str],
    close: &str,
) -> Vec<String> {
    tried_at(cost_of_rows::<T>, open, elements, close)
}

fn tried_at(
    cost: fn(&str) -> (usize, bool),
    open: &str,
    elements: &[&str],
    close: &str,
) -> Vec<String> {
    let mut over = Vec::new();
    for element in elements {
        for spaces in [0, 4, 16, 32, 48, 64] {
            for count in [1000, 8700, 17_000] {
                let element = format!("{element}{}", " ".repeat(spaces));
                let list = vec![element.as_str(); count].join(",");
                let (cost, read) = cost(&format!("{open}{list}{close}"));
                if cost > PER_BYTE {
                    over.push(format!("{open}: {count} of {element:?}: {cost} bytes, {read}"));
                }
            }
        }
    }
    over
}

/// A struct that is large, and nothing on the wire.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Row {
    a: [Option<String>; 20],
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Rows(Vec<Row>),
    Optional(Vec<Option<Row>>),
    Number(u64),
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "t")]
enum Tagged {
    A { rows: Vec<Row> },
    B { rows: Vec<Option<Row>> },
    C { rows: HashMap<String, Row> },
    D { rows: HashMap<String, Option<Row>> },
    E { rows: BTreeSet<Ordered> },
    F { rows: Vec<Small> },
}

/// A struct that is half as large.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Small {
    a: [Option<String>; 10],
}

/// One that is in trees.
#[derive(Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
struct Ordered {
    a: [Option<String>; 20],
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Inner {
    rows: Vec<Row>,
    optional: Vec<Option<Row>>,
}

#[derive(Serialize, Deserialize)]
struct Flat {
    n: u8,
    #[serde(flatten)]
    inner: Inner,
}

#[derive(Serialize, Deserialize)]
struct FlatMap {
    n: u8,
    #[serde(flatten)]
    rows: BTreeMap<String, Row>,
}

/// A struct with a map of what is left over, all of which is in one buffer.
#[derive(Serialize, Deserialize)]
#[serde(tag = "t")]
enum TaggedFlat {
    V {
        n: u64,
        #[serde(flatten)]
        rows: BTreeMap<String, Row>,
    },
}

/// The same of two that are flattened.
#[derive(Serialize, Deserialize)]
struct Flats {
    #[serde(flatten)]
    small: SmallOnes,
    #[serde(flatten)]
    rows: BTreeMap<String, Row>,
}

#[derive(Serialize, Deserialize)]
struct SmallOnes {
    n: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Many {
    Untagged(Vec<Untagged>),
    Tagged(Vec<Tagged>),
    Flat(Vec<Flat>),
}

fn assert_none(over: &[Vec<String>]) {
    let over = over.concat();
    assert!(over.is_empty(), "{over:#?}");
}

const ROWS: &[&str] = &["[]", "{}", "{\"\":0}", "{\"\":0,\"a\":0,\"b\":0}"];

#[test]
fn rows_that_serde_buffers_are_paid_for() {
    assert_none(&[
        tried_rows::<Untagged>("[", ROWS, "]"),
        tried_rows::<Tagged>("{\"t\":\"A\",\"rows\":[", ROWS, "]}"),
        tried_rows::<Tagged>("{\"t\":\"E\",\"rows\":[", ROWS, "]}"),
        tried_rows::<Flat>("{\"n\":1,\"rows\":[", ROWS, "]}"),
        tried_rows::<Many>("[[", ROWS, "]]"),
        tried_rows::<FlatMap>("{\"n\":1,", &["\"\":{}", "\"\":{\"\":0}"], "}"),
    ]);
}

#[test]
fn rows_in_maps_that_serde_buffers_are_paid_for() {
    let entries = |value: &str, spaces: usize, count: usize| {
        let entry = |n| format!("\"{n:x}\":{value}{}", " ".repeat(spaces));
        (0..count).map(entry).collect::<Vec<_>>().join(",")
    };
    for spaces in [0, 8, 16, 32, 64] {
        for count in [1000, 17_000, 35_000] {
            let tagged = |tag, value| {
                let entries = entries(value, spaces, count);
                cost_of_rows::<Tagged>(&format!("{{\"t\":\"{tag}\",\"rows\":{{{entries}}}}}"))
            };
            let flat = |value| {
                cost_of_rows::<FlatMap>(&format!("{{\"n\":1,{}}}", entries(value, spaces, count)))
            };
            let flat_too = |value| {
                let entries = entries(value, spaces, count);
                [
                    cost_of_rows::<TaggedFlat>(&format!("{{\"t\":\"V\",\"n\":1,{entries}}}")),
                    cost_of_rows::<Flats>(&format!("{{\"n\":1,{entries}}}")),
                ]
            };
            let [a, b] = flat_too("[]");
            for (cost, read) in [
                a,
                b,
                tagged("C", "{}"),
                tagged("C", "[]"),
                tagged("C", "{\"\":0}"),
                tagged("D", "null"),
                flat("{}"),
                flat("{\"\":0}"),
            ] {
                assert!(cost <= PER_BYTE, "{count} and {spaces} spaces: {cost} bytes, {read}");
            }
        }
    }
}

/// A list is moved to a place of twice its length when it is full. Half of a row has room for that.
#[test]
fn rows_are_paid_for_while_their_list_grows() {
    for spaces in [0, 8, 16, 24, 32, 40, 64] {
        for (count, row) in [(4400, "[]"), (8800, "{\"\":0}"), (17_500, "{\"\":0,\"a\":0,\"b\":0}")]
        {
            let rows = vec![format!("{row}{}", " ".repeat(spaces)); count].join(",");
            let (cost, read) =
                cost_of_rows::<Tagged>(&format!("{{\"t\":\"F\",\"rows\":[{rows}]}}"));
            assert!(cost <= PER_BYTE, "{count} of {row:?}, {spaces} spaces: {cost} bytes, {read}");
        }
    }
}

#[test]
fn nothing_that_may_be_a_row_is_paid_for() {
    let nothing = &["null"];
    assert_none(&[
        tried_rows::<Untagged>("[", nothing, "]"),
        tried_rows::<Tagged>("{\"t\":\"B\",\"rows\":[", nothing, "]}"),
        tried_rows::<Flat>("{\"n\":1,\"optional\":[", nothing, "]}"),
        tried::<Vec<Option<Row>>>("[", nothing, "]"),
    ]);
}

#[test]
fn collections_are_paid_for() {
    assert_none(&[
        tried::<Vec<BTreeSet<u8>>>("[", &["[1]", "[]"], "]"),
        tried::<Vec<BTreeSet<u64>>>("[", &["[1]", "[1,2,3,4,5,6,7,8,9,10,11,12]"], "]"),
        tried::<Vec<BTreeSet<u128>>>("[", &["[1]", "[100]"], "]"),
        tried::<Vec<BTreeSet<String>>>("[", &["[\"\"]"], "]"),
        tried::<Vec<HashSet<u8>>>("[", &["[1]"], "]"),
        tried::<Vec<HashSet<u64>>>("[", &["[1]", "[10]"], "]"),
        tried::<Vec<LinkedList<u8>>>("[", &["[0]", "[0,0,0,0]"], "]"),
        tried::<LinkedList<u8>>("[", &["0"], "]"),
        tried::<LinkedList<()>>("[", &["null"], "]"),
        tried::<LinkedList<u128>>("[", &["0"], "]"),
        tried::<LinkedList<LinkedList<u128>>>("[", &["[0]"], "]"),
        tried::<Vec<BTreeMap<u8, u64>>>("[", &["{\"1\":1}", "{}"], "]"),
        tried::<Vec<HashMap<u8, u64>>>("[", &["{\"1\":1}"], "]"),
        tried::<Vec<BinaryHeap<u8>>>("[", &["[0]"], "]"),
        tried::<Vec<VecDeque<u8>>>("[", &["[0]"], "]"),
        tried::<Vec<Box<[u8]>>>("[", &["[0]"], "]"),
        tried::<BTreeSet<BTreeSet<u64>>>("[", &["[1]"], "]"),
        tried::<Vec<Option<Box<BTreeSet<u64>>>>>("[", &["[1]"], "]"),
        tried::<Vec<(BTreeSet<u64>, BTreeSet<u8>)>>("[", &["[[1],[1]]"], "]"),
        tried::<BTreeMap<String, BTreeSet<u64>>>("{", &["\"\":[1]"], "}"),
    ]);
}

/// A set as other crates have them, each element in a place of its own.
#[derive(Default)]
struct Sorted(BTreeSet<u64>);

impl Serialize for Sorted {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl<'de> Deserialize<'de> for Sorted {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;

        impl<'de> serde::de::Visitor<'de> for Elements {
            type Value = Sorted;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a set")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> Result<Sorted, A::Error> {
                let mut sorted = Sorted::default();
                while let Some(element) = seq.next_element()? {
                    sorted.0.insert(element);
                }
                Ok(sorted)
            }
        }

        deserializer.deserialize_seq(Elements)
    }
}

#[test]
fn collections_of_other_crates_are_paid_for() {
    assert_none(&[tried::<Vec<Sorted>>("[", &["[1]", "[1,2,3]"], "]")]);
}
