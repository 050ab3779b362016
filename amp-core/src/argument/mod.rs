//! Arguments: one value of a command, and its form on the wire.
//!
//! | Rust | AMP |
//! |---|---|
//! | `i8`..`i128`, `u8`..`u128`, `isize`, `usize`, `NonZero*` | Integer |
//! | `BigInt`, `BigUint` of `num_bigint` (feature `num-bigint`) | Integer of any size |
//! | [`Bytes`](bytes::Bytes), `Vec<u8>`, `[u8; N]` | String |
//! | `String`, `Box<str>`, `Cow<str>`, `char` | Unicode |
//! | `f64`, `f32` | Float |
//! | `bool` | Boolean |
//! | [`Decimal`] | Decimal |
//! | `rust_decimal::Decimal` (feature `rust_decimal`) | Decimal |
//! | [`DateTime`] | `DateTime` |
//! | `chrono::DateTime` of `FixedOffset` and `Utc` (feature `chrono`) | `DateTime` |
//! | `jiff::Zoned`, `jiff::Timestamp` (feature `jiff`) | `DateTime` |
//! | `time::OffsetDateTime` (feature `time`) | `DateTime` |
//! | `PathBuf` | Path |
//! | `IpAddr`, `SocketAddr`, and those of one version | Unicode: what they display |
//! | `IpNet`, `Ipv4Net`, `Ipv6Net` of `ipnet` (feature `ipnet`) | Unicode |
//! | [`Packed<A>`] of an IP address or network | String of 4 or 16 bytes; of 5 or 17 with the prefix length |
//! | `url::Url` (feature `url`) | Unicode |
//! | `uuid::Uuid` (feature `uuid`) | Unicode; `UuidBytes` is a String, `UuidInteger` an Integer |
//! | `Json<T>` of any type that serde knows (feature `json`) | Unicode: JSON in ASCII |
//! | `Vec<T>`, the other collections of `std` | ListOf |
//! | `Vec<S>` where `S` derives [`Arguments`](crate::Arguments) | AmpList |
//! | an enum that derives [`Argument`](macro@crate::Argument) | Unicode out of a fixed set |
//! | `BTreeMap<K, V>`, `HashMap<K, V>` | AmpList of boxes with the keys `key` and `value` |
//! | `Option<T>` | optional: no key when it is `None` |
//! | [`Numbered<T>`], [`Continued<T>`] | a `T` over several keys, of any length |
//! | `Zlib<T>` (feature `zlib`) | a `T`, compressed |
//! | `ContinuedZlib<T>` (feature `zlib`) | a `T` over several keys, each of them compressed |
//! | [`FromConnection<T>`], [`PeerAddress`] | nothing: it is taken from the connection |
//!
//! Anything else becomes an argument by implementing [`Argument`].

mod address;
mod amp_list;
mod attachment;
mod boolean;
pub(crate) mod budget;
#[cfg(any(feature = "json", feature = "serde"))]
mod buffered;
mod collections;
#[cfg(feature = "zlib")]
mod continued_zlib;
mod date_time;
mod decimal;
mod displayed;
mod error;
mod float;
mod foreign;
mod from_connection;
#[cfg(feature = "zlib")]
mod inflater;
mod integer;
#[cfg(feature = "json")]
mod json;
mod large;
mod list;
mod map;
#[cfg(any(feature = "json", feature = "serde"))]
pub(crate) mod metered;
mod optional;
mod packed;
mod path;
mod proto;
mod string;
#[cfg(test)]
mod testing;
mod traits;
mod unicode;
mod unknown_keys;
mod wire_types;
mod wrapper;
#[cfg(feature = "zlib")]
mod zlib;

pub(crate) use amp_list::{count_boxes, read_boxes, read_keys};
pub(crate) use attachment::NoAttachments;
pub use attachment::{Attachment, AttachmentKind, Attachments};
#[cfg(feature = "zlib")]
pub use continued_zlib::ContinuedZlib;
pub use date_time::{DateTime, DateTimeError};
pub use decimal::{Decimal, DecimalError, DecimalKind};
pub use error::{DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind};
#[cfg(feature = "uuid")]
pub use foreign::{UuidBytes, UuidInteger};
pub use from_connection::FromConnection;
#[cfg(feature = "json")]
pub use json::Json;
pub use large::{Continued, Numbered};
pub use packed::Packed;
#[cfg(feature = "serde")]
pub(crate) use proto::MAX_NESTING;
pub use proto::{Extensions, PeerAddress, Proto};
pub use traits::Argument;
pub use unknown_keys::UnknownKeys;
#[cfg(feature = "zlib")]
pub use zlib::Zlib;
