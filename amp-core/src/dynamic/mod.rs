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
//! If such a feature is missing, reading or writing a value of the type is an error that names the feature. So a
//! crate that turns on a feature does not change how another crate reads.
//!
//! A Float is an `f64` here, with about 16 digits. A [`Duration`](std::time::Duration) may have more digits on the
//! wire; its dynamic value has no more than these.
//!
//! If the schema has cases, the text of one value says which case the box is, and only the values of that case are
//! beside it.
//!
//! An optional value that is missing is not among the [`Values`]. In JSON it is left out, or `null`. Keys that are
//! not in the schema are not read. But if the schema says that it does not know all keys, they are read as `Bytes`.

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
