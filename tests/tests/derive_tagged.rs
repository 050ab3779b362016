//! What `#[derive(Arguments)]` expands to for enums: a key for the variant, and its fields beside it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use amp_core::argument::DecodeErrorKind;
use amp_core::dynamic::Values;
use amp_core::schema::{BoxSchema, Schema};
use amp_core::{AmpBox, Argument, Arguments, Command};
use amp_tests::{DEADLINE, Peer, Python, Transport};
use tokio::time::timeout;

#[derive(Arguments, Clone, Debug, PartialEq)]
#[amp(tag = "kind")]
enum Shape {
    #[amp(rename = "circle")]
    Circle {
        radius: f64,
        label: Option<String>,
    },
    /// Both names of the fields stand around the tag.
    #[amp(rename = "box")]
    Box {
        #[amp(rename = "height")]
        h: f64,
        width: f64,
        #[amp(default)]
        corners: Vec<Corner>,
    },
    Labelled(Label),
    /// Nothing at all.
    Nothing,
}

#[derive(Arguments, Clone, Debug, PartialEq)]
struct Corner {
    x: i64,
    y: i64,
}

#[derive(Arguments, Clone, Debug, PartialEq)]
struct Label {
    label: Option<String>,
    size: u8,
}

#[derive(Arguments, Debug, PartialEq)]
#[amp(tag = "t", strict)]
enum Strict<T> {
    Of { of: T },
    Struct {},
}

mod twice {
    use amp_core::{Argument, DecodeError, EncodeError, Proto, Value, ValueWriter};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "it is what the derive calls")]
    pub(crate) fn to_string_proto(
        value: &u8,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        (u16::from(*value) * 2).to_string_proto(proto, out)
    }

    pub(crate) fn from_string_proto(
        value: Value<'_>,
        proto: &mut Proto<'_>,
    ) -> Result<u8, DecodeError> {
        Ok(u8::from_string_proto(value, proto)? / 2)
    }
}

#[derive(Arguments, Debug, PartialEq)]
#[amp(tag = "t")]
enum With {
    One {
        #[amp(with = "twice")]
        a: u8,
        #[amp(with = "twice")]
        b: Option<u8>,
    },
}

fn shapes() -> Vec<Shape> {
    vec![
        Shape::Circle { radius: 0.5, label: None },
        Shape::Circle { radius: 1.0, label: Some("sun".to_owned()) },
        Shape::Box { h: 2.0, width: 3.5, corners: vec![Corner { x: 1, y: -1 }] },
        Shape::Labelled(Label { label: Some(String::new()), size: 7 }),
        Shape::Nothing,
    ]
}

#[test]
fn a_variant_is_its_key_and_its_fields() {
    let pairs: [&[(&str, &str)]; 5] = [
        &[("kind", "circle"), ("radius", "0.5")],
        &[("kind", "circle"), ("label", "sun"), ("radius", "1.0")],
        &[
            ("corners", "\0\x01x\0\x011\0\x01y\0\x02-1\0\0"),
            ("height", "2.0"),
            ("kind", "box"),
            ("width", "3.5"),
        ],
        &[("kind", "Labelled"), ("label", ""), ("size", "7")],
        &[("kind", "Nothing")],
    ];
    for (shape, pairs) in shapes().into_iter().zip(pairs) {
        let ampbox = AmpBox::from_pairs(pairs.iter().copied()).unwrap();
        let bytes = shape.encode().unwrap();
        assert_eq!(bytes, ampbox.to_bytes());
        assert_eq!(Shape::decode(bytes).unwrap(), shape);
    }
    let one = With::One { a: 2, b: Some(3) };
    let bytes = one.encode().unwrap();
    assert_eq!(&bytes[..], b"\0\x01a\0\x014\0\x01b\0\x016\0\x01t\0\x03One\0\0");
    assert_eq!(With::decode(bytes).unwrap(), one);
}

#[test]
fn what_is_no_variant_is_refused_with_its_key() {
    let refused = |pairs: &[(&str, &str)]| {
        let ampbox = AmpBox::from_pairs(pairs.iter().copied()).unwrap();
        Shape::decode(ampbox.to_bytes()).unwrap_err()
    };
    let error = refused(&[("radius", "0.5")]);
    assert_eq!(error.argument(), "kind");
    assert!(matches!(error.kind(), DecodeErrorKind::Missing), "{error}");
    let error = refused(&[("kind", "Circle"), ("radius", "0.5")]);
    let expected = r#"one of "circle", "box", "Labelled", "Nothing""#;
    assert_eq!(error.to_string(), format!("argument kind: \"Circle\" is not {expected}"));
    let error = refused(&[("kind", "circle"), ("radius", "x")]);
    assert_eq!(error.argument(), "radius");
    let error = refused(&[("kind", "box"), ("radius", "1.0"), ("width", "1.0")]);
    assert_eq!(error.argument(), "height");

    let strict = |bytes: &'static [u8]| Strict::<u8>::decode(bytes.into());
    assert_eq!(strict(b"\0\x02of\0\x015\0\x01t\0\x02Of\0\0").unwrap(), Strict::Of { of: 5 });
    assert_eq!(strict(b"\0\x01t\0\x06Struct\0\0").unwrap(), Strict::Struct {});
    strict(b"\0\x02of\0\x015\0\x01t\0\x06Struct\0\0").unwrap_err();
}

/// Draws shapes, and says when.
#[derive(Command, Clone, Debug, PartialEq)]
#[amp(response = Drawing)]
struct Draw {
    shapes: Vec<Shape>,
    one: Shape,
    pause: Duration,
    at: SystemTime,
    pairs: Vec<(i64, String)>,
    pair: (i64, bool),
}

