//! Deserializing within a budget: what serde makes through these is spent from it.
//!
//! serde tells how many bytes an element has, and how many there are, but not where they are put.
//! They are counted as those of a list that grows by doubling, or as those of a map. What is put
//! into memory of its own is seen where it is larger than the place that was paid for. What serde
//! buffers and reads a second time is [`Buffered`](super::buffered::Buffered).

mod elements;
mod meter;

use std::any::type_name;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::buffered::{Seen, Size};
use super::collection::Holds;
use elements::MeteredElements;
pub(crate) use meter::Meter;
use meter::Metered;

impl<'m, T> Metered<'m, T> {
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
