//! Arguments: one value of a command, and its form on the wire.
//!
//! | Rust | AMP |
//! |---|---|
//! | `i8`..`i128`, `u8`..`u128`, `isize`, `usize`, `NonZero*` | Integer |
//! | [`Bytes`](bytes::Bytes), `Vec<u8>`, `[u8; N]` | String |
//! | `String`, `Box<str>`, `Cow<str>`, `char` | Unicode |
//! | `f64`, `f32` | Float |
//! | `bool` | Boolean |
//! | [`Decimal`] | Decimal |
//! | [`DateTime`] | `DateTime` |
//! | `PathBuf` | Path |
//! | `IpAddr`, `SocketAddr`, and those of one version | Unicode: what they display |
//! | `Vec<T>`, the other collections of `std` | ListOf |
//! | `Vec<S>` where `S` derives [`Arguments`](crate::Arguments) | AmpList |
//! | `Option<T>` | optional: no key when it is `None` |
//! | [`Numbered<T>`], [`Continued<T>`] | a `T` over several keys, of any length |
//! | `Zlib<T>` (feature `zlib`) | a `T`, compressed |
//! | [`FromConnection<T>`], [`PeerAddress`] | nothing: it is taken from the connection |
//!
//! Anything else becomes an argument by implementing [`Argument`].

mod address;
pub(crate) mod amp_list;
mod attachment;
mod boolean;
mod collections;
mod date_time;
mod decimal;
mod displayed;
mod error;
mod float;
mod from_connection;
mod integer;
mod large;
mod list;
mod optional;
mod path;
mod proto;
mod string;
#[cfg(test)]
mod testing;
mod traits;
mod unicode;
mod unknown_keys;
mod wrapper;
#[cfg(feature = "zlib")]
mod zlib;

pub use attachment::{Attachment, AttachmentKind, Attachments};
pub use date_time::DateTime;
pub use decimal::{Decimal, DecimalError, DecimalKind};
pub use error::{DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind};
pub use from_connection::FromConnection;
pub use large::{Continued, Numbered};
#[cfg(feature = "serde")]
pub(crate) use proto::MAX_NESTING;
pub use proto::{Extensions, PeerAddress, Proto};
pub use traits::Argument;
pub use unknown_keys::UnknownKeys;
#[cfg(feature = "zlib")]
pub use zlib::Zlib;
