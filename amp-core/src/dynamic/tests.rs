use bytes::Bytes;

use super::*;
use crate::schema::{BoxSchema, Schema};

/// The arguments of a command with these lines.
fn schema(arguments: &str) -> BoxSchema {
    let mut text = String::from("command C\n  arguments\n");
    for line in arguments.lines() {
        text.push_str("    ");
        text.push_str(line);
        text.push('\n');
    }
    let schema: Schema = text.parse().unwrap();
    schema.command("C").unwrap().arguments.clone()
}

#[test]
fn integers_keep_all_digits() {
    for (text, kept) in [
        ("0", "0"),
        ("-0", "0"),
        ("+007", "7"),
        (" -1_000\n", "-1000"),
        ("00000000000000000000000000000000000000000000000000", "0"),
    ] {
        assert_eq!(text.parse::<Integer>().unwrap().as_str(), kept);
    }
    for text in ["", "-", "_1", "1_", "1__0", "1.0", "0x10", "+-1", "1 1"] {
        assert!(text.parse::<Integer>().is_err(), "{text:?}");
    }
    let error = i8::try_from(&Integer::from(128)).unwrap_err();
    assert_eq!(error.to_string(), r#""128" is not i8"#);
}

#[test]
fn what_does_not_fit_its_schema_is_not_written() {
    let schema = schema("n: Integer\nlist: ListOf(AmpList) optional\n  x: Boolean");
    let encode = |pairs: Vec<(&str, Value)>| -> String {
        pairs.into_iter().collect::<Values>().encode(&schema).unwrap_err().to_string()
    };
    let one = || ("n", Value::Integer(1.into()));
    assert_eq!(encode(vec![]), "argument n: missing");
    assert_eq!(
        encode(vec![("n", Value::Text("1".into()))]),
        "argument n: a text where its schema has Integer"
    );
    assert_eq!(
        encode(vec![one(), ("m", Value::Boolean(true))]),
        "argument m: there is no such argument; there is list, n"
    );
    let inner: Values = [("x", Value::Float(1.0))].into_iter().collect();
    let list = Value::List(vec![Value::List(vec![Value::Box(inner)])]);
    assert_eq!(
        encode(vec![one(), ("list", list)]),
        "argument list[0][0].x: a float where its schema has Boolean"
    );
}

#[test]
fn a_box_can_be_one_around_it() {
    let schema = schema(
        "name: Unicode\nsubs: AmpList\n  key: Integer\n  below: AmpList(^1) optional\n  all: AmpList(^2) optional",
    );
    let leaf: Values = [("key", Value::Integer(2.into()))].into_iter().collect();
    let top: Values =
        [("name", Value::Text("n".into())), ("subs", Value::List(vec![]))].into_iter().collect();
    let sub: Values = [
        ("key", Value::Integer(1.into())),
        ("below", Value::List(vec![Value::Box(leaf)])),
        ("all", Value::List(vec![Value::Box(top)])),
    ]
    .into_iter()
    .collect();
    let values: Values =
        [("name", Value::Text("m".into())), ("subs", Value::List(vec![Value::Box(sub)]))]
            .into_iter()
            .collect();
    let bytes = values.encode(&schema).unwrap();
    assert_eq!(Values::decode(&schema, bytes).unwrap(), values);
    let nowhere = super::tests::schema("a: Box(^2)");
    let values: Values = [("a", Value::Box(Values::new()))].into_iter().collect();
    assert!(values.encode(&nowhere).unwrap_err().to_string().contains("none is there"));
    let error = Values::decode(&nowhere, Bytes::from_static(b"\0\x01a\0\0\0\0")).unwrap_err();
    assert!(error.to_string().contains("none is there"), "{error}");
}

#[test]
fn other_keys_are_bytes_where_the_schema_does_not_know_them_all() {
    let wire = Bytes::from_static(b"\0\x01a\0\x011\0\x01b\0\x01\xff\0\0");
    let known = schema("a: Integer");
    assert_eq!(Values::decode(&known, wire.clone()).unwrap().len(), 1);
    let strict = BoxSchema { is_strict: true, ..known };
    let error = Values::decode(&strict, wire.clone()).unwrap_err();
    assert_eq!(error.to_string(), r#"the key "b" is unknown"#);
    let open = schema("a: Integer\nunknown(\"AmpBox\")");
    let values = Values::decode(&open, wire.clone()).unwrap();
    assert_eq!(values.get("b"), Some(&Value::Bytes(Bytes::from_static(b"\xff"))));
    assert_eq!(values.encode(&open).unwrap(), wire);
    assert!(Values::decode(&open, Bytes::from_static(b"\0\x01\xff\0\0\0\0")).is_err());
}

#[test]
fn a_peer_does_not_choose_how_much_memory_is_taken() {
    let schema = schema("list: ListOf(Unicode)");
    let mut wire = b"\0\x04list\xff\xfe".to_vec();
    wire.extend(std::iter::repeat_n(0, 65_534));
    wire.extend(b"\0\0");
    let mut bytes = Bytes::from(wire);
    let error = Values::decode_within(&schema, bytes.clone(), 1 << 10).unwrap_err();
    assert!(
        matches!(error.kind(), crate::argument::DecodeErrorKind::TooMuchMemory { .. }),
        "{error}"
    );
    assert_eq!(Values::decode(&schema, bytes.clone()).unwrap().len(), 1);
    let ampbox = crate::AmpBox::parse(&mut bytes, crate::boxes::BoxLimits::default()).unwrap();
    let (mut none, data) = (crate::argument::NoAttachments, crate::argument::Extensions::default());
    let address = crate::PeerAddress::Unknown;
    let mut proto = crate::Proto::new(&mut none, &address, &data).with_decoded_bytes(1 << 10);
    let error = Values::read(&schema, &ampbox, &mut proto).unwrap_err();
    assert!(
        matches!(error.kind(), crate::argument::DecodeErrorKind::TooMuchMemory { .. }),
        "{error}"
    );
}

#[cfg(feature = "json")]
mod json {
    use super::*;

    #[track_caller]
    fn refused(schema: &BoxSchema, json: &str, message: &str) {
        assert_eq!(Values::from_json(schema, json).unwrap_err().to_string(), message, "{json}");
    }

    #[test]
    fn errors_name_the_place() {
        let schema = schema(
            "points: AmpList\n  x: Integer\n  y: Float optional\nkind: OneOf(\"a\", \"b\") optional\n\
             raw: String optional",
        );
        refused(&schema, r#"{"points": [{"x": "q"}]}"#, "points[0].x: 'q' is no Integer");
        refused(&schema, r#"{"points": [{"x": 1}, {"x": 1.5}]}"#, "points[1].x: 1.5 is no Integer");
        refused(&schema, r#"{"points": [{}]}"#, "points[0].x: missing");
        refused(
            &schema,
            r#"{"points": [{"x": null}]}"#,
            "points[0].x: missing: it is not optional",
        );
        refused(
            &schema,
            r#"{"points": [{"z": 1}]}"#,
            "points[0].z: there is no such argument; there is x, y",
        );
        refused(&schema, r#"{"points": [{"x": 1, "x": 2}]}"#, "points[0].x: it is given twice");
        refused(&schema, r#"{"points": {}}"#, "points: {} is no AmpList");
        refused(&schema, r#"{"points": [], "kind": "c"}"#, "kind: 'c' is none of a, b");
        refused(
            &schema,
            r#"{"points": [], "raw": {"hex": "00"}}"#,
            r#"raw: {"hex": "00"} is no text and no {"base64": ".."}"#,
        );
        refused(
            &schema,
            r#"{"points": [{"x": 1, "y": 1e999}]}"#,
            "points[0].y: 1e999 is too large for a Float",
        );
        refused(&schema, "[]", "[] is no object");
        let error = Values::from_json(&schema, "{").unwrap_err().to_string();
        assert!(error.starts_with("it is no JSON: "), "{error}");
    }

    #[test]
    fn values_are_shown_with_all_their_digits() {
        let schema = schema(
            "big: Integer\nbytes: String\ndate: DateTime\nflag: Boolean\nj: Json\nlist: \
             ListOf(Float)\nprice: Decimal\ntext: String",
        );
        let json = r#"{"big": 123456789012345678901234567890, "bytes": {"base64": "AP8="}, "date": "2010-06-25T16:46:37.000001-05:30", "flag": true, "j": {"a":[1.50,null]}, "list": [1.0, "inf", "-inf", 1e16, -0.0], "price": "1E+2", "text": "a\n\"b\" é"}"#;
        let values = Values::from_json(&schema, json).unwrap();
        assert_eq!(values.to_json(), json);
        let bytes = values.encode(&schema).unwrap();
        assert_eq!(Values::decode(&schema, bytes).unwrap().to_json(), json);
    }

    #[test]
    fn json_is_on_one_line_whatever_is_in_it() {
        let pretty = "{\n\t\"a\u{7f}\": [ 1.50 , \"x \\\" \u{9b}\", null ],\r\n \"b\\\\\": {} }";
        assert_eq!(
            Value::Json(pretty.into()).to_json_with(&mut |_| String::new()),
            r#"{"a\u007f":[1.50,"x \" \u009b",null],"b\\":{}}"#
        );
        let mut random = fastrand::Rng::with_seed(15);
        for _ in 0..2000 {
            let text: String = (0..random.usize(..20)).map(|_| random.char(..'\u{100}')).collect();
            let space: String = (0..random.usize(..4))
                .map(|_| *random.choice(&[' ', '\n', '\t', '\r']).unwrap())
                .collect();
            let json = format!(
                "[{space}{}{space},{space}1e5{space}]",
                serde_json::to_string(&text).unwrap()
            );
            let inner: Values = [(text.clone(), Value::Json(json.clone()))].into_iter().collect();
            let values: Values = [
                ("bytes".to_owned(), Value::Bytes(text.clone().into())),
                ("box".to_owned(), Value::Box(inner)),
                (text.clone(), Value::List(vec![Value::Text(text), Value::Json(json)])),
            ]
            .into_iter()
            .collect();
            let shown = values.to_json();
            assert!(!shown.contains(char::is_control), "{shown:?}");
            serde_json::from_str::<serde_json::Value>(&shown).unwrap();
        }
    }

    #[test]
    fn nested_input_does_not_choose_how_deep_the_stack_gets() {
        let schema = schema("l: AmpList\n  l: AmpList(^1) optional");
        let deep = |levels: usize| {
            format!("{}[]{}", r#"{"l": [{"l":"#.repeat(levels), "}]}".repeat(levels))
        };
        let nested = |levels: usize| {
            format!(r#"{{"l": {}[]{}}}"#, r#"[{"l": "#.repeat(levels), "}]".repeat(levels))
        };
        assert!(Values::from_json(&schema, &nested(60)).is_ok());
        let error = Values::from_json(&schema, &nested(200)).unwrap_err();
        assert!(error.to_string().ends_with("it is nested more than 64 deep"), "{error}");
        assert!(Values::from_json(&schema, &deep(100_000)).is_err());
    }
}

/// Bytes would become another value as soon as any crate of the program has the feature.
#[test]
fn a_type_whose_feature_is_missing_is_an_error_that_names_the_feature() {
    for (wire_type, feature, is_there) in [
        ("Json", "json", cfg!(feature = "json")),
        ("Zlib(Integer)", "zlib", cfg!(feature = "zlib")),
        ("ContinuedZlib(String)", "zlib", cfg!(feature = "zlib")),
        ("ListOf(Zlib(String))", "zlib", cfg!(feature = "zlib")),
        ("IpNetworkBytes", "ipnet", cfg!(feature = "ipnet")),
    ] {
        let schema = schema(&format!("a: {wire_type}"));
        let is_named = |error: String| error.contains(&format!("the feature `{feature}`"));
        let bytes = Value::Bytes(Bytes::from_static(b"0"));
        let value = if wire_type.starts_with("List") { Value::List(vec![bytes]) } else { bytes };
        let written = [("a", value)].into_iter().collect::<Values>().encode(&schema);
        let wire = Bytes::from_static(b"\0\x01a\0\x03\0\x010\0\0");
        let read = Values::decode(&schema, wire);
        assert_eq!(written.is_err_and(|error| is_named(error.to_string())), !is_there);
        assert_eq!(read.is_err_and(|error| is_named(error.to_string())), !is_there);
        #[cfg(feature = "json")]
        {
            let read = Values::from_json(&schema, "{\"a\": 0}");
            assert_eq!(read.is_err_and(|error| is_named(error.to_string())), !is_there);
        }
    }
    // Nothing knows it, with any feature.
    let schema = schema("a: Coordinates");
    let wire = Bytes::from_static(b"\0\x01a\0\x010\0\0");
    let values = Values::decode(&schema, wire.clone()).unwrap();
    assert_eq!(values.get("a"), Some(&Value::Bytes(Bytes::from_static(b"0"))));
    assert_eq!(values.encode(&schema).unwrap(), wire);
}
