//! Values inside of values: as deep as a peer likes, without more stack than a thread has.
//!
//! Decoding may take half of the stack of a thread of tokio's, 2 MiB. How much of it one level takes
//! depends on the compiler. Without optimisation, as tests are usually built, a struct of many fields takes
//! the most.

use std::collections::HashMap;
use std::thread;

use amp_core::argument::{DecodeErrorKind, EncodeErrorKind, Json};
use amp_core::{AmpBox, Argument, Arguments};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What values may take, and a quarter of that for what is around them.
const STACK: usize = (1 << 20) + (1 << 18);

macro_rules! wide {
    ($($field:ident)*) => {
        /// 81 fields, one of which has the struct itself in it.
        #[derive(Arguments, Serialize, Deserialize, Default)]
        #[serde(default)]
        struct Wide {
            inner: Vec<Wide>,
            $($field: Option<String>,)*
        }
    };
}

wide! {
    a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 b0 b1 b2 b3 b4 b5 b6 b7 b8 b9
    c0 c1 c2 c3 c4 c5 c6 c7 c8 c9 d0 d1 d2 d3 d4 d5 d6 d7 d8 d9
    e0 e1 e2 e3 e4 e5 e6 e7 e8 e9 f0 f1 f2 f3 f4 f5 f6 f7 f8 f9
    g0 g1 g2 g3 g4 g5 g6 g7 g8 g9 h0 h1 h2 h3 h4 h5 h6 h7 h8 h9
}

impl Wide {
    fn of_depth(depth: usize) -> Self {
        (0..depth).fold(Self::default(), |inner, _| Self { inner: vec![inner], ..Self::default() })
    }
}

/// The box of a `Wide` that is so deep, about ten bytes for each level.
fn wire(depth: usize) -> Bytes {
    (0..depth).fold(AmpBox::from_pairs([("inner", "")]).unwrap().to_bytes(), |inner, _| {
        AmpBox::from_pairs([("inner", inner)]).unwrap().to_bytes()
    })
}

fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(STACK).spawn(test).unwrap();
    thread.join().unwrap();
}

#[derive(Arguments, Debug, PartialEq)]
struct Tree {
    children: Vec<Tree>,
}

#[test]
fn a_peer_cannot_exhaust_the_stack() {
    let tree = |depth| {
        let around = |tree: Bytes| AmpBox::from_pairs([("children", tree)]).unwrap().to_bytes();
        Tree::decode((0..depth).fold(around(Bytes::new()), |tree, _| around(tree)))
    };
    assert!(tree(64).is_ok());
    let error = tree(65).unwrap_err();
    assert!(error.to_string().ends_with("boxes are nested more than 64 deep"), "{error}");
    assert!(tree(4_000).is_err(), "one value has room for that");

    let wide = Tree { children: (0..100).map(|_| Tree { children: Vec::new() }).collect() };
    assert_eq!(Tree::decode(wide.encode().unwrap()).unwrap(), wide);
}

#[test]
fn wide_structs_are_read_as_deep_as_they_are_written() {
    on_a_small_stack(|| {
        for depth in [0, 1, 10, 40, 64] {
            let written = Wide::of_depth(depth).encode().unwrap();
            assert_eq!(written, wire(depth));
            assert!(Wide::decode(written).is_ok(), "{depth} levels");
        }
        for depth in [65, 200, 5000] {
            let error = Wide::decode(wire(depth)).map(drop).unwrap_err();
            assert!(matches!(error.kind(), DecodeErrorKind::TooDeep { limit: 64 }), "{error}");
        }
        for depth in [65, 200] {
            let error = Wide::of_depth(depth).encode().unwrap_err();
            assert!(matches!(error.kind(), EncodeErrorKind::TooDeep { limit: 64 }), "{error}");
        }
    });
}

#[derive(Arguments)]
struct Text {
    json: Json<Wide>,
}

#[test]
fn no_json_takes_more_stack_than_there_is() {
    on_a_small_stack(|| {
        for depth in [1, 10, 60, 126, 200] {
            let text = format!("{}null{}", "{\"inner\":[".repeat(depth), "]}".repeat(depth));
            let text = text.replace("null", "{}");
            let ampbox = AmpBox::from_pairs([("json", text)]).unwrap().to_bytes();
            let read = Text::decode(ampbox);
            assert!(read.is_ok() || depth > 10, "{depth} levels");
            let json = Json(Wide::of_depth(depth));
            let written = Text { json }.encode();
            assert!(written.is_ok() || depth > 10, "{depth} levels");
        }
    });
}

