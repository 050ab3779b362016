//! Arguments over several keys: for values that are longer than the 65 535 bytes of one.
//!
//! AMP itself has no such arguments. Its users have invented three forms, and none of them can read another:
//! `Numbered` and `Continued`, which are here, and `ContinuedZlib`, which also compresses each part. Each form cuts
//! the value into parts of 65 535 bytes. A reader stops at the first part that is missing. Keys behind such a gap
//! are unknown keys: they are ignored, or refused if [unknown keys are rejected](super::UnknownKeys). Other
//! implementations ignore them too.
//!
//! All parts of a value are in one box, so [`BoxLimits`](crate::boxes::BoxLimits) bounds them.

use bytes::BytesMut;
#[cfg(feature = "zlib")]
use flate2::Compression;

use super::wrapper::wrapper;
#[cfg(feature = "zlib")]
use super::zlib::{compress, read_inflated};
use super::{DecodeError, EncodeError, Proto};
use crate::boxes::{BoxReader, BoxWriter, MAX_VALUE, Value, ValueWriter};

/// An argument over the keys `name.0`, `name.1`, and so on. Calendar Server's twext and Flocker call this a big
/// argument.
///
/// ```
/// use amp_core::Arguments;
/// use amp_core::argument::Numbered;
///
/// #[derive(Arguments)]
/// struct Backup {
///     image: Numbered<Vec<u8>>,
/// }
///
/// let short = Backup { image: b"short".to_vec().into() };
/// assert_eq!(&short.encode()?[..], b"\0\x07image.0\0\x05short\0\0");
///
/// let long = Backup { image: vec![7; 1_000_000].into() };
/// assert_eq!(Backup::decode(long.encode()?)?.image.len(), 1_000_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// An empty value has no key at all. So `Option<Numbered<T>>` reads an empty value as `None`.
///
/// Use it as the type of a field, also inside of `Option`, `Box` or `Arc`. As an element of a list it would have no
/// keys of its own, so encoding and decoding fail. Put the list inside of it instead: `Numbered<Vec<T>>`.
/// Give no other argument of the box the key of a part. The derives refuse that where this type is written out.
#[doc(alias("BigArgument", "chunks"))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Numbered<T>(pub T);

/// An argument over the keys `name`, `name.2`, `name.3`, and so on. This is the `BigString` of the Twisted
/// community, and clj-amp speaks it too.
///
/// A value of up to 65 535 bytes is written as without the wrapper.
///
/// ```
/// use amp_core::Arguments;
/// use amp_core::argument::Continued;
///
/// #[derive(Arguments)]
/// struct Page {
///     text: Continued<String>,
/// }
///
/// let page = Page { text: "short".to_owned().into() };
/// assert_eq!(&page.encode()?[..], b"\0\x04text\0\x05short\0\0");
/// # Ok::<(), amp_core::EncodeError>(())
/// ```
///
/// Use it as the type of a field, also inside of `Option`, `Box` or `Arc`. As an element of a list it would have no
/// keys of its own, so encoding and decoding fail. Put the list inside of it instead: `Continued<Vec<T>>`.
/// Give no other argument of the box the key of a part. The derives refuse that where this type is written out.
#[doc(alias = "BigString")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Continued<T>(pub T);

wrapper!(Numbered);
wrapper!(Continued);

