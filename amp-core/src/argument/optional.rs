//! Optional arguments: `None` is a key that is not there.

use super::{Argument, DecodeError, EncodeError, EncodeErrorKind, Proto};
use crate::boxes::{BoxReader, BoxWriter, Value, ValueWriter};
use crate::schema::{BoxSchema, WireType, WireTypes};

/// An argument that may be absent. An empty value is not absent: it is decoded.
///
/// In a list, where there is no key to leave out, `None` is an error of encoding.
impl<T: Argument> Argument for Option<T> {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        match self {
            Some(value) => value.to_string_proto(proto, out),
            None => Err(EncodeErrorKind::Absent.into()),
        }
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        T::from_string_proto(value, proto).map(Some)
    }

    fn to_box(
        &self,
        name: &str,
        out: &mut BoxWriter<'_>,
        proto: &mut Proto<'_>,
    ) -> Result<(), EncodeError> {
        match self {
            Some(value) => value.to_box(name, out, proto),
            None => Ok(()),
        }
    }

    fn from_box(
        name: &str,
        input: &mut BoxReader<'_>,
        proto: &mut Proto<'_>,
    ) -> Result<Self, DecodeError> {
        if T::is_in(name, input) { T::from_box(name, input, proto).map(Some) } else { Ok(None) }
    }

    fn is_in(name: &str, input: &BoxReader<'_>) -> bool {
        T::is_in(name, input)
    }

    fn box_schema(name: &str, types: &mut WireTypes) -> BoxSchema {
        T::box_schema(name, types).optional()
    }

    fn wire_type(types: &mut WireTypes) -> WireType {
        types.of::<T>()
    }
}
