//! Boxes of types that serde knows: the same bytes as those of typed arguments.

#[path = "support/effort.rs"]
mod effort;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::net::IpAddr;
use std::path::PathBuf;

use amp_core::argument::{DecodeErrorKind, EncodeErrorKind};
use amp_core::boxes::{BoxError, BoxLimits};
use amp_core::serde::{from_box, to_box};
use amp_core::{AmpBox, Argument, Arguments};
use bytes::Bytes;
use effort::assert_linear;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_test::{Configure, Token};

/// A struct of everything that typed arguments and serde have in common.
#[derive(Arguments, Serialize, Deserialize, Debug, Clone, PartialEq)]
struct Both {
    tiny: i8,
    byte: u8,
    short: u16,
    int: i32,
    long: i64,
    size: usize,
    huge: i128,
    vast: u128,
    float: f64,
    narrow: f32,
    flag: bool,
    letter: char,
    text: String,
    #[serde(with = "serde_bytes")]
    bytes: Vec<u8>,
    #[serde(rename = "a-b")]
    #[amp(rename = "a-b")]
    absent: Option<i64>,
    maybe_empty: Option<String>,
    list: Vec<i64>,
    deep: Vec<Vec<Vec<String>>>,
    array: [i16; 3],
    one: Inner,
    many: Vec<Inner>,
    lists_of_many: Vec<Vec<Inner>>,
    #[expect(clippy::vec_box, reason = "typed arguments see through it, and so must serde")]
    boxed: Vec<Box<Inner>>,
    some: Vec<Option<Inner>>,
    color: Color,
    path: PathBuf,
    address: IpAddr,
}

#[derive(Argument, Serialize, Deserialize, Debug, Clone, PartialEq)]
enum Color {
    Red,
    #[serde(rename = "dark green")]
    #[amp(rename = "dark green")]
    DarkGreen,
}

#[derive(Arguments, Serialize, Deserialize, Debug, Clone, PartialEq)]
struct Inner {
    z: i64,
    a: Option<String>,
    more: Vec<Leaf>,
}

#[derive(Arguments, Serialize, Deserialize, Debug, Clone, PartialEq)]
struct Leaf {
    x: f64,
}

fn leaf() -> impl Strategy<Value = Leaf> {
    any::<f64>().prop_map(|x| Leaf { x })
}

fn inner() -> impl Strategy<Value = Inner> {
    (any::<i64>(), option::of(".{0,5}"), vec(leaf(), 0..3)).prop_map(|(z, a, more)| Inner {
        z,
        a,
        more,
    })
}

prop_compose! {
    fn both()(
        (tiny, byte, short, int, long, size) in any::<(i8, u8, u16, i32, i64, usize)>(),
        (huge, vast, float, narrow, flag, letter) in any::<(i128, u128, f64, f32, bool, char)>(),
        (text, bytes, absent, maybe_empty) in any::<(String, Vec<u8>, Option<i64>, Option<String>)>(),
        (list, array) in any::<(Vec<i64>, [i16; 3])>(),
        deep in vec(vec(vec(".{0,3}", 0..3), 0..3), 0..3),
        one in inner(),
        many in vec(inner(), 0..4),
        lists_of_many in vec(vec(inner(), 0..3), 0..3),
        boxed in vec(inner().prop_map(Box::new), 0..3),
        some in vec(inner().prop_map(Some), 0..3),
        color in prop_oneof![Just(Color::Red), Just(Color::DarkGreen)],
        path in "[a-z/]{0,9}",
        address: IpAddr,
    ) -> Both {
        Both {
            tiny, byte, short, int, long, size, huge, vast, float, narrow, flag, letter, text,
            bytes, absent, maybe_empty, list, deep, array, one, many, lists_of_many, boxed, some,
            color, path: path.into(), address,
        }
    }
}

