//! The keys of maps, which are the keys of a box.

use std::fmt::Display;

use ::serde::de::value::StrDeserializer;
use ::serde::de::{IntoDeserializer, Visitor};
use ::serde::ser::Impossible;
use ::serde::{Deserializer, Serialize, Serializer, forward_to_deserialize_any};

use super::error::no_form;
use crate::argument::{DecodeError, EncodeError};
use crate::boxes::Value;

/// The bytes of a key: text or bytes.
pub(super) struct KeySerializer;

const NOT_TEXT: &str = "a map's key that is not text";

macro_rules! no_keys {
    ($($serialize:ident($($argument:ty),*) -> $ok:ty;)*) => { $(
        fn $serialize(self $(, _: $argument)*) -> Result<$ok, EncodeError> {
            Err(no_form(NOT_TEXT))
        }
    )* };
}

impl Serializer for KeySerializer {
    type Ok = Vec<u8>;
    type Error = EncodeError;
    type SerializeSeq = Impossible<Vec<u8>, EncodeError>;
    type SerializeTuple = Impossible<Vec<u8>, EncodeError>;
    type SerializeTupleStruct = Impossible<Vec<u8>, EncodeError>;
    type SerializeTupleVariant = Impossible<Vec<u8>, EncodeError>;
    type SerializeMap = Impossible<Vec<u8>, EncodeError>;
    type SerializeStruct = Impossible<Vec<u8>, EncodeError>;
    type SerializeStructVariant = Impossible<Vec<u8>, EncodeError>;

    fn serialize_str(self, text: &str) -> Result<Vec<u8>, EncodeError> {
        Ok(text.into())
    }

    fn serialize_char(self, character: char) -> Result<Vec<u8>, EncodeError> {
        Ok(character.to_string().into())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Vec<u8>, EncodeError> {
        Ok(bytes.into())
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<Vec<u8>, EncodeError> {
        Ok(value.to_string().into())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Vec<u8>, EncodeError> {
        Ok(variant.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Vec<u8>, EncodeError> {
        value.serialize(self)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<Vec<u8>, EncodeError> {
        Err(no_form(NOT_TEXT))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Vec<u8>, EncodeError> {
        Err(no_form(NOT_TEXT))
    }

    no_keys! {
        serialize_bool(bool) -> Vec<u8>;
        serialize_i8(i8) -> Vec<u8>;
        serialize_i16(i16) -> Vec<u8>;
        serialize_i32(i32) -> Vec<u8>;
        serialize_i64(i64) -> Vec<u8>;
        serialize_i128(i128) -> Vec<u8>;
        serialize_u8(u8) -> Vec<u8>;
        serialize_u16(u16) -> Vec<u8>;
        serialize_u32(u32) -> Vec<u8>;
        serialize_u64(u64) -> Vec<u8>;
        serialize_u128(u128) -> Vec<u8>;
        serialize_f32(f32) -> Vec<u8>;
        serialize_f64(f64) -> Vec<u8>;
        serialize_none() -> Vec<u8>;
        serialize_unit() -> Vec<u8>;
        serialize_unit_struct(&'static str) -> Vec<u8>;
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }
}

/// Reads a key as text, or as bytes where it is not UTF-8 or bytes are asked for.
pub(super) struct KeyDeserializer<'a>(pub(super) &'a [u8]);

impl<'de> Deserializer<'de> for KeyDeserializer<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match str::from_utf8(self.0) {
            Ok(text) => visitor.visit_str(text),
            Err(_) => visitor.visit_bytes(self.0),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_bytes(self.0)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_bytes(self.0)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let text = str::from_utf8(self.0)
            .map_err(|_| DecodeError::malformed("UTF-8 text", Value::from(self.0)))?;
        let variant: StrDeserializer<'_, DecodeError> = text.into_deserializer();
        visitor.visit_enum(variant)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string option unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
