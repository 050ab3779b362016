use super::BoxError;
use crate::setters::setters;

/// The size that a box may have.
///
/// The protocol itself sets no end to a box, so a peer that never finishes one would fill the
/// memory. A received box that goes over a limit is a [`BoxError`](crate::BoxError), which ends the
/// connection, since what follows cannot be made sense of.
///
/// A side holds what it sends to its own limits too: the peer would most likely refuse a larger
/// box, and with it the connection and all calls on it. So the call or the answer that would be
/// over a limit fails before anything of it is sent, and the connection goes on.
///
/// The memory that decoding makes of a box is bounded too: see
/// [`Limits::decoded_bytes`](field@crate::Limits::decoded_bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BoxLimits {
    /// Bytes of one box on the wire, its lengths and its end included. 17 MiB by default: room
    /// for a value of 16 MiB spread over numbered keys.
    pub max_bytes: usize,
    /// Pairs of one box, those with reserved keys included. 16 384 by default.
    pub max_pairs: usize,
}

setters!(BoxLimits { max_bytes: usize, max_pairs: usize });

impl BoxLimits {
    /// Returns whether a box of so many bytes and pairs is within the limits.
    #[inline]
    pub(crate) fn check(self, bytes: usize, pairs: usize) -> Result<(), BoxError> {
        if bytes > self.max_bytes {
            return Err(self.too_long(bytes));
        }
        if pairs > self.max_pairs {
            return Err(self.too_many_pairs(pairs));
        }
        Ok(())
    }

    /// Returns the limits that keep both these and `other`.
    #[cfg(feature = "tokio")]
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            max_bytes: self.max_bytes.min(other.max_bytes),
            max_pairs: self.max_pairs.min(other.max_pairs),
        }
    }

    #[cold]
    pub(super) fn too_long(self, seen: usize) -> BoxError {
        BoxError::BoxTooLong { seen, limit: self.max_bytes }
    }

    #[cold]
    pub(super) fn too_many_pairs(self, seen: usize) -> BoxError {
        BoxError::TooManyPairs { seen, limit: self.max_pairs }
    }
}

impl Default for BoxLimits {
    fn default() -> Self {
        Self { max_bytes: 17 << 20, max_pairs: 16_384 }
    }
}
