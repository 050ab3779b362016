//! An argument of a type of your own.
//!
//! Most types need no code. An enum without fields derives [`Argument`](macro@crate::Argument). A
//! struct, or an enum whose variants have fields, derives [`Arguments`](macro@crate::Arguments).
//! The table of [`argument`](crate::argument) has types of `std` and of other crates. For any other type, implement
//! [`Argument`](crate::Argument). Its hooks are those of Twisted: they make bytes of a value, and a value of bytes.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::{Argument, Arguments, Command, DecodeError, EncodeError, Proto, Value, ValueWriter};
//! use std::fmt::Write;
//!
//! /// A colour, on the wire as text such as `#ff8000`.
//! #[derive(Clone, Copy, Debug, PartialEq)]
//! struct Color(u32);
//!
//! impl Argument for Color {
//!     fn to_string_proto(
//!         &self,
//!         _: &mut Proto<'_>,
//!         out: &mut ValueWriter<'_>,
//!     ) -> Result<(), EncodeError> {
//!         // An error here fails this call only, before anything of it is sent.
//!         if self.0 > 0xff_ffff {
//!             return Err(EncodeError::custom("a colour has 24 bits"));
//!         }
//!         write!(out, "#{:06x}", self.0).map_err(EncodeError::custom)
//!     }
//!
//!     fn from_string_proto(value: Value<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
//!         let digits = value.strip_prefix(b"#").filter(|digits| digits.len() == 6);
//!         let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
//!         let color = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
//!         // The error names the argument, and shows what came in its place.
//!         color.map(Self).ok_or_else(|| DecodeError::malformed("a colour such as `#ff8000`", value))
//!     }
//! }
//!
//! #[derive(Command, Debug, PartialEq)]
//! struct Paint {
//!     color: Color,
//!     others: Vec<Color>, // It can be an element of a list, too.
//!     border: Option<Color>,
//! }
//!
//! let paint = Paint { color: Color(0xff_8000), others: vec![Color(1)], border: None };
//! let bytes = paint.encode()?;
//! assert_eq!(&bytes[..24], b"\0\x05color\0\x07#ff8000\0\x06others");
//! assert_eq!(Paint::decode(bytes)?, paint);
//!
//! let error = Paint::decode(b"\0\x05color\0\x04blue\0\0"[..].into()).unwrap_err();
//! assert!(error.to_string().starts_with("argument color:"), "{error}");
//! # Ok(()) }
//! ```
//!
//! - For a type of another crate, put `#[amp(with = "module")]` on the field, as [`Command`](macro@crate::Command)
//!   shows.
//! - For an argument that has several keys or none, implement `to_box` and `from_box`: see the example
//!   `custom_argument`.
//! - If a value takes much more memory than it has bytes, call [`Proto::spend`](crate::Proto::spend) before you
//!   allocate.
