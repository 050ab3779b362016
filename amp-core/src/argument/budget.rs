//! What decoding may make of the bytes of one box.
//!
//! Two bytes of a list of boxes become a whole struct, and a thousand zeros a few bytes of a
//! compressed value. So that a peer fills no more memory than it pays for in bytes, whatever
//! decoding allocates is spent from a budget that has the size of the box. What takes time and no
//! memory has a bound of its own.

use super::{DecodeError, DecodeErrorKind};
use crate::boxes::MAX_VALUE;

/// What may be made of each byte of a box, in bytes. Lists of what is honest stay below: an empty
/// text has 2 bytes on the wire and 24 in memory, one of five letters 7 and 29.
pub(crate) const PER_BYTE: usize = 18;

/// What may be made of a small box by default, in bytes. Compressed values, JSON, and rows of which
/// most fields are empty take many times their length, and are honest: 4000 leases of MAAS or more fill a value when they
/// are compressed, and rows that are more alike take more. What many such boxes take together, the bytes of
/// running calls bound.
pub(crate) const LEAST: usize = 4 << 20;

/// How many bytes of memory the values of a box may take.
#[derive(Debug)]
pub(crate) struct Budget {
    /// What may be made of a small box.
    least: usize,
    /// What may be made of this one.
    limit: usize,
    left: usize,
    /// How many digits of long integers were read.
    digits: usize,
    /// How many rows may be read from serde's buffers that are taken for no more than they show.
    rows: usize,
}

/// What `rows` are of a box. Honest ones are often short, such as `[10,20]`, and there are few
/// thousands in a box that is not large.
const ROWS: usize = 4096;

impl Budget {
    /// The budget of a value outside of any box: what the longest value in a box has.
    #[inline]
    pub(crate) fn new(least: usize) -> Self {
        let mut budget = Self { least, limit: 0, left: 0, digits: 0, rows: 0 };
        budget.begin(MAX_VALUE, 0);
        budget
    }

    /// Begins a box of `len` bytes, for whose pairs an index of so many bytes was made.
    #[inline]
    pub(crate) fn begin(&mut self, len: usize, index: usize) {
        self.limit = len.saturating_mul(PER_BYTE).max(self.least);
        self.left = self.limit.saturating_sub(index);
        self.digits = 0;
        self.rows = ROWS;
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
        self.left = self.left.saturating_add(bytes).min(self.limit);
    }

    /// Counts an integer of so many digits.
    #[cfg(feature = "num-bigint")]
    pub(super) fn read_digits(&mut self, digits: usize) -> Result<(), DecodeError> {
        /// What the integers of a box may have together that are too long for Python. The time to read
        /// one is quadratic in its digits, 10 ms for the longest.
        const LONG_DIGITS: usize = 1 << 20;
        /// What an integer has at most that Python reads, unless it is told otherwise.
        const PYTHON_DIGITS: usize = 4300;
        if digits > PYTHON_DIGITS {
            self.digits += digits;
            if self.digits > LONG_DIGITS {
                return Err(DecodeErrorKind::TooManyDigits { limit: LONG_DIGITS }.into());
            }
        }
        Ok(())
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

    /// How many rows may be read still that are taken for no more than they show.
    #[cfg(any(feature = "json", feature = "serde"))]
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Says how many those are.
    #[cfg(any(feature = "json", feature = "serde"))]
    pub(super) fn set_rows(&mut self, rows: usize) {
        self.rows = rows;
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

/// How many bytes a `BTreeMap` takes with so many entries of `entry` bytes each, however it was filled.
/// Its nodes have room for 11, and each but the only one has 5 at least and one more above it.
pub(super) fn tree_size(entries: usize, entry: usize) -> usize {
    nodes_size(if entries <= NODE { entries.min(1) } else { entries.div_ceil(6) }, entry)
}

/// As [`tree_size`], when all entries are put into it at once, in order.
pub(super) fn full_tree_size(entries: usize, entry: usize) -> usize {
    nodes_size(entries.div_ceil(NODE), entry)
}

/// How many entries a node of a `BTreeMap` has room for.
const NODE: usize = 11;

fn nodes_size(nodes: usize, entry: usize) -> usize {
    // Few of them have others below them, so all have few edges on average.
    const LINKS: usize = 16;
    const EDGES: usize = 16;
    nodes.saturating_mul(entry.saturating_mul(NODE).saturating_add(LINKS + EDGES))
}

/// How many bytes a `HashMap` takes that was made for so many entries of `entry` bytes each: a
/// power of two of places, of which seven in eight may be taken, and a byte beside each place.
pub(super) fn table_size(entries: usize, entry: usize) -> usize {
    /// How many places are looked at together.
    const GROUP: usize = 16;
    if entries == 0 {
        return 0;
    }
    let least = match entry {
        0 | 1 => 14,
        2 | 3 => 7,
        _ => 3,
    };
    let places = match entries.max(least) {
        0..=3 => 4,
        4..=7 => 8,
        8..=14 => 16,
        more => (more.saturating_mul(8) / 7).next_power_of_two(),
    };
    let aligned = places.saturating_mul(entry).saturating_add(GROUP - 1) / GROUP * GROUP;
    aligned.saturating_add(places).saturating_add(GROUP)
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

    #[test]
    fn collections_take_what_the_allocator_is_asked_for() {
        for (entries, entry, size) in [
            (0, 8, 0),
            (1, 8, 4 * 8 + 4 + 16),
            (3, 5, 32 + 4 + 16),
            (7, 8, 8 * 8 + 8 + 16),
            (14, 8, 16 * 8 + 16 + 16),
            (28, 8, 32 * 8 + 32 + 16),
            (29, 8, 64 * 8 + 64 + 16),
            (1, 1, 16 + 16 + 16),
        ] {
            assert_eq!(table_size(entries, entry), size, "{entries} entries of {entry} bytes");
        }
        assert_eq!(tree_size(0, 8), 0);
        assert_eq!(tree_size(11, 8), tree_size(1, 8));
        assert_eq!(tree_size(12, 8), 2 * tree_size(1, 8));
        assert_eq!(full_tree_size(22, 8), tree_size(12, 8));
    }
}
