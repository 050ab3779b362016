//! Boxes to values.

use ::serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use ::serde::{Deserializer, forward_to_deserialize_any};

use super::key::KeyDeserializer;
use crate::argument::{Argument, DecodeError, DecodeErrorKind, MAX_NESTING, Proto};
use crate::boxes::{AmpBox, BoxError, BoxLimits, Pairs, Value};
use crate::keys;

/// Reads a box that is not inside of a value.
pub(super) struct BoxDeserializer<'a> {
    ampbox: &'a AmpBox,
    wrappers: Wrappers,
}

impl<'a> BoxDeserializer<'a> {
    pub(super) fn new(ampbox: &'a AmpBox) -> Self {
        Self { ampbox, wrappers: Wrappers::default() }
    }
}

impl<'de> Deserializer<'de> for BoxDeserializer<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_map(PairAccess::new(self.ampbox, 1))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.wrappers.enter()?;
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// How many options and newtype structs are around the same bytes. A type that wraps itself
/// would go on for ever.
#[derive(Clone, Copy, Default)]
struct Wrappers(usize);

impl Wrappers {
    fn enter(&mut self) -> Result<(), DecodeError> {
        self.0 = deeper(self.0)?;
        Ok(())
    }
}

fn deeper(level: usize) -> Result<usize, DecodeError> {
    // The outermost box is not inside of anything.
    if level > MAX_NESTING {
        return Err(DecodeErrorKind::TooDeep { limit: MAX_NESTING }.into());
    }
    Ok(level + 1)
}

/// The pairs of a box.
struct PairAccess<'a> {
    ampbox: &'a AmpBox,
    /// The pair that comes next.
    next: Option<(&'a [u8], &'a [u8])>,
    behind: Pairs<'a>,
    /// In how many boxes, and lists inside of lists, its values are.
    level: usize,
}

impl<'a> PairAccess<'a> {
    fn new(ampbox: &'a AmpBox, level: usize) -> Self {
        let mut pairs = Self { ampbox, next: None, behind: ampbox.pairs(), level };
        pairs.go_on();
        pairs
    }

    fn go_on(&mut self) {
        self.next = self.behind.find(|(key, _)| !keys::is_reserved(key));
    }
}

impl<'de> MapAccess<'de> for PairAccess<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        self.next.map(|(key, _)| seed.deserialize(KeyDeserializer(key))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, DecodeError> {
        let Some((key, value)) = self.next else { return Err(DecodeError::missing()) };
        self.go_on();
        let value = ValueDeserializer::new(self.ampbox.share(value), self.level, false);
        seed.deserialize(value).map_err(|error| error.at(key.escape_ascii()))
    }
}

/// Reads one value, as what the target asks for.
struct ValueDeserializer<'a> {
    value: Value<'a>,
    /// In how many boxes, and lists inside of lists, the value is.
    level: usize,
    /// Whether the value is an element of a list.
    listed: bool,
    wrappers: Wrappers,
}

impl<'a> ValueDeserializer<'a> {
    fn new(value: Value<'a>, level: usize, listed: bool) -> Self {
        Self { value, level, listed, wrappers: Wrappers::default() }
    }

    fn read<T: Argument>(&self) -> Result<T, DecodeError> {
        Proto::detached(|proto| T::from_string_proto(self.value, proto))
    }

    fn text(&self) -> Result<&'a str, DecodeError> {
        str::from_utf8(self.value.as_slice())
            .map_err(|_| DecodeError::malformed("UTF-8 text", self.value))
    }

    /// The value is one box and nothing behind it.
    fn ampbox(&self) -> Result<AmpBox, DecodeError> {
        let mut bytes = self.value.to_bytes();
        let ampbox = AmpBox::parse(&mut bytes, BoxLimits::default())?;
        match bytes.len() {
            0 => Ok(ampbox),
            len => Err(DecodeErrorKind::Trailing { len }.into()),
        }
    }
}

macro_rules! arguments {
    ($($deserialize:ident $argument:ty, $visit:ident;)*) => { $(
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            visitor.$visit(self.read::<$argument>()?)
        }
    )* };
}

impl<'de> Deserializer<'de> for ValueDeserializer<'_> {
    type Error = DecodeError;

    arguments! {
        deserialize_bool bool, visit_bool;
        deserialize_i8 i8, visit_i8;
        deserialize_i16 i16, visit_i16;
        deserialize_i32 i32, visit_i32;
        deserialize_i64 i64, visit_i64;
        deserialize_i128 i128, visit_i128;
        deserialize_u8 u8, visit_u8;
        deserialize_u16 u16, visit_u16;
        deserialize_u32 u32, visit_u32;
        deserialize_u64 u64, visit_u64;
        deserialize_u128 u128, visit_u128;
        deserialize_f32 f32, visit_f32;
        deserialize_f64 f64, visit_f64;
        deserialize_char char, visit_char;
    }

    /// The value does not say what it is: it is text, if it can be.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.text() {
            Ok(text) => visitor.visit_str(text),
            Err(_) => visitor.visit_bytes(&self.value),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_bytes(&self.value)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_byte_buf(self.value.to_vec())
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, DecodeError> {
        self.wrappers.enter()?;
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.wrappers.enter()?;
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.ampbox()?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let level = deeper(self.level)?;
        visitor.visit_map(PairAccess::new(&self.ampbox()?, level))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let level = if self.listed { deeper(self.level)? } else { self.level };
        // Elements that are boxes share these bytes. They are copied here if they have to be, and
        // not again for each element.
        let bytes = self.value.to_bytes();
        let mut list =
            ListAccess { rest: Value::from(&bytes), index: 0, level, boxes: false, cut: false };
        let value = visitor.visit_seq(&mut list)?;
        list.finish()?;
        Ok(value)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.text()?;
        visitor.visit_enum(Variant(self))
    }
}

