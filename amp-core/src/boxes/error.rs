use std::io;

use super::lengths::{MAX_KEY, MAX_VALUE};
use crate::shorten::Shortened;

/// Bytes that are not a box, or a pair that cannot be put into one.
#[doc(alias("MalformedAmpBox", "TooLong"))]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BoxError {
    /// The bytes are of another protocol, or text: the first byte of a box is always NUL.
    #[error("not AMP: it begins with {beginning}{}", as_of(*protocol))]
    NotAmp {
        /// The first line of what stands where a box should, shortened.
        beginning: Shortened,
        /// The protocol that it looks like: HTTP, SSH or TLS.
        protocol: Option<&'static str>,
    },
    /// A key is longer than [`MAX_KEY`] bytes.
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
    #[error(
        "the value of {key} has {len} bytes, over the limit of {MAX_VALUE}: `Numbered` and `Continued` \
         spread one over several keys"
    )]
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
    /// A box is over [`BoxLimits::max_bytes`](field@crate::boxes::BoxLimits::max_bytes).
    #[error("a box of at least {seen} bytes is over the limit of {limit}")]
    BoxTooLong {
        /// The bytes it would have, as far as they are known.
        seen: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A box is over [`BoxLimits::max_pairs`](field@crate::boxes::BoxLimits::max_pairs).
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
        /// The number of bytes that there are of the box.
        seen: usize,
    },
}

impl BoxError {
    /// Takes out what may be a value, or a part of one.
    #[cfg(feature = "tokio")]
    pub(crate) fn hide_value(&mut self) {
        match self {
            BoxError::NotAmp { beginning, .. } => beginning.hide(),
            BoxError::KeyTooLong { .. }
            | BoxError::EmptyKey
            | BoxError::ReservedKey { .. }
            | BoxError::ValueTooLong { .. }
            | BoxError::DuplicateKey { .. }
            | BoxError::BoxTooLong { .. }
            | BoxError::TooManyPairs { .. }
            | BoxError::Truncated { .. } => {}
        }
    }

    /// Returns the error of bytes that should begin a box, and whose first one is not NUL.
    pub(super) fn no_box(bytes: &[u8]) -> Self {
        const HTTP: [&[u8]; 11] = [
            b"HTTP/",
            b"GET ",
            b"POST ",
            b"HEAD ",
            b"PUT ",
            b"PRI ",
            b"PATCH ",
            b"TRACE ",
            b"DELETE ",
            b"OPTIONS ",
            b"CONNECT ",
        ];
        // A record of TLS begins with its kind, and 3 for all versions.
        let protocol = match bytes {
            [0x14..=0x17, 3, ..] => Some("TLS"),
            [b'S', b'S', b'H', b'-', ..] => Some("SSH"),
            _ => HTTP.iter().any(|word| bytes.starts_with(word)).then_some("HTTP"),
        };
        match bytes {
            // A peer that speaks AMP may have made this of a key that is a little too long.
            [high @ ..0x20, rest @ ..] if protocol.is_none() => {
                let low = rest.first().copied().unwrap_or_default();
                BoxError::KeyTooLong { len: u16::from_be_bytes([*high, low]).into() }
            }
            _ => {
                let line = bytes.split(|byte| b"\r\n".contains(byte)).next().unwrap_or_default();
                BoxError::NotAmp { beginning: Shortened::new(line), protocol }
            }
        }
    }
}

fn as_of(protocol: Option<&str>) -> String {
    protocol.map(|protocol| format!(", as {protocol} does")).unwrap_or_default()
}

/// For streams and codecs whose errors are those of input and output: the kind is
/// [`InvalidData`](io::ErrorKind::InvalidData).
impl From<BoxError> for io::Error {
    fn from(error: BoxError) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}