/// The same as Twisted has understood and written it, and what it has understood.
#[derive(Arguments, Debug, PartialEq)]
struct Drawing {
    #[amp(flatten)]
    same: Same,
    said: Vec<String>,
}

#[derive(Arguments, Debug, PartialEq)]
struct Same {
    shapes: Vec<Shape>,
    one: Vec<Shape>,
    pause: Duration,
    at: SystemTime,
    pairs: Vec<(i64, String)>,
    pair: Vec<(i64, bool)>,
}

#[test]
fn the_schema_has_the_arguments_of_each_variant() {
    let mut schema = Schema::default();
    schema.add::<Draw>();
    let text = schema.to_string();
    let shape = "\
    one: Box
      kind: OneOf(\"Labelled\", \"Nothing\", \"box\", \"circle\")
      when kind is \"Labelled\"
        label: Unicode optional
        size: Integer
      #: Nothing at all.
      when kind is \"Nothing\"
      #: Both names of the fields stand around the tag.
      when kind is \"box\"
        corners: AmpList default
          x: Integer
          y: Integer
        height: Float
        width: Float
      when kind is \"circle\"
        label: Unicode optional
        radius: Float
    pair: Box
";
    assert!(text.contains(shape), "{text}");
    assert_eq!(text.parse::<Schema>().unwrap(), schema, "{text}");
}

/// Two of a kind, one in the other, and one that may be missing.
#[derive(Arguments, Debug, PartialEq)]
struct Both {
    #[amp(flatten)]
    fill: Fill,
    #[amp(flatten)]
    line: Option<Line>,
}

#[derive(Arguments, Debug, PartialEq)]
#[amp(tag = "fill", rename_all = "kebab-case")]
enum Fill {
    OneColor { color: String },
    Pattern(Pattern),
}

#[derive(Arguments, Debug, PartialEq)]
#[amp(tag = "pattern")]
enum Pattern {
    Dots {},
    Stripes { angle: i8 },
}

#[derive(Arguments, Debug, PartialEq)]
#[amp(tag = "line")]
enum Line {
    Dashed { gap: u8 },
    Solid,
}

#[test]
fn enums_stand_beside_others_and_in_each_other() {
    for (both, wire) in [
        (
            Both {
                fill: Fill::OneColor { color: "red".to_owned() },
                line: Some(Line::Dashed { gap: 3 }),
            },
            &b"\0\x05color\0\x03red\0\x04fill\0\x09one-color\0\x03gap\0\x013\0\x04line\0\x06Dashed\0\0"[..],
        ),
        (
            Both { fill: Fill::Pattern(Pattern::Stripes { angle: -45 }), line: None },
            b"\0\x05angle\0\x03-45\0\x04fill\0\x07pattern\0\x07pattern\0\x07Stripes\0\0",
        ),
    ] {
        assert_eq!(both.encode().unwrap(), wire);
        assert_eq!(Both::decode(wire.into()).unwrap(), both);
        let schema = BoxSchema::of::<Both>();
        let values = Values::decode(&schema, wire.into()).unwrap();
        assert_eq!(values.encode(&schema).unwrap(), wire);
        assert_eq!(Values::from_json(&schema, &values.to_json()).unwrap(), values);
    }
    let untagged = b"\0\x05color\0\x03red\0\x04fill\0\x09one-color\0\x03gap\0\x013\0\0";
    assert_eq!(
        Both::decode(untagged[..].into()).unwrap_err().to_string(),
        "argument line: missing"
    );
    let missing = b"\0\x05color\0\x03red\0\x04fill\0\x09one-color\0\x04line\0\x06Dashed\0\0";
    assert_eq!(Both::decode(missing[..].into()).unwrap_err().to_string(), "argument gap: missing");
}

#[tokio::test]
async fn twisted_reads_and_writes_the_same() {
    let server = Peer::start(
        Python::with_twisted(env!("CARGO_TARGET_TMPDIR")).program("shapes_server.py"),
        Transport::Tcp,
    );
    let peer = server.address().connect().await.unwrap().spawn();
    let at = UNIX_EPOCH + Duration::from_micros(1_718_000_000_123_456);
    let pairs = vec![(7, "seven".to_owned()), (-1, String::new())];
    let draw = Draw {
        shapes: shapes(),
        one: Shape::Nothing,
        pause: Duration::from_millis(90_250),
        at,
        pairs: pairs.clone(),
        pair: (3, true),
    };
    let drawing = timeout(DEADLINE, peer.call_remote(draw)).await.unwrap().unwrap();
    let same = Same {
        shapes: shapes(),
        one: vec![Shape::Nothing],
        pause: Duration::from_millis(90_250),
        at,
        pairs,
        pair: vec![(3, true)],
    };
    assert_eq!(drawing.same, same);
    assert_eq!(
        drawing.said,
        [
            "circle of 0.5",
            "circle of 1.0",
            "box of 2.0 by 3.5",
            "Labelled of 7",
            "Nothing",
            "0:01:30.250000",
            "2024-06-10T06:13:20.123456+00:00",
            "[(7, 'seven'), (-1, '')]",
            "(3, True)",
        ]
    );
}

/// A generic enum is bound by what its fields need.
fn assert_argument<T: Argument + Arguments>() {}

#[test]
fn it_is_an_argument() {
    assert_argument::<Shape>();
    assert_argument::<Strict<Vec<Shape>>>();
}