proptest! {
    #[test]
    fn serde_writes_and_reads_what_typed_arguments_do(both in both()) {
        let typed = both.encode().unwrap();
        let ampbox = to_box(&both).unwrap();
        prop_assert_eq!(ampbox.to_bytes(), typed.clone());
        prop_assert_eq!(&from_box::<Both>(&ampbox).unwrap(), &both);
        prop_assert_eq!(&Both::decode(ampbox.to_bytes()).unwrap(), &both);
        prop_assert_eq!(&from_box::<Both>(&parse(typed)).unwrap(), &both);
    }

    #[test]
    fn any_box_is_read_or_refused_as_by_typed_arguments(
        z in "[-+ 0-9a]{0,4}",
        a in option::of(vec(any::<u8>(), 0..3)),
        more in "(\0\u{1}x\0\u{1}[0-9]){0,2}[\0\u{1}x]{0,4}",
    ) {
        let mut ampbox = AmpBox::from_pairs([("z", z), ("more", more)]).unwrap();
        if let Some(a) = a {
            ampbox.insert("a", a).unwrap();
        }
        let typed = Inner::decode(ampbox.to_bytes());
        match (typed, from_box::<Inner>(&ampbox)) {
            (Ok(typed), Ok(read)) => prop_assert_eq!(typed, read),
            // Of several mistakes, they need not find the same one first.
            (Err(_), Err(_)) => {}
            (typed, read) => panic!("{ampbox:?}: {typed:?} and {read:?}"),
        }
    }

    #[test]
    fn any_list_is_read_or_refused_as_by_typed_arguments(
        bytes in vec(prop_oneof![Just(0_u8), Just(1), Just(b'x'), any::<u8>()], 0..24),
    ) {
        let ampbox = AmpBox::from_pairs([("v", &bytes)]).unwrap();
        let typed = OfLists::decode(ampbox.to_bytes()).map_err(|error| error.to_string());
        prop_assert_eq!(typed, from_box::<OfLists>(&ampbox).map_err(|error| error.to_string()));
        let typed = OfBoxes::decode(ampbox.to_bytes()).map_err(|error| error.to_string());
        prop_assert_eq!(typed, from_box::<OfBoxes>(&ampbox).map_err(|error| error.to_string()));
    }

    #[test]
    fn any_bytes_are_read_or_refused(key: String, value: Vec<u8>) {
        if let Ok(ampbox) = AmpBox::from_pairs([(key, value)]) {
            let _ = from_box::<BTreeMap<String, Vec<(i64, String)>>>(&ampbox);
            let _ = from_box::<BTreeMap<String, Vec<BTreeMap<String, f64>>>>(&ampbox);
            let _ = from_box::<HashMap<String, serde_json::Value>>(&ampbox);
        }
    }
}

#[derive(Arguments, Deserialize, Debug, PartialEq)]
struct OfLists {
    v: Vec<Vec<String>>,
}

#[derive(Arguments, Deserialize, Debug, PartialEq)]
struct OfBoxes {
    v: Vec<Optional>,
}

#[derive(Arguments, Deserialize, Debug, PartialEq)]
struct Optional {
    x: Option<String>,
}

fn parse(bytes: impl Into<Bytes>) -> AmpBox {
    AmpBox::parse(&mut bytes.into(), BoxLimits::default()).unwrap()
}

/// The value of the key `v` in the box of `value`.
fn written<T: Serialize>(value: T) -> Vec<u8> {
    to_box(&V { v: value }).unwrap().get("v").unwrap().to_vec()
}

fn read<T: DeserializeOwned>(value: impl AsRef<[u8]>) -> T {
    try_read(value).unwrap()
}

fn try_read<T: DeserializeOwned>(value: impl AsRef<[u8]>) -> Result<T, amp_core::DecodeError> {
    let ampbox = AmpBox::from_pairs([("v", value)]).unwrap();
    from_box::<V<T>>(&ampbox).map(|v| v.v)
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "values are made where they are passed")]
fn assert_wire<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T, wire: &str) {
    assert_eq!(
        written(&value).escape_ascii().to_string(),
        wire.as_bytes().escape_ascii().to_string()
    );
    assert_eq!(read::<T>(wire), value);
}

#[track_caller]
fn assert_refused<T: Serialize>(value: T, message: &str) {
    assert_eq!(to_box(&V { v: value }).unwrap_err().to_string(), message);
}

