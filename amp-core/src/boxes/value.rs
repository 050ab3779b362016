use bytes::Bytes;
use std::fmt;
use std::ops::{Deref, Range};

use crate::shorten::Shortened;

/// The bytes of one received value, borrowed from the box that they came in.
///
/// It can be read as a byte slice. [`to_bytes`](Value::to_bytes) keeps it beyond the box, and does not copy large values.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    bytes: &'a [u8],
    /// The buffer that `bytes` is a part of, where there is one to share.
    shared: Option<&'a Bytes>,
}

impl<'a> Value<'a> {
    /// Creates a value inside of `shared`, if there is a buffer to share.
    #[inline]
    pub(super) fn new(bytes: &'a [u8], shared: Option<&'a Bytes>) -> Self {
        Self { bytes, shared }
    }

    /// Returns the bytes, for as long as the box lives.
    pub fn as_slice(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns the bytes, to keep them. If the box was received and has more than 62 bytes, they share its buffer.
    /// Otherwise they are copied.
    pub fn to_bytes(&self) -> Bytes {
        match self.shared {
            Some(buffer) => buffer.slice_ref(self.bytes),
            None => Bytes::copy_from_slice(self.bytes),
        }
    }

    /// Returns how many bytes the box has that is kept for as long as [`to_bytes`](Value::to_bytes)
    /// are, if they are shared.
    pub(crate) fn kept(&self) -> usize {
        self.shared.map_or(0, Bytes::len)
    }

    /// Returns a part of the value, which shares what the value shares.
    ///
    /// # Panics
    ///
    /// When `range` is not inside the value.
    pub fn part(&self, range: Range<usize>) -> Value<'a> {
        Value { bytes: &self.bytes[range], shared: self.shared }
    }

    /// Returns the beginning of the value, for messages.
    pub fn shortened(&self) -> Shortened {
        Shortened::new(self.bytes)
    }
}

impl Deref for Value<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self { bytes, shared: None }
    }
}

impl<'a> From<&'a Bytes> for Value<'a> {
    fn from(bytes: &'a Bytes) -> Self {
        Self { bytes, shared: Some(bytes) }
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shortened().fmt(f)
    }
}
