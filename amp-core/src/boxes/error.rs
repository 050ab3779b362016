use std::io;

use super::limits::{MAX_KEY, MAX_VALUE};
use crate::shorten::Shortened;

/// Bytes that are not a box, or a pair that cannot be put into one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BoxError {
    /// A key is longer than [`MAX_KEY`] bytes. In received bytes, most often the peer does not
    /// speak AMP: the first byte of a box is always NUL.
    #[error("a key of {len} bytes is over the limit of {MAX_KEY}")]
    KeyTooLong {
        /// The key's length in bytes.
        len: usize,
    },
    /// A key is empty, which on the wire would end the box.
    #[error("a key is empty")]
    EmptyKey,
    /// A key is one of [`keys::RESERVED`](crate::keys::RESERVED) where an argument should be.
    #[error("the key {key} is the protocol's own")]
    ReservedKey {
        /// The key.
        key: Shortened,
    },
    /// A value is longer than [`MAX_VALUE`] bytes.
    #[error("the value of {key} has {len} bytes, over the limit of {MAX_VALUE}")]
    ValueTooLong {
        /// The key whose value it is, shortened.
        key: Shortened,
        /// The value's length in bytes.
        len: usize,
    },
    /// A key was given twice to a box that is being written.
    #[error("the key {key} comes twice")]
    DuplicateKey {
        /// The key, shortened.
        key: Shortened,
    },
    /// A box is over [`BoxLimits::max_bytes`](crate::BoxLimits::max_bytes).
    #[error("a box of at least {seen} bytes is over the limit of {limit}")]
    BoxTooLong {
        /// The bytes it would have, as far as they are known.
        seen: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A box is over [`BoxLimits::max_pairs`](crate::BoxLimits::max_pairs).
    #[error("a box of at least {seen} pairs is over the limit of {limit}")]
    TooManyPairs {
        /// The pairs it would have, as far as they are known.
        seen: usize,
        /// The limit in pairs.
        limit: usize,
    },
    /// The bytes end in the middle of a box.
    #[error("{seen} bytes end in the middle of a box")]
    Truncated {
        /// How many bytes of the box there are.
        seen: usize,
    },
}

/// For streams and codecs whose errors are those of input and output: the kind is
/// [`InvalidData`](io::ErrorKind::InvalidData).
impl From<BoxError> for io::Error {
    fn from(error: BoxError) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}