#[track_caller]
fn assert_unreadable<T: DeserializeOwned + Debug>(value: impl AsRef<[u8]>, message: &str) {
    assert_eq!(try_read::<T>(value).unwrap_err().to_string(), message);
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct V<T> {
    v: T,
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Unit;

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct New<T>(T);

#[derive(Serialize, Deserialize, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
enum Shape {
    FullCircle,
    Square(u8),
    Pair(u8, u8),
    Box { side: u8 },
}

#[test]
fn each_kind_of_value_has_its_form() {
    assert_wire(-5_i8, "-5");
    assert_wire(i128::MIN, "-170141183460469231731687303715884105728");
    assert_wire(u128::MAX, "340282366920938463463374607431768211455");
    assert_wire(1e16, "1e+16");
    assert_wire(0.1_f32, "0.10000000149011612");
    assert_wire(true, "True");
    assert_wire('x', "x");
    assert_wire(String::new(), "");
    assert_wire(Some(5), "5");
    assert_wire(Some(String::new()), "");
    assert_wire(New(New(5)), "5");
    assert_wire(New(Some(5)), "5");
    assert_wire(Shape::FullCircle, "full-circle");
    assert_wire(IpAddr::from([127, 0, 0, 1]), "127.0.0.1");
    assert_wire((1, "a".to_owned()), "\0\u{1}1\0\u{1}a");
    assert_wire(serde_bytes::ByteBuf::from("\0x"), "\0x");
    assert_wire(vec![1_u8, 2], "\0\u{1}1\0\u{1}2");
    assert_wire(Unit, "\0\0");
    assert_wire((), "\0\0");
    assert_wire(V { v: 1 }, "\0\u{1}v\0\u{1}1\0\0");
    assert_wire(BTreeMap::from([("k".to_owned(), true)]), "\0\u{1}k\0\u{4}True\0\0");
}

#[test]
fn lists_are_what_their_elements_are() {
    assert_wire(Vec::<i64>::new(), "");
    assert_wire(Vec::<V<i64>>::new(), "");
    assert_wire(vec![V { v: 1 }, V { v: 2 }], "\0\u{1}v\0\u{1}1\0\0\0\u{1}v\0\u{1}2\0\0");
    assert_wire(vec![New(V { v: 1 })], "\0\u{1}v\0\u{1}1\0\0");
    assert_wire((V { v: 1 }, V { v: true }), "\0\u{1}v\0\u{1}1\0\0\0\u{1}v\0\u{4}True\0\0");
    assert_wire(vec![Unit, Unit], "\0\0\0\0");
    assert_wire(vec![vec![Unit], vec![]], "\0\u{2}\0\0\0\0");
    assert_wire(vec![String::new(), "a".to_owned()], "\0\0\0\u{1}a");
    assert_wire(vec![Some(Unit)], "\0\u{2}\0\0");
    assert_wire(vec![Shape::FullCircle], "\0\u{b}full-circle");
    assert_wire(vec![BTreeMap::from([("k".to_owned(), 1)])], "\0\u{1}k\0\u{1}1\0\0");
}

#[test]
fn what_is_absent_has_no_key() {
    for absent in [V { v: None::<New<i64>> }, V { v: None }] {
        assert!(to_box(&absent).unwrap().is_empty());
        assert_eq!(from_box::<V<Option<New<i64>>>>(&AmpBox::new()).unwrap(), absent);
    }
    let error = to_box(&V { v: Some(None::<i64>) }).unwrap_err();
    let message = "argument v: an absent value inside of `Some` would be read as `None`";
    assert_eq!(error.to_string(), message);
    assert!(to_box(&V { v: New(None::<i64>) }).unwrap().is_empty());
    assert_refused(vec![Some(1), None], "argument v[1]: an absent value has no form here");
    assert_refused(V { v: vec![None::<i64>] }, "argument v.v[0]: an absent value has no form here");
}

#[test]
fn the_top_is_a_struct_or_a_map() {
    assert!(to_box(&Unit).unwrap().is_empty());
    assert!(to_box(&()).unwrap().is_empty());
    from_box::<()>(&AmpBox::new()).unwrap();
    assert_eq!(from_box::<Unit>(&AmpBox::new()).unwrap(), Unit);
    let map = BTreeMap::from([("b".to_owned(), 1), ("a".to_owned(), 2)]);
    let ampbox = to_box(&New(map)).unwrap();
    assert_eq!(&ampbox.to_bytes()[..], b"\0\x01a\0\x012\0\x01b\0\x011\0\0");
    assert_eq!(from_box::<New<HashMap<char, u8>>>(&ampbox).unwrap().0[&'a'], 2);
    let message = "what is neither a struct nor a map, outside of one, has no form on the wire";
    for error in [to_box(&5), to_box("text"), to_box(&[Unit]), to_box(&Shape::FullCircle)] {
        assert_eq!(error.unwrap_err().to_string(), message);
    }
    assert!(from_box::<i64>(&ampbox).is_err());
    assert!(from_box::<Vec<i64>>(&ampbox).is_err());
    assert!(from_box::<Shape>(&ampbox).is_err());
}

#[test]
fn what_has_no_form_is_refused_and_named() {
    let with_data = "argument v: an enum's variant with data has no form on the wire";
    assert_refused(Shape::Square(1), with_data);
    assert_refused(Shape::Pair(1, 2), with_data);
    assert_refused(Shape::Box { side: 1 }, with_data);
    let not_text = "argument v: a map's key that is not text has no form on the wire";
    assert_refused(BTreeMap::from([(1, 2)]), not_text);
    assert_refused(BTreeMap::from([((1, 2), 2)]), not_text);
    assert_refused(BTreeMap::from([(Some("a"), 2)]), not_text);
    assert_refused(BTreeMap::from([(Shape::Square(1), 2)]), not_text);
    let mixed = "argument v[1]: a list of boxes and of other values has no form on the wire";
    assert_refused((Unit, 1), mixed);
    assert_refused((1, Unit), mixed);
    assert_refused(
        BTreeMap::from([("_ask", 1)]),
        "argument v._ask: the key \"_ask\" is the protocol's own",
    );
    let error = to_box(&V { v: "x".repeat(65_536) }).unwrap_err();
    assert!(matches!(error.kind(), EncodeErrorKind::Box(BoxError::ValueTooLong { .. })));
    let error = to_box(&V { v: ("", "x".repeat(65_536)) }).unwrap_err();
    assert!(matches!(error.kind(), EncodeErrorKind::ElementTooLong { index: 1, .. }));
    assert_eq!(error.argument(), "v[1]");
    let error = to_box(&BTreeMap::from([("k".repeat(256), 1)])).unwrap_err();
    assert!(matches!(error.kind(), EncodeErrorKind::Box(BoxError::KeyTooLong { len: 256 })));
}

#[test]
fn what_cannot_be_read_is_refused_and_named() {
    assert_unreadable::<i64>("x", "argument v: \"x\" is not an Integer");
    assert_unreadable::<u8>("256", "argument v: \"256\" does not fit into u8");
    assert_unreadable::<bool>("true", "argument v: \"true\" is not a Boolean");
    assert_unreadable::<String>(b"\xff", "argument v: \"\\xff\" is not UTF-8 text");
    assert_unreadable::<Vec<Vec<i64>>>(
        "\0\u{4}\0\u{1}1x",
        "argument v[0]: the list ends in the middle of element 1",
    );
    assert_unreadable::<Vec<Vec<i64>>>(
        "\0\u{1}x\0\u{1}y",
        "argument v[0]: the list ends in the middle of element 0",
    );
    assert_unreadable::<Vec<Inner>>(
        "\0\u{1}z\0\u{1}1\0\u{4}more\0\0\0\0\0\u{1}z",
        "argument v: the list ends in the middle of element 1",
    );
    assert_unreadable::<Vec<Leaf>>(
        "\0\u{1}x\0\u{1}1\0\0\0\u{1}x\0\u{1}?\0\0",
        "argument v[1].x: \"?\" is not a Float",
    );
    assert_unreadable::<Leaf>("\0\0", "argument v.x: missing");
    assert_unreadable::<Unit>("\0\0\0", "argument v: 1 bytes follow the box");
    assert_unreadable::<Unit>("", "argument v: 0 bytes end in the middle of a box");
    assert_unreadable::<(i64, i64)>(
        "\0\u{1}1\0\u{1}2\0\u{1}3\0\u{1}4",
        "argument v: 4 elements where 2 are expected",
    );
    assert_unreadable::<(Unit,)>("\0\0\0\0\0\0", "argument v: 3 elements where 1 are expected");
    assert!(try_read::<[i64; 2]>("\0\u{1}1").is_err());
    let with_data = "argument v: an enum's variant with data has no form on the wire";
    assert_unreadable::<Shape>("square", with_data);
    assert_unreadable::<Shape>("pair", with_data);
    assert_unreadable::<Shape>("box", with_data);
    assert!(try_read::<Shape>("circle").is_err());
    assert_unreadable::<Shape>(b"\xff", "argument v: \"\\xff\" is not UTF-8 text");

    let error = from_box::<V<i64>>(&AmpBox::new()).unwrap_err();
    assert!(matches!(error.kind(), DecodeErrorKind::Missing));
    assert_eq!(error.to_string(), "argument v: missing");
}

#[test]
fn unknown_keys_are_ignored_unless_serde_is_told_otherwise() {
    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        #[serde(rename = "v")]
        _v: i64,
    }
    let ampbox = AmpBox::from_pairs([("v", "1"), ("_ask", "1"), ("_command", "V")]).unwrap();
    assert!(from_box::<Strict>(&ampbox).is_ok());
    let ampbox =
        AmpBox::from_pairs([(&b"\xff"[..], &b"\xff"[..]), (b"v", b"1"), (b"w", b"")]).unwrap();
    assert_eq!(from_box::<V<i64>>(&ampbox).unwrap(), V { v: 1 });
    assert!(from_box::<V<IgnoredAny>>(&ampbox).is_ok());
    let error = from_box::<Strict>(&AmpBox::from_pairs([("w", "")]).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "the key \"w\" is unknown");
}

#[test]
fn who_asks_what_a_value_is_gets_text_or_bytes() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Flat {
        a: i64,
        #[serde(flatten)]
        rest: BTreeMap<String, String>,
    }
    let flat = Flat { a: 1, rest: BTreeMap::from([("b".to_owned(), "2".to_owned())]) };
    let ampbox = to_box(&flat).unwrap();
    assert_eq!(&ampbox.to_bytes()[..], b"\0\x01a\0\x011\0\x01b\0\x012\0\0");
    // The number is not flattened, but it is asked for in the same way.
    assert_eq!(from_box::<Flat>(&ampbox).unwrap(), flat);
    let json: serde_json::Value = from_box(&ampbox).unwrap();
    assert_eq!(json, serde_json::json!({"a": "1", "b": "2"}));
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Default)]
struct Chain {
    next: Option<Box<Chain>>,
}

