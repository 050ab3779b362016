//! What decoding may make of the bytes of one box.
//!
//! Two bytes of a list of boxes become a whole struct, and a thousand zeros a few bytes of a
//! compressed value. So that a peer fills no more memory than it pays for in bytes, whatever
//! decoding allocates is spent from a budget that has the size of the box.

use super::{DecodeError, DecodeErrorKind};
use crate::boxes::MAX_VALUE;

/// What may be made of each byte of a box, in bytes. Lists of what is honest stay below: an empty
/// text has 2 bytes on the wire and 24 in memory, one of five letters 7 and 29.
const PER_BYTE: usize = 18;

/// What may be made of a small box by default, in bytes. Compressed values, JSON, and rows of which
/// most fields are empty take many times their length, and are honest: a hundred kilobytes of text
/// are a few when they are compressed. What many such boxes take together, the bytes of running calls
/// bound.
pub(crate) const LEAST: usize = 1 << 20;

/// How many bytes of memory the values of a box may take.
#[derive(Debug)]
pub(crate) struct Budget {
    /// What may be made of a small box.
    least: usize,
    /// What may be made of this one.
    limit: usize,
    left: usize,
}

impl Budget {
    /// The budget of a value outside of any box: what the longest value in a box has.
    pub(crate) fn new(least: usize) -> Self {
        let mut budget = Self { least, limit: 0, left: 0 };
        budget.begin(MAX_VALUE, 0);
        budget
    }

    /// Begins a box of `len` bytes, for whose pairs an index of so many bytes was made.
    #[inline]
    pub(crate) fn begin(&mut self, len: usize, index: usize) {
        self.limit = len.saturating_mul(PER_BYTE).max(self.least);
        self.left = self.limit.saturating_sub(index);
    }

    #[inline]
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), DecodeError> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(self.refuse()),
        }
    }

    /// Gives back what was spent and freed again.
    pub(super) fn give_back(&mut self, bytes: usize) {
        self.left += bytes;
    }

    /// What is left, in bytes.
    #[cfg(any(feature = "json", feature = "serde", feature = "zlib"))]
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Says what is left, after something has spent from it that cannot hold the budget itself.
    #[cfg(any(feature = "json", feature = "serde"))]
    pub(super) fn set_left(&mut self, left: usize) {
        self.left = left;
    }

    /// How much was spent of the box, in bytes.
    #[cfg(feature = "tokio")]
    pub(super) fn spent(&self) -> usize {
        self.limit - self.left
    }

    #[cold]
    pub(super) fn refuse(&self) -> DecodeError {
        DecodeErrorKind::TooMuchMemory { limit: self.limit }.into()
    }
}

/// How many bytes a `BTreeMap` takes with so many entries of `entry` bytes each. Its nodes have
/// room for 11, and are left half full when they are filled one after another.
pub(super) fn tree_size(entries: usize, entry: usize) -> usize {
    const NODE: usize = 16;
    const EDGES: usize = 16;
    let node = entry.saturating_mul(11).saturating_add(NODE + EDGES);
    entries.div_ceil(6).saturating_mul(node)
}

/// How many bytes a `HashMap` takes that was made for so many entries of `entry` bytes each: a
/// power of two of places, of which seven in eight may be taken.
pub(super) fn table_size(entries: usize, entry: usize) -> usize {
    if entries == 0 {
        return 0;
    }
    let places = (entries.saturating_mul(8) / 7).max(3).saturating_add(1).next_power_of_two();
    places.saturating_mul(entry.saturating_add(1)).saturating_add(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_has_what_it_pays_for() {
        let mut budget = Budget::new(1000);
        budget.begin(100, 0);
        budget.spend(1800).unwrap();
        let error = budget.spend(1).unwrap_err();
        assert_eq!(error.to_string(), "what is decoded takes more than 1800 bytes of memory");
        budget.begin(10, 7);
        budget.spend(993).unwrap();
        assert!(budget.spend(1).is_err());
        assert!(budget.spend(usize::MAX).is_err());
        budget.begin(usize::MAX, 0);
        budget.spend(1 << 60).unwrap();
    }
}
