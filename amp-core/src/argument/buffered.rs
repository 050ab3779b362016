//! What serde buffers, since it does not know yet which type it is: for `#[serde(untagged)]`, `tag`
//! and `flatten`.
//!
//! The type is read from the buffer, where nothing counts what is made, nor how deep. So both are
//! estimated when the buffer is filled. An untagged type that contains itself makes one more copy of
//! the buffer for each level, has itself in each of its lists, and a struct where there is a map. It
//! takes some times as much stack for each level as it has bytes, or as there are between being asked
//! for it and filling the buffer.

use std::any::type_name;

use crate::stack::{self, MAX_STACK};

/// How many times the stack between being asked for a value and filling the buffer one level takes
/// at most: without optimisation it is 1 to 3.4 times as much.
const FRAMES: usize = 4;

/// How many times as much stack as the type has bytes one level takes at most: without optimisation it
/// is some 20 times as much.
const SIZES: usize = if cfg!(debug_assertions) { 24 } else { 8 };

/// How many bytes a value in a buffer has.
const CONTENT: usize = 4 * size_of::<usize>();

/// How many bytes a struct has that is made of a map, unless it is known to be larger.
const STRUCT: usize = 256;

/// What a value is buffered for.
#[derive(Clone, Copy)]
pub(super) struct Buffered {
    /// In how many of the buffer's lists and maps the value is.
    pub(super) level: usize,
    /// How many bytes the type has that is read from the buffer.
    size: usize,
    /// Whether any value may be of that type, or only a map.
    untagged: bool,
    /// Whether it is known to be a buffer of serde's, which is gone once the type was read from it.
    pub(super) is_of_serde: bool,
}

impl Buffered {
    /// Begins a buffer `V`, for a type of so many bytes.
    pub(super) fn new<V>(size: usize) -> Self {
        // It has no public name. Where it gets another one, more is spent than has to be.
        let is_of_serde = type_name::<V>().contains("::content::Content");
        // Beside the values there is the tag.
        Self { level: 0, size, untagged: size_of::<V>() <= CONTENT, is_of_serde }
    }

    /// How deep lists and maps may be nested in a buffer that is about to be filled, when the stack was
    /// at `base` at the beginning of the box, and at `entered` when the value was asked for.
    pub(super) fn levels(self, base: usize, entered: usize) -> usize {
        let here = stack::position();
        let left = MAX_STACK.saturating_sub(base.abs_diff(here));
        let frames = entered.abs_diff(here).saturating_mul(FRAMES);
        left / frames.max(self.size.saturating_mul(SIZES)).max(1)
    }

    /// How many bytes the copies of `element` in the buffer's own copies have, beside the first.
    pub(super) fn copies(self, element: usize) -> usize {
        self.level.saturating_sub(1).saturating_mul(element)
    }

    /// How many bytes the copies of a text have, beside the one that is made of it.
    pub(super) fn copies_of_text(self, len: usize) -> usize {
        self.level.max(1).saturating_mul(len)
    }

    /// How many bytes what is made of a map has, beside its entries.
    pub(super) fn made_of_map(self) -> usize {
        self.size.max(STRUCT)
    }

    /// How many bytes what is made of an entry has that has so many in the buffer.
    pub(super) fn made_of_entry(self, entry: usize) -> usize {
        entry.saturating_add(if self.untagged { self.size / 8 } else { 0 })
    }

    /// How many bytes what is made of an element has that has so many in the buffer.
    pub(super) fn made_of_element(self, element: usize) -> usize {
        if self.untagged { self.size } else { element }
    }
}

/// Whether a `V` asks to be told what the value is, and looks at it once.
pub(super) fn is_read_once<V>() -> bool {
    #[cfg(feature = "json")]
    if type_name::<V>() == type_name::<serde_json::Value>() {
        return true;
    }
    false
}
