//! Values to boxes.

use std::fmt::{Display, Write};

use ::serde::ser::{
    Impossible, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple, SerializeTupleStruct,
};
use ::serde::{Serialize, Serializer};
use bytes::BytesMut;

use super::error::no_form;
use super::key::KeySerializer;
use crate::argument::{Argument, EncodeError, EncodeErrorKind, MAX_NESTING, Proto};
use crate::boxes::{AmpBox, BoxLimits, BoxWriter, ValueWriter};
use crate::stack::{self, MAX_STACK};

pub(super) fn to_box<T: Serialize + ?Sized>(value: &T) -> Result<AmpBox, EncodeError> {
    let mut out = BytesMut::new();
    let depth = Depth { level: 0, base: stack::position() };
    let top = ValueSerializer { out: &mut ValueWriter::new(&mut out), depth, listed: false };
    match value.serialize(top)? {
        Form::Box => {
            let limits = BoxLimits { max_bytes: usize::MAX, max_pairs: usize::MAX };
            Ok(AmpBox::parse(&mut out.freeze(), limits)?)
        }
        Form::Plain => Err(no_form("what is neither a struct nor a map, outside of one,")),
    }
}

const WITH_DATA: &str = "an enum's variant with data";

/// What a value turned out to be. It decides whether a list of such values is an `AmpList`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    Box,
}

/// Writes one value.
struct ValueSerializer<'a, 'w> {
    out: &'a mut ValueWriter<'w>,
    depth: Depth,
    /// Whether the value is an element of a list.
    listed: bool,
}

impl<'a> ValueSerializer<'a, '_> {
    fn put(self, value: &impl Argument) -> Result<Form, EncodeError> {
        Proto::detached(|proto| value.to_string_proto(proto, self.out))?;
        Ok(Form::Plain)
    }

    fn text(self, text: &str) -> Form {
        self.out.put_slice(text.as_bytes());
        Form::Plain
    }

    fn begin_box(self) -> Result<PairsSerializer<'a>, EncodeError> {
        let depth = self.depth.deeper()?;
        Ok(PairsSerializer { out: self.out.begin_box(), depth, key: Vec::new() })
    }
}

/// How deep a value is.
#[derive(Clone, Copy)]
struct Depth {
    /// In how many boxes, and lists inside of lists, it is.
    level: usize,
    /// Where the stack was at the beginning.
    base: usize,
}

impl Depth {
    fn deeper(self) -> Result<Self, EncodeError> {
        let Self { level, base } = self;
        // The outermost box is not inside of anything.
        if level > MAX_NESTING {
            return Err(EncodeErrorKind::TooDeep { limit: MAX_NESTING }.into());
        }
        if stack::is_exhausted(base) {
            return Err(EncodeErrorKind::TooMuchStack { limit: MAX_STACK }.into());
        }
        Ok(Self { level: level + 1, base })
    }
}

macro_rules! arguments {
    ($($serialize:ident $argument:ty;)*) => { $(
        fn $serialize(self, value: $argument) -> Result<Form, EncodeError> {
            self.put(&value)
        }
    )* };
}

impl<'a, 'w> Serializer for ValueSerializer<'a, 'w> {
    type Ok = Form;
    type Error = EncodeError;
    type SerializeSeq = ListSerializer<'a, 'w>;
    type SerializeTuple = ListSerializer<'a, 'w>;
    type SerializeTupleStruct = ListSerializer<'a, 'w>;
    type SerializeTupleVariant = Impossible<Form, EncodeError>;
    type SerializeMap = PairsSerializer<'a>;
    type SerializeStruct = PairsSerializer<'a>;
    type SerializeStructVariant = Impossible<Form, EncodeError>;

    arguments! {
        serialize_bool bool;
        serialize_i8 i8;
        serialize_i16 i16;
        serialize_i32 i32;
        serialize_i64 i64;
        serialize_i128 i128;
        serialize_u8 u8;
        serialize_u16 u16;
        serialize_u32 u32;
        serialize_u64 u64;
        serialize_u128 u128;
        serialize_f32 f32;
        serialize_f64 f64;
        serialize_char char;
    }