/// Implements `Argument` for a wrapper by its [`Scheme`].
macro_rules! over_several_keys {
    ($wrapper:ident, $scheme:expr) => {
        impl<T: $crate::argument::Argument> $crate::argument::Argument for $wrapper<T> {
            fn to_string_proto(
                &self,
                _proto: &mut $crate::argument::Proto<'_>,
                _out: &mut $crate::boxes::ValueWriter<'_>,
            ) -> Result<(), $crate::argument::EncodeError> {
                let what = $crate::argument::large::INSIDE;
                Err($crate::argument::EncodeErrorKind::NoForm { what }.into())
            }

            fn from_string_proto(
                _value: $crate::boxes::Value<'_>,
                _proto: &mut $crate::argument::Proto<'_>,
            ) -> Result<Self, $crate::argument::DecodeError> {
                let what = $crate::argument::large::INSIDE;
                Err($crate::argument::DecodeErrorKind::NoForm { what }.into())
            }

            fn to_box(
                &self,
                name: &str,
                out: &mut $crate::boxes::BoxWriter<'_>,
                proto: &mut $crate::argument::Proto<'_>,
            ) -> Result<(), $crate::argument::EncodeError> {
                let write = |proto: &mut $crate::argument::Proto<'_>,
                             out: &mut $crate::boxes::ValueWriter<'_>| {
                    self.0.to_string_proto(proto, out)
                };
                $scheme.write(name, out, proto, write).map_err(|error| error.at(name))
            }

            fn from_box(
                name: &str,
                input: &mut $crate::boxes::BoxReader<'_>,
                proto: &mut $crate::argument::Proto<'_>,
            ) -> Result<Self, $crate::argument::DecodeError> {
                let read = $scheme.read(name, input, proto, T::from_string_proto);
                read.map(Self).map_err(|error| error.at(name))
            }

            fn is_in(name: &str, input: &$crate::boxes::BoxReader<'_>) -> bool {
                input.ampbox().contains_key($scheme.key(name, 0))
            }

            fn wire_type(types: &mut $crate::schema::WireTypes) -> $crate::schema::WireType {
                types.of::<T>().in_form(stringify!($wrapper))
            }
        }
    };
}

#[cfg(feature = "zlib")]
pub(super) use over_several_keys;

over_several_keys!(Numbered, Scheme::FromZero);
over_several_keys!(Continued, Scheme::PlainFirst);

/// What cannot be read or written by the string hooks.
pub(crate) const INSIDE: &str = "an argument over several keys, inside of another value,";

/// Which keys the parts of a value have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// `name.0`, `name.1`
    FromZero,
    /// `name`, `name.2`
    PlainFirst,
    /// The keys are those of `PlainFirst`, and each part is compressed.
    #[cfg(feature = "zlib")]
    Compressed,
}

impl Scheme {
    /// The key of a part, counted from 0.
    pub(crate) fn key(self, name: &str, part: usize) -> String {
        match (self, part) {
            (Scheme::FromZero, _) => format!("{name}.{part}"),
            (_, 0) => name.to_owned(),
            _ => format!("{name}.{}", part + 1),
        }
    }

    /// Writes the parts of what `write` writes.
    pub(crate) fn write(
        self,
        name: &str,
        out: &mut BoxWriter<'_>,
        proto: &mut Proto<'_>,
        write: impl FnOnce(&mut Proto<'_>, &mut ValueWriter<'_>) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let mut whole = BytesMut::new();
        write(proto, &mut ValueWriter::new(&mut whole))?;
        #[cfg(feature = "zlib")]
        if self == Scheme::Compressed {
            return self.put_parts(compressed_parts(&whole)?, name, out);
        }
        if whole.is_empty() && self == Scheme::PlainFirst {
            return Ok(out.put(name.as_bytes(), b"")?);
        }
        self.put_parts(whole.chunks(MAX_VALUE), name, out)
    }

    /// Writes the parts of a value, each under its key.
    fn put_parts<B: AsRef<[u8]>>(
        self,
        parts: impl IntoIterator<Item = B>,
        name: &str,
        out: &mut BoxWriter<'_>,
    ) -> Result<(), EncodeError> {
        let parts = parts.into_iter().enumerate();
        let mut parts: Vec<_> = parts.map(|(part, bytes)| (self.key(name, part), bytes)).collect();
        // `name.10` is before `name.2` in a box. In that order its writer has nothing to sort.
        parts.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        for (key, bytes) in parts {
            out.put(key.as_bytes(), bytes.as_ref())?;
        }
        Ok(())
    }

