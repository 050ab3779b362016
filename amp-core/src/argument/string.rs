//! String: bytes, as they are. In AMP, a String is not a text.
//!
//! `Vec<u8>`, `[u8; N]`, `Box<[u8]>` and the other collections of `u8` are Strings too, as lists whose elements are
//! [bytes](super::integer).

use bytes::Bytes;

use super::{Argument, DecodeError, EncodeError, Proto};
use crate::boxes::{Value, ValueWriter};
use crate::schema::{WireType, WireTypes};

/// A received value may keep a box of this size in memory, in bytes, and a larger box if the value is at least a quarter
/// of it. So one small value does not keep a large box.
const KEPT_BOX: usize = 128 << 10;

/// A String: any bytes. Received bytes share the memory of the buffer that they were received into, perhaps with other
/// boxes. The whole buffer is kept as long as they are: 512 KiB, or their box if that is larger. There are three
/// exceptions. Out of a box of at most 62 bytes, everything is copied. Out of a box of more than 128 KiB, values of less
/// than a quarter of it are copied. And while values keep 2 MiB of large buffers that a connection has made within a
/// second or so, more is received into small ones. Bytes of 32 KiB and more are also
/// [sent](ValueWriter::put_bytes) without being copied.
impl Argument for Bytes {
    #[inline]
    fn to_string_proto(
        &self,
        _proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        out.put_bytes(self);
        Ok(())
    }

    #[inline]
    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        let kept = value.kept();
        if kept > 0 && (kept <= KEPT_BOX || value.len() >= kept / 4) {
            return Ok(value.to_bytes());
        }
        proto.spend(value.len())?;
        Ok(Bytes::copy_from_slice(&value))
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("String")
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::KEPT_BOX;
    use crate::argument::testing::{assert_round_trip, assert_wire, decode};
    use crate::argument::{Argument, DecodeErrorKind, Proto};
    use crate::boxes::Value;

    #[test]
    fn strings_are_their_bytes() {
        for bytes in [&b""[..], b"abc", b"\0\xff\n", b"\0\x01x"] {
            assert_wire(Bytes::copy_from_slice(bytes), bytes);
            assert_wire(bytes.to_vec(), bytes);
            assert_wire(Box::<[u8]>::from(bytes), bytes);
        }
        assert_wire(*b"abc", "abc");
        assert_wire([0_u8; 0], "");
    }

    #[test]
    fn an_array_has_exactly_its_length() {
        for wrong in ["", "ab", "abcd"] {
            let error = decode::<[u8; 3]>(wrong.as_bytes()).unwrap_err();
            let DecodeErrorKind::WrongLength { expected: 3, seen } = error.kind() else {
                panic!("{error}")
            };
            assert_eq!(*seen, wrong.len());
        }
    }

    #[test]
    fn received_bytes_are_not_copied() {
        let buffer = Bytes::from_static(b"before and after");
        let value = Value::from(&buffer).part(7..10);
        let bytes = Proto::detached(|proto| Bytes::from_string_proto(value, proto)).unwrap();
        assert_eq!(bytes, "and");
        assert_eq!(bytes.as_ptr(), buffer[7..].as_ptr());
    }

    #[test]
    fn a_large_box_is_not_kept_for_a_small_part_of_it() {
        for (len, part, kept) in [
            (KEPT_BOX, 1, true),
            (KEPT_BOX + 4, 32_768, false),
            (KEPT_BOX + 4, 32_769, true),
            (KEPT_BOX * 10, 65_535, false),
        ] {
            let buffer = Bytes::from(vec![b'x'; len]);
            let value = Value::from(&buffer).part(0..part);
            let bytes = Proto::detached(|proto| Bytes::from_string_proto(value, proto)).unwrap();
            assert_eq!(bytes, value[..]);
            assert_eq!(bytes.as_ptr() == buffer.as_ptr(), kept, "{part} of {len}");
        }
    }

    #[test]
    fn lists_of_strings_are_lists() {
        assert_wire(vec![Bytes::from("ab"), Bytes::new()], "\0\x02ab\0\0");
        assert_wire(vec![b"ab".to_vec(), vec![]], "\0\x02ab\0\0");
        assert_wire([*b"ab", *b"cd"], "\0\x02ab\0\x02cd");
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes: Vec<u8>) {
            assert_wire(Bytes::from(bytes.clone()), &bytes);
            assert_wire(bytes.clone(), &bytes);
        }

        #[test]
        fn long_ones_come_back(len in 0..70_000_usize, byte: u8) {
            assert_round_trip(&vec![byte; len]);
        }

        #[test]
        fn any_bytes_are_an_array_or_refused(bytes: Vec<u8>, array: [u8; 16]) {
            assert_wire(array, array);
            prop_assert_eq!(decode::<[u8; 5]>(&bytes).is_ok(), bytes.len() == 5);
        }
    }
}
