//! The collections of `std`, which are lists, and its pointers, which are written as what they point to.
//!
//! The type of the elements decides what a list is on the wire: a list of `u8` is a String, a list of
//! [`Arguments`](crate::Arguments) is an `AmpList`, and any other list is a `ListOf`.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use super::budget::{full_tree_size, table_size};
use super::{Argument, DecodeError, DecodeErrorKind, EncodeError, Proto};
use crate::boxes::{BoxReader, BoxWriter, Value, ValueWriter};
use crate::schema::{BoxSchema, WireType, WireTypes};

/// The bytes that an `Arc` has in front of what it points to.
const COUNTS: usize = size_of::<Arc<()>>() * 2;

/// What is spent of the budget when a `Vec` is made into another collection, for a number of elements of one size.
struct Moved {
    /// What is spent before.
    beside: usize,
    /// What is free again once the `Vec` is gone.
    freed: usize,
}

impl Moved {
    const fn nothing(_: usize, _: usize) -> Self {
        Self { beside: 0, freed: 0 }
    }

    const fn to_an_arc(len: usize, size: usize) -> Self {
        Self { beside: COUNTS + len * size, freed: len * size }
    }

    fn to_a_table(len: usize, size: usize) -> Self {
        Self { beside: table_size(len, size), freed: len * size }
    }

    /// The elements are sorted first, which takes as much room once more for a moment.
    fn to_a_tree(len: usize, size: usize) -> Self {
        let tree = full_tree_size(len, size);
        let beside = tree.max(len * size);
        Self { beside, freed: len * size + (beside - tree) }
    }

    /// Reads a list and makes it into a `C`.
    fn read<T: Argument, C: FromIterator<T>>(
        moved: fn(usize, usize) -> Self,
        value: Value<'_>,
        proto: &mut Proto<'_>,
    ) -> Result<C, DecodeError> {
        let items = T::list_from_string_proto(value, proto)?;
        let Self { beside, freed } = moved(items.len(), size_of::<T>());
        proto.spend(beside)?;
        let collection = items.into_iter().collect();
        proto.give_back(freed);
        Ok(collection)
    }
}