    /// Takes the parts of a value, up to the first that is missing.
    fn take_parts<'a>(
        self,
        name: &str,
        input: &mut BoxReader<'a>,
        proto: &mut Proto<'_>,
    ) -> Result<Vec<Value<'a>>, DecodeError> {
        let mut parts = Vec::new();
        while let Some(part) = input.take(self.key(name, parts.len())) {
            parts.push(part);
        }
        // While they move to a larger place there are up to three for each.
        proto.spend_for::<[Value<'_>; 3]>(parts.len())?;
        Ok(parts)
    }

    /// Has `read` read what the parts are together.
    pub(crate) fn read<T>(
        self,
        name: &str,
        input: &mut BoxReader<'_>,
        proto: &mut Proto<'_>,
        read: impl FnOnce(Value<'_>, &mut Proto<'_>) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let parts = self.take_parts(name, input, proto)?;
        match parts[..] {
            [] if self != Scheme::FromZero => Err(DecodeError::missing()),
            #[cfg(feature = "zlib")]
            _ if self == Scheme::Compressed => read_inflated(&parts, proto, read),
            // A type that has no empty form cannot have been written without a key.
            [] => read(Value::from(&b""[..]), proto).map_err(|_| DecodeError::missing()),
            [only] => read(only, proto),
            _ => {
                let len = parts.iter().map(|part| part.len()).sum();
                proto.spend(len)?;
                let mut whole = BytesMut::with_capacity(len);
                for part in &parts {
                    whole.extend_from_slice(part);
                }
                let whole = whole.freeze();
                let read = read(Value::from(&whole), proto);
                proto.done_with(&whole);
                read
            }
        }
    }
}

