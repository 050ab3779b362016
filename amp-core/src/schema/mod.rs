//! Schemas: what commands look like on the wire, as data. They have the names and types of arguments,
//! which of them are optional, and the codes of errors.
//!
//! The derive macros and the argument types of this crate provide schemas. A program that does not use
//! them pays nothing. [`SchemaRecord`](crate::testing::SchemaRecord) keeps a schema in a file beside the
//! tests, and fails the test when a change would break a peer.
//!
//! ```
//! use amp_core::schema::Schema;
//! use amp_core::{Arguments, Command, CommandError};
//!
//! #[derive(Command)]
//! #[amp(response = Quotient, error = DivideError)]
//! struct Divide {
//!     numerator: i64,
//!     denominator: i64,
//!     digits: Option<u8>,
//! }
//!
//! #[derive(Arguments)]
//! struct Quotient {
//!     result: f64,
//! }
//!
//! #[derive(CommandError, Debug, thiserror::Error)]
//! enum DivideError {
//!     #[error("division by zero")]
//!     ZeroDivision,
//! }
//!
//! let text = "\
//! command Divide
//!   arguments
//!     denominator: Integer
//!     digits: Integer optional
//!     numerator: Integer
//!   response
//!     result: Float
//!   errors
//!     ZERO_DIVISION
//! ";
//! let mut schema = Schema::default();
//! schema.add::<Divide>();
//! assert_eq!(schema.to_string(), text);
//! assert_eq!(text.parse::<Schema>()?, schema);
//! # Ok::<(), amp_core::schema::SchemaError>(())
//! ```
//!
//! # The text
//!
//! Each argument has a line. The lines for its contents are indented by two more spaces. An `optional`
//! argument may be left out. A `default` argument is always sent, but may be missing when it is
//! received. `^1` stands for the box that the line is in, and `^2` for the box around that one.
//! `unknown` is a type that does not tell what it looks like on the wire.
//!
//! The arguments below `when KEY is "TEXT"` are in the box only if the argument `KEY` beside them has
//! that value. These are the variants of an enum that derives
//! [`Arguments`](derive@crate::Arguments).
//!
//! ```text
//! command Draw
//!   arguments
//!     shape: Box
//!       kind: OneOf("circle", "dot", "rectangle")
//!       when kind is "circle"
//!         radius: Float
//!       when kind is "dot"
//!       when kind is "rectangle"
//!         height: Float
//!         width: Float
//! ```
//!
//! Lines that begin with `#:` are the documentation of the line below them. The derive macros take it
//! from doc comments. Lines that begin with `#!` are facts for programs: that a command is
//! `idempotent`, that the value of a key is secret (`secret KEY`), or which exception in Python an error
//! corresponds to (`exception NAME`). In Rust they come from `#[amp(idempotent)]` of a command,
//! `#[amp(secret)]` of a field (including fields of boxes inside the command), and
//! `#[amp(exception = "NAME")]` of an error. A secret key must be a key of the command, unless its keys
//! are not known. A command that asks for a [protocol switch](crate::ProtocolSwitch) has ` switch` after
//! its name. Other lines that begin with `#` are comments.
//!
//! ```text
//! #: Opens a session.
//! #! secret password
//! command LogIn
//!   arguments
//!     password: Unicode
//!     #: Without one, the user's own.
//!     user: Unicode optional
//!   errors
//!     #! exception UnauthorizedLogin
//!     UNAUTHORIZED fatal
//!
//! command StartTLS switch
//! ```
//!
//! # What a schema does not show
//!
//! A schema does not show the values that a type allows, such as the range of an integer, the length of
//! an array or the zone of a date: if an `i64` becomes a `u8`, it is still an `Integer`. It does not
//! show what the functions of `#[amp(with = "...")]` do either, nor what a type looks like that
//! implements [`Argument`](crate::Argument) by hand without [`wire_type`](crate::Argument::wire_type).
//! It shows the paths of those in the program instead.

mod clash;
mod compare;
mod model;
mod parse;
mod parts;
pub(crate) mod scope;
mod text;
mod types;

pub use clash::SchemaClash;
pub use compare::Change;
pub use model::{
    ArgumentSchema, BoxSchema, CaseSchema, CommandSchema, ErrorSchema, InnerBox, Presence, Schema,
    WireType,
};
pub(crate) use model::{lines_of, names_of};
pub use parse::SchemaError;
pub use types::WireTypes;
