//! The elements of a list, or the entries of a map.

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess};

use super::meter::Metered;
use crate::argument::budget::{table_size, tree_size};
use crate::argument::buffered::{Buffered, FIELDS, Seen, Size, is_content, weight};
use crate::argument::collection::Holds;

/// The elements of a list, or the entries of a map.
pub(super) struct MeteredElements<'m, A> {
    inner: Metered<'m, A>,
    holds: Holds,
    len: usize,
    /// How many bytes were spent for the place that they are in.
    size: usize,
    /// The size of the key whose value comes next.
    key: usize,
    buffer: InBuffer,
}

/// What is known of elements in a buffer.
#[derive(Default)]
struct InBuffer {
    /// What the list is, as far as it was read.
    seen: Seen,
    size: Size,
    /// What was spent on copies.
    copies: usize,
    /// Whether one of them has shown that all are small.
    are_small: bool,
    /// How many may be rows, what was spent on them unless they are small, and what they count as that
    /// were for nothing.
    rows: usize,
    spent: usize,
    free: usize,
}

impl<'m, A> MeteredElements<'m, A> {
    pub(super) fn new(inner: Metered<'m, A>, holds: Holds) -> Self {
        Self { inner, holds, len: 0, size: 0, key: 0, buffer: InBuffer::default() }
    }

    /// There is one more element, of so many bytes.
    fn add_element<E: Error>(&mut self, element: usize) -> Result<(), E> {
        self.len += 1;
        if let Some(buffered) = self.inner.at.buffered {
            self.inner.meter.spend(buffered.made_of_element(element))?;
            let (seen, _) = self.inner.meter.seen.get();
            self.buffer.seen = self.buffer.seen.with(seen);
            self.add_row(buffered, false)?;
            return self.buffer(buffered, element);
        }
        self.grow(self.holds.elements_size(self.len, element))
    }

    /// There is one more entry, of so many bytes.
    fn add_entry<E: Error>(&mut self, entry: usize) -> Result<(), E> {
        self.len += 1;
        if let Some(buffered) = self.inner.at.buffered {
            self.inner.meter.spend(buffered.made_of_entry(self.len, entry))?;
            return self.buffer(buffered, entry);
        }
        // It is not known which of both they are in.
        self.grow(table_size(self.len, entry))?;
        let tree = tree_size(self.len, entry);
        if self.holds != Holds::Within && tree > self.size {
            self.inner.meter.spend(tree - self.size)?;
            self.size = tree;
        }
        Ok(())
    }

    /// What was read into a buffer may be made into a row of a list, or of a map.
    fn add_row<E: Error>(&mut self, buffered: Buffered, is_in_map: bool) -> Result<(), E> {
        let (meter, known) = (self.inner.meter, &mut self.buffer);
        let (seen, size) = meter.seen.get();
        known.are_small |= seen.is_small();
        let row = buffered.made_of_row(seen, size, is_in_map);
        known.rows += usize::from(row > 0);
        // A row that is large has no place among small ones, but in a struct or a tuple.
        if known.are_small && !(is_in_map && known.rows > FIELDS) {
            meter.give_back(std::mem::take(&mut known.spent));
            meter.rows.set(meter.rows.get() + std::mem::take(&mut known.free));
            return Ok(());
        }
        if row == 0 {
            return Ok(());
        }
        let weight = weight(seen);
        if let Some(rows) = meter.rows.get().checked_sub(weight) {
            meter.rows.set(rows);
            known.free += weight;
            return Ok(());
        }
        known.spent += row;
        meter.spend(row)
    }

    /// There is one more of so many bytes in a buffer, which is a list in any case.
    fn buffer<E: Error>(&mut self, buffered: Buffered, element: usize) -> Result<(), E> {
        let (meter, before) = (self.inner.meter, self.size);
        self.grow(Holds::List.elements_size(self.len, element))?;
        let (_, inner) = meter.seen.get();
        let size = &mut self.buffer.size;
        size.own += self.size - before;
        size.add(inner);
        let mut spent = self.size - before;
        if buffered.level == 1 {
            let more = size.deeper_copies - self.buffer.copies;
            meter.spend(more)?;
            self.buffer.copies = size.deeper_copies;
            spent += more;
        }
        meter.note(buffered, spent);
        Ok(())
    }

    /// They are moved to a place of `size` bytes, unless theirs is as large.
    fn grow<E: Error>(&mut self, size: usize) -> Result<(), E> {
        if self.holds != Holds::Within && size > self.size {
            self.inner.meter.grow(self.size, size)?;
            self.size = size;
        }
        Ok(())
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for MeteredElements<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        let size = size_of::<T::Value>();
        let seed = self.inner.seed(seed, size);
        let element = self.inner.inner.next_element_seed(seed)?;
        if element.is_some() {
            self.add_element(size)?;
        } else {
            self.inner.meter.seen.set((self.buffer.seen.of_list(), self.buffer.size));
        }
        Ok(element)
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for MeteredElements<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        self.key = size_of::<K::Value>();
        let seed = self.inner.seed(seed, self.key);
        let key = self.inner.inner.next_key_seed(seed)?;
        if key.is_none() {
            let map = if self.len == 0 { Seen::Nothing } else { Seen::Map };
            self.inner.meter.seen.set((map, self.buffer.size));
        } else if self.inner.at.buffered.is_some() {
            let (_, key) = self.inner.meter.seen.get();
            self.buffer.size.add(key);
        }
        Ok(key)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        let size = size_of::<T::Value>();
        let seed = self.inner.seed(seed, size);
        let value = self.inner.inner.next_value_seed(seed)?;
        if is_content::<T::Value>() {
            // Beside it may be known fields, of which nothing is buffered.
            let buffered = self.inner.at.buffered.unwrap_or(Buffered::new::<T::Value>(size));
            self.add_row(buffered, true)?;
        }
        self.add_entry(self.key + size)?;
        Ok(value)
    }
}