/// The parts of `whole`, each compressed on its own. An empty value is one part.
#[cfg(feature = "zlib")]
fn compressed_parts(whole: &[u8]) -> Result<Vec<Vec<u8>>, EncodeError> {
    let mut parts = Vec::new();
    let mut rest = whole;
    while !rest.is_empty() || parts.is_empty() {
        let mut part = &rest[..rest.len().min(MAX_VALUE)];
        let mut compressed = compress(part, Compression::best())?;
        if compressed.len() > MAX_VALUE {
            part = &part[..part.len() / 2];
            compressed = compress(part, Compression::best())?;
        }
        rest = &rest[part.len()..];
        parts.push(compressed);
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, Bytes};
    use proptest::prelude::*;

    use super::*;
    use crate::argument::testing::{assert_linear, from_ampbox, to_ampbox};
    use crate::argument::{DecodeErrorKind, EncodeErrorKind};
    use crate::boxes::{AmpBox, BoxError, BoxLimits};

    fn keys(ampbox: &AmpBox) -> Vec<(&str, usize)> {
        ampbox.iter().map(|(key, value)| (str::from_utf8(key).unwrap(), value.len())).collect()
    }

    #[test]
    fn parts_are_numbered_from_zero() {
        let ampbox = |len| to_ampbox("a", &Numbered(vec![b'x'; len])).unwrap();
        assert_eq!(keys(&ampbox(0)), []);
        assert_eq!(&ampbox(1).to_bytes()[..], b"\0\x03a.0\0\x01x\0\0");
        assert_eq!(keys(&ampbox(65_535)), [("a.0", 65_535)]);
        assert_eq!(keys(&ampbox(65_536)), [("a.0", 65_535), ("a.1", 1)]);
        assert_eq!(keys(&ampbox(131_071)), [("a.0", 65_535), ("a.1", 65_535), ("a.2", 1)]);
    }

    #[test]
    fn parts_are_counted_from_two_behind_the_plain_one() {
        let ampbox = |len| to_ampbox("a", &Continued(vec![b'x'; len])).unwrap();
        assert_eq!(&ampbox(0).to_bytes()[..], b"\0\x01a\0\0\0\0");
        assert_eq!(&ampbox(1).to_bytes()[..], b"\0\x01a\0\x01x\0\0");
        assert_eq!(keys(&ampbox(65_535)), [("a", 65_535)]);
        assert_eq!(keys(&ampbox(65_536)), [("a", 65_535), ("a.2", 1)]);
        assert_eq!(keys(&ampbox(131_071)), [("a", 65_535), ("a.2", 65_535), ("a.3", 1)]);
    }

    #[test]
    fn parts_of_any_length_are_put_together() {
        let ampbox = AmpBox::from_pairs([("a.0", "1"), ("a.1", ""), ("a.2", "23")]).unwrap();
        assert_eq!(from_ampbox::<Numbered<i64>>("a", &ampbox).unwrap(), Numbered(123));
        let ampbox = AmpBox::from_pairs([("a", "1"), ("a.2", ""), ("a.3", "23")]).unwrap();
        assert_eq!(from_ampbox::<Continued<i64>>("a", &ampbox).unwrap(), Continued(123));
    }

    #[test]
    fn a_gap_is_the_end() {
        let ampbox = AmpBox::from_pairs([
            ("a.0", "1"),
            ("a.2", "2"),
            ("b", "1"),
            ("b.1", "x"),
            ("b.3", "2"),
        ])
        .unwrap();
        assert_eq!(from_ampbox::<Numbered<i64>>("a", &ampbox).unwrap(), Numbered(1));
        assert_eq!(from_ampbox::<Continued<i64>>("b", &ampbox).unwrap(), Continued(1));
    }

    #[test]
    fn what_is_absent_is_none_or_empty_or_missing() {
        let empty = AmpBox::new();
        assert_eq!(from_ampbox::<Option<Numbered<i64>>>("a", &empty).unwrap(), None);
        assert_eq!(from_ampbox::<Option<Continued<i64>>>("a", &empty).unwrap(), None);
        assert_eq!(from_ampbox::<Numbered<String>>("a", &empty).unwrap(), Numbered::default());
        let error = from_ampbox::<Numbered<i64>>("a", &empty).unwrap_err();
        assert_eq!(error.to_string(), "argument a: missing");
        let error = from_ampbox::<Continued<String>>("a", &empty).unwrap_err();
        assert_eq!(error.to_string(), "argument a: missing");

        // Keys of the other scheme are not this argument's.
        let plain = AmpBox::from_pairs([("a", "1"), ("a.2", "2")]).unwrap();
        assert_eq!(from_ampbox::<Option<Numbered<i64>>>("a", &plain).unwrap(), None);
        let numbered = AmpBox::from_pairs([("a.0", "1"), ("a.1", "2")]).unwrap();
        assert_eq!(from_ampbox::<Option<Continued<i64>>>("a", &numbered).unwrap(), None);

        let some = to_ampbox("a", &Some(Numbered(5))).unwrap();
        assert_eq!(from_ampbox::<Option<Numbered<i64>>>("a", &some).unwrap(), Some(Numbered(5)));
        assert_eq!(to_ampbox("a", &None::<Numbered<i64>>).unwrap(), empty);
        let empty_one = to_ampbox("a", &Some(Continued(String::new()))).unwrap();
        let read = from_ampbox::<Option<Continued<String>>>("a", &empty_one).unwrap();
        assert_eq!(read, Some(Continued::default()));
    }

    #[test]
    fn errors_name_the_argument() {
        let ampbox = AmpBox::from_pairs([("a.0", "1"), ("a.1", "x")]).unwrap();
        let error = from_ampbox::<Numbered<i64>>("a", &ampbox).unwrap_err();
        assert_eq!(error.to_string(), r#"argument a: "1x" is not an Integer"#);

        let name = "n".repeat(254);
        assert!(to_ampbox(&name, &Continued(vec![0_u8; 65_535])).is_ok());
        let error = to_ampbox(&name, &Continued(vec![0_u8; 65_536])).unwrap_err();
        assert_eq!(error.argument(), name);
        assert!(matches!(error.kind(), EncodeErrorKind::Box(BoxError::KeyTooLong { len: 256 })));
    }

    #[test]
    fn there_are_no_keys_inside_of_another_value() {
        let error = to_ampbox("a", &vec![Numbered(1), Numbered(2)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "argument a[0]: an argument over several keys, inside of another value, has no form \
             on the wire"
        );
        let ampbox = AmpBox::from_pairs([("a", "\0\x011")]).unwrap();
        let error = from_ampbox::<Vec<Continued<i64>>>("a", &ampbox).unwrap_err();
        assert!(matches!(error.kind(), DecodeErrorKind::NoForm { .. }));
        assert!(to_ampbox("a", &Numbered(Continued(1))).is_err());
    }

    #[test]
    fn one_part_is_not_copied() {
        let mut wire = Bytes::from_static(b"\0\x03a.0\0\x03abc\0\0");
        let start = wire.as_ptr();
        let ampbox = AmpBox::parse(&mut wire, BoxLimits::default()).unwrap();
        let Numbered(bytes) = from_ampbox::<Numbered<Bytes>>("a", &ampbox).unwrap();
        assert_eq!(bytes.as_ptr(), start.wrapping_add(7));
    }

    #[test]
    fn sixteen_mebibytes_come_back() {
        let bytes: Bytes = (0..16 << 20).map(|n: u32| n.to_le_bytes()[1]).collect();
        let ampbox = to_ampbox("a", &Numbered(bytes.clone())).unwrap();
        assert_eq!(ampbox.len(), 257);
        assert!(from_ampbox::<Numbered<Bytes>>("a", &ampbox).unwrap().0 == bytes);
        let ampbox = to_ampbox("a", &Continued(bytes.clone())).unwrap();
        assert!(from_ampbox::<Continued<Bytes>>("a", &ampbox).unwrap().0 == bytes);
    }

    #[test]
    fn as_many_keys_as_there_may_be_take_little_time() {
        let wire = |keys| {
            let mut wire = BytesMut::new();
            for part in (0..keys).rev() {
                let key = format!("a.{part}");
                wire.put_u16(key.len().try_into().unwrap());
                wire.put_slice(key.as_bytes());
                wire.put_slice(b"\0\x01x");
            }
            wire.put_u16(0);
            (keys, wire.freeze())
        };
        assert_linear(BoxLimits::default().max_pairs, wire, |(keys, wire)| {
            let ampbox = AmpBox::parse(&mut wire.clone(), BoxLimits::default()).unwrap();
            let Numbered(read) = from_ampbox::<Numbered<String>>("a", &ampbox).unwrap();
            assert_eq!(read.len(), *keys);
        });
    }

    proptest! {
        #[test]
        fn any_length_comes_back(len in 0..300_000_usize, byte: u8) {
            let bytes = vec![byte; len];
            let numbered = Numbered(bytes.clone());
            let ampbox = to_ampbox("a", &numbered).unwrap();
            prop_assert_eq!(ampbox.len(), len.div_ceil(65_535));
            prop_assert!(from_ampbox::<Numbered<Vec<u8>>>("a", &ampbox).unwrap() == numbered);
            let continued = Continued(bytes);
            let ampbox = to_ampbox("a", &continued).unwrap();
            prop_assert_eq!(ampbox.len(), len.div_ceil(65_535).max(1));
            prop_assert!(from_ampbox::<Continued<Vec<u8>>>("a", &ampbox).unwrap() == continued);
        }

        #[test]
        fn any_other_argument_goes_inside(list: Vec<Vec<i64>>, text: String) {
            let numbered = Numbered(list);
            let ampbox = to_ampbox("a", &numbered).unwrap();
            prop_assert_eq!(from_ampbox::<Numbered<Vec<Vec<i64>>>>("a", &ampbox).unwrap(), numbered);
            let continued = Continued(text);
            let ampbox = to_ampbox("a", &continued).unwrap();
            prop_assert_eq!(from_ampbox::<Continued<String>>("a", &ampbox).unwrap(), continued);
        }
    }
}
