//! The UUIDs of `uuid`, in the three forms that peers give them.

use uuid::Uuid;

use crate::argument::displayed::displayed;
use crate::argument::{Argument, DecodeError, EncodeError, Proto};
use crate::boxes::{Value, ValueWriter};
use crate::schema::{WireType, WireTypes};

displayed! {
    /// Unicode: `67e55044-10b1-426f-9247-bb680e5fe0c8`, as Python's `str(UUID)`. It is also read
    /// in upper case, without hyphens, in braces, and as a URN.
    Uuid: "a UUID";
}

/// A UUID as a String of its 16 bytes: Python's `UUID.bytes`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UuidBytes(pub Uuid);

/// A UUID as an Integer of 128 bits: Python's `UUID.int`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UuidInteger(pub Uuid);

/// A String of exactly 16 bytes.
impl Argument for UuidBytes {
    fn to_string_proto(
        &self,
        _proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        out.put_slice(self.0.as_bytes());
        Ok(())
    }

    fn from_string_proto(value: Value<'_>, _proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Uuid::from_slice(value.as_slice())
            .map(Self)
            .map_err(|_| DecodeError::malformed("a UUID of 16 bytes", value))
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("String")
    }
}

/// An Integer from 0 to 2^128 - 1.
impl Argument for UuidInteger {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        self.0.as_u128().to_string_proto(proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        u128::from_string_proto(value, proto).map(|number| Self(Uuid::from_u128(number)))
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("Integer")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::argument::testing::{assert_malformed, assert_out_of_range, assert_wire, decode};

    const UUID: Uuid = Uuid::from_u128(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8);

    #[test]
    fn uuids_have_three_forms() {
        assert_wire(UUID, "67e55044-10b1-426f-9247-bb680e5fe0c8");
        assert_wire(
            UuidBytes(UUID),
            b"\x67\xe5\x50\x44\x10\xb1\x42\x6f\x92\x47\xbb\x68\x0e\x5f\xe0\xc8",
        );
        assert_wire(UuidInteger(UUID), "138101147531900207301164854559698313416");
        assert_wire(UuidInteger(Uuid::nil()), "0");
        for text in [
            "67E55044-10B1-426F-9247-BB680E5FE0C8",
            "67e5504410b1426f9247bb680e5fe0c8",
            "{67e55044-10b1-426f-9247-bb680e5fe0c8}",
            "urn:uuid:67e55044-10b1-426f-9247-bb680e5fe0c8",
        ] {
            assert_eq!(decode::<Uuid>(text.as_bytes()).unwrap(), UUID);
        }
    }

    #[test]
    fn what_is_not_a_uuid_is_refused() {
        for other in
            ["", "0", "67e55044-10b1-426f-9247-bb680e5fe0c", " 67e5504410b1426f9247bb680e5fe0c8"]
        {
            assert_malformed::<Uuid>(other.as_bytes(), "a UUID");
            assert_malformed::<UuidBytes>(other.as_bytes(), "a UUID of 16 bytes");
        }
        assert_malformed::<UuidInteger>(b"x", "an Integer");
        assert_out_of_range::<UuidInteger>(b"-1", "u128");
    }

    proptest! {
        #[test]
        fn any_uuid_comes_back(number: u128, bytes: Vec<u8>) {
            let uuid = Uuid::from_u128(number);
            assert_wire(uuid, uuid.to_string());
            assert_wire(UuidBytes(uuid), uuid.as_bytes());
            assert_wire(UuidInteger(uuid), number.to_string());
            let _ = decode::<Uuid>(&bytes);
            let _ = decode::<UuidBytes>(&bytes);
        }
    }
}
