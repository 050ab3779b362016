//! Boolean: `True` or `False`.

use super::{Argument, DecodeError, EncodeError, Proto};
use crate::boxes::{Value, ValueWriter};
use crate::schema::{WireType, WireTypes};

/// A Boolean. It is written and read as exactly `True` or `False`. Any other spelling is an error, as in
/// Twisted.
impl Argument for bool {
    #[inline]
    fn to_string_proto(
        &self,
        _proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        out.put_slice(if *self { b"True" } else { b"False" });
        Ok(())
    }

    #[inline]
    fn from_string_proto(value: Value<'_>, _proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        match value.as_slice() {
            b"True" => Ok(true),
            b"False" => Ok(false),
            _ => Err(DecodeError::malformed("a Boolean", value)),
        }
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("Boolean")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::argument::testing::{assert_malformed, assert_wire, decode};

    #[test]
    fn booleans_are_the_words_of_python() {
        assert_wire(true, "True");
        assert_wire(false, "False");
    }

    #[test]
    fn nothing_else_is_a_boolean() {
        let others =
            ["", "true", "FALSE", "1", "0", "True ", " True", "Tru", "Truee", "False\n", "None"];
        for other in others {
            assert_malformed::<bool>(other.as_bytes(), "a Boolean");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = decode::<bool>(&bytes);
        }
    }
}
