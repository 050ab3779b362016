//! `ListOf`: each element preceded by its length, as two big-endian bytes.

use super::{Argument, DecodeError, EncodeError, Proto};
use crate::boxes::{Value, ValueWriter};
use crate::schema::{WireType, WireTypes};

/// A list: a `ListOf`, or an `AmpList` when the elements are
/// [`Arguments`](crate::Arguments). An empty list is an empty value.
impl<T: Argument> Argument for Vec<T> {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        T::list_to_string_proto(self.iter(), proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        T::list_from_string_proto(value, proto)
    }

    fn wire_type(types: &mut WireTypes) -> WireType {
        types.list_of::<T>()
    }
}

/// Returns the items of a list, each wrapped in the struct whose one field it is.
///
/// # Errors
///
/// When these take more memory, and so much is not left.
pub fn wrap_each<T, U>(
    items: Vec<T>,
    proto: &mut Proto<'_>,
    wrap: impl FnMut(T) -> U,
) -> Result<Vec<U>, DecodeError> {
    let freed = items.len() * size_of::<T>();
    let grows = size_of::<U>() > size_of::<T>();
    if grows {
        proto.spend_for::<U>(items.len())?;
    }
    let wrapped = items.into_iter().map(wrap).collect();
    if grows {
        proto.give_back(freed);
    }
    Ok(wrapped)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use std::cell::Cell;
    use std::collections::{BTreeMap, HashMap};
    use std::fmt::Debug;

    use super::*;
    use crate::argument::testing::{Carries, assert_wire, decode, encode, try_encode};
    use crate::argument::{Attachments, Extensions, NoAttachments, PeerAddress};
    use crate::argument::{DecodeErrorKind, EncodeErrorKind};
    use crate::boxes::AmpBox;

    #[test]
    fn elements_are_preceded_by_their_lengths() {
        assert_wire(Vec::<i64>::new(), "");
        assert_wire(vec![1_i64, -20], "\0\x011\0\x03-20");
        assert_wire(vec![String::new(), String::new()], "\0\0\0\0");
        assert_wire(vec![vec![true], vec![]], "\0\x06\0\x04True\0\0");
        let long = "x".repeat(65_535);
        assert_eq!(encode(&vec![long.clone()]), [b"\xff\xff", long.as_bytes()].concat());
    }

    #[test]
    fn a_list_that_is_cut_short_is_refused() {
        for (wire, at) in
            [(&b"\0"[..], 0), (b"\0\x01", 0), (b"\0\x011\0", 1), (b"\0\x011\0\x022", 1)]
        {
            let error = decode::<Vec<String>>(wire).unwrap_err();
            let DecodeErrorKind::Truncated { index } = error.kind() else { panic!("{error}") };
            assert_eq!(*index, at);
        }
    }

    #[test]
    fn errors_name_the_element() {
        let error = decode::<Vec<Vec<i64>>>(b"\0\0\0\x06\0\x011\0\x01x").unwrap_err();
        assert_eq!(error.argument(), "[1][1]");
        let error = try_encode(&vec![String::new(), "x".repeat(65_536)]).unwrap_err();
        assert_eq!(error.argument(), "[1]");
        assert!(matches!(error.kind(), EncodeErrorKind::ElementTooLong { index: 1, len: 65_536 }));
        let error = try_encode(&vec![Some(1), None]).unwrap_err();
        assert_eq!(error.argument(), "[1]");
        assert!(matches!(error.kind(), EncodeErrorKind::Absent));
    }

    /// A type that contains itself, as a user's own may.
    #[derive(Debug)]
    struct Tree(Vec<Tree>);

    impl Argument for Tree {
        fn to_string_proto(
            &self,
            proto: &mut Proto<'_>,
            out: &mut ValueWriter<'_>,
        ) -> Result<(), EncodeError> {
            self.0.to_string_proto(proto, out)
        }

        fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
            Vec::from_string_proto(value, proto).map(Self)
        }
    }

    #[test]
    fn a_peer_does_not_choose_how_deep_lists_nest() {
        let nested = |depth: u16| -> Vec<u8> {
            (0..depth).rev().flat_map(|inner| (inner * 2).to_be_bytes()).collect()
        };
        assert_eq!(decode::<Tree>(&nested(64)).unwrap().0.len(), 1);
        for depth in [65, 32_767] {
            let error = decode::<Tree>(&nested(depth)).unwrap_err();
            assert!(matches!(error.kind(), DecodeErrorKind::TooDeep { limit: 64 }), "{error}");
        }
    }

    /// Two bytes on the wire, and 512 in memory. Counts how often it was read.
    #[derive(Debug)]
    struct Fat {
        _room: [u64; 64],
    }

    thread_local!(static READ: Cell<usize> = const { Cell::new(0) });

    impl Argument for Fat {
        fn to_string_proto(
            &self,
            _: &mut Proto<'_>,
            _: &mut ValueWriter<'_>,
        ) -> Result<(), EncodeError> {
            Ok(())
        }

        fn from_string_proto(_: Value<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
            READ.set(READ.get() + 1);
            Ok(Self { _room: [0; 64] })
        }
    }

    /// How often elements of an `L` are read that are too many. Those that name attachments are
    /// claimed by being read.
    fn read_of<L: Argument + Debug>(wire: &[u8], attachments: &mut dyn Attachments) -> usize {
        READ.set(0);
        let (address, extensions) = (PeerAddress::Unknown, Extensions::default());
        let proto = Proto::new(attachments, &address, &extensions);
        let mut proto = proto.with_decoded_bytes(1 << 20);
        let error = L::from_string_proto(Value::from(wire), &mut proto).unwrap_err();
        assert!(matches!(error.kind(), DecodeErrorKind::TooMuchMemory { .. }), "{error}");
        READ.get()
    }

    #[test]
    fn a_list_that_takes_too_much_is_read_where_it_may_name_attachments() {
        let list = [0; 6000];
        assert_eq!(read_of::<Vec<Fat>>(&list, &mut NoAttachments), 0);
        assert_eq!(read_of::<Vec<Fat>>(&list, &mut Carries), 3000);
        assert_eq!(read_of::<Vec<Box<Fat>>>(&list, &mut Carries), 3000);
        let entry = |n: usize| {
            let pairs = [("key", n.to_string()), ("value", String::new())];
            AmpBox::from_pairs(pairs).unwrap().to_bytes()
        };
        let map: Vec<u8> = (0..3000).flat_map(entry).collect();
        assert_eq!(read_of::<HashMap<i64, Fat>>(&map, &mut NoAttachments), 0);
        assert_eq!(read_of::<HashMap<i64, Fat>>(&map, &mut Carries), 3000);
        assert_eq!(read_of::<BTreeMap<i64, Fat>>(&map, &mut Carries), 3000);
    }

    #[test]
    fn a_value_of_empty_elements_is_bounded() {
        let wire = vec![0; 65_534];
        assert_eq!(decode::<Vec<String>>(&wire).unwrap().len(), 32_767);
    }

    proptest! {
        #[test]
        fn any_list_comes_back(list in vec(vec(".{0,9}", 0..5), 0..9)) {
            assert_wire(list.clone(), encode(&list));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            if let Ok(list) = decode::<Vec<Vec<u8>>>(&bytes) {
                assert_wire(list, bytes);
            }
        }
    }
}
