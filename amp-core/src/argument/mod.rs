//! Arguments: one value of a command, and its form on the wire.
//!
//! | Rust | AMP | what limits it |
//! |---|---|---|
//! | `i8`..`i128`, `u8`..`u128`, `isize`, `usize`, `NonZero*` | Integer | the range of the type |
//! | `BigInt`, `BigUint` of `num_bigint` (feature `num-bigint`) | Integer of any size | 65 535 digits; Python takes 4300 unless told otherwise |
//! | [`Bytes`](bytes::Bytes), `Vec<u8>`, `[u8; N]` | String | 65 535 bytes; an array its length |
//! | `String`, `Box<str>`, `Cow<str>`, `char` | Unicode | 65 535 bytes of UTF-8; a `char` is one |
//! | `f64`, `f32` | Float | the precision of the type; infinities and NaN are written |
//! | `bool` | Boolean | `True` and `False`, and nothing else |
//! | [`Decimal`] | Decimal | 65 535 bytes, so nearly as many digits |
//! | `rust_decimal::Decimal` (feature `rust_decimal`) | Decimal | 96 bits, 28 digits behind the point; others are refused |
//! | [`DateTime`] | `DateTime` | the years 1 to 9999, microseconds, offsets of whole minutes |
//! | `chrono::DateTime` of `FixedOffset` and `Utc` (feature `chrono`) | `DateTime` | as `DateTime` |
//! | `jiff::Zoned`, `jiff::Timestamp` (feature `jiff`) | `DateTime` | as `DateTime` |
//! | `time::OffsetDateTime` (feature `time`) | `DateTime` | as `DateTime` |
//! | `SystemTime` | `DateTime` in UTC | as `DateTime` |
//! | `Duration` | Float: seconds, exact to a nanosecond | 2^64 seconds; negative ones are refused |
//! | `PathBuf` | Path | 65 535 bytes; UTF-8 |
//! | `IpAddr`, `SocketAddr`, and those of one version | Unicode: what they display | what the type parses |
//! | `IpNet`, `Ipv4Net`, `Ipv6Net` of `ipnet` (feature `ipnet`) | Unicode | what the type parses |
//! | [`Packed<A>`] of an IP address or network | String of 4 or 16 bytes; of 5 or 17 with the prefix length | the lengths that are named |
//! | `url::Url` (feature `url`) | Unicode | 65 535 bytes; a URL with a scheme |
//! | `uuid::Uuid` (feature `uuid`) | Unicode; `UuidBytes` is a String, `UuidInteger` an Integer | 128 bits |
//! | `Json<T>` of any type that serde knows (feature `json`) | Unicode: JSON in ASCII | 65 535 bytes, 64 levels |
//! | `Vec<T>`, the other collections of `std` | ListOf | 65 535 bytes with 2 for each element; 65 533 bytes in one |
//! | `Vec<S>` where `S` derives [`Arguments`](crate::Arguments) | AmpList | 65 535 bytes: see `Numbered` and `Continued` |
//! | an enum whose variants have arguments, and that derives [`Arguments`](derive@crate::Arguments) | a box, which a text in it tells apart; a `Vec` of them is an AmpList | 65 535 bytes; the names of its variants |
//! | an enum that derives [`Argument`](macro@crate::Argument) | Unicode out of a fixed set | the names of its variants |
//! | a struct of one field without a name that derives [`Argument`](macro@crate::Argument) | what the field is, in lists too | as the field |
//! | `BTreeMap<K, V>`, `HashMap<K, V>` | AmpList of boxes with the keys `key` and `value` | 65 535 bytes |
//! | `(A, B)` and other tuples of up to eight | a box with the keys `0`, `1`, and so on; a list of them is an AmpList | 65 535 bytes |
//! | `Option<T>` | optional: no key when it is `None` | its `T`; `Some(None)` is refused |
//! | [`Numbered<T>`], [`Continued<T>`] | a `T` over several keys, of any length | the box: [`BoxLimits`](crate::boxes::BoxLimits) |
//! | `Zlib<T>` (feature `zlib`) | a `T`, compressed | 65 535 bytes once compressed |
//! | `ContinuedZlib<T>` (feature `zlib`) | a `T` over several keys, each of them compressed | the box, as for `Numbered` |
//! | [`StreamOf<T>`](crate::streams::StreamOf), [`SinkOf<T>`](crate::streams::SinkOf), [`ByteStream`](crate::streams::ByteStream), [`ByteSink`](crate::streams::ByteSink) | Integer: the number of a stream of the connection | [`Limits::streams`](field@crate::Limits::streams) |
//! | `amp_unix::Descriptor` | Integer: the position of an open file among those that were sent | Unix sockets; [`Limits::unclaimed_attachments`](field@crate::Limits::unclaimed_attachments) |
//! | [`FromConnection<T>`], [`PeerAddress`] | nothing: it is taken from the connection | nothing |
//!
//! A Twisted without further packages speaks these, with some exceptions. It has nothing for [`Numbered`],
//! [`Continued`], `Zlib`, `ContinuedZlib` and streams, nor for lists whose elements are lists of boxes,
//! compressed or descriptors: for all of these the package `amp-arguments` has classes. One box is an
//! `amp.AmpList` of one there; and JSON, the texts of an enum and packed addresses are Unicode and String,
//! which its programs make and read themselves. See [what Twisted cannot speak](crate::cookbook::from_twisted#what-twisted-cannot-speak).
//!
//! What decoding makes of a box is bounded too, whatever its types:
//! `Limits::decoded_bytes`.
//!
//! Anything else becomes an argument by implementing [`Argument`].