#[test]
fn no_serde_takes_more_stack_than_there_is() {
    on_a_small_stack(|| {
        for depth in [1, 10, 40, 64, 65, 200] {
            let ampbox =
                AmpBox::parse(&mut wire(depth), amp_core::boxes::BoxLimits::default()).unwrap();
            match amp_core::serde::from_box::<Wide>(&ampbox).map(drop) {
                Ok(()) => assert!(depth <= 64),
                Err(error) => {
                    let deep = DecodeErrorKind::TooDeep { limit: 64 };
                    let known = [deep.to_string(), "nested so deep that they take".to_owned()];
                    assert!(depth > 10 && known.iter().any(|k| error.to_string().contains(k)));
                }
            }
            let written = amp_core::serde::to_box(&Wide::of_depth(depth));
            assert!(if depth <= 10 { written.is_ok() } else { depth <= 64 || written.is_err() });
        }
    });
}

/// 2 KiB that are not there in what is sent.
type Large = [[u64; 32]; 8];

/// Types that serde reads from a buffer of its own, at each level anew.
mod buffered {
    #![allow(clippy::large_enum_variant, dead_code, reason = "they are large on purpose")]

    use super::*;

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    pub(super) enum Lists {
        Number(u8),
        List(Vec<Lists>),
        Large(Large),
    }

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    pub(super) enum Boxes {
        Number(u8),
        List(Box<(Boxes,)>),
        Large(Large, Large),
    }

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    pub(super) enum Maps {
        Number(u8),
        Map(HashMap<String, Maps>),
        Large(Large),
    }

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    pub(super) enum Structs {
        Number(u8),
        Struct { a: Vec<Structs>, b: Option<Large>, c: Option<Large> },
    }

    #[derive(Serialize, Deserialize)]
    #[serde(tag = "t")]
    pub(super) enum Tagged {
        N,
        L { a: Vec<Tagged>, b: Option<Large>, c: Option<Large> },
    }

    #[derive(Serialize, Deserialize)]
    pub(super) struct Flat {
        #[serde(flatten)]
        rest: Rest,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    pub(super) enum Rest {
        Inner { a: Vec<Flat>, b: Option<Large>, c: Option<Large> },
        None {},
    }
}

#[derive(Arguments)]
struct One<T: Argument> {
    json: T,
}

/// Reads JSON of many depths as a `T`, and returns how many levels are read at least.
fn levels<T: Serialize + DeserializeOwned + 'static>(open: &str, leaf: &str, close: &str) -> usize {
    let mut read = 0;
    for depth in [1, 2, 4, 8, 16, 24, 32, 48, 64, 90, 125, 2000] {
        let text = format!("{}{leaf}{}", open.repeat(depth), close.repeat(depth));
        let ampbox = AmpBox::from_pairs([("json", text)]).unwrap().to_bytes();
        match One::<Json<T>>::decode(ampbox) {
            Ok(one) => {
                drop(one.json);
                read = depth;
            }
            Err(error) => {
                let is_deep = matches!(
                    error.kind(),
                    DecodeErrorKind::TooDeep { limit: 64 } | DecodeErrorKind::TooMuchStack { .. }
                );
                assert!(is_deep, "{depth} levels: {error}");
            }
        }
    }
    read
}

/// Each type on a thread of the usual size.
fn on_an_usual_stack(levels: impl FnOnce() -> usize + Send + 'static) {
    let thread = thread::Builder::new().stack_size(2 << 20);
    let read = thread.spawn(levels).unwrap().join().unwrap();
    let least = if cfg!(debug_assertions) { 4 } else { 16 };
    assert!(read >= least, "{read} levels");
}

#[test]
fn lists_that_serde_buffers_take_no_more_stack_than_there_is() {
    on_an_usual_stack(|| levels::<buffered::Lists>("[", "0", "]"));
    on_an_usual_stack(|| levels::<buffered::Boxes>("[", "0", "]"));
}

#[test]
fn maps_that_serde_buffers_take_no_more_stack_than_there_is() {
    on_an_usual_stack(|| levels::<buffered::Maps>("{\"a\":", "0", "}"));
}

#[test]
fn structs_that_serde_buffers_take_no_more_stack_than_there_is() {
    on_an_usual_stack(|| levels::<buffered::Structs>("{\"a\":[", "0", "]}"));
}

#[test]
fn tagged_enums_take_no_more_stack_than_there_is() {
    let (open, leaf) = ("{\"t\":\"L\",\"a\":[", "{\"t\":\"N\"}");
    on_an_usual_stack(|| levels::<buffered::Tagged>(open, leaf, "]}"));
}

#[test]
fn flattened_structs_take_no_more_stack_than_there_is() {
    on_an_usual_stack(|| levels::<buffered::Flat>("{\"a\":[", "{}", "]}"));
}

#[test]
fn any_json_may_be_as_deep_as_other_values() {
    assert_eq!(levels::<serde_json::Value>("[", "0", "]"), 64);
}
