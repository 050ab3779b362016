//! Types whose form on the wire is what they display: Unicode.

/// Implements `Argument` for types that are read with `FromStr`. Beside each type stand its name in messages, with an
/// article, and the bytes of memory that are allocated for each byte of its text.
macro_rules! displayed {
    ($($(#[$docs:meta])* $displayed:ty: $name:literal $(, $per_byte:literal for each byte)?;)*) => { $(
        $(#[$docs])*
        impl $crate::argument::Argument for $displayed {
            fn to_string_proto(
                &self,
                _proto: &mut $crate::argument::Proto<'_>,
                out: &mut $crate::boxes::ValueWriter<'_>,
            ) -> Result<(), $crate::argument::EncodeError> {
                use std::fmt::Write;
                write!(out, "{self}").map_err($crate::argument::EncodeError::custom)
            }

            fn from_string_proto(
                value: $crate::boxes::Value<'_>,
                _proto: &mut $crate::argument::Proto<'_>,
            ) -> Result<Self, $crate::argument::DecodeError> {
                $(_proto.spend(value.len() * $per_byte)?;)?
                let text = std::str::from_utf8(value.as_slice()).ok();
                text.and_then(|text| text.parse().ok())
                    .ok_or_else(|| $crate::argument::DecodeError::malformed($name, value))
            }

            fn wire_type(_: &mut $crate::schema::WireTypes) -> $crate::schema::WireType {
                $crate::schema::WireType::named("Unicode")
            }
        }
    )* };
}

pub(super) use displayed;