mod address;
mod amp_list;
mod attachment;
mod boolean;
pub(crate) mod budget;
#[cfg(any(feature = "json", feature = "serde"))]
mod buffered;
#[cfg(any(feature = "json", feature = "serde"))]
mod collection;
mod collections;
#[cfg(feature = "zlib")]
mod continued_zlib;
mod date_time;
mod decimal;
mod displayed;
mod duration;
pub(crate) mod error;
mod float;
mod foreign;
mod from_connection;
#[cfg(feature = "zlib")]
mod inflater;
mod integer;
#[cfg(feature = "json")]
mod json;
mod large;
pub(crate) mod list;
mod map;
#[cfg(any(feature = "json", feature = "serde"))]
pub(crate) mod metered;
mod optional;
mod packed;
mod path;
pub(crate) mod proto;
mod string;
mod system_time;
#[cfg(test)]
mod testing;
pub(crate) mod traits;
mod unicode;
mod unknown_keys;
mod wire_types;
mod wrapper;
#[cfg(feature = "zlib")]
mod zlib;

pub(crate) use amp_list::{count_boxes, read_boxes, read_keys};
pub(crate) use attachment::NoAttachments;
pub use attachment::{Attachment, AttachmentKind, Attachments, Carried};
#[cfg(feature = "zlib")]
pub use continued_zlib::ContinuedZlib;
pub use date_time::{DateTime, DateTimeError};
pub use decimal::{Decimal, DecimalError, DecimalKind};
pub(crate) use error::{DecodeError, EncodeError};
pub use error::{DecodeErrorKind, EncodeErrorKind};
#[cfg(feature = "uuid")]
pub use foreign::{UuidBytes, UuidInteger};
pub use from_connection::FromConnection;
pub(crate) use integer::trim;
#[cfg(feature = "json")]
pub use json::Json;
pub use large::{Continued, Numbered};
pub(crate) use large::{INSIDE, Scheme};
pub use packed::Packed;
pub use proto::Extensions;
#[cfg(any(feature = "json", feature = "serde"))]
pub(crate) use proto::MAX_NESTING;
pub(crate) use proto::{PeerAddress, Proto};
pub(crate) use traits::Argument;
pub(crate) use traits::{read_list_of, write_list_of};
pub use unknown_keys::UnknownKeys;
#[cfg(feature = "zlib")]
pub use zlib::Zlib;
#[cfg(feature = "zlib")]
pub(crate) use zlib::{read_inflated, write_deflated};

pub use crate::shorten::Shortened;
