//! Boxes: what AMP puts on the wire.
//!
//! A box is a sequence of key/value pairs of bytes. Each key is 1 to 255 bytes long and each
//! value 0 to 65 535; both are preceded by their length as two big-endian bytes, and two NUL
//! bytes end the box. Nothing in this layer knows of commands, of time, or of sockets.

pub(crate) mod amp_box;
#[cfg(feature = "tokio")]
mod codec;
mod decoder;
mod error;
mod indexed;
mod iter;
mod kind;
mod lengths;
mod limits;
mod output;
mod pair;
mod pairs;
mod reader;
mod scan;
mod small;
pub(crate) mod value;
pub(crate) mod writer;

pub(crate) use amp_box::AmpBox;
#[cfg(feature = "tokio")]
pub use codec::BoxCodec;
pub use decoder::Decoder;
pub use error::BoxError;
pub use iter::{IntoIter, Iter};
pub(crate) use kind::Kind;
pub use lengths::{MAX_KEY, MAX_VALUE};
pub use limits::BoxLimits;
pub(crate) use output::{Segment, Segments};
pub(crate) use pair::{Pair, check_value};
#[cfg(feature = "serde")]
pub(crate) use pairs::Pairs;
pub use reader::BoxReader;
pub(crate) use scan::Found;
pub(crate) use value::Value;
pub use writer::BoxWriter;
pub(crate) use writer::ValueWriter;
