//! Deserializing within a budget: what serde makes through these is spent from it.
//!
//! serde tells how many bytes an element has, and how many there are, but not where they are put.
//! They are counted as those of a list that grows by doubling, or as those of a map. What is put
//! into memory of its own is seen where it is larger than the place that was paid for. What serde
//! buffers before it knows the type, as for `#[serde(untagged)]`, is counted as it is buffered.

use std::cell::Cell;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::DecodeError;
use super::budget::{Budget, table_size, tree_size};
use super::proto::TooDeep;
use crate::stack;

/// What is left of a budget, for all that deserializes one value.
pub(crate) struct Meter {
    left: Cell<usize>,
    /// Where the stack was at the beginning.
    base: usize,
    refused: Cell<Option<Refused>>,
}

/// Why a value was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Memory,
    Stack,
}

impl Meter {
    /// `base` is where the stack was at the beginning of the box.
    pub(crate) fn new(budget: &Budget, base: usize) -> Self {
        Self { left: Cell::new(budget.left()), base, refused: Cell::new(None) }
    }

    /// What was read, or why it was not; an error of its own when the budget or the stack was the
    /// reason. What was spent is taken from `budget`.
    pub(crate) fn outcome<T, E>(
        &self,
        read: Result<T, E>,
        budget: &mut Budget,
    ) -> Result<Result<T, E>, DecodeError> {
        budget.set_left(self.left.get());
        match (read, self.refused.get()) {
            (Err(_), Some(Refused::Memory)) => Err(budget.refuse()),
            (Err(_), Some(Refused::Stack)) => Err(TooDeep::Stack.into()),
            (read, _) => Ok(read),
        }
    }

    /// Spends from the budget what is made through `deserializer` for a `T`, for which there is a
    /// place.
    pub(crate) fn deserializer<T, D>(&self, deserializer: D) -> Metered<'_, D> {
        Metered { inner: deserializer, meter: self, place: size_of::<T>() }
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

    fn refuse<E: Error>(&self, refused: Refused) -> E {
        self.refused.set(Some(refused));
        E::custom("it takes too much memory")
    }

    fn go_deeper<E: Error>(&self) -> Result<(), E> {
        if stack::is_exhausted(self.base) {
            return Err(self.refuse(Refused::Stack));
        }
        Ok(())
    }
}

/// What serde goes through, within a budget.
pub(crate) struct Metered<'m, T> {
    inner: T,
    meter: &'m Meter,
    /// How many bytes the place has that the value is put into.
    place: usize,
}

impl<'m, T> Metered<'m, T> {
    fn with<U>(&self, inner: U) -> Metered<'m, U> {
        Metered { inner, meter: self.meter, place: self.place }
    }

    fn seed<S>(meter: &'m Meter, seed: S, place: usize) -> Metered<'m, S> {
        Metered { inner: seed, meter, place }
    }

    /// A visitor of this value, which may be put into memory of its own.
    fn visitor<'de, V: Visitor<'de>, E: Error>(
        &self,
        visitor: V,
        holds: Holds,
    ) -> Result<MeteredVisitor<'m, V>, E> {
        let size = size_of::<V::Value>();
        if size > self.place {
            self.meter.spend(size)?;
        }
        Ok(MeteredVisitor { inner: self.with(visitor), holds })
    }
}

/// Where the elements of a value are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// In the value itself, as the fields of a struct.
    Within,
    /// In memory that grows with them.
    Apart,
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

    deserialize! {
        deserialize_any() Apart;
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
    ($($method:ident $ty:ty;)*) => { $(
        fn $method<E: Error>(self, value: $ty) -> Result<V::Value, E> {
            self.inner.inner.$method(value)
        }
    )* };
}

/// Text and bytes are copied, or were.
macro_rules! visit_copied {
    ($($method:ident $ty:ty;)*) => { $(
        fn $method<E: Error>(self, value: $ty) -> Result<V::Value, E> {
            self.inner.meter.spend(value.len())?;
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
        visit_bool bool;
        visit_i8 i8;
        visit_i16 i16;
        visit_i32 i32;
        visit_i64 i64;
        visit_i128 i128;
        visit_u8 u8;
        visit_u16 u16;
        visit_u32 u32;
        visit_u64 u64;
        visit_u128 u128;
        visit_f32 f32;
        visit_f64 f64;
        visit_char char;
    }

    visit_copied! {
        visit_str &str;
        visit_borrowed_str &'de str;
        visit_string String;
        visit_bytes &[u8];
        visit_borrowed_bytes &'de [u8];
        visit_byte_buf Vec<u8>;
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.inner.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
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

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<V::Value, A::Error> {
        self.inner.meter.go_deeper()?;
        let elements = MeteredElements::new(self.inner.with(elements), self.holds);
        self.inner.inner.visit_seq(elements)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        self.inner.meter.go_deeper()?;
        let entries = MeteredElements::new(self.inner.with(entries), self.holds);
        self.inner.inner.visit_map(entries)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.inner.meter.go_deeper()?;
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
}

impl<'m, A> MeteredElements<'m, A> {
    fn new(inner: Metered<'m, A>, holds: Holds) -> Self {
        Self { inner, holds, len: 0, size: 0, key: 0 }
    }

    /// There is one more, and all of them take as many bytes as `size` says of their number.
    fn add<E: Error>(&mut self, size: impl FnOnce(usize) -> usize) -> Result<(), E> {
        if self.holds == Holds::Apart {
            self.len += 1;
            let size = size(self.len);
            if size > self.size {
                self.inner.meter.grow(self.size, size)?;
                self.size = size;
            }
        }
        Ok(())
    }
}

/// How many bytes a list takes that has grown to so many elements.
fn list_size(len: usize, element: usize) -> usize {
    len.next_power_of_two().max(4).saturating_mul(element)
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for MeteredElements<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        let size = size_of::<T::Value>();
        let seed = Metered::<()>::seed(self.inner.meter, seed, size);
        let element = self.inner.inner.next_element_seed(seed)?;
        if element.is_some() {
            self.add(|len| list_size(len, size))?;
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
        let seed = Metered::<()>::seed(self.inner.meter, seed, self.key);
        self.inner.inner.next_key_seed(seed)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        let size = size_of::<T::Value>();
        let seed = Metered::<()>::seed(self.inner.meter, seed, size);
        let value = self.inner.inner.next_value_seed(seed)?;
        let entry = self.key + size;
        self.add(|len| tree_size(len, entry).max(table_size(len, entry)))?;
        Ok(value)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Metered<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let inner = self.with(deserializer);
        self.inner.deserialize(inner)
    }
}

impl<'de, 'm, A: EnumAccess<'de>> EnumAccess<'de> for Metered<'m, A> {
    type Error = A::Error;
    type Variant = Metered<'m, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let Self { inner, meter, place } = self;
        let seed = Self::seed(meter, seed, size_of::<S::Value>());
        let (name, variant) = inner.variant_seed(seed)?;
        Ok((name, Metered { inner: variant, meter, place }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Metered<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        let seed = Self::seed(self.meter, seed, self.place);
        self.inner.newtype_variant_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        let visitor = self.visitor(visitor, Holds::Within)?;
        self.inner.tuple_variant(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let visitor = self.visitor(visitor, Holds::Within)?;
        self.inner.struct_variant(fields, visitor)
    }
}
