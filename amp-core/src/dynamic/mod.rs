//! Values and boxes whose schema is known only at run time, for proxies, gateways, command lines and
//! bindings for other languages.
//!
//! A [`Value`] knows its own type. [`Values`] are the contents of a box, by their names. A
//! [`BoxSchema`](crate::schema::BoxSchema), which may come from a text, says how to write and read
//! them. The bytes are the same as for typed arguments.
//!
//! ```
//! use amp_core::dynamic::{Value, Values};
//! use amp_core::schema::Schema;
//!
//! let schema: Schema = "\
//! command Divide
//!   arguments
//!     denominator: Integer
//!     numerator: Integer
//!   response
//!     result: Float
//! "
//! .parse()?;
//! let divide = schema.command("Divide").unwrap();
//!
//! let mut arguments = Values::new();
//! arguments.insert("numerator", Value::Integer(1.into()));
//! let error = arguments.encode(&divide.arguments).unwrap_err();
//! assert_eq!(error.to_string(), "argument denominator: missing");
//!
//! arguments.insert("denominator", Value::Integer(4.into()));
//! let bytes = arguments.encode(&divide.arguments)?;
//! assert_eq!(&bytes[..], b"\0\x0bdenominator\0\x014\0\x09numerator\0\x011\0\0");
//! assert_eq!(Values::decode(&divide.arguments, bytes)?, arguments);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is which value
//!
//! | AMP | [`Value`] | JSON (feature `json`) |
//! |---|---|---|
//! | Integer | [`Integer`](Value::Integer), of any size | a number, with all digits |
//! | String, and types that a schema does not explain | [`Bytes`](Value::Bytes) | text where that is printable, else `{"base64": "AP8="}` |
//! | Unicode, Path, a text out of a fixed set | [`Text`](Value::Text) | text |
//! | IP addresses, and networks (feature `ipnet`), as bytes | [`Text`](Value::Text): what they display | text |
//! | Float | [`Float`](Value::Float) | a number, or `"inf"`, `"-inf"`, `"nan"` |
//! | Boolean | [`Boolean`](Value::Boolean) | `true`, `false` |
//! | Decimal | [`Decimal`](Value::Decimal) | text with all digits; a number is read too |
//! | `DateTime` | [`DateTime`](Value::DateTime) | text |
//! | Json (feature `json`) | [`Json`](Value::Json) | what it is |
//! | `ListOf`, `AmpList` | [`List`](Value::List) | an array |
//! | a box | [`Box`](Value::Box) | an object |
//! | Zlib (feature `zlib`), and values over several keys | what is inside | what is inside |
//! | `StreamOf`, `SinkOf`, `ByteStream`, `ByteSink` | [`Integer`](Value::Integer), which can be read only | a number |
//! | Descriptor | [`Attachment`](Value::Attachment) | `{"attachment": 0}`, or what the program shows |
//!
//! Without its feature a value of such a type is an error that names the feature, both to write and to
//! read: so no crate that has a feature changes what another one reads.
//!
//! A Float is an `f64` here, which has about 16 digits: a [`Duration`](std::time::Duration), whose
//! type writes more where it takes more, is as near as that.
//!
//! Where the schema has cases, one value says by its text which of them the box is, and only that case's
//! values are among the others.
//!
//! What is optional and not there is not among the [`Values`], and in JSON is left out or `null`.
//! Keys that the schema does not have are not read, unless it says that it does not know them all:
//! then they are `Bytes`.

mod decode;
mod encode;
mod form;
mod integer;
#[cfg(feature = "json")]
mod json;
#[cfg(test)]
mod tests;
mod value;

pub use crate::schema::scope::Scope;
pub use integer::{Integer, IntegerError};
#[cfg(feature = "json")]
pub use json::JsonError;
pub use value::{Value, Values};
