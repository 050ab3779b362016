//! Maps: an `AmpList` whose boxes have the keys `key` and `value`.
//!
//! AMP has no maps of its own. In Twisted this map is
//! `AmpList([(b"key", ...), (b"value", ...)])`.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};

use super::amp_list::{count_boxes, read_boxes};
use super::budget::{table_size, tree_size};
use super::{Argument, DecodeError, DecodeErrorKind, EncodeError, Proto};
use crate::boxes::{Value, ValueWriter};
use crate::schema::{InnerBox, WireType, WireTypes};
use crate::shorten::Shortened;

/// An `AmpList` of boxes with a `key` and a `value`, in ascending order of the keys. It is read in
/// any order, and a key that comes twice is an error.
impl<K: Argument + Ord, V: Argument> Argument for BTreeMap<K, V> {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        write(self.iter(), proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        let mut map = Self::new();
        let size = tree_size(count_boxes(&value), size_of::<K>() + size_of::<V>());
        let paid = proto.spend(size);
        read(value, proto, paid, |key, value| map.insert(key, value).is_none())?;
        Ok(map)
    }

    fn wire_type(types: &mut WireTypes) -> WireType {
        map_of::<K, V>(types)
    }
}

/// An `AmpList` of boxes with a `key` and a `value`. It is written in ascending order of the keys,
/// so that equal maps are the same bytes. It is read in any order, and a key that comes twice is an
/// error.
impl<K, V, S> Argument for HashMap<K, V, S>
where
    K: Argument + Hash + Ord,
    V: Argument,
    S: BuildHasher + Default,
{
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        let mut entries: Vec<_> = self.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        write(entries.into_iter(), proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        let count = count_boxes(&value);
        let paid = proto.spend(table_size(count, size_of::<(K, V)>()));
        let room = if paid.is_ok() { count } else { 0 };
        let mut map = Self::with_capacity_and_hasher(room, S::default());
        read(value, proto, paid, |key, value| map.insert(key, value).is_none())?;
        Ok(map)
    }

    fn wire_type(types: &mut WireTypes) -> WireType {
        map_of::<K, V>(types)
    }
}

fn write<'a, K: Argument + 'a, V: Argument + 'a>(
    entries: impl Iterator<Item = (&'a K, &'a V)>,
    proto: &mut Proto<'_>,
    out: &mut ValueWriter<'_>,
) -> Result<(), EncodeError> {
    for (index, (key, value)) in entries.enumerate() {
        out.put_box(|out| {
            proto.nested(|proto| {
                key.to_box("key", out, proto)?;
                value.to_box("value", out, proto)
            })
        })
        .map_err(|error: EncodeError| error.at(format_args!("[{index}]")))?;
    }
    Ok(())
}

/// Hands the entries to `insert`, which says whether the key is a new one. `paid` says whether there
/// is room for them.
fn read<K: Argument, V: Argument>(
    value: Value<'_>,
    proto: &mut Proto<'_>,
    paid: Result<(), DecodeError>,
    mut insert: impl FnMut(K, V) -> bool,
) -> Result<(), DecodeError> {
    read_boxes(value, proto, paid, false, |input, proto, refused| {
        let (key, value) = (K::from_box("key", input, proto), V::from_box("value", input, proto));
        let (key, value) = (key?, value?);
        if refused || insert(key, value) {
            Ok(())
        } else {
            let key = input.ampbox().get("key").unwrap_or_default();
            Err(DecodeErrorKind::DuplicateKey { seen: Shortened::new(key) }.into())
        }
    })
}

