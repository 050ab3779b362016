//! What a schema takes from the source of commands beside what is on the wire.

#[path = "support/codec.rs"]
mod codec;

use amp_core::schema::Schema;
use amp_core::{Arguments, Command, CommandError};

#[track_caller]
fn assert_schema<C: Command>(expected: &str) {
    let mut schema = Schema::default();
    schema.add::<C>();
    assert_eq!(schema.to_string(), expected);
    assert_eq!(expected.parse::<Schema>().unwrap(), schema);
}

#[derive(Arguments)]
struct Point {
    x: i64,
    y: Option<f64>,
}

/// Divides one integer by another.
///
///     indented
#[derive(Command)]
#[amp(error = DocumentedError, idempotent)]
struct Documented {
    /// What is divided.
    numerator: i64,
    #[doc = "By what."]
    #[amp(default)]
    denominator: i64,
    /// Of their own.
    #[amp(flatten)]
    point: Point,
    undocumented: bool,
}

#[derive(CommandError, Debug, thiserror::Error)]
enum DocumentedError {
    /// The denominator is zero.
    #[error("division by zero")]
    ZeroDivision,
}

#[test]
fn documentation_is_taken_from_the_source() {
    let expected = "\
#: Divides one integer by another.
#:
#:     indented
#! idempotent
command Documented
  arguments
    #: By what.
    denominator: Integer default
    #: What is divided.
    numerator: Integer
    undocumented: Boolean
    x: Integer
    y: Float optional
  errors
    #: The denominator is zero.
    ZERO_DIVISION
";
    assert_schema::<Documented>(expected);
}

#[derive(Command)]
#[amp(response = Opened, error = LogInError)]
struct LogInWith {
    user: String,
    #[amp(secret, rename = "pass-word")]
    password: String,
    #[amp(flatten)]
    further: Further,
    devices: Vec<Device>,
}

#[derive(Arguments)]
struct Further {
    #[amp(secret)]
    pin: Option<u16>,
}

#[derive(Arguments)]
struct Device {
    name: String,
    #[amp(secret, with = "codec", default)]
    key: f64,
}

#[derive(Arguments)]
struct Opened {
    #[amp(secret)]
    token: Vec<u8>,
    #[amp(secret)]
    pin: u16,
}

#[derive(CommandError, Debug, thiserror::Error)]
enum LogInError {
    /// Nobody knows why.
    #[error("unauthorized")]
    #[amp(exception = "UnauthorizedLogin", fatal)]
    Unauthorized,
    #[error("locked")]
    Locked,
}

#[test]
fn secrets_and_exceptions_are_marked_in_the_source() {
    let mut schema = Schema::default();
    schema.add::<LogInWith>();
    let command = schema.command("LogInWith").unwrap();
    assert_eq!(command.secrets(), ["key", "pass-word", "pin", "token"]);
    let errors = command.errors().unwrap();
    let exceptions: Vec<_> =
        errors.iter().map(|error| (&*error.code, error.exception.as_deref())).collect();
    assert_eq!(exceptions, [("LOCKED", None), ("UNAUTHORIZED", Some("UnauthorizedLogin"))]);
    let text = schema.to_string();
    assert!(text.starts_with("#! secret key\n#! secret pass-word\n#! secret pin\n"), "{text}");
    assert!(
        text.contains("    #: Nobody knows why.\n    #! exception UnauthorizedLogin\n"),
        "{text}"
    );
    assert_eq!(text.parse::<Schema>().unwrap(), schema);
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn a_server_hands_out_its_schema_only_when_it_is_told_to() {
    use amp_core::{Reflect, Responders, testing};

    let mut schema = Schema::default();
    schema.add::<Documented>();
    let none = testing::call_remote(&Responders::new(()), Reflect).await.unwrap_err();
    assert!(none.to_string().contains("UNHANDLED"), "{none}");
    let long = "x".repeat(100_000);
    let long: Schema = format!("#: {long}\n{schema}").parse().unwrap();
    let responders = Responders::new(()).respond_schema(&long);
    let reflected = testing::call_remote(&responders, Reflect).await.unwrap();
    assert_eq!(reflected.schema.parse::<Schema>().unwrap(), long);
}
