//! Attachments that were dropped since there were too many: a box that names one fails, and its peer is not to blame.

use std::collections::VecDeque;

/// How many are remembered, as nothing need ever name them.
const MAX: usize = 4096;

/// The ordinals of those that one limit has dropped, and that nothing has named since.
#[derive(Default)]
pub(super) struct Surplus {
    /// In their order.
    ordinals: VecDeque<u64>,
    limit: usize,
}

impl Surplus {
    /// This one was dropped, as there were more than `limit`.
    pub(super) fn add(&mut self, ordinal: u64, limit: usize) {
        self.limit = limit;
        if self.ordinals.len() == MAX {
            self.ordinals.pop_front();
        }
        let at = self.ordinals.partition_point(|dropped| *dropped < ordinal);
        self.ordinals.insert(at, ordinal);
    }

    /// The limit, if this one was dropped and is named for the first time.
    pub(super) fn take(&mut self, ordinal: u64) -> Option<usize> {
        let at = self.ordinals.binary_search(&ordinal).ok()?;
        self.ordinals.remove(at);
        if self.ordinals.is_empty() {
            self.ordinals = VecDeque::new();
        }
        Some(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_named_once_and_none_beside_them_is_meant() {
        let mut surplus = Surplus::default();
        for ordinal in [7, 3, 9] {
            surplus.add(ordinal, 5);
        }
        let taken = [3, 8, 7, 7, 9, 4].map(|ordinal| surplus.take(ordinal));
        assert_eq!(taken, [Some(5), None, Some(5), None, Some(5), None]);
        assert_eq!(surplus.ordinals.capacity(), 0, "no room is kept for them");
    }

    #[test]
    fn the_last_are_remembered() {
        let mut surplus = Surplus::default();
        for ordinal in 0..=MAX as u64 {
            surplus.add(ordinal, 5);
        }
        assert_eq!(surplus.ordinals.len(), MAX);
        assert_eq!([0, 1, MAX as u64].map(|n| surplus.take(n)), [None, Some(5), Some(5)]);
    }
}