/// An enum's variant: its name, and nothing else.
struct Variant<'a>(ValueDeserializer<'a>);

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = DecodeError;
    type Variant = NoData;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, NoData), DecodeError> {
        Ok((seed.deserialize(self.0)?, NoData))
    }
}

struct NoData;

impl NoData {
    fn refuse<T>() -> Result<T, DecodeError> {
        Err(DecodeErrorKind::NoForm { what: "an enum's variant with data" }.into())
    }
}

impl<'de> VariantAccess<'de> for NoData {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, DecodeError> {
        NoData::refuse()
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, DecodeError> {
        NoData::refuse()
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, DecodeError> {
        NoData::refuse()
    }
}

/// The elements of a list, whose target decides whether it is an `AmpList` or a `ListOf`.
struct ListAccess<'a> {
    rest: Value<'a>,
    /// Which element comes next.
    index: usize,
    level: usize,
    /// Whether the last element was a box of an `AmpList`.
    boxes: bool,
    /// Whether the list ends in the middle of an element.
    cut: bool,
}

impl<'a> ListAccess<'a> {
    /// Takes an element of a `ListOf`.
    fn item(&mut self) -> Result<Value<'a>, DecodeError> {
        self.boxes = false;
        let (rest, len) = (self.rest, self.rest.len());
        let end = rest
            .get(..2)
            .map(|length| 2 + usize::from(u16::from_be_bytes([length[0], length[1]])))
            .filter(|end| *end <= len)
            .ok_or_else(|| self.cut())?;
        self.rest = rest.part(end..len);
        Ok(rest.part(2..end))
    }

    /// Takes an element of an `AmpList`.
    fn ampbox(&mut self) -> Result<AmpBox, DecodeError> {
        self.boxes = true;
        let mut bytes = self.rest.to_bytes();
        let ampbox = match AmpBox::parse(&mut bytes, BoxLimits::default()) {
            Err(BoxError::Truncated { .. }) => return Err(self.cut()),
            parsed => {
                parsed.map_err(|error| DecodeError::of_box_inside(error, "a box", self.rest))?
            }
        };
        let len = self.rest.len();
        self.rest = self.rest.part(len - bytes.len()..len);
        Ok(ampbox)
    }

    fn cut(&mut self) -> DecodeError {
        self.cut = true;
        DecodeErrorKind::Truncated { index: self.index }.into()
    }

    /// Makes sure that no element is left.
    fn finish(mut self) -> Result<(), DecodeError> {
        let expected = self.index;
        while !self.rest.is_empty() {
            if self.boxes {
                self.ampbox()?;
            } else {
                self.item()?;
            }
            self.index += 1;
        }
        match self.index {
            seen if seen == expected => Ok(()),
            seen => Err(DecodeErrorKind::WrongLength { expected, seen }.into()),
        }
    }
}

impl<'de> SeqAccess<'de> for &mut ListAccess<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let before = self.rest.len();
        if before == 0 {
            return Ok(None);
        }
        let index = self.index;
        let element = ElementDeserializer { list: self, wrappers: Wrappers::default() };
        let element = match seed.deserialize(element) {
            Ok(element) => element,
            // That is about the list, and not about the element.
            Err(error) if self.cut => return Err(error),
            Err(error) => return Err(error.at(format_args!("[{index}]"))),
        };
        // A type that is made of nothing has looked at nothing.
        if self.rest.len() == before {
            self.item()?;
        }
        self.index += 1;
        Ok(Some(element))
    }
}

/// Reads one element of a list: a box, if that is what the target asks for.
struct ElementDeserializer<'l, 'a> {
    list: &'l mut ListAccess<'a>,
    wrappers: Wrappers,
}

impl<'a> ElementDeserializer<'_, 'a> {
    fn item(self) -> Result<ValueDeserializer<'a>, DecodeError> {
        Ok(ValueDeserializer::new(self.list.item()?, self.list.level, true))
    }
}

macro_rules! items {
    ($($deserialize:ident($($argument:ident: $ty:ty),*);)*) => { $(
        fn $deserialize<V: Visitor<'de>>(
            self,
            $($argument: $ty,)*
            visitor: V,
        ) -> Result<V::Value, DecodeError> {
            self.item()?.$deserialize($($argument,)* visitor)
        }
    )* };
}

impl<'de> Deserializer<'de> for ElementDeserializer<'_, '_> {
    type Error = DecodeError;

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let level = deeper(self.list.level)?;
        visitor.visit_map(PairAccess::new(&self.list.ampbox()?, level))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.list.ampbox()?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.wrappers.enter()?;
        visitor.visit_newtype_struct(self)
    }

    items! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_seq();
        deserialize_identifier();
        deserialize_ignored_any();
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
    }
}
