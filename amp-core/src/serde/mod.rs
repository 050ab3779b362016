//! Whole boxes to and from any type that `serde` knows, for those who have no schema of
//! [`Arguments`](crate::Arguments).
//!
//! ```
//! use amp_core::serde::{from_box, to_box};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, Debug, PartialEq)]
//! struct Note {
//!     page: u32,
//!     text: String,
//!     color: Option<Color>,
//!     marks: Vec<Mark>,
//! }
//!
//! #[derive(Serialize, Deserialize, Debug, PartialEq)]
//! #[serde(rename_all = "lowercase")]
//! enum Color {
//!     Red,
//!     Green,
//! }
//!
//! #[derive(Serialize, Deserialize, Debug, PartialEq)]
//! struct Mark {
//!     line: u32,
//! }
//!
//! let note = Note {
//!     page: 3,
//!     text: "sic".to_owned(),
//!     color: Some(Color::Green),
//!     marks: vec![Mark { line: 7 }],
//! };
//! let ampbox = to_box(&note)?;
//! assert_eq!(ampbox.get("page"), Some(&b"3"[..]));
//! assert_eq!(ampbox.get("color"), Some(&b"green"[..]));
//! assert_eq!(ampbox.get("marks"), Some(&b"\0\x04line\0\x017\0\0"[..]));
//! assert_eq!(from_box::<Note>(&ampbox)?, note);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The values are the same bytes as those of the [typed arguments](crate::argument):
//!
//! | serde | AMP |
//! |---|---|
//! | a struct, a map whose keys are text or bytes, a unit, at the top | the box |
//! | the same inside of another | a box as a value |
//! | an integer of any width | Integer |
//! | a float | Float |
//! | a boolean | Boolean |
//! | a character, text, an enum's variant without data | Unicode |
//! | bytes | String |
//! | a sequence, a tuple | ListOf |
//! | a sequence of structs, maps or units | AmpList |
//! | `Some` | what is inside |
//! | `None` | no key; an error in a list |
//! | a newtype struct | what is inside |
//!
//! - A map is a box that has the map's keys. As a typed argument, a map is a list of boxes with a key and a
//!   value each. A tuple differs too: as a typed argument, it is a box with the keys `0`, `1`, ....
//! - An enum's variant with data is an error, and so is a map with other keys.
//! - `serde` treats `Vec<u8>` as a sequence of numbers, so it is a ListOf of Integers. To get a String, as a
//!   typed argument would be, use the crate `serde_bytes`, or `bytes::Bytes`.
//! - If a type has one form for people and another one for machines, the form for people is used: an
//!   `IpAddr` is text.
//! - Values on the wire do not say what they are. If a type asks for that, as with `#[serde(flatten)]`,
//!   `#[serde(untagged)]` and `serde_json::Value`, it is told that they are text, or bytes if they are not
//!   UTF-8.
//! - The protocol's own keys cannot be written, and are not read.
//!
//! An [`AmpBox`] implements `Serialize` and `Deserialize` itself, as a map of bytes to bytes, for other
//! formats. In formats for people, such as JSON, keys and values are text if they are UTF-8. JSON cannot
//! write any other key.

mod amp_box;
mod de;
mod error;
mod key;
mod ser;

use ::serde::Serialize;
use ::serde::de::DeserializeOwned;

use crate::argument::budget::Budget;
use crate::argument::metered::Meter;
use crate::argument::{DecodeError, EncodeError};
use crate::boxes::AmpBox;
use crate::stack;

/// Returns the box that `value` is.
///
/// # Errors
///
/// When `value`, or something inside of it, has no form on the wire, or does not fit into a box;
/// the error names the field.
pub fn to_box<T: Serialize + ?Sized>(value: &T) -> Result<AmpBox, EncodeError> {
    ser::to_box(value)
}

/// Returns the value that `ampbox` is.
///
/// This may take any amount of memory: a list of structs with many fields may take hundreds of times its length on the wire.
/// For a box of a peer, use [`from_box_within`].
///
/// # Errors
///
/// When a field is missing or its value is not what it must be; the error names the field.
pub fn from_box<T: DeserializeOwned>(ampbox: &AmpBox) -> Result<T, DecodeError> {
    from_box_within(ampbox, usize::MAX)
}

/// Returns the value that `ampbox` is, as [`from_box`] does, within a limit of memory: this many bytes, or 18 for each byte
/// of the box if that is more.
///
/// # Errors
///
/// As [`from_box`], and when it would take more.
pub fn from_box_within<T: DeserializeOwned>(
    ampbox: &AmpBox,
    decoded_bytes: usize,
) -> Result<T, DecodeError> {
    let mut budget = Budget::new(decoded_bytes);
    budget.begin(ampbox.size(), ampbox.index_size());
    let meter = Meter::new(&budget, stack::position(), usize::MAX);
    let read = T::deserialize(meter.deserializer::<T, _>(de::BoxDeserializer::new(ampbox)));
    let place = read.as_ref().map_or_else(|error| error.argument().to_owned(), |_| String::new());
    meter.outcome(read, &mut budget).map_err(|error| error.at(place))?
}