#[derive(Arguments, Serialize, Deserialize, Debug, PartialEq, Default)]
struct Tree {
    children: Vec<Tree>,
}

#[test]
fn nesting_is_limited_as_with_typed_arguments() {
    let chain = |depth| (0..depth).fold(Chain::default(), |n, _| Chain { next: Some(n.into()) });
    let ampbox = to_box(&chain(64)).unwrap();
    assert_eq!(from_box::<Chain>(&ampbox).unwrap(), chain(64));
    let error = to_box(&chain(65)).unwrap_err();
    assert!(matches!(error.kind(), EncodeErrorKind::TooDeep { limit: 64 }));

    let tree = |depth| (0..depth).fold(Tree::default(), |n, _| Tree { children: vec![n] });
    let deepest = tree(64).encode().unwrap();
    assert_eq!(to_box(&tree(64)).unwrap().to_bytes(), deepest);
    assert_eq!(from_box::<Tree>(&parse(deepest)).unwrap(), tree(64));
    // By hand, as no tree that is so deep is written.
    let bytes_of = |depth| (0..depth).fold(wire_tree(b""), |inner: Bytes, _| wire_tree(&inner));
    assert_eq!(bytes_of(64), tree(64).encode().unwrap());
    for too_deep in [65, 200] {
        let error = tree(too_deep).encode().unwrap_err();
        assert!(matches!(error.kind(), EncodeErrorKind::TooDeep { limit: 64 }));
        let bytes = bytes_of(too_deep);
        let error = Tree::decode(bytes.clone()).unwrap_err();
        assert!(matches!(error.kind(), DecodeErrorKind::TooDeep { limit: 64 }));
        let error = from_box::<Tree>(&parse(bytes)).unwrap_err();
        assert!(matches!(error.kind(), DecodeErrorKind::TooDeep { limit: 64 }));
        assert!(to_box(&tree(too_deep)).is_err());
    }
}