fn map_of<K: Argument, V: Argument>(types: &mut WireTypes) -> WireType {
    let entry = types.within_box("", |types| {
        let mut entry = K::box_schema("key", types);
        entry.extend(V::box_schema("value", types));
        entry
    });
    WireType::AmpList(InnerBox::Of(entry))
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_map;
    use proptest::prelude::*;

    use super::*;
    use crate::argument::testing::{assert_wire, decode, encode, try_encode};

    const ONE_AND_TWO: &[u8] = b"\0\x03key\0\x01a\0\x05value\0\x011\0\0\
                                 \0\x03key\0\x01b\0\x05value\0\x012\0\0";

    fn entries() -> [(String, i64); 2] {
        [("b".to_owned(), 2), ("a".to_owned(), 1)]
    }

    #[test]
    fn maps_are_lists_of_boxes_in_the_order_of_their_keys() {
        assert_wire(BTreeMap::from(entries()), ONE_AND_TWO);
        assert_wire(HashMap::<_, _>::from(entries()), ONE_AND_TWO);
        assert_wire(BTreeMap::<i64, i64>::new(), "");
        assert_wire(HashMap::<i64, i64>::new(), "");
        // The keys are ordered as numbers, not as texts.
        let numbers = BTreeMap::from([(10, true), (9, false)]);
        let wire = b"\0\x03key\0\x019\0\x05value\0\x05False\0\0\
                     \0\x03key\0\x0210\0\x05value\0\x04True\0\0";
        assert_wire(numbers, wire);
    }

    #[test]
    fn maps_are_read_in_any_order() {
        let (one, two) = ONE_AND_TWO.split_at(ONE_AND_TWO.len() / 2);
        let turned = [two, one].concat();
        assert_eq!(decode::<BTreeMap<String, i64>>(&turned).unwrap(), entries().into());
        assert_eq!(decode::<HashMap<String, i64>>(&turned).unwrap(), entries().into());
        let more = b"\0\x01x\0\0\0\x05value\0\x011\0\x03key\0\x01a\0\0";
        assert_eq!(decode::<BTreeMap<String, i64>>(more).unwrap(), [("a".to_owned(), 1)].into());
    }

    #[test]
    fn a_value_may_be_optional_and_a_map() {
        let wire = b"\0\x03key\0\x011\0\0\0\x03key\0\x012\0\x05value\0\0\0\0";
        let map: BTreeMap<i64, Option<BTreeMap<bool, bool>>> =
            BTreeMap::from([(1, None), (2, Some(BTreeMap::new()))]);
        assert_wire(map, wire);
    }

    #[test]
    fn a_key_that_comes_twice_is_refused() {
        let twice = [ONE_AND_TWO, ONE_AND_TWO].concat();
        for error in [
            decode::<BTreeMap<String, i64>>(&twice).unwrap_err(),
            decode::<HashMap<String, i64>>(&twice).unwrap_err(),
        ] {
            assert_eq!(error.to_string(), "argument [2]: \"a\" is the key of an earlier entry");
        }
    }

    #[test]
    fn errors_name_the_entry() {
        let error = decode::<BTreeMap<String, bool>>(ONE_AND_TWO).unwrap_err();
        assert_eq!(error.argument(), "[0].value");
        let error = decode::<HashMap<String, i64>>(&ONE_AND_TWO[ONE_AND_TWO.len() / 2..][..8]);
        assert!(matches!(error.unwrap_err().kind(), DecodeErrorKind::Truncated { index: 0 }));
        let error = decode::<BTreeMap<String, i64>>(b"\0\x05value\0\x011\0\0").unwrap_err();
        assert_eq!(error.to_string(), "argument [0].key: missing");
        let long = BTreeMap::from([(1, String::new()), (2, "x".repeat(65_536))]);
        assert_eq!(try_encode(&long).unwrap_err().argument(), "[1].value");
    }

    proptest! {
        #[test]
        fn any_map_comes_back(map in btree_map(".{0,9}", any::<i64>(), 0..9)) {
            let wire = encode(&map);
            assert_wire(map.clone().into_iter().collect::<HashMap<_, _>>(), &wire);
            assert_wire(map, wire);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = decode::<BTreeMap<String, Vec<u8>>>(&bytes);
            let _ = decode::<HashMap<String, BTreeMap<i64, bool>>>(&bytes);
        }
    }
}
