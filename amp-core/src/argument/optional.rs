//! Optional arguments: `None` is a key that is not there.

use super::{Argument, DecodeError, EncodeError, EncodeErrorKind, Proto};
use crate::boxes::{BoxReader, BoxWriter, Value, ValueWriter};
use crate::schema::{BoxSchema, WireType, WireTypes};

/// An argument that may be absent. An empty value is not absent: it is decoded.
///
/// In a list there is no key to leave out, so `None` is an error of encoding there. So is `Some(None)` of an
/// `Option<Option<T>>`: there is only one way to be absent.
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
            Some(value) if value.is_absent() => {
                Err(EncodeError::from(EncodeErrorKind::SomeAbsent).at(name))
            }
            Some(value) => value.to_box(name, out, proto),
            None => Ok(()),
        }
    }

    fn is_absent(&self) -> bool {
        self.is_none()
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::argument::testing::{from_ampbox, to_ampbox};
    use crate::argument::{DateTime, FromConnection};

    #[test]
    fn there_is_one_way_to_be_absent() {
        let message = "argument a: an absent value inside of `Some` would be read as `None`";
        for error in [
            to_ampbox("a", &Some(None::<i64>)).unwrap_err(),
            to_ampbox("a", &Some(Box::new(None::<DateTime>))).unwrap_err(),
            to_ampbox("a", &Box::new(Some(Arc::new(Box::new(None::<i64>))))).unwrap_err(),
            to_ampbox("a", &Some(Some(None::<i64>))).unwrap_err(),
        ] {
            assert_eq!(error.to_string(), message);
        }
        for value in [Some(Some(5)), None] {
            let ampbox = to_ampbox("a", &value).unwrap();
            assert_eq!(from_ampbox::<Option<Option<i64>>>("a", &ampbox).unwrap(), value);
        }
        // It comes from the connection, wherever it stands.
        assert!(to_ampbox("a", &Some(FromConnection(1))).unwrap().is_empty());
    }
}