/// A box of a tree with these children.
fn wire_tree(children: &[u8]) -> Bytes {
    AmpBox::from_pairs([("children", children)]).unwrap().to_bytes()
}

/// Lists inside of lists, and nothing else: one value has room for 32 767 levels.
#[derive(Serialize, Deserialize, Debug)]
struct Lists(Vec<Lists>);

/// A type without end.
#[derive(Deserialize, Debug)]
struct Loop(#[expect(dead_code, reason = "it never gets there")] Option<Box<Loop>>);

/// A type that does not look at what it is read from.
#[derive(Debug, PartialEq)]
struct Nothing;

impl<'de> Deserialize<'de> for Nothing {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Ok(Nothing)
    }
}

#[test]
fn hostile_values_cost_little() {
    // A value has room for so many empty elements.
    assert_linear(32_767, |len| len, |len| read_hostile_values(*len));
}

fn read_hostile_values(elements: usize) {
    let mut wire = Vec::new();
    for level in (0..elements).rev() {
        wire.extend(u16::try_from(2 * level).unwrap().to_be_bytes());
    }
    let error = try_read::<Lists>(&wire).unwrap_err();
    assert!(matches!(error.kind(), DecodeErrorKind::TooDeep { limit: 64 }));
    let error = try_read::<Loop>("x").unwrap_err();
    assert!(matches!(error.kind(), DecodeErrorKind::TooDeep { limit: 64 }));
    let error = from_box::<New<Loop>>(&AmpBox::new()).unwrap_err();
    assert!(matches!(error.kind(), DecodeErrorKind::Custom(_)), "{error}");
    assert!(try_read::<Vec<Loop>>("\0\0").is_err());

    let zeros = vec![0; 2 * elements];
    assert_eq!(read::<Vec<String>>(&zeros).len(), elements);
    assert_eq!(read::<Vec<Unit>>(&zeros).len(), elements);
    assert_eq!(read::<Vec<Nothing>>(&zeros).len(), elements);
    assert!(try_read::<Vec<Unit>>(vec![0; 2 * elements + 1]).is_err());
    let digits = "9".repeat(2 * elements - 5000);
    assert!(try_read::<i128>(&digits).is_err());
    assert!(read::<f64>(&digits).is_infinite());
}

