//! A form on the wire that a field names.
#![allow(clippy::trivially_copy_pass_by_ref, reason = "fields are written from where they are")]

use amp_core::{Argument, DecodeError, EncodeError, Proto, Value, ValueWriter};

pub(crate) fn to_string_proto(
    value: &f64,
    proto: &mut Proto<'_>,
    out: &mut ValueWriter<'_>,
) -> Result<(), EncodeError> {
    value.to_string_proto(proto, out)
}

pub(crate) fn from_string_proto(
    value: Value<'_>,
    proto: &mut Proto<'_>,
) -> Result<f64, DecodeError> {
    f64::from_string_proto(value, proto)
}
