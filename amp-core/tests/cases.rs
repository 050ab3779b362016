//! Schemas of boxes that have other arguments in each of several cases, and dynamic values by them.

use amp_core::dynamic::{Value, Values};
use amp_core::schema::{BoxSchema, CaseSchema, Schema, WireType};
use bytes::Bytes;

const SHAPES: &str = "\
command Draw
  arguments
    shapes: AmpList
      kind: OneOf(\"circle\", \"dot\", \"group\")
      label: Unicode optional
      when kind is \"circle\"
        radius: Float
      #: Nothing else.
      when kind is \"dot\"
      when kind is \"group\"
        how: OneOf(\"row\", \"stack\")
        members: AmpList(^1)
        when how is \"row\"
          gap: Integer
        when how is \"stack\"
          unknown(\"some::Layers\")
";

fn shapes() -> Schema {
    SHAPES.parse().unwrap()
}

#[test]
fn the_text_comes_back() {
    let schema = shapes();
    assert_eq!(schema.to_string(), SHAPES);
    let text = "\
command C
  arguments
    t: OneOf(\"a b\")
    when t is \"a b\"
    \"when t is\": Integer
";
    let quoted: Schema = text.parse().unwrap();
    assert_eq!(quoted.to_string().parse::<Schema>().unwrap(), quoted);
    let arguments = &quoted.command("C").unwrap().arguments;
    assert_eq!((arguments.arguments().len(), arguments.cases().len()), (2, 1));
}

#[test]
fn cases_that_cannot_be_are_refused() {
    for (lines, line, expected) in [
        (&["when t is \"a\""][..], 3, "no argument beside it can be this text"),
        (&["t: Unicode", "when t is \"a\""], 4, "no argument beside it can be this text"),
        (&["t: OneOf(\"a\")", "when t is \"b\""], 4, "no argument beside it can be this text"),
        (
            &["t: OneOf(\"a\")", "when t is \"a\"", "when t is \"a\""],
            5,
            "this case is there already",
        ),
        (
            &["t: OneOf(\"a\")", "x: Integer", "when t is \"a\"", "  x: Integer"],
            5,
            "an argument in it is in the box in any case",
        ),
        (
            &["t: OneOf(\"a\")", "x: Continued(String)", "when t is \"a\"", "  x.7: Integer"],
            5,
            "an argument in it, or one of the box, has the key of a part of the other",
        ),
        (
            &["t: OneOf(\"a\")", "x.1: Integer", "when t is \"a\"", "  x: Numbered(String)"],
            5,
            "an argument in it, or one of the box, has the key of a part of the other",
        ),
        (&["t: OneOf(\"a\")", "when t = \"a\""], 4, "expected `when NAME is \"...\"`"),
        (&["t: OneOf(\"a\")", "when t is a"], 4, "expected a text in quotes"),
        (&["t: OneOf(\"a\")", "when t is \"a\" strict"], 4, "there is too much in it"),
    ] {
        let lines: Vec<_> = lines.iter().map(|line| format!("    {line}\n")).collect();
        let text = format!("command C\n  arguments\n{}", lines.concat());
        let error = text.parse::<Schema>().unwrap_err();
        assert_eq!(error.to_string(), format!("line {line}: {expected}"), "{text}");
    }
}

#[test]
fn a_case_adds_its_text_to_what_the_tag_can_be() {
    let mut schema = BoxSchema::new();
    schema.add_case(CaseSchema::new("t", "b", BoxSchema::new()));
    schema.add_case(CaseSchema::new("t", "a", BoxSchema::new()).documented(" First."));
    assert_eq!(schema.argument("t").unwrap().wire_type, WireType::one_of(["a", "b"]));
    let cases: Vec<_> = schema.cases().iter().map(|case| (&*case.text, &*case.docs)).collect();
    assert_eq!(cases, [("a", "First."), ("b", "")]);
    assert_eq!(schema.parts().len(), 3);
    assert_eq!(schema.parts_where(|tag| (tag == "t").then_some("a")).len(), 2);
    assert_eq!(schema.parts_where(|_| None).len(), 1);
}

/// What has changed, each with `!` before it when it breaks peers.
fn changes(kind: &str, old: &str, new: &str) -> Vec<String> {
    let schema = |lines: &str| -> Schema {
        let lines = lines.replace('|', "\n    ");
        format!("command C\n  {kind}\n    {lines}\n").parse().unwrap()
    };
    let changes = schema(new).changes_since(&schema(old));
    changes
        .iter()
        .map(|change| format!("{}{change}", ["", "! "][usize::from(change.breaks)]))
        .collect()
}

#[test]
fn what_is_in_a_case_changes_as_arguments_do() {
    let a = "t: OneOf(\"a\")|when t is \"a\"";
    let ab = "t: OneOf(\"a\", \"b\")|when t is \"a\"|  x: Integer|when t is \"b\"|  y: Integer";
    let a_x = format!("{a}|  x: Integer");
    let a_optional = format!("{a}|  x: Integer optional");
    assert_eq!(changes("arguments", ab, ab), [""; 0]);
    assert_eq!(
        changes("arguments", &a_x, ab),
        ["command C, argument t: it can be \"b\", which older peers refuse"]
    );
    assert_eq!(
        changes("response", &a_x, ab),
        ["! command C, response t: it can be \"b\", which older peers refuse"]
    );
    assert_eq!(
        changes("arguments", ab, &a_x),
        ["! command C, argument t: it can no longer be \"b\", which peers may send"]
    );
    assert_eq!(
        changes("arguments", a, &a_x),
        ["! command C, t \"a\", key x: it is new and required, and older peers do not send it"]
    );
    assert_eq!(
        changes("response", a, &a_optional),
        ["command C, t \"a\", response key x: it is new and optional"]
    );
    assert_eq!(
        changes("arguments strict", a, &a_optional),
        ["! command C, t \"a\", key x: it is new, and older peers refuse a box with it"]
    );
    assert_eq!(
        changes("arguments", &a_x, "t: OneOf(\"a\")"),
        ["! command C, t \"a\", key x: it is gone, and peers send or need it"]
    );
    assert_eq!(
        changes("arguments", "t: OneOf(\"a\")", &a_x),
        ["! command C, t \"a\", key x: it is new and required, and older peers do not send it"]
    );
    // In boxes inside, too.
    let inside = |lines: &str| format!("b: Box|  {}", lines.replace('|', "|  "));
    assert_eq!(
        changes("arguments", &inside(&a_x), &inside(&a_optional)),
        ["! command C, argument b, t \"a\", key x: it is optional, and older peers need it"]
    );
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn shape(pairs: &[(&str, Value)]) -> Value {
    Value::Box(pairs.iter().cloned().collect())
}

#[test]
fn dynamic_values_are_those_of_their_case() {
    let schema = shapes();
    let schema = &schema.command("Draw").unwrap().arguments;
    let encode = |shapes: Vec<Value>| {
        let values: Values = [("shapes", Value::List(shapes))].into_iter().collect();
        values.encode(schema)
    };
    let circle = shape(&[("kind", text("circle")), ("radius", Value::Float(0.5))]);
    let dot = shape(&[("kind", text("dot")), ("label", text("here"))]);
    let row = |members| {
        shape(&[
            ("gap", Value::Integer(2.into())),
            ("how", text("row")),
            ("kind", text("group")),
            ("members", Value::List(members)),
        ])
    };
    let stack = shape(&[
        ("anything", Value::Bytes(Bytes::from_static(b"1"))),
        ("how", text("stack")),
        ("kind", text("group")),
        ("members", Value::List(vec![])),
    ]);
    let all = vec![circle.clone(), dot, row(vec![circle.clone(), stack])];
    let bytes = encode(all.clone()).unwrap();
    let values = Values::decode(schema, bytes).unwrap();
    assert_eq!(values.get("shapes"), Some(&Value::List(all)));
    #[cfg(feature = "json")]
    {
        let json = values.to_json();
        assert_eq!(Values::from_json(schema, &json).unwrap(), values, "{json}");
        for (shape, expected) in [
            (r#"{"kind": "circle"}"#, "shapes[0].radius: missing"),
            (
                r#"{"kind": "dot", "radius": 1}"#,
                "shapes[0].radius: there is no such argument; there is kind, label",
            ),
            (r#"{"kind": "cube"}"#, "shapes[0].kind: 'cube' is none of circle, dot, group"),
            (
                r#"{"gap": 1, "kind": "group", "how": "stack"}"#,
                r#"shapes[0].gap: 1 is no text and no {"base64": ".."}"#,
            ),
        ] {
            let json = format!(r#"{{"shapes": [{shape}]}}"#);
            assert_eq!(Values::from_json(schema, &json).unwrap_err().to_string(), expected);
        }
    }

    let refused = |pairs: &[(&str, Value)]| encode(vec![shape(pairs)]).unwrap_err().to_string();
    assert_eq!(refused(&[]), "argument shapes[0].kind: missing");
    assert_eq!(refused(&[("kind", text("circle"))]), "argument shapes[0].radius: missing");
    assert_eq!(
        refused(&[("kind", text("dot")), ("radius", Value::Float(0.5))]),
        "argument shapes[0].radius: there is no such argument; there is kind, label"
    );
    let decode = |wire: &'static [u8]| {
        let shape = schema.argument("shapes").unwrap();
        let WireType::AmpList(amp_core::schema::InnerBox::Of(shape)) = &shape.wire_type else {
            panic!("{shape:?}")
        };
        Values::decode(shape, Bytes::from_static(wire)).unwrap_err().to_string()
    };
    assert_eq!(decode(b"\0\x04kind\0\x06circle\0\0"), "argument radius: missing");
    assert_eq!(
        decode(b"\0\x04kind\0\x04cube\0\0"),
        "argument kind: \"cube\" is not one of \"circle\", \"dot\", \"group\""
    );
    assert_eq!(
        decode(b"\0\x03how\0\x03row\0\x04kind\0\x05group\0\x07members\0\0\0\0"),
        "argument gap: missing"
    );
}