    fn serialize_str(self, text: &str) -> Result<Form, EncodeError> {
        Ok(self.text(text))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<Form, EncodeError> {
        write!(self.out, "{value}").map_err(EncodeError::custom)?;
        Ok(Form::Plain)
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Form, EncodeError> {
        self.out.put_slice(bytes);
        Ok(Form::Plain)
    }

    fn serialize_none(self) -> Result<Form, EncodeError> {
        Err(EncodeErrorKind::Absent.into())
    }

    /// The reader of an optional element of a list does not know yet whether it is a box. So it is an
    /// element of a `ListOf` either way, as it is with typed arguments.
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Form, EncodeError> {
        match value.serialize(self) {
            Ok(_) => Ok(Form::Plain),
            Err(error)
                if matches!(error.kind(), EncodeErrorKind::Absent)
                    && error.argument().is_empty() =>
            {
                Err(EncodeErrorKind::SomeAbsent.into())
            }
            Err(error) => Err(error),
        }
    }

    fn serialize_unit(self) -> Result<Form, EncodeError> {
        SerializeStruct::end(self.begin_box()?)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Form, EncodeError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Form, EncodeError> {
        Ok(self.text(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Form, EncodeError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Form, EncodeError> {
        Err(no_form(WITH_DATA))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, EncodeError> {
        let depth = if self.listed { self.depth.deeper()? } else { self.depth };
        Ok(ListSerializer { out: self.out, depth, form: None, index: 0 })
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, EncodeError> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, EncodeError> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, EncodeError> {
        Err(no_form(WITH_DATA))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, EncodeError> {
        self.begin_box()
    }

    fn serialize_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStruct, EncodeError> {
        self.begin_box()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, EncodeError> {
        Err(no_form(WITH_DATA))
    }
}

/// Writes the elements of a list.
struct ListSerializer<'a, 'w> {
    out: &'a mut ValueWriter<'w>,
    depth: Depth,
    /// What the first element turned out to be, and all must be.
    form: Option<Form>,
    index: usize,
}

impl ListSerializer<'_, '_> {
    fn put<T: Serialize + ?Sized>(&mut self, element: &T) -> Result<(), EncodeError> {
        let index = self.index;
        self.index += 1;
        self.put_any(element, index).map_err(|error| error.at(format_args!("[{index}]")))
    }

    fn put_any<T: Serialize + ?Sized>(
        &mut self,
        element: &T,
        index: usize,
    ) -> Result<(), EncodeError> {
        let depth = self.depth;
        let serialize = |out: &mut ValueWriter<'_>| {
            element.serialize(ValueSerializer { out, depth, listed: true })
        };
        let too_long = |len| EncodeErrorKind::ElementTooLong { index, len }.into();
        let mixed = || no_form("a list of boxes and of other values");
        match self.form {
            None => {
                // Only an element that is not a box is preceded by its length.
                let mut first = BytesMut::new();
                let form = serialize(&mut ValueWriter::new(&mut first))?;
                self.form = Some(form);
                let put = |out: &mut ValueWriter<'_>| {
                    out.put_slice(&first);
                    Ok(())
                };
                match form {
                    Form::Plain => self.out.put_prefixed(put, too_long),
                    Form::Box => put(self.out),
                }
            }
            Some(Form::Plain) => self.out.put_prefixed(
                |out| match serialize(out)? {
                    Form::Plain => Ok(()),
                    Form::Box => Err(mixed()),
                },
                too_long,
            ),
            Some(Form::Box) => match serialize(self.out)? {
                Form::Box => Ok(()),
                Form::Plain => Err(mixed()),
            },
        }
    }
}

macro_rules! lists {
    ($($trait:ident $serialize:ident;)*) => { $(
        impl $trait for ListSerializer<'_, '_> {
            type Ok = Form;
            type Error = EncodeError;

            fn $serialize<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
                self.put(value)
            }

            fn end(self) -> Result<Form, EncodeError> {
                Ok(Form::Plain)
            }
        }
    )* };
}

lists! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
}

/// Writes the pairs of a box.
struct PairsSerializer<'a> {
    out: BoxWriter<'a>,
    depth: Depth,
    /// The key of a map whose value comes next.
    key: Vec<u8>,
}

impl PairsSerializer<'_> {
    fn put<T: Serialize + ?Sized>(&mut self, key: &[u8], value: &T) -> Result<(), EncodeError> {
        let depth = self.depth;
        let put = self.out.put_with(key, |out| {
            value.serialize(ValueSerializer { out, depth, listed: false }).map(|_| ())
        });
        match put {
            // The value itself is absent, not something inside of it.
            Err(error)
                if matches!(error.kind(), EncodeErrorKind::Absent)
                    && error.argument().is_empty() =>
            {
                Ok(())
            }
            put => put.map_err(|error| error.at(key.escape_ascii())),
        }
    }
}

impl SerializeStruct for PairsSerializer<'_> {
    type Ok = Form;
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.put(key.as_bytes(), value)
    }

    fn end(self) -> Result<Form, EncodeError> {
        self.out.end()?;
        Ok(Form::Box)
    }
}

impl SerializeMap for PairsSerializer<'_> {
    type Ok = Form;
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        self.key = key.serialize(KeySerializer)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        let key = std::mem::take(&mut self.key);
        self.put(&key, value)
    }

    fn end(self) -> Result<Form, EncodeError> {
        SerializeStruct::end(self)
    }
}
