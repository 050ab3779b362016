use bytes::{BufMut, BytesMut};
use std::num::NonZero;

use super::BoxError;
use super::lengths::{MAX_KEY, MAX_VALUE};
use crate::shorten::Shortened;

/// Where a pair is: its key at `key`, and its value two bytes behind that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    key: u32,
    value_len: u16,
    key_len: NonZero<u8>,
}

impl Pair {
    /// A pair whose key is at `key` of its buffer. None where that is beyond what an index reaches.
    #[inline]
    pub(super) fn new(key: usize, key_len: NonZero<u8>, value_len: u16) -> Option<Self> {
        Some(Self { key: u32::try_from(key).ok()?, value_len, key_len })
    }

    /// Tells that the key is at `key` after its buffer was copied. No place beyond what an index
    /// reaches comes of that.
    pub(super) fn move_to(&mut self, key: usize) {
        self.key = u32::try_from(key).unwrap_or(u32::MAX);
    }

    #[inline]
    pub(super) fn key(self, data: &[u8]) -> &[u8] {
        let at = self.key as usize;
        &data[at..at + usize::from(self.key_len.get())]
    }

    #[inline]
    pub(super) fn value(self, data: &[u8]) -> &[u8] {
        let at = self.key as usize + usize::from(self.key_len.get()) + 2;
        &data[at..at + usize::from(self.value_len)]
    }
}

/// Goes through the pairs of a box on the wire, which a decoder has been through before. It stops
/// at the box's end, and where the bytes end.
#[derive(Clone, Default)]
pub(crate) struct Walk<'a> {
    rest: &'a [u8],
}

impl<'a> Walk<'a> {
    #[inline]
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { rest: data }
    }

    /// Returns what was not gone through.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Returns the value of the next pair, which is gone by only if its key is `key`.
    #[inline]
    pub(super) fn next_if(&mut self, key: &[u8]) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(key.len() + 4)?;
        if usize::from(head[1]) != key.len() || head[2..key.len() + 2] != *key {
            return None;
        }
        let value_len = u16::from_be_bytes([head[key.len() + 2], head[key.len() + 3]]);
        let (value, rest) = rest.split_at_checked(value_len.into())?;
        self.rest = rest;
        Some(value)
    }

    /// Returns the place of the next pair in `data`, where the walk began, which is gone by only if
    /// its key is `key`.
    #[inline]
    pub(super) fn next_place_if(&mut self, data: &[u8], key: &[u8]) -> Option<Pair> {
        let at = data.len() - self.rest.len() + 2;
        let value = self.next_if(key)?;
        let key_len = NonZero::new(u8::try_from(key.len()).ok()?)?;
        Pair::new(at, key_len, u16::try_from(value.len()).ok()?)
    }

    /// Goes by the pairs that come next and whose keys may be the protocol's own; their number.
    #[inline]
    pub(super) fn skip_own(&mut self) -> usize {
        let mut skipped = 0;
        while self.rest.get(2) == Some(&b'_') && self.next().is_some() {
            skipped += 1;
        }
        skipped
    }

    /// Returns the places of the pairs, in the buffer that all of them begin.
    #[inline]
    pub(super) fn places(mut self) -> impl Iterator<Item = Pair> {
        let len = self.rest.len();
        std::iter::from_fn(move || {
            let key = len - self.rest.len() + 2;
            let (name, value) = self.next()?;
            let key_len = NonZero::new(u8::try_from(name.len()).ok()?)?;
            Pair::new(key, key_len, u16::try_from(value.len()).ok()?)
        })
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        // The first byte of the length is always NUL.
        let (length, rest) = self.rest.split_first_chunk::<2>()?;
        if length[1] == 0 {
            return None;
        }
        let (key, rest) = rest.split_at_checked(usize::from(length[1]))?;
        let (value_len, rest) = rest.split_first_chunk::<2>()?;
        let (value, rest) = rest.split_at_checked(u16::from_be_bytes(*value_len).into())?;
        self.rest = rest;
        Some((key, value))
    }
}

/// Returns the length of `key`, where it can be written.
#[inline]
pub(super) fn check_key(key: &[u8]) -> Result<NonZero<u8>, BoxError> {
    const { assert!(MAX_KEY == u8::MAX as usize) };
    match u8::try_from(key.len()) {
        Ok(len) => NonZero::new(len).ok_or(BoxError::EmptyKey),
        Err(_) => Err(BoxError::KeyTooLong { len: key.len() }),
    }
}

/// Returns the length of the value of `key`, where it can be written.
#[inline]
pub(crate) fn check_value(key: &[u8], len: usize) -> Result<u16, BoxError> {
    const { assert!(MAX_VALUE == u16::MAX as usize) };
    u16::try_from(len).map_err(|_| value_too_long(key, len))
}

#[cold]
fn value_too_long(key: &[u8], len: usize) -> BoxError {
    BoxError::ValueTooLong { key: Shortened::new(key), len }
}

/// Writes a pair whose lengths were checked.
pub(super) fn put_pair(out: &mut BytesMut, key: &[u8], value: &[u8]) {
    debug_assert!(key.len() <= MAX_KEY && value.len() <= MAX_VALUE);
    for part in [key, value] {
        #[allow(clippy::cast_possible_truncation, reason = "checked by whoever made the pair")]
        out.put_u16(part.len() as u16);
        out.put_slice(part);
    }
}
