//! Values inside of values: as deep as a peer likes, without more stack than a thread has.
//!
//! Whoever decodes may have half of the stack of a thread of tokio's, 2 MiB. How much of it one
//! level takes depends on the compiler: without optimisation, which is how tests are built mostly, a
//! struct of many fields takes the most.

use std::thread;

use amp_core::argument::Json;
use amp_core::{AmpBox, Arguments, DecodeErrorKind, EncodeErrorKind};
use bytes::Bytes;
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
            let ampbox = AmpBox::parse(&mut wire(depth), amp_core::BoxLimits::default()).unwrap();
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