macro_rules! collections {
    ($($(#[$docs:meta])* [$($generics:tt)*] $collection:ty, $moved:ident;)*) => { $(
        $(#[$docs])*
        impl<$($generics)*> Argument for $collection {
            fn to_string_proto(
                &self,
                proto: &mut Proto<'_>,
                out: &mut ValueWriter<'_>,
            ) -> Result<(), EncodeError> {
                T::list_to_string_proto(self.iter(), proto, out)
            }

            fn from_string_proto(
                value: Value<'_>,
                proto: &mut Proto<'_>,
            ) -> Result<Self, DecodeError> {
                Moved::read(Moved::$moved, value, proto)
            }

            fn wire_type(types: &mut WireTypes) -> WireType {
                types.list_of::<T>()
            }
        }
    )* };
}

collections! {
    /// A list.
    [T: Argument] VecDeque<T>, nothing;
    /// A list.
    [T: Argument] Box<[T]>, nothing;
    /// A list.
    [T: Argument] Arc<[T]>, to_an_arc;
    /// A list in ascending order. It is read in any order. An element that comes more than once is in the set once.
    [T: Argument + Ord] BTreeSet<T>, to_a_tree;
}

/// A list. It is written in ascending order, so that equal sets are the same bytes. It is read in any order. An
/// element that comes more than once is in the set once.
impl<T: Argument + Hash + Ord, S: BuildHasher + Default> Argument for HashSet<T, S> {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        let mut items: Vec<&T> = self.iter().collect();
        items.sort_unstable();
        T::list_to_string_proto(items.into_iter(), proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Moved::read(Moved::to_a_table, value, proto)
    }

    fn wire_type(types: &mut WireTypes) -> WireType {
        types.list_of::<T>()
    }
}

/// A list of exactly `N` elements. Any other number is an error. A `[u8; N]` is a String of exactly `N` bytes.
impl<T: Argument, const N: usize> Argument for [T; N] {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        T::list_to_string_proto(self.iter(), proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        T::list_from_string_proto(value, proto)?.try_into().map_err(|items: Vec<T>| {
            DecodeErrorKind::WrongLength { expected: N, seen: items.len() }.into()
        })
    }

    fn wire_type(types: &mut WireTypes) -> WireType {
        types.list_of::<T>()
    }
}

macro_rules! pointers {
    ($($pointer:ident, $counts:expr;)*) => { $(
        /// The argument that it points to.
        impl<T: Argument> Argument for $pointer<T> {
            fn to_string_proto(
                &self,
                proto: &mut Proto<'_>,
                out: &mut ValueWriter<'_>,
            ) -> Result<(), EncodeError> {
                T::to_string_proto(self, proto, out)
            }

            fn from_string_proto(
                value: Value<'_>,
                proto: &mut Proto<'_>,
            ) -> Result<Self, DecodeError> {
                proto.spend($counts + size_of::<T>())?;
                T::from_string_proto(value, proto).map($pointer::new)
            }

            fn to_box(
                &self,
                name: &str,
                out: &mut BoxWriter<'_>,
                proto: &mut Proto<'_>,
            ) -> Result<(), EncodeError> {
                T::to_box(self, name, out, proto)
            }

            fn from_box(
                name: &str,
                input: &mut BoxReader<'_>,
                proto: &mut Proto<'_>,
            ) -> Result<Self, DecodeError> {
                let paid = proto.spend($counts + size_of::<T>());
                let pointed_to = T::from_box(name, input, proto);
                paid.map_err(|error| error.at(name))?;
                pointed_to.map($pointer::new)
            }

            fn is_in(name: &str, input: &BoxReader<'_>) -> bool {
                T::is_in(name, input)
            }

            fn is_absent(&self) -> bool {
                T::is_absent(self)
            }

            fn list_to_string_proto<'a>(
                items: impl ExactSizeIterator<Item = &'a Self>,
                proto: &mut Proto<'_>,
                out: &mut ValueWriter<'_>,
            ) -> Result<(), EncodeError>
            where
                Self: 'a,
            {
                T::list_to_string_proto(items.map(|item| &**item), proto, out)
            }

            fn list_from_string_proto(
                value: Value<'_>,
                proto: &mut Proto<'_>,
            ) -> Result<Vec<Self>, DecodeError> {
                let items = T::list_from_string_proto(value, proto)?;
                let size = $counts + size_of::<T>() + size_of::<Self>();
                proto.spend(items.len().saturating_mul(size))?;
                let freed = items.len() * size_of::<T>();
                let mut pointers: Vec<_> = items.into_iter().map($pointer::new).collect();
                // They may be where the elements were, which is larger.
                pointers.shrink_to_fit();
                proto.give_back(freed);
                Ok(pointers)
            }

            fn wire_type(types: &mut WireTypes) -> WireType {
                types.of::<T>()
            }

            fn box_schema(
                name: &str,
                types: &mut WireTypes,
            ) -> BoxSchema {
                T::box_schema(name, types)
            }

            fn list_wire_type(types: &mut WireTypes) -> WireType {
                types.list_of::<T>()
            }
        }
    )* };
}

pointers! {
    Box, 0;
    Arc, COUNTS;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::argument::testing::{assert_malformed, assert_wire, decode, encode};
    use crate::boxes::AmpBox;

    const ONE_TO_THREE: &[u8] = b"\0\x011\0\x012\0\x013";

    #[test]
    fn collections_are_lists() {
        assert_wire(VecDeque::from([1, 2, 3]), ONE_TO_THREE);
        assert_wire(Box::<[i64]>::from([1, 2, 3]), ONE_TO_THREE);
        assert_wire(Arc::<[i64]>::from([1, 2, 3]), ONE_TO_THREE);
        assert_wire([1, 2, 3], ONE_TO_THREE);
        assert_wire(BTreeSet::from([3, 1, 2]), ONE_TO_THREE);
        assert_wire(HashSet::<i64>::from([3, 1, 2]), ONE_TO_THREE);
        assert_wire(VecDeque::<i64>::new(), "");
        assert_wire([0_i64; 0], "");
        assert_wire([vec![1_i64], vec![]], "\0\x03\0\x011\0\0");
    }

    #[test]
    fn collections_of_bytes_are_strings() {
        let mut queue = VecDeque::from(*b"cd");
        queue.push_front(b'b');
        assert_wire(queue, "bcd");
        assert_wire(BTreeSet::from(*b"cab"), "abc");
        assert_wire(Arc::<[u8]>::from(*b"cab"), "cab");
    }

    #[test]
    fn sets_are_written_in_order_and_read_in_any() {
        let numbers: HashSet<i64> = (0..1000).collect();
        let sorted: Vec<i64> = (0..1000).collect();
        assert_eq!(encode(&numbers), encode(&sorted));
        let twice = b"\0\x013\0\x011\0\x02+3\0\x011";
        assert_eq!(decode::<BTreeSet<i64>>(twice).unwrap(), BTreeSet::from([1, 3]));
        assert_eq!(decode::<HashSet<i64>>(twice).unwrap(), HashSet::from([1, 3]));
    }

    #[test]
    fn an_array_has_exactly_its_length() {
        for (wire, len) in
            [(&b""[..], 0), (&ONE_TO_THREE[..6], 2), (b"\0\x011\0\x011\0\x011\0\x011", 4)]
        {
            let error = decode::<[i64; 3]>(wire).unwrap_err();
            let message = format!("{len} elements where 3 are expected");
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn errors_name_the_element() {
        let wire = b"\0\x011\0\x01x";
        for error in [
            decode::<VecDeque<i64>>(wire).unwrap_err(),
            decode::<BTreeSet<i64>>(wire).unwrap_err(),
            decode::<HashSet<i64>>(wire).unwrap_err(),
            decode::<[i64; 2]>(wire).unwrap_err(),
            decode::<Vec<Box<i64>>>(wire).unwrap_err(),
        ] {
            assert_eq!(error.argument(), "[1]");
        }
    }

    #[test]
    fn pointers_are_what_they_point_to() {
        assert_wire(Box::new(5), "5");
        assert_wire(Arc::new(true), "True");
        assert_malformed::<Arc<i64>>(b"x", "an Integer");
        assert_wire(vec![Box::new(1), Box::new(2)], &ONE_TO_THREE[..6]);
        assert_wire(vec![Arc::new(b'a'), Arc::new(b'b')], "ab");
        assert_wire(Box::new(vec![Box::new([7_u8])]), "\0\x01\x07");
    }

    #[test]
    fn a_pointer_to_an_optional_argument_is_optional() {
        let absent: Box<Option<i64>> = Box::default();
        let present = Box::new(Some(5_i64));
        let mut out = bytes::BytesMut::new();
        let mut writer = BoxWriter::new(&mut out);
        Proto::detached(|proto| {
            absent.to_box("a", &mut writer, proto).unwrap();
            present.to_box("b", &mut writer, proto).unwrap();
        });
        writer.finish().unwrap();
        assert_eq!(&out[..], b"\0\x01b\0\x015");

        let ampbox = AmpBox::from_pairs([("b", "5")]).unwrap();
        let mut reader = BoxReader::new(&ampbox);
        Proto::detached(|proto| {
            assert_eq!(Box::<Option<i64>>::from_box("a", &mut reader, proto).unwrap(), absent);
            assert_eq!(Box::<Option<i64>>::from_box("b", &mut reader, proto).unwrap(), present);
            assert!(Option::<Arc<i64>>::from_box("a", &mut reader, proto).unwrap().is_none());
        });
    }

    proptest! {
        #[test]
        fn any_list_comes_back(list: Vec<i64>, array: [i16; 5]) {
            let wire = encode(&list);
            assert_wire(list.clone(), &wire);
            assert_wire(VecDeque::from(list.clone()), &wire);
            assert_wire(Box::<[i64]>::from(list.clone()), &wire);
            assert_wire(Arc::<[i64]>::from(list), &wire);
            assert_wire(array, encode(&array.to_vec()));
        }

        #[test]
        fn any_set_comes_back(set: BTreeSet<i64>) {
            let wire = encode(&set.iter().copied().collect::<Vec<_>>());
            assert_wire(set.iter().copied().collect::<HashSet<_>>(), &wire);
            assert_wire(set, &wire);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = decode::<Vec<Vec<String>>>(&bytes);
            let _ = decode::<BTreeSet<Box<i64>>>(&bytes);
            let _ = decode::<[Vec<u8>; 2]>(&bytes);
            let _ = decode::<HashSet<bytes::Bytes>>(&bytes);
        }
    }
}
