//! Attributes of the derive macros that schemas of others ask for.

use amp_core::schema::{CommandSchema, Schema};
use amp_core::testing::pair;
use amp_core::{
    Answered, Argument, Arguments, CallError, CloseReason, Command, CommandError, OneWay,
    Responders,
};
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;

#[derive(Clone, Command, Debug, PartialEq)]
#[amp(rename_all = "camelCase", response = Opened)]
struct OpenDoor {
    door_number: u8,
    #[amp(rename = "KEY")]
    the_key: String,
    #[amp(flatten)]
    light: Option<Light>,
    #[amp(skip)]
    attempts: u32,
    #[amp(skip, default = "five")]
    patience: u32,
}

#[derive(Arguments, Clone, Debug, PartialEq)]
#[amp(rename_all = "kebab-case")]
struct Light {
    light_color: LightColor,
    is_on: Option<bool>,
}

#[derive(Argument, Clone, Debug, PartialEq)]
#[amp(rename_all = "SCREAMING-KEBAB-CASE")]
enum LightColor {
    DarkBlue,
    #[amp(rename = "red")]
    Red,
}

#[derive(Arguments, Debug, PartialEq)]
struct Opened;

fn five() -> u32 {
    5
}

fn open(light: Option<Light>) -> OpenDoor {
    OpenDoor { door_number: 7, the_key: "k".to_owned(), light, attempts: 0, patience: 5 }
}

#[test]
fn names_are_written_in_the_style_of_the_peer() {
    let light = Light { light_color: LightColor::DarkBlue, is_on: None };
    let bytes = OpenDoor { attempts: 3, ..open(Some(light.clone())) }.encode().unwrap();
    let expected = b"\0\x03KEY\0\x01k\0\x0adoorNumber\0\x017\0\x0blight-color\0\x09DARK-BLUE\0\0";
    assert_eq!(&bytes[..], expected);
    // What is not on the wire is its default again.
    assert_eq!(OpenDoor::decode(bytes).unwrap(), open(Some(light)));
}

#[test]
fn a_group_is_there_or_not() {
    let bytes = open(None).encode().unwrap();
    assert_eq!(OpenDoor::decode(bytes).unwrap(), open(None));
    let error = OpenDoor::decode(
        b"\0\x03KEY\0\0\0\x0adoorNumber\0\x017\0\x05is-on\0\x04True\0\0"[..].into(),
    );
    assert_eq!(error.unwrap_err().to_string(), "argument light-color: missing");
}

