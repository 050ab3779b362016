//! What serde buffers, since it does not know yet which type it is: for `#[serde(untagged)]`, `tag`
//! and `flatten`.
//!
//! The type is read from the buffer, where nothing counts what is made, nor how deep. So both are
//! estimated when the buffer is filled. An untagged type that contains itself makes one more copy of
//! what it contains, has itself in each of its lists, and a struct where there is a map. It
//! takes some times as much stack for each level as it has bytes, or as there are between being asked
//! for it and filling the buffer.
//!
//! How large the elements of a list are, nothing tells either. What is honest and what is not may be the
//! same bytes: a point of a map is `[1.5,2.5]`, and so is a row of fifty optional fields that begins with
//! two numbers. An estimate that holds for the one refuses the other, so this one goes by what
//! shows in a list what it is one of:
//!
//! - Numbers and texts are taken for what they are in the buffer, and so is `null` in a list that has any
//!   of these: `null` is then one that is missing.
//! - Lists of numbers, with a fraction in one at least, are taken for points, and lists of them for lines.
//!   Those without are not: many rows begin with an integer.
//! - Any other list, and a map, is taken for a row of 512 bytes in a list that grows. Unless the type is
//!   untagged, the row takes the place of what it was read from.
//! - `null`, `[]` and `{}`, where nothing shows that they are small, are taken for twice that: honest
//!   lists have few of them, and nothing is shorter on the wire.
//! - The values in a map are rows of twice that too. But where there is a number or a text among them it
//!   is taken for a struct, and 32 of them for its fields.
//! - Of each box 4096 lists and maps that are not empty, or 1024 that are, are taken for no more than they
//!   are in the buffer: honest ones are short where there are not many.

use std::any::type_name;

use crate::stack::{self, MAX_STACK};

/// How many times the stack between being asked for a value and filling the buffer one level takes
/// at most: without optimisation it is 1 to 3.4 times as much.
const FRAMES: usize = 4;

/// How many times as much stack as the type has bytes one level takes at most: without optimisation it
/// is some 20 times as much.
const SIZES: usize = if cfg!(debug_assertions) { 24 } else { 8 };

/// In how many entries of a map one may be small and others not, since it is a struct: also where that
/// has what is left over in a map of its own.
pub(super) const FIELDS: usize = 32;

/// How many bytes a value in a buffer has.
const CONTENT: usize = 4 * size_of::<usize>();

/// How many bytes a struct has that is made of a map, unless it is known to be larger.
const STRUCT: usize = 256;

/// How many bytes a row takes: 512, and half of that beside it while its list grows.
const ROW: usize = 768;

/// How many bytes a row takes of which nothing was sent, or one in a map that grows.
const LARGE_ROW: usize = 2 * ROW;

/// What a value is buffered for.
#[derive(Clone, Copy)]
pub(super) struct Buffered {
    /// In how many of the buffer's lists and maps the value is.
    pub(super) level: usize,
    /// How many bytes the type has that is read from the buffer.
    size: usize,
    /// Whether any value may be of that type, each of which may be tried: what is read stays meanwhile.
    untagged: bool,
    /// Whether it is known to be a buffer of serde's, which is gone once the type was read from it.
    pub(super) is_of_serde: bool,
}

impl Buffered {
    /// Begins a buffer `V`, for a type of so many bytes.
    pub(super) fn new<V>(size: usize) -> Self {
        // It has no public name. Where it gets another one, more is spent than has to be.
        let name = type_name::<V>();
        let is_of_serde = name.contains(NAME);
        // Beside the values there is the tag, which has no length where there is one only.
        let is_tagged = size_of::<V>() > CONTENT || is_of_serde && name.starts_with('(');
        // A field that is flattened is asked for as what is in the buffer, and goes from there.
        let untagged = !is_tagged && size > CONTENT;
        Self { level: 0, size, untagged, is_of_serde }
    }

    /// How deep lists and maps may be nested in a buffer that is about to be filled, when the stack was
    /// at `base` at the beginning of the box, and at `entered` when the value was asked for.
    pub(super) fn levels(self, base: usize, entered: usize) -> usize {
        let here = stack::position();
        let left = MAX_STACK.saturating_sub(base.abs_diff(here));
        let frames = entered.abs_diff(here).saturating_mul(FRAMES);
        left / frames.max(self.size.saturating_mul(SIZES)).max(1)
    }

