//! The look of commands on the wire, as data: names, types, what may be missing, codes of
//! errors.
//!
//! The derive macros know it, and the argument types of this crate do. It costs nothing where
//! nobody asks. [`SchemaRecord`](crate::testing::SchemaRecord) keeps it in a file beside the tests,
//! and fails the test when a change would break a peer.
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
//! A line for each argument, and lines two spaces deeper for what is inside of it. `optional` is an
//! argument that may be left out; `default` is one that is always sent, and that may be missing in
//! what is received. `^1` is the box that the line stands in, once more, and `^2` the one around
//! that. `unknown` is a type that does not say what it is on the wire.
//!
//! Below `when KEY is "TEXT"` are arguments that are in the box only where that one, which is beside it,
//! has that value: the variants of an enum that derives [`Arguments`](derive@crate::Arguments).
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
//! Lines that begin with `#:` are the documentation of the line below them; the derive macros take
//! it from doc comments. Behind `#!` is what programs want to know of it: of a command that it is
//! `idempotent`, or that the value of a key is `secret KEY`, and of an error which `exception NAME`
//! it is in Python. In Rust these are `#[amp(idempotent)]` of a command, `#[amp(secret)]` of a field,
//! also of one in a box inside of it, and `#[amp(exception = "NAME")]` of an error. A key that is secret is
//! one that the command has, unless its keys are not known. A command that asks for a
//! [protocol switch](crate::ProtocolSwitch) has a ` switch` behind its name. Other lines that begin with `#`
//! are comments.
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
//! # What it does not tell
//!
//! Which values a type has: the range of an integer, the length of an array, the zone of a date. An
//! `i64` that becomes a `u8` is an `Integer` before and after. Neither does it see into the
//! functions of `#[amp(with = "...")]`, nor into types that implement [`Argument`](crate::Argument)
//! by hand and leave [`wire_type`](crate::Argument::wire_type) as it is: they are known by their
//! paths in the program.

mod clash;
mod compare;
mod model;
mod parse;
pub(crate) mod scope;
mod text;
mod types;

pub use clash::SchemaClash;
pub use compare::Change;
pub use model::{
    ArgumentSchema, BoxSchema, CaseSchema, CommandSchema, ErrorSchema, Inner, Presence, Schema,
    WireType,
};
pub(crate) use model::{lines_of, names_of};
pub use parse::SchemaError;
pub use types::WireTypes;
