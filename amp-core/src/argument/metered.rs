//! Deserializing within a budget: what serde makes through these is spent from it.
//!
//! serde tells how many bytes an element has, and how many there are, but not where they are put.
//! They are counted as those of a list that grows by doubling, or as those of a map. What is put
//! into memory of its own is seen where it is larger than the place that was paid for. What serde
//! buffers and reads a second time is [`Buffered`].

use std::any::type_name;
use std::cell::Cell;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::DecodeError;
use super::budget::{Budget, table_size, tree_size};
use super::buffered::{Buffered, FIELDS, Seen, Size, is_content, is_read_once, weight};
use super::collection::Holds;
use super::proto::TooDeep;
use crate::stack;

/// What is left of a budget, for all that deserializes one value.
pub(crate) struct Meter {
    left: Cell<usize>,
    /// Where the stack was at the beginning.
    base: usize,
    /// How deep lists and maps may be nested.
    levels: usize,
    /// What was spent on buffers of serde's that are there still.
    buffers: Cell<usize>,
    /// What the last buffer is, by its type's name.
    buffer: Cell<&'static str>,
    /// What the last value is that was read into a buffer.
    seen: Cell<(Seen, Size)>,
    /// How many rows may be read still that are taken for no more than they show.
    rows: Cell<usize>,
    refused: Cell<Option<Refused>>,
}

/// Why a value was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Memory,
    Levels,
    Stack,
}

impl Meter {
    /// `base` is where the stack was at the beginning of the box, and `levels` how deep lists and
    /// maps may be nested.
    pub(crate) fn new(budget: &Budget, base: usize, levels: usize) -> Self {
        Self {
            left: Cell::new(budget.left()),
            base,
            levels,
            buffers: Cell::new(0),
            buffer: Cell::new(""),
            seen: Cell::default(),
            rows: Cell::new(budget.rows()),
            refused: Cell::new(None),
        }
    }

    /// What was read, or why it was not; an error of its own when the budget or the stack was the
    /// reason. What was spent is taken from `budget`.
    pub(crate) fn outcome<T, E>(
        &self,
        read: Result<T, E>,
        budget: &mut Budget,
    ) -> Result<Result<T, E>, DecodeError> {
        budget.set_left(self.left.get());
        budget.set_rows(self.rows.get());
        match (read, self.refused.get()) {
            (Err(_), Some(Refused::Memory)) => Err(budget.refuse()),
            (Err(_), Some(Refused::Levels)) => Err(TooDeep::Levels.into()),
            (Err(_), Some(Refused::Stack)) => Err(TooDeep::Stack.into()),
            (read, _) => Ok(read),
        }
    }

    /// Spends from the budget what is made through `deserializer` for a `T`, for which there is a
    /// place.
    pub(crate) fn deserializer<T, D>(&self, deserializer: D) -> Metered<'_, D> {
        let at = At {
            place: size_of::<T>(),
            level: 0,
            levels: self.levels,
            entered: stack::position(),
            buffered: None,
        };
        Metered { inner: deserializer, meter: self, at }
    }

    fn spend<E: Error>(&self, bytes: usize) -> Result<(), E> {
        self.grow(0, bytes)
    }

    /// What has `from` bytes is moved to a place of `to` bytes: for a moment there are both.
    fn grow<E: Error>(&self, from: usize, to: usize) -> Result<(), E> {
        let left = self.left.get();
        if to > left {
            return Err(self.refuse(Refused::Memory));
        }
        self.left.set(left - to + from);
        Ok(())
    }

    /// Notes that `bytes` of what was spent is a buffer.
    fn note(&self, buffered: Buffered, bytes: usize) {
        if buffered.is_of_serde {
            self.buffers.set(self.buffers.get() + bytes);
        }
    }

    fn give_back(&self, bytes: usize) {
        self.left.set(self.left.get() + bytes);
    }

    /// Gives back what was spent on buffers but for the first so many bytes.
    fn free_buffers(&self, but: usize) {
        self.give_back(self.buffers.get() - but);
        self.buffers.set(but);
    }

    fn refuse<E: Error>(&self, refused: Refused) -> E {
        self.refused.set(Some(refused));
        E::custom("it takes too much memory")
    }
}

