//! Tuples: boxes with the keys `0`, `1`, and so on.
//!
//! AMP has none, and the elements of its lists are of one type. A `Vec` of tuples is in Twisted
//! `AmpList([(b"0", Integer()), (b"1", Unicode())])`.

use super::amp_list::{read_amp_list, read_box, write_amp_list, write_box};
use super::arguments::Arguments;
use super::names::Names;
use crate::argument::{Argument, DecodeError, EncodeError, Proto};
use crate::boxes::{BoxReader, BoxWriter, Value, ValueWriter};
use crate::schema::{BoxSchema, WireType, WireTypes};

macro_rules! tuples {
    ($(($($element:ident $at:tt $key:literal),*);)*) => { $(
        /// A box with a key for each element: `0`, `1`, and so on.
        #[diagnostic::do_not_recommend]
        impl<$($element: Argument),*> Arguments for ($($element,)*) {
            const NAMES: &'static Names = &Names { own: &[$($key),*], ..*Names::UNKNOWN };

            fn write_to(
                &self,
                out: &mut BoxWriter<'_>,
                proto: &mut Proto<'_>,
            ) -> Result<(), EncodeError> {
                $(self.$at.to_box($key, out, proto)?;)*
                Ok(())
            }

            /// All are read before the first failure counts: they may name attachments.
            fn read_from(
                input: &mut BoxReader<'_>,
                proto: &mut Proto<'_>,
            ) -> Result<Self, DecodeError> {
                let read = ($($element::from_box($key, input, proto),)*);
                Ok(($(read.$at?,)*))
            }

            fn schema(types: &mut WireTypes) -> BoxSchema {
                let mut schema = BoxSchema::new();
                $(schema.extend($element::box_schema($key, types));)*
                schema
            }
        }

        /// One box, with a key for each element; a list of tuples is an `AmpList`.
        #[diagnostic::do_not_recommend]
        impl<$($element: Argument),*> Argument for ($($element,)*) {
            fn to_string_proto(
                &self,
                proto: &mut Proto<'_>,
                out: &mut ValueWriter<'_>,
            ) -> Result<(), EncodeError> {
                write_box(self, proto, out)
            }

            fn from_string_proto(
                value: Value<'_>,
                proto: &mut Proto<'_>,
            ) -> Result<Self, DecodeError> {
                read_box(value, proto)
            }

            fn wire_type(types: &mut WireTypes) -> WireType {
                types.ampbox::<Self>()
            }

            fn list_wire_type(types: &mut WireTypes) -> WireType {
                types.amp_list::<Self>()
            }

            fn list_to_string_proto<'a>(
                items: impl ExactSizeIterator<Item = &'a Self>,
                proto: &mut Proto<'_>,
                out: &mut ValueWriter<'_>,
            ) -> Result<(), EncodeError>
            where
                Self: 'a,
            {
                write_amp_list(items, proto, out)
            }

            fn list_from_string_proto(
                value: Value<'_>,
                proto: &mut Proto<'_>,
            ) -> Result<Vec<Self>, DecodeError> {
                read_amp_list(value, proto)
            }
        }
    )* };
}

tuples! {
    (A 0 "0");
    (A 0 "0", B 1 "1");
    (A 0 "0", B 1 "1", C 2 "2");
    (A 0 "0", B 1 "1", C 2 "2", D 3 "3");
    (A 0 "0", B 1 "1", C 2 "2", D 3 "3", E 4 "4");
    (A 0 "0", B 1 "1", C 2 "2", D 3 "3", E 4 "4", F 5 "5");
    (A 0 "0", B 1 "1", C 2 "2", D 3 "3", E 4 "4", F 5 "5", G 6 "6");
    (A 0 "0", B 1 "1", C 2 "2", D 3 "3", E 4 "4", F 5 "5", G 6 "6", H 7 "7");
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn assert_box<T: Arguments + PartialEq + Debug>(tuple: &T, wire: &[u8]) {
        assert_eq!(tuple.encode().unwrap(), wire);
        assert_eq!(T::decode(Bytes::copy_from_slice(wire)).unwrap(), *tuple);
    }

    #[test]
    fn tuples_are_boxes() {
        assert_box(&(5_i64,), b"\0\x010\0\x015\0\0");
        assert_box(&(5_i64, "a".to_owned()), b"\0\x010\0\x015\0\x011\0\x01a\0\0");
        assert_box(&(true, None::<i64>, 1.5), b"\0\x010\0\x04True\0\x012\0\x031.5\0\0");
        assert_box(&((1_i64,),), b"\0\x010\0\x08\0\x010\0\x011\0\0\0\0");
    }

    #[test]
    fn a_list_of_tuples_is_an_amp_list() {
        let list = b"\0\x010\0\x011\0\x011\0\x01a\0\0\0\x010\0\x012\0\x011\0\x01b\0\0";
        let wire = [b"\0\x010\0\x1c", &list[..], b"\0\0"].concat();
        assert_box(&(vec![(1_i64, 'a'), (2, 'b')],), &wire);
        assert_box(&(Vec::<(i64, i64)>::new(),), b"\0\x010\0\0\0\0");
    }

    #[test]
    fn errors_name_the_element() {
        let error = <(i64, i64)>::decode(Bytes::from_static(b"\0\x010\0\x011\0\0")).unwrap_err();
        assert_eq!(error.to_string(), "argument 1: missing");
        let wire = b"\0\x010\0\x08\0\x010\0\x01x\0\0\0\0";
        let error = <(Vec<(i64,)>,)>::decode(Bytes::from_static(wire)).unwrap_err();
        assert_eq!(error.to_string(), r#"argument 0[0].0: "x" is not an Integer"#);
    }

    #[test]
    fn they_are_boxes_in_a_schema() {
        let mut types = WireTypes::default();
        assert_eq!(types.of::<(i64, String)>().to_string(), "Box");
        assert_eq!(types.of::<Vec<(i64, String)>>().to_string(), "AmpList");
    }

    proptest! {
        #[test]
        fn any_tuple_comes_back(tuple: (i64, String, bool, Option<u8>, Vec<(u8, char)>)) {
            prop_assert_eq!(Arguments::decode(tuple.encode().unwrap()).ok(), Some(tuple));
        }
    }
}
