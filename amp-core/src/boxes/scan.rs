//! Finding where a box ends, in bytes that come piece by piece.

use std::ops::Range;

use super::{BoxError, BoxLimits};
use crate::keys;

/// Looks for the end of the next box in a stream, and looks at no byte twice.
#[derive(Debug)]
pub(super) struct Scan {
    limits: BoxLimits,
    seen: Seen,
    /// The number of bytes of the stream that there must be to get any further.
    pub(super) needed: usize,
}

/// The part of the unfinished box that is known.
#[derive(Debug)]
struct Seen {
    /// Where its next pair begins.
    at: usize,
    pairs: usize,
    /// Where the key of the last one is.
    last_key: Range<usize>,
    /// Whether each key is before the next.
    sorted: bool,
}

/// A box that is all there. It becomes an [`AmpBox`](super::AmpBox) only where that is needed, so
/// that its bytes are moved as little as can be.
pub(crate) struct Found {
    /// Where it ends.
    pub(crate) end: usize,
    pub(super) pairs: usize,
    /// Whether each key is before the next.
    pub(super) sorted: bool,
}

impl Scan {
    /// Creates a scan that holds the boxes to `limits`.
    pub(super) fn new(limits: BoxLimits) -> Self {
        Self { limits, seen: Seen::default(), needed: 2 }
    }

    /// Forgets the box that has begun.
    #[cfg(feature = "tokio")]
    pub(super) fn begin_anew(&mut self) {
        *self = Self::new(self.limits);
    }

    /// Goes on through `bytes`; the box that they begin with, if it is all there.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Result<Option<Found>, BoxError> {
        let Seen { mut at, mut pairs, last_key, mut sorted } = std::mem::take(&mut self.seen);
        let mut last_start = last_key.start;
        let mut last_key = &bytes[last_key];
        let mut rest = &bytes[at..];
        let needed = loop {
            let [high, key_len, ref behind @ ..] = *rest else {
                // One byte is enough to tell that a key is too long, or that this is not AMP.
                match rest.first() {
                    Some(&high) if high != 0 => return Err(key_too_long(bytes, at)),
                    _ => break at + 2,
                }
            };
            if high != 0 {
                return Err(key_too_long(bytes, at));
            }
            if key_len == 0 {
                self.check_length(at + 2)?;
                self.needed = 2;
                return Ok(Some(Found { end: at + 2, pairs, sorted }));
            }
            if pairs >= self.limits.max_pairs {
                return Err(self.limits.too_many_pairs(pairs + 1));
            }
            // Whatever comes, the box has an end of two bytes.
            let least = at + 4 + usize::from(key_len) + 2;
            let lengths = behind.split_at_checked(key_len.into());
            let Some((key, &[high, low, ref value @ ..])) = lengths else {
                self.check_length(least)?;
                break least;
            };
            let value_len = usize::from(u16::from_be_bytes([high, low]));
            if least + value_len > self.limits.max_bytes {
                // What was certain before the value's length was is said first.
                self.check_length(least)?;
                self.check_length(least + value_len)?;
            }
            let Some(behind) = value.get(value_len..) else { break least + value_len };
            if u32::try_from(at + 2).is_err() {
                return Err(BoxError::BoxTooLong { seen: at + 2, limit: u32::MAX as usize });
            }
            sorted &= keys::is_before(last_key, key);
            (last_start, last_key) = (at + 2, key);
            pairs += 1;
            at = least + value_len - 2;
            rest = behind;
        };
        let last_key = last_start..last_start + last_key.len();
        self.seen = Seen { at, pairs, last_key, sorted };
        self.needed = needed;
        Ok(None)
    }

    #[inline]
    fn check_length(&self, seen: usize) -> Result<(), BoxError> {
        if seen > self.limits.max_bytes { Err(self.limits.too_long(seen)) } else { Ok(()) }
    }
}

impl Found {
    /// Returns the box at the beginning of `bytes`, which must be all there.
    pub(crate) fn first(bytes: &[u8], limits: BoxLimits) -> Result<Self, BoxError> {
        let found = Scan::new(limits).next(bytes)?;
        found.ok_or(BoxError::Truncated { seen: bytes.len() })
    }
}

/// The error of a key whose length is at `at`, and more than a byte has room for.
#[cold]
fn key_too_long(bytes: &[u8], at: usize) -> BoxError {
    if at == 0 {
        return BoxError::no_box(bytes);
    }
    let low = bytes.get(at + 1).copied().unwrap_or_default();
    BoxError::KeyTooLong { len: u16::from_be_bytes([bytes[at], low]).into() }
}

impl Default for Seen {
    fn default() -> Self {
        Self { at: 0, pairs: 0, last_key: 0..0, sorted: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_looked_at_is_not_looked_at_again() {
        let bytes: &[u8] = b"\0\x01a\0\x0213\0\x01b\0\0\0\x01c\0\x0281\0\0";
        for cut in 0..bytes.len() {
            let mut scan = Scan::new(BoxLimits::default());
            let mut buffer = bytes[..cut].to_vec();
            assert!(scan.next(&buffer).unwrap().is_none());
            // A second look at these lengths would refuse them.
            let mut at = 0;
            while at < scan.seen.at {
                let value = at + 4 + usize::from(bytes[at + 1]);
                buffer[at..at + 2].fill(0xff);
                buffer[value - 2..value].fill(0xff);
                at = value + usize::from(bytes[value - 1]);
            }
            buffer.extend_from_slice(&bytes[cut..]);
            let found = scan.next(&buffer).unwrap().expect("it is all there");
            assert_eq!(
                (found.end, found.pairs, found.sorted),
                (bytes.len(), 3, true),
                "cut at {cut}"
            );
            assert_eq!(scan.needed, 2);
        }
    }
}