/// What is around a value.
#[derive(Clone, Copy)]
struct At {
    /// How many bytes the place has that the value is put into.
    place: usize,
    /// In how many lists and maps the value is, and in how many it may be.
    level: usize,
    levels: usize,
    /// Where the stack was when serde, or the type that is read, was asked for the value.
    entered: usize,
    /// What serde buffers the value for, if it does.
    buffered: Option<Buffered>,
}

/// What serde goes through, within a budget.
pub(crate) struct Metered<'m, T> {
    inner: T,
    meter: &'m Meter,
    at: At,
}

impl<'m, T> Metered<'m, T> {
    fn with<U>(&self, inner: U) -> Metered<'m, U> {
        Metered { inner, meter: self.meter, at: self.at }
    }

    fn seed<S>(&self, seed: S, place: usize) -> Metered<'m, S> {
        Metered { inner: seed, meter: self.meter, at: At { place, ..self.at } }
    }

    /// Goes into a list or a map.
    fn deeper<E: Error>(&mut self) -> Result<(), E> {
        if self.at.level == self.at.levels {
            let all = self.at.levels == self.meter.levels;
            return Err(self.meter.refuse(if all { Refused::Levels } else { Refused::Stack }));
        }
        self.at.entered = stack::position();
        if stack::is_exhausted(self.meter.base) {
            return Err(self.meter.refuse(Refused::Stack));
        }
        self.at.level += 1;
        if let Some(buffered) = &mut self.at.buffered {
            buffered.level += 1;
        }
        Ok(())
    }

    /// What is read here is a `V` that asks to be told what the value is. Unless it is known to look
    /// at it once, it is taken for a buffer.
    fn any<V>(&mut self) {
        if is_read_once::<V>() || self.at.buffered.is_some() {
            return;
        }
        let buffered = Buffered::new::<V>(self.at.place);
        let levels = buffered.levels(self.meter.base, self.at.entered);
        self.at.levels = self.at.levels.min(self.at.level.saturating_add(levels));
        self.at.buffered = Some(buffered);
        self.meter.buffer.set(type_name::<V>());
    }

    /// A visitor of this value, which may be put into memory of its own.
    fn visitor<'de, V: Visitor<'de>, E: Error>(
        &self,
        visitor: V,
        holds: Holds,
    ) -> Result<MeteredVisitor<'m, V>, E> {
        let size = size_of::<V::Value>();
        if size > self.at.place {
            self.meter.spend(size)?;
        }
        Ok(MeteredVisitor { inner: self.with(visitor), holds })
    }
}