    /// How many bytes what is made of a map has, beside its entries.
    pub(super) fn made_of_map(self) -> usize {
        self.size.max(STRUCT)
    }

    /// How many bytes what is made of the last of `len` entries has, each of which has so many in the
    /// buffer.
    pub(super) fn made_of_entry(self, len: usize, entry: usize) -> usize {
        if self.untagged {
            entry.saturating_add(self.size / 8)
        } else if len.saturating_mul(entry) <= self.made_of_map() {
            // They are fields of what is made of the map, or it is a map, and no struct.
            0
        } else {
            entry
        }
    }

    /// How many bytes what is made of an element has that has so many in the buffer.
    pub(super) fn made_of_element(self, element: usize) -> usize {
        if self.untagged { self.size } else { element }
    }

    /// How many bytes a row has beside what is counted of it otherwise.
    pub(super) fn made_of_row(self, seen: Seen, size: Size, is_in_map: bool) -> usize {
        let of_any = if is_in_map { LARGE_ROW } else { ROW };
        let row = match seen {
            Seen::Number | Seen::Fraction | Seen::Fractions | Seen::Text => return 0,
            Seen::Nothing => return LARGE_ROW,
            Seen::List => of_any,
            Seen::Map => of_any - STRUCT,
        };
        if self.untagged { row } else { row.saturating_sub(size.own) }
    }
}

/// What was read into a buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Seen {
    /// `null`, or a list or a map that is empty.
    #[default]
    Nothing,
    /// A number without a fraction, or a boolean.
    Number,
    /// A number with a fraction.
    Fraction,
    Text,
    /// A list of numbers, of which one has a fraction at least, or of such lists.
    Fractions,
    /// Any other list.
    List,
    Map,
}

impl Seen {
    /// Whether what is beside it is taken for no more than it is in the buffer.
    pub(super) fn is_small(self) -> bool {
        matches!(self, Self::Number | Self::Fraction | Self::Text)
    }

    /// What a list is whose elements were `self` so far, with `element`.
    pub(super) fn with(self, element: Self) -> Self {
        match (self, element) {
            (Self::Nothing | Self::Number, Self::Number) => Self::Number,
            (Self::Nothing | Self::Number | Self::Fractions, Self::Fraction | Self::Fractions)
            | (Self::Fractions, Self::Number) => Self::Fractions,
            _ => Self::List,
        }
    }

    /// What the list is once all of its elements are known.
    pub(super) fn of_list(self) -> Self {
        if self == Self::Number { Self::List } else { self }
    }
}

/// What rows count as of those that a box may have for nothing.
pub(super) fn weight(seen: Seen) -> usize {
    if seen == Seen::Nothing { 4 } else { 1 }
}

/// How many bytes what was read into a buffer has, with all that is in it.
#[derive(Clone, Copy, Default)]
pub(super) struct Size {
    pub(super) own: usize,
    /// What the copies have that there may be at a time of what is in it.
    copies: usize,
    /// The same, of what is in each of these: types inside of the outermost list or map may be untagged,
    /// and copy what they contain, but one that is all there is does not.
    pub(super) deeper_copies: usize,
}

impl Size {
    /// Adds what is in it, for which there is a place already.
    pub(super) fn add(&mut self, inner: Self) {
        self.own = self.own.saturating_add(inner.own);
        // Of elements beside each other, one is copied at a time.
        self.copies = self.copies.max(inner.own.saturating_add(inner.copies));
        self.deeper_copies = self.deeper_copies.max(inner.copies);
    }
}

/// Whether a `V` is what serde keeps in its buffers.
pub(super) fn is_content<V>() -> bool {
    let name = type_name::<V>();
    size_of::<V>() == CONTENT && name.contains(NAME) && !name.starts_with('(')
}

/// The name that serde gives to what it keeps in its buffers.
const NAME: &str = "::content::Content";

/// Whether a `V` asks to be told what the value is, and looks at it once.
pub(super) fn is_read_once<V>() -> bool {
    #[cfg(feature = "json")]
    if type_name::<V>() == type_name::<serde_json::Value>() {
        return true;
    }
    false
}
