//! What commands say of their form on the wire.

#[path = "support/codec.rs"]
mod codec;

use amp_core::argument::{Continued, DateTime, Decimal, FromConnection, Numbered, Packed};
use amp_core::schema::{BoxSchema, CommandSchema, ErrorSchema, Schema, WireType, WireTypes};
use amp_core::{
    AmpBox, Argument, Arguments, Command, CommandError, DecodeError, EncodeError, PeerAddress,
    Proto, Value, ValueWriter,
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;

fn wire_type<T: Argument>() -> String {
    WireTypes::default().of::<T>().to_string()
}

#[track_caller]
fn assert_schema<C: Command>(expected: &str) {
    let mut schema = Schema::default();
    schema.add::<C>();
    assert_eq!(schema.to_string(), expected);
    assert_eq!(expected.parse::<Schema>().unwrap(), schema);
}

#[test]
fn types_are_named_as_amp_names_them() {
    for (seen, expected) in [
        (wire_type::<i64>(), "Integer"),
        (wire_type::<u8>(), "Integer"),
        (wire_type::<NonZero<u16>>(), "Integer"),
        (wire_type::<Bytes>(), "String"),
        (wire_type::<Vec<u8>>(), "String"),
        (wire_type::<[u8; 4]>(), "String"),
        (wire_type::<Box<[u8]>>(), "String"),
        (wire_type::<String>(), "Unicode"),
        (wire_type::<Arc<str>>(), "Unicode"),
        (wire_type::<char>(), "Unicode"),
        (wire_type::<f32>(), "Float"),
        (wire_type::<bool>(), "Boolean"),
        (wire_type::<Decimal>(), "Decimal"),
        (wire_type::<DateTime>(), "DateTime"),
        (wire_type::<PathBuf>(), "Path"),
        (wire_type::<IpAddr>(), "Unicode"),
        (wire_type::<SocketAddr>(), "Unicode"),
        (wire_type::<Packed<IpAddr>>(), "IpAddressBytes"),
        (wire_type::<Vec<String>>(), "ListOf(Unicode)"),
        (wire_type::<VecDeque<f64>>(), "ListOf(Float)"),
        (wire_type::<BTreeSet<i64>>(), "ListOf(Integer)"),
        (wire_type::<HashSet<i64>>(), "ListOf(Integer)"),
        (wire_type::<[i64; 3]>(), "ListOf(Integer)"),
        (wire_type::<Vec<Vec<Box<i64>>>>(), "ListOf(ListOf(Integer))"),
        (wire_type::<Vec<Arc<u8>>>(), "String"),
        (wire_type::<Vec<Point>>(), "AmpList"),
        (wire_type::<Point>(), "Box"),
        (wire_type::<BTreeMap<String, i64>>(), "AmpList"),
        (wire_type::<Continued<String>>(), "Continued(Unicode)"),
        (wire_type::<Color>(), "OneOf(\"Red\", \"dark-blue\")"),
    ] {
        assert_eq!(seen, expected);
    }
}

#[cfg(feature = "zlib")]
#[test]
fn compressed_values_say_what_is_in_them() {
    use amp_core::argument::{ContinuedZlib, Zlib};
    assert_eq!(wire_type::<Numbered<Zlib<String>>>(), "Numbered(Zlib(Unicode))");
    assert_eq!(wire_type::<ContinuedZlib<String>>(), "ContinuedZlib(Unicode)");
}

/// Each is given with its feature.
macro_rules! types_of_other_crates {
    ($($feature:literal: $test:ident { $($ty:ty = $expected:literal),* })*) => { $(
        #[cfg(feature = $feature)]
        #[test]
        fn $test() {
            $(assert_eq!(wire_type::<$ty>(), $expected);)*
        }
    )* };
}

types_of_other_crates! {
    "chrono": types_of_chrono {
        chrono::DateTime<chrono::FixedOffset> = "DateTime",
        chrono::DateTime<chrono::Utc> = "DateTime"
    }
    "ipnet": types_of_ipnet {
        ipnet::IpNet = "Unicode",
        Packed<ipnet::IpNet> = "IpNetworkBytes"
    }
    "jiff": types_of_jiff { jiff::Zoned = "DateTime", jiff::Timestamp = "DateTime" }
    "json": types_of_json { amp_core::argument::Json<Vec<i64>> = "Json" }
    "num-bigint": types_of_num_bigint {
        num_bigint::BigInt = "Integer",
        num_bigint::BigUint = "Integer"
    }
    "rust_decimal": types_of_rust_decimal { rust_decimal::Decimal = "Decimal" }
    "time": types_of_time { time::OffsetDateTime = "DateTime" }
    "url": types_of_url { url::Url = "Unicode" }
    "uuid": types_of_uuid {
        uuid::Uuid = "Unicode",
        amp_core::argument::UuidBytes = "String",
        amp_core::argument::UuidInteger = "Integer"
    }
}

#[derive(Argument)]
enum Color {
    #[amp(rename = "dark-blue")]
    DarkBlue,
    Red,
}

#[derive(Arguments)]
struct Point {
    x: i64,
    y: Option<f64>,
}

#[derive(Command)]
#[amp(name = "Draw it", response = Drawn, error = DrawError)]
struct Draw {
    #[amp(rename = "the-color")]
    color: Color,
    points: Vec<Point>,
    #[amp(default)]
    width: u32,
    #[amp(default)]
    title: Option<String>,
    #[amp(with = "codec")]
    angle: f64,
    #[amp(with = "codec")]
    turn: Option<f64>,
    #[amp(flatten)]
    who: Who,
    image: Option<Numbered<Vec<u8>>>,
    labels: HashMap<Color2, Vec<Point>>,
    address: PeerAddress,
    session: FromConnection<u64>,
}

type Color2 = String;

#[derive(Arguments)]
struct Who {
    user: String,
}

#[derive(Arguments)]
#[amp(strict)]
struct Drawn {
    inner: Strict,
}

#[derive(Arguments)]
#[amp(strict)]
struct Strict {
    list: Vec<Vec<Strictly>>,
}

#[derive(Arguments)]
#[amp(strict)]
struct Strictly {}

#[derive(CommandError, Debug, thiserror::Error)]
enum DrawError {
    #[error("no ink")]
    NoInk,
    #[error("{0}")]
    #[amp(code = "ON FIRE", fatal)]
    OnFire(String),
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "these are the signatures of a codec")]
#[test]
fn a_command_says_all_that_is_on_the_wire() {
    assert_schema::<Draw>(
        "\
command \"Draw it\"
  arguments
    angle: unknown(\"codec\")
    image: Numbered(String) optional
    labels: AmpList
      key: Unicode
      value: AmpList
        x: Integer
        y: Float optional
    points: AmpList
      x: Integer
      y: Float optional
    the-color: OneOf(\"Red\", \"dark-blue\")
    title: Unicode optional
    turn: unknown(\"codec\") optional
    user: Unicode
    width: Integer default
  response strict
    inner: Box strict
      list: ListOf(AmpList strict)
  errors
    NO_INK
    \"ON FIRE\" fatal
",
    );
}

#[derive(Command)]
#[amp(one_way, strict)]
struct Log {}

#[test]
fn a_one_way_command_has_neither_response_nor_errors() {
    assert_schema::<Log>("command Log one-way\n  arguments strict\n");
}

#[derive(Command)]
#[amp(switch)]
struct Leave {}

#[test]
fn a_command_that_asks_for_a_switch_says_so() {
    assert_schema::<Leave>("command Leave switch\n");
}

#[derive(Command)]
#[amp(response = AmpBox, error = ByHandError)]
struct ByHand {
    opaque: Opaque,
    celsius: Vec<Celsius>,
}

struct Opaque;

impl Argument for Opaque {
    fn to_string_proto(
        &self,
        _: &mut Proto<'_>,
        _: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        Ok(())
    }

    fn from_string_proto(_: Value<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Ok(Self)
    }
}

struct Celsius(f64);

impl Argument for Celsius {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        self.0.to_string_proto(proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        f64::from_string_proto(value, proto).map(Self)
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("degrees Celsius")
    }
}

#[derive(Debug, thiserror::Error)]
#[error("by hand")]
struct ByHandError;

impl CommandError for ByHandError {
    fn code(&self) -> &'static str {
        "BY_HAND"
    }

    fn from_wire(code: &[u8], _: &str) -> Option<Self> {
        (code == b"BY_HAND").then_some(Self)
    }
}

#[test]
fn what_does_not_say_what_it_is_is_known_by_its_path() {
    assert_schema::<ByHand>(
        "\
command ByHand
  arguments
    celsius: ListOf(\"degrees Celsius\")
    opaque: unknown(\"schema::Opaque\")
  response
    unknown(\"AmpBox\")
  errors unknown
",
    );
}

#[derive(Command)]
#[amp(response = Tree)]
struct Plant {
    tree: Tree,
    turtles: Turtles,
}

#[derive(Arguments)]
struct Tree {
    children: Vec<Tree>,
    twin: Option<Box<Tree>>,
    leaves: Vec<Leaf>,
}

#[derive(Arguments)]
struct Leaf {
    on: Option<Box<Tree>>,
}

/// A type that contains itself without a box around it.
struct Turtles(Vec<Turtles>);

impl Argument for Turtles {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        self.0.to_string_proto(proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Vec::from_string_proto(value, proto).map(Self)
    }

    fn wire_type(types: &mut WireTypes) -> WireType {
        types.of::<Vec<Turtles>>()
    }
}

#[test]
fn types_may_contain_themselves() {
    assert_schema::<Plant>(
        "\
command Plant
  arguments
    tree: Box
      children: AmpList(^1)
      leaves: AmpList
        on: Box(^2) optional
      twin: Box(^1) optional
    turtles: ListOf(ListOf(Itself))
  response
    children: AmpList(^1)
    leaves: AmpList
      on: Box(^2) optional
    twin: Box(^1) optional
",
    );
}

#[test]
fn a_type_asked_for_outside_of_a_schema_is_described_too() {
    let schema = BoxSchema::of::<Point>();
    let names: Vec<_> = schema.arguments().iter().map(|argument| argument.name.as_str()).collect();
    assert_eq!(names, ["x", "y"]);
}

mod other {
    #[derive(amp_core::Command)]
    #[amp(one_way)]
    pub(super) struct Log {
        pub(super) text: String,
    }
}

#[test]
#[should_panic(expected = "two different commands are named \"Log\"")]
fn two_commands_have_two_names() {
    let mut schema = Schema::default();
    schema.add::<Log>();
    schema.add::<Log>();
    schema.add::<other::Log>();
}

/// A schema may be what a peer says of itself.
#[test]
fn many_cases_take_no_longer_each() {
    let of = |count: usize| {
        let texts: Vec<_> = (0..count).map(|n| format!("\"{n}\"")).collect();
        let cases = texts.iter().map(|text| format!("    when k is {text}\n"));
        let cases = cases.collect::<Vec<_>>().concat();
        format!("command A\n  arguments\n    k: OneOf({})\n{cases}", texts.join(", "))
    };
    let schema: Schema = of(100_000).parse().unwrap();
    assert_eq!(schema.command("A").unwrap().arguments.cases().len(), 100_000);
}

#[test]
fn texts_that_are_no_schema_are_refused() {
    for (text, line, what) in [
        ("Sum", 1, "expected `command NAME`"),
        ("# a\n\ncommand", 3, "expected `command NAME`"),
        ("command A B", 1, "there is too much in it"),
        ("command A\ncommand A", 2, "a command of this name is there already"),
        ("command A\n  response\n  response", 3, "this is there already"),
        ("command A\n  arguments\n  response\n  arguments strict", 4, "this is there already"),
        ("command A\n  errors\n  errors unknown", 3, "this is there already"),
        (
            "command A\n  errors\n    #! exception B\n    #! exception C\n    D",
            4,
            "this is there already",
        ),
        (
            "command A\n  arguments\n    a.0: Integer\n    a: Numbered(String)",
            4,
            "it, or one above, has the key of a part of the other",
        ),
        (
            "command A\n  arguments\n    a: ContinuedZlib(String)\n    a.2: Integer",
            4,
            "it, or one above, has the key of a part of the other",
        ),
        ("command A\n  errors\n    B\n    B fatal", 4, "an error of this code is there already"),
        (
            "command A\n  response\n    a: Integer\n    b: Float\n    a: Float",
            5,
            "an argument of this name is there already",
        ),
        (
            "command A\n  response\n    a: Box\n      b: Float\n      b: Float optional",
            5,
            "an argument of this name is there already",
        ),
        (" command A", 1, "it is indented too much or too little"),
        ("command A\n    arguments", 2, "it is indented too much or too little"),
        ("command A\n  argument", 2, "expected `arguments`, `response` or `errors`"),
        ("command A\n  argumentss", 2, "there is too much in it"),
        ("command A\n  arguments\n    a", 3, "expected `NAME: TYPE`"),
        ("command A\n  arguments\n    a: ", 3, "expected `NAME: TYPE`"),
        ("command A\n  arguments\n    a: Integer maybe", 3, "there is too much in it"),
        ("command A\n  arguments\n    a: ListOf(Integer", 3, "expected `)`"),
        ("command A\n  arguments\n    a: OneOf(\"a\" \"b\")", 3, "expected `, ` or `)`"),
        ("command A\n  arguments\n    a: OneOf()", 3, "it has no text that it can be"),
        (
            "command A\n  response\n    a: OneOf(\"b\", \"a\", \"b\")",
            3,
            "a text of it is there twice",
        ),
        ("command A\n  arguments\n    a: AmpList(^x)", 3, "expected `^NUMBER`"),
        ("command A\n  arguments\n    \"a: Integer", 3, "expected a text in quotes"),
        ("command A\n  arguments\n    \"\\u{110000}\": Integer", 3, "expected a text in quotes"),
        (
            "command A\n  arguments\n    a: Integer\n      b: Integer",
            4,
            "the line above has nothing inside of it",
        ),
        ("command A\n  errors\n    A\n      B", 4, "the line above has nothing inside of it"),
        ("command A\n  errors unknown fatal", 2, "there is too much in it"),
        ("#! secret\ncommand A", 1, "expected a name"),
        ("#! secret tokne\ncommand A\n  response\n    token: String", 1, "it has no such key"),
        ("#! idempotent now\ncommand A", 1, "there is too much in it"),
        ("#: x\n#! sceret a\ncommand A", 2, "expected `#! idempotent` or `#! secret KEY`"),
        ("command A\n  #! secret a\n  arguments", 2, "it cannot be said of what is below"),
        (
            "command A\n  arguments\n    #! secret a\n    a: Integer",
            3,
            "it cannot be said of what is below",
        ),
        ("command A\n  errors\n    #! fatal\n    A", 3, "expected `#! exception NAME`"),
        ("command A\n#! idempotent", 2, "nothing is below of what it says"),
        ("command A switch one-way", 1, "there is too much in it"),
    ] {
        let error = text.parse::<Schema>().unwrap_err();
        assert_eq!(error.to_string(), format!("line {line}: {what}"), "{text}");
    }
    let deep = "ListOf(".repeat(100_000);
    let error = format!("command A\n  arguments\n    a: {deep}").parse::<Schema>().unwrap_err();
    assert_eq!(error.to_string(), "line 3: the type is too deep");
}

/// A key that is secret is one of any of its boxes, or of what nothing is known of.
#[test]
fn secrets_are_keys_wherever_they_are() {
    for inside in [
        "    key: String",
        "    a: ListOf(Zlib(AmpList))\n      b: Box\n        key: Integer",
        "    a: OneOf(\"b\")\n    when a is \"b\"\n      key: String optional",
        "    unknown(\"a::Rest\")",
        "    a: unknown(\"a::Credentials\")",
    ] {
        for part in ["arguments", "response"] {
            let text = format!("#! secret key\ncommand A\n  {part}\n{inside}\n");
            let schema: Schema = text.parse().unwrap_or_else(|error| panic!("{text}{error}"));
            assert_eq!(schema.command("A").unwrap().secrets(), ["key"]);
            assert_eq!(schema.to_string(), text);
        }
    }
}

#[test]
fn names_of_any_kind_come_back() {
    let odd = "\"a b: \\\"c\\\\ \\u{0}\\u{a}\u{e9}\"";
    let text = format!(
        "command {odd}\n  arguments\n    {odd}: OneOf({odd}) default\n    \"unknown(\": Unicode\n  errors\n    {odd}\n"
    );
    assert_eq!(text.parse::<Schema>().unwrap().to_string(), text);
}

#[test]
fn the_commands_of_the_library_have_their_schemas() {
    let mut schema = Schema::default();
    schema.add::<amp_core::Ping>();
    schema.add::<amp_core::Reflect>();
    let text = "\
#: Asks whether the peer is there.
command Ping

#: Asks for the schema of the commands that are answered.
#! idempotent
command _Schema
  response
    schema: Continued(Unicode)
";
    assert_eq!(schema.to_string(), text);
    #[cfg(feature = "tls")]
    {
        let mut schema = Schema::default();
        schema.add::<amp_core::tls::StartTls>();
        let text = "#: Asks for TLS on this connection.\ncommand StartTLS switch\n";
        assert_eq!(schema.to_string(), text);
    }
}

#[test]
fn a_schema_that_clashes_adds_nothing_to_another() {
    let [before, other, more] = [
        "command A\n\ncommand C\n",
        "command A\n\ncommand B\n\ncommand C one-way\n",
        "command A\n\ncommand D\n",
    ]
    .map(|text| text.parse::<Schema>().unwrap());
    let mut schema = before.clone();
    let clash = schema.merge(other).unwrap_err();
    assert_eq!(clash.command, "C");
    assert_eq!(clash.to_string(), "both schemas have a command \"C\", and they differ");
    assert_eq!(schema, before);
    schema.merge(more).unwrap();
    assert_eq!(schema.to_string(), "command A\n\ncommand C\n\ncommand D\n");
}

#[test]
fn a_schema_can_be_made_without_types() {
    let integer = || WireType::named("Integer");
    let mut schema = Schema::default();
    let sum = || {
        let mut arguments = BoxSchema::required("b", integer());
        arguments.extend(BoxSchema::required("a", integer()).optional());
        CommandSchema::new(arguments, BoxSchema::required("total", integer()))
    };
    schema.insert("Sum", sum()).unwrap();
    schema.insert("Sum", sum()).unwrap();
    assert_eq!(schema.to_string().parse::<Schema>().unwrap(), schema);
    let other = CommandSchema::new(BoxSchema::new(), BoxSchema::new());
    assert_eq!(schema.insert("Sum", other).unwrap_err().command, "Sum");

    // Whatever the order in which they come, that of a schema is the one in which it is read.
    let mut command = sum();
    let mut taken = command.arguments.take_arguments();
    taken[0].name = "z".to_owned();
    command.arguments.extend(taken.into_iter().collect());
    let names: Vec<_> = command.arguments.arguments().iter().map(|one| &*one.name).collect();
    assert_eq!(names, ["b", "z"]);
    assert!(command.arguments.argument("z").is_some() && command.arguments.argument("b").is_some());
    assert!(command.arguments.argument("a").is_none());
    let codes = ["OUT", "BROKEN", "OUT"].map(|code| ErrorSchema::new(code, false));
    let command = command.with_secrets(["z", "b"]).with_errors(codes.to_vec());
    assert_eq!(command.secrets(), ["b", "z"]);
    assert_eq!(command.errors().unwrap().len(), 2);
    let mut schema = Schema::default();
    schema.insert("Sum", command).unwrap();
    assert_eq!(schema.to_string().parse::<Schema>().unwrap(), schema);
}
