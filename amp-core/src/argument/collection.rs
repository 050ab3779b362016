//! Where the elements of a value are that serde makes, and how many bytes that takes.

use std::any::type_name;

use super::budget::{table_size, tree_size};

/// Where the elements of a value are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// In the value itself, as the fields of a struct.
    Within,
    /// Beside each other, in memory that doubles.
    List,
    /// In a tree, as those of a `BTreeSet`.
    Tree,
    /// In a table, as those of a `HashSet`.
    Table,
    /// Each in memory of its own, between two others.
    Chain,
    /// In memory that grows with them in a way that is not known.
    Apart,
}

impl Holds {
    /// Where those of a `V` are, by its name. serde does not say it otherwise; what has another name
    /// counts as whatever takes most.
    pub(super) fn by<V>() -> Self {
        // serde's buffers are lists, and so are the arrays of `serde_json`.
        const LISTS: [&str; 6] = [
            "alloc::vec::Vec<",
            "alloc::boxed::Box<[",
            "alloc::collections::vec_deque::VecDeque<",
            "alloc::collections::binary_heap::BinaryHeap<",
            "serde_json::value::Value",
            "serde_json::Value",
        ];
        let name = type_name::<V>();
        match () {
            () if LISTS.iter().any(|list| name.starts_with(list)) => Self::List,
            () if name.starts_with("alloc::collections::btree::set::BTreeSet<") => Self::Tree,
            () if name.starts_with("std::collections::hash::set::HashSet<") => Self::Table,
            () if name.starts_with("alloc::collections::linked_list::LinkedList<") => Self::Chain,
            () => Self::Apart,
        }
    }

    /// How many bytes so many elements take.
    pub(super) fn elements_size(self, len: usize, element: usize) -> usize {
        let list = || len.next_power_of_two().max(4).saturating_mul(element);
        let chain = || len.saturating_mul(element.saturating_add(2 * size_of::<usize>()));
        match self {
            Self::Within => 0,
            Self::List => list(),
            Self::Tree => tree_size(len, element),
            Self::Table => table_size(len, element),
            Self::Chain => chain(),
            // What has no length is in no memory, but for chains.
            Self::Apart if element == 0 => 0,
            Self::Apart => table_size(len, element).max(tree_size(len, element)).max(chain()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, BinaryHeap, HashSet, LinkedList, VecDeque};

    use super::*;

    #[test]
    fn the_collections_of_std_are_known_by_name() {
        for (seen, holds) in [
            (Holds::by::<Vec<u8>>(), Holds::List),
            (Holds::by::<Box<[u8]>>(), Holds::List),
            (Holds::by::<VecDeque<u8>>(), Holds::List),
            (Holds::by::<BinaryHeap<u8>>(), Holds::List),
            (Holds::by::<serde_json::Value>(), Holds::List),
            (Holds::by::<BTreeSet<u8>>(), Holds::Tree),
            (Holds::by::<HashSet<u8>>(), Holds::Table),
            (Holds::by::<LinkedList<u8>>(), Holds::Chain),
            (Holds::by::<Option<Vec<u8>>>(), Holds::Apart),
        ] {
            assert_eq!(seen, holds);
        }
    }
}
