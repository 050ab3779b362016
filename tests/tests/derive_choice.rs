//! What `#[derive(Argument)]` expands to: a text out of a fixed set.

use amp_core::argument::DecodeErrorKind;
use amp_core::{Argument, Arguments, Command, DecodeError, Proto, Value, ValueWriter};
use bytes::BytesMut;

#[derive(Argument, Debug, Clone, Copy, PartialEq)]
#[allow(non_camel_case_types)]
enum Color {
    Red,
    #[amp(rename = "dark-blue")]
    DarkBlue = 7,
    r#static,
    #[amp(rename = "")]
    Transparent,
    #[amp(rename = "gr\u{fc}n\"")]
    Green,
}

const ALL: [(Color, &str); 5] = [
    (Color::Red, "Red"),
    (Color::DarkBlue, "dark-blue"),
    (Color::r#static, "static"),
    (Color::Transparent, ""),
    (Color::Green, "gr\u{fc}n\""),
];

#[derive(Argument, Debug, PartialEq)]
enum Only {
    One,
}

#[derive(Command, Debug, PartialEq)]
struct Paint {
    color: Color,
    others: Vec<Color>,
    border: Option<Color>,
}

fn encode(value: &impl Argument) -> BytesMut {
    let mut out = BytesMut::new();
    Proto::detached(|proto| value.to_string_proto(proto, &mut ValueWriter::new(&mut out))).unwrap();
    out
}

fn decode<T: Argument>(bytes: &[u8]) -> Result<T, DecodeError> {
    Proto::detached(|proto| T::from_string_proto(Value::from(bytes), proto))
}

#[test]
fn a_variant_is_its_text() {
    for (color, text) in ALL {
        assert_eq!(encode(&color), text);
        assert_eq!(decode::<Color>(text.as_bytes()).unwrap(), color);
    }
    assert_eq!(decode::<Only>(&encode(&Only::One)).unwrap(), Only::One);
}

#[test]
fn any_other_text_is_refused() {
    let expected = "one of \"Red\", \"dark-blue\", \"static\", \"\", \"gr\u{fc}n\\\"\"";
    for other in [&b"red"[..], b"DarkBlue", b"Red ", b"Re", b"r#static", b"7", b"\xff"] {
        let error = decode::<Color>(other).unwrap_err();
        let DecodeErrorKind::Malformed { expected: named, .. } = error.kind() else {
            panic!("{error}")
        };
        assert_eq!(*named, expected);
    }
    assert_eq!(decode::<Only>(b"Two").unwrap_err().to_string(), r#""Two" is not "One""#);
}

#[test]
fn it_is_an_argument_as_others_are() {
    let paint = Paint {
        color: Color::Red,
        others: vec![Color::Transparent, Color::r#static],
        border: None,
    };
    let bytes = paint.encode().unwrap();
    assert_eq!(bytes, &b"\0\x05color\0\x03Red\0\x06others\0\x0a\0\0\0\x06static\0\0"[..]);
    assert_eq!(Paint::decode(bytes).unwrap(), paint);
    let bytes = &b"\0\x05color\0\x03Red\0\x06others\0\x02\0\0\0\x06border\0\x01x\0\0"[..];
    let error = Paint::decode(bytes.into()).unwrap_err();
    assert_eq!(error.argument(), "border");
}