#[test]
fn a_box_is_a_map_in_other_formats() {
    let ampbox = AmpBox::from_pairs([
        (&b"_ask"[..], &b"1"[..]),
        (b"bytes", b"\xff\0"),
        (b"text", "\u{e9}".as_bytes()),
    ])
    .unwrap();
    serde_test::assert_tokens(
        &ampbox.clone().compact(),
        &[
            Token::Map { len: Some(3) },
            Token::Bytes(b"_ask"),
            Token::Bytes(b"1"),
            Token::Bytes(b"bytes"),
            Token::Bytes(b"\xff\0"),
            Token::Bytes(b"text"),
            Token::Bytes("\u{e9}".as_bytes()),
            Token::MapEnd,
        ],
    );
    let json = serde_json::to_string(&ampbox).unwrap();
    assert_eq!(json, "{\"_ask\":\"1\",\"bytes\":[255,0],\"text\":\"\u{e9}\"}");
    assert_eq!(serde_json::from_str::<AmpBox>(&json).unwrap(), ampbox);

    let odd_key = AmpBox::from_pairs([(b"\xff", b"")]).unwrap();
    assert!(serde_json::to_string(&odd_key).is_err());
    for refused in
        ["{\"\": \"a\"}", "{\"a\": 5}", "{\"a\": [256]}", "{\"a\":\"1\",\"a\":\"2\"}", "[]"]
    {
        assert!(serde_json::from_str::<AmpBox>(refused).is_err(), "{refused}");
    }
}

#[test]
fn a_box_of_a_box_is_the_same_box() {
    let ampbox = AmpBox::from_pairs([(&b"\xff"[..], &b"\xff"[..]), (b"a", b"1")]).unwrap();
    assert_eq!(to_box(&ampbox).unwrap(), ampbox);
    assert_eq!(from_box::<AmpBox>(&ampbox).unwrap(), ampbox);
    assert_eq!(written(vec![&ampbox]), ampbox.to_bytes());
    assert_eq!(read::<Vec<AmpBox>>(ampbox.to_bytes()), std::slice::from_ref(&ampbox));
    let received = parse(&b"\0\x04_ask\0\x011\0\x01a\0\x011\0\0"[..]);
    let without = AmpBox::from_pairs([("a", "1")]).unwrap();
    assert_eq!(from_box::<AmpBox>(&received).unwrap(), without);
    assert!(to_box(&received).is_err());
}

#[test]
fn a_map_in_descending_order_becomes_a_box_in_linear_time() {
    let json = |len| {
        let pairs: Vec<String> = (0..len).rev().map(|n| format!("\"{n:06}\":\"\"")).collect();
        (len, format!("{{{}}}", pairs.join(",")))
    };
    assert_linear(50_000, json, |(len, json)| {
        let ampbox: AmpBox = serde_json::from_str(json).unwrap();
        assert_eq!(ampbox.len(), *len);
    });
}

#[test]
fn errors_show_no_more_than_the_beginning_of_a_value() {
    #[derive(Debug, Deserialize)]
    enum Color {}
    let ampbox = AmpBox::from_pairs([("v", "\u{e9}".repeat(30_000))]).unwrap();
    let error = from_box::<V<Color>>(&ampbox).unwrap_err().to_string();
    assert!(error.starts_with("argument v: unknown variant `\u{e9}"), "{error}");
    assert!(error.len() < 400, "{} bytes", error.len());
}
