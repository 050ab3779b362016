use super::BoxError;
use crate::setters::setters;

/// Limits on the size of a box.
///
/// The protocol itself does not limit a box, so a peer that never finished one would fill the
/// memory. Receiving a box that exceeds a limit is a [`BoxError`](crate::boxes::BoxError). It ends the
/// connection, since this side could not tell where the next box begins.
///
/// A side applies its limits to what it sends too. The peer would most likely refuse a larger box,
/// which would cost the connection and all calls on it. So a call or an answer that would exceed a
/// limit fails before any of it is sent, and the connection goes on.
///
/// The memory that decoding a box takes is limited too: see
/// [`Limits::decoded_bytes`](field@crate::Limits::decoded_bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BoxLimits {
    /// Bytes of one box on the wire, including its lengths and its end. 17 MiB by default, which has
    /// room for a value of 16 MiB that is spread over numbered keys.
    pub max_bytes: usize,
    /// Pairs of one box, including those with reserved keys. 16 384 by default.
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