#[test]
fn schemas_have_the_names_of_the_wire() {
    let mut schema = Schema::default();
    schema.add::<OpenDoor>();
    let expected = "\
command OpenDoor
  arguments
    KEY: Unicode
    doorNumber: Integer
    is-on: Boolean optional
    light-color: OneOf(\"DARK-BLUE\", \"red\") optional
";
    assert_eq!(schema.to_string(), expected);
}

/// What is marked, and has no value of its own.
#[derive(Arguments, Debug, PartialEq)]
#[amp(bound = "")]
struct Marked<T: Kind> {
    id: u8,
    #[amp(skip)]
    kind: PhantomData<T>,
}

/// What the value is of is no argument itself.
#[derive(Arguments, Debug, PartialEq)]
#[amp(bound = "T::Id: Argument")]
struct Named<T: Kind> {
    id: T::Id,
}

trait Kind {
    type Id;
}

#[derive(Debug, PartialEq)]
struct Small;

impl Kind for Small {
    type Id = u8;
}

#[test]
fn bounds_are_those_that_are_said() {
    let marked = Marked::<Small> { id: 1, kind: PhantomData };
    assert_eq!(Marked::decode(marked.encode().unwrap()).unwrap(), marked);
    let named = Named::<Small> { id: 1 };
    assert_eq!(Named::decode(named.encode().unwrap()).unwrap(), named);
}

#[derive(Clone, CommandError, Debug, PartialEq, thiserror::Error)]
#[amp(rename_all = "kebab-case")]
enum StoreError {
    #[error("sold out")]
    SoldOut,
    #[error("no {name}, but {}", .others.join(", "))]
    NoSuchItem { name: String, others: Vec<String>, price: Option<Price> },
    #[error(transparent)]
    #[amp(include)]
    Common(CommonError),
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Price {
    cents: u64,
}

#[derive(Clone, CommandError, Debug, PartialEq, thiserror::Error)]
enum CommonError {
    #[error("{0}")]
    #[amp(fatal)]
    OnFire(String),
    #[error("it failed")]
    #[amp(code = "UNKNOWN")]
    Unknown,
    #[error("not here")]
    #[amp(code = "UNHANDLED")]
    Unhandled,
    /// It is never seen: the outer one has the code.
    #[error("sold out, too")]
    #[amp(code = "sold-out")]
    SoldOut,
}

#[derive(Clone, Command, Debug)]
#[amp(error = StoreError)]
struct Fetch {
    which: u8,
}

/// Nobody waits for its answer.
#[derive(Clone, Command, Debug)]
#[amp(one_way, error = CommonError)]
struct Hint {
    fire: bool,
}

fn every_error() -> Vec<StoreError> {
    let price = Some(Price { cents: 5 });
    let others = vec!["é".to_owned(), "\"b\"".to_owned()];
    vec![
        StoreError::SoldOut,
        StoreError::NoSuchItem { name: "a".to_owned(), others, price },
        StoreError::NoSuchItem { name: String::new(), others: vec![], price: None },
        StoreError::Common(CommonError::Unknown),
        StoreError::Common(CommonError::Unhandled),
        StoreError::Common(CommonError::OnFire("hot".to_owned())),
    ]
}

#[test]
fn codes_and_descriptions_of_errors_carry_what_is_in_them() {
    let codes = ["sold-out", "no-such-item", "no-such-item", "UNKNOWN", "UNHANDLED", "ON_FIRE"];
    for (error, code) in every_error().into_iter().zip(codes) {
        assert_eq!(error.code(), code);
        assert_eq!(error.is_fatal(), code == "ON_FIRE");
        let read = StoreError::from_wire(code.as_bytes(), &error.describe());
        assert_eq!(read, Some(error));
    }
    let described = every_error()[1].describe();
    assert_eq!(described, r#"{"name":"a","others":["\u00e9","\"b\""],"price":{"cents":5}}"#);
    assert_eq!(every_error()[0].describe(), "sold out");
    // A description of somebody else's is no error that this command declares.
    for description in ["", "no a", "[]", "{\"name\":1}", "{\"others\":[]}", &"[".repeat(60_000)] {
        assert_eq!(StoreError::from_wire(b"no-such-item", description), None, "{description:.20}");
    }
    let schema = CommandSchema::of::<Fetch>();
    let codes: Vec<_> = schema.errors().unwrap().iter().map(|error| &*error.code).collect();
    assert_eq!(codes, ["ON_FIRE", "UNHANDLED", "UNKNOWN", "no-such-item", "sold-out"]);
}

fn responders() -> Responders {
    Responders::new(())
        .respond(async |_, Fetch { which }: Fetch| Err(every_error().swap_remove(which.into())))
        .respond(async |_, Hint { fire }: Hint| {
            Err(if fire { CommonError::OnFire("hot".to_owned()) } else { CommonError::Unknown })
        })
}

#[tokio::test]
async fn every_error_is_what_its_caller_gets() {
    for (at, expected) in every_error().into_iter().enumerate() {
        let (near, _far) = pair(Responders::new(()), responders());
        let which = u8::try_from(at).unwrap();
        match near.call_remote(Fetch { which }).await {
            Err(CallError::Command(error)) => assert_eq!(error, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_one_way_call_may_fail_as_it_declares() {
    fn is_one_way<C: OneWay>() {}
    is_one_way::<Hint>();
    assert!(CommandSchema::of::<Hint>().errors().unwrap().iter().any(|error| error.is_fatal));

    // A caller that asks for an answer gets one.
    let (near, _far) = pair(Responders::new(()), responders());
    let asked = near.call_by_name(Hint::NAME, [("fire", "False")]).await.unwrap_err();
    let CallError::Remote(error) = asked else { panic!("{asked:?}") };
    assert_eq!((&error.code[..], &*error.description), (&b"UNKNOWN"[..], "it failed"));
    let asked = near.call_remote(Answered(Hint { fire: false })).await.unwrap_err();
    assert!(matches!(asked, CallError::Command(CommonError::Unknown)), "{asked}");

    // And nobody else; but a fatal one closes the connection.
    near.notify(Hint { fire: true }).await.unwrap();
    assert!(matches!(near.closed().await, CloseReason::Peer));
}
