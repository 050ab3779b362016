//! The pairs of a box, one after another.

use std::slice;

use super::pair::{Pair, Walk};

/// A pair that was found.
pub(super) struct FoundPair<'a> {
    /// Its place among those of its box.
    pub(super) at: usize,
    pub(super) value: &'a [u8],
    /// What is behind it as on the wire, where that can be gone through.
    pub(super) behind: Walk<'a>,
}

/// The pairs of a box, or the last of them, sorted by the bytes of their keys.
#[derive(Clone)]
pub(crate) enum Pairs<'a> {
    Plain(Walk<'a>),
    Indexed(&'a [u8], slice::Iter<'a, Pair>),
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Pairs::Plain(walk) => walk.next(),
            Pairs::Indexed(data, index) => {
                index.next().map(|pair| (pair.key(data), pair.value(data)))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = match self {
            Pairs::Plain(walk) => walk.clone().count(),
            Pairs::Indexed(_, index) => index.len(),
        };
        (len, Some(len))
    }
}

impl ExactSizeIterator for Pairs<'_> {}

/// Finds `key` among pairs that are as on the wire.
#[inline]
pub(super) fn find<'a>(data: &'a [u8], key: &[u8]) -> Option<FoundPair<'a>> {
    let mut walk = Walk::new(data);
    for at in 0.. {
        if let Some(value) = walk.next_if(key) {
            return Some(FoundPair { at, value, behind: walk });
        }
        walk.next()?;
    }
    None
}