macro_rules! deserialize {
    ($($method:ident($($argument:ident: $ty:ty),*) $holds:ident;)*) => { $(
        fn $method<V: Visitor<'de>>(
            self,
            $($argument: $ty,)*
            visitor: V,
        ) -> Result<V::Value, D::Error> {
            let visitor = self.visitor(visitor, Holds::$holds)?;
            self.inner.$method($($argument,)* visitor)
        }
    )* };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Metered<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, D::Error> {
        self.any::<V::Value>();
        let visitor = self.visitor(visitor, Holds::Apart)?;
        self.inner.deserialize_any(visitor)
    }

    deserialize! {
        deserialize_bool() Apart;
        deserialize_i8() Apart;
        deserialize_i16() Apart;
        deserialize_i32() Apart;
        deserialize_i64() Apart;
        deserialize_i128() Apart;
        deserialize_u8() Apart;
        deserialize_u16() Apart;
        deserialize_u32() Apart;
        deserialize_u64() Apart;
        deserialize_u128() Apart;
        deserialize_f32() Apart;
        deserialize_f64() Apart;
        deserialize_char() Apart;
        deserialize_str() Apart;
        deserialize_string() Apart;
        deserialize_bytes() Apart;
        deserialize_byte_buf() Apart;
        deserialize_option() Apart;
        deserialize_unit() Apart;
        deserialize_unit_struct(name: &'static str) Apart;
        deserialize_newtype_struct(name: &'static str) Apart;
        deserialize_seq() Apart;
        deserialize_tuple(len: usize) Within;
        deserialize_tuple_struct(name: &'static str, len: usize) Within;
        deserialize_map() Apart;
        deserialize_struct(name: &'static str, fields: &'static [&'static str]) Within;
        deserialize_enum(name: &'static str, variants: &'static [&'static str]) Within;
        deserialize_identifier() Apart;
        deserialize_ignored_any() Apart;
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

struct MeteredVisitor<'m, V> {
    inner: Metered<'m, V>,
    holds: Holds,
}

macro_rules! visit {
    ($($method:ident $ty:ty, $seen:ident;)*) => { $(
        fn $method<E: Error>(self, value: $ty) -> Result<V::Value, E> {
            self.inner.meter.seen.set((Seen::$seen, Size::default()));
            self.inner.inner.$method(value)
        }
    )* };
}

/// Text and bytes are copied, or were. A buffer has what is borrowed as it is.
macro_rules! visit_copied {
    ($($method:ident $ty:ty, $copies:expr;)*) => { $(
        fn $method<E: Error>(self, value: $ty) -> Result<V::Value, E> {
            let Metered { meter, at, .. } = &self.inner;
            meter.spend(value.len())?;
            let mut size = Size::default();
            if let Some(buffered) = at.buffered {
                size.own = $copies * value.len();
                meter.spend(size.own)?;
                meter.note(buffered, size.own);
            }
            meter.seen.set((Seen::Text, size));
            self.inner.inner.$method(value)
        }
    )* };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for MeteredVisitor<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.inner.expecting(f)
    }

    visit! {
        visit_bool bool, Number;
        visit_i8 i8, Number;
        visit_i16 i16, Number;
        visit_i32 i32, Number;
        visit_i64 i64, Number;
        visit_i128 i128, Number;
        visit_u8 u8, Number;
        visit_u16 u16, Number;
        visit_u32 u32, Number;
        visit_u64 u64, Number;
        visit_u128 u128, Number;
        visit_f32 f32, Fraction;
        visit_f64 f64, Fraction;
        visit_char char, Text;
    }

    visit_copied! {
        visit_str &str, 1;
        visit_borrowed_str &'de str, 0;
        visit_string String, 1;
        visit_bytes &[u8], 1;
        visit_borrowed_bytes &'de [u8], 0;
        visit_byte_buf Vec<u8>, 1;
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.meter.seen.take();
        self.inner.inner.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.meter.seen.take();
        self.inner.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let inner = self.inner.with(deserializer);
        self.inner.inner.visit_some(inner)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<V::Value, D::Error> {
        let inner = self.inner.with(deserializer);
        self.inner.inner.visit_newtype_struct(inner)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, elements: A) -> Result<V::Value, A::Error> {
        self.inner.deeper()?;
        let holds = if self.holds == Holds::Apart { Holds::by::<V::Value>() } else { self.holds };
        let elements = MeteredElements::new(self.inner.with(elements), holds);
        self.inner.inner.visit_seq(elements)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, entries: A) -> Result<V::Value, A::Error> {
        self.inner.deeper()?;
        if let Some(buffered) = self.inner.at.buffered {
            self.inner.meter.spend(buffered.made_of_map())?;
        }
        let entries = MeteredElements::new(self.inner.with(entries), self.holds);
        self.inner.inner.visit_map(entries)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        let variant = self.inner.with(variant);
        self.inner.inner.visit_enum(variant)
    }
}

/// The elements of a list, or the entries of a map.
struct MeteredElements<'m, A> {
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
    fn new(inner: Metered<'m, A>, holds: Holds) -> Self {
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

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Metered<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let inner = self.with(deserializer);
        let Self { inner: seed, meter, at } = self;
        let buffers = meter.buffers.get();
        let value = seed.deserialize(inner)?;
        // What was read from a buffer outlives that, and a buffer itself does not.
        if at.buffered.is_none() && type_name::<S::Value>() != meter.buffer.get() {
            meter.free_buffers(buffers);
        }
        Ok(value)
    }
}

impl<'de, 'm, A: EnumAccess<'de>> EnumAccess<'de> for Metered<'m, A> {
    type Error = A::Error;
    type Variant = Metered<'m, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let seed = self.seed(seed, size_of::<S::Value>());
        let Self { inner, meter, at } = self;
        let (name, variant) = inner.variant_seed(seed)?;
        Ok((name, Metered { inner: variant, meter, at }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Metered<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        mut self,
        seed: S,
    ) -> Result<S::Value, A::Error> {
        self.deeper()?;
        let seed = self.seed(seed, self.at.place);
        self.inner.newtype_variant_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(
        mut self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.deeper()?;
        let visitor = self.visitor(visitor, Holds::Within)?;
        self.inner.tuple_variant(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        mut self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.deeper()?;
        let visitor = self.visitor(visitor, Holds::Within)?;
        self.inner.struct_variant(fields, visitor)
    }
}
