//! An argument over several keys whose parts are compressed, each on its own, as in Evennia.

use super::large::{Scheme, over_several_keys};
use super::wrapper::wrapper;

/// An argument over the keys `name`, `name.2`, `name.3`, and so on. The value of each key is compressed with zlib.
/// Evennia calls this `Compressed`.
///
/// The value is first cut into parts of 65 535 bytes, and then each part is compressed. `Continued<Zlib<T>>` is
/// another form: it compresses first, and cannot read this one.
///
/// ```
/// use amp_core::Arguments;
/// use amp_core::argument::ContinuedZlib;
///
/// #[derive(Arguments)]
/// struct Message {
///     packed_data: ContinuedZlib<Vec<u8>>,
/// }
///
/// let message = Message { packed_data: vec![7; 1_000_000].into() };
/// let bytes = message.encode()?;
/// assert!(bytes.len() < 2500);
/// assert_eq!(Message::decode(bytes)?.packed_data.len(), 1_000_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// If compression makes a part longer than 65 535 bytes, the part is cut in halves first. Parts of any length can be
/// read. A received value may inflate as far as with [`Zlib`](super::Zlib).
///
/// Use it as the type of a field, also inside of `Option`, `Box` or `Arc`. As an element of a list it would have no
/// keys of its own, so encoding and decoding fail. Put the list inside of it instead: `ContinuedZlib<Vec<T>>`.
/// Give no other argument of the box the key of a part. The derives refuse that where this type is written out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContinuedZlib<T>(pub T);

wrapper!(ContinuedZlib);
over_several_keys!(ContinuedZlib, Scheme::Compressed);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::argument::testing::{decode, from_ampbox, to_ampbox};
    use crate::argument::{Continued, DecodeErrorKind, EncodeErrorKind, Zlib};
    use crate::boxes::AmpBox;

    /// What `zlib.compress` of Python gives at level 9 for `hello hello hello hello`, `yyy` and
    /// nothing.
    const HELLO: &[u8] = b"x\xda\xcbH\xcd\xc9\xc9W\xc8@'\x01h\x03\x08\xb1";
    const YYY: &[u8] = b"x\xda\xab\xac\xac\x04\x00\x02\xd9\x01l";
    const EMPTY: &[u8] = b"x\xda\x03\x00\x00\x00\x00\x01";

    fn noise(len: usize) -> Vec<u8> {
        let mut random = 1_u64;
        let step = |_| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_041);
            random.to_be_bytes()[0]
        };
        (0..len).map(step).collect()
    }

    /// The keys of a box, and to how many bytes their values inflate.
    fn lengths(ampbox: &AmpBox) -> Vec<(&str, usize)> {
        let inflated = |part: &[u8]| decode::<Zlib<Vec<u8>>>(part).unwrap().len();
        let pairs = ampbox.iter();
        pairs.map(|(key, part)| (str::from_utf8(key).unwrap(), inflated(part))).collect()
    }

    #[test]
    fn what_python_compressed_is_read() {
        for (parts, text) in [
            (&[("a", HELLO)][..], "hello hello hello hello"),
            (&[("a", HELLO), ("a.2", YYY)], "hello hello hello helloyyy"),
            (&[("a", EMPTY), ("a.2", EMPTY), ("a.3", YYY)], "yyy"),
            (&[("a", EMPTY), ("a.3", YYY)], ""),
        ] {
            let ampbox = AmpBox::from_pairs(parts.iter().copied()).unwrap();
            assert_eq!(from_ampbox::<ContinuedZlib<String>>("a", &ampbox).unwrap().0, text);
        }
    }

    #[test]
    fn values_are_cut_before_they_are_compressed() {
        let ampbox = |len| to_ampbox("a", &ContinuedZlib(vec![b'x'; len])).unwrap();
        for (len, parts) in [
            (0, &[("a", 0)][..]),
            (1, &[("a", 1)]),
            (65_535, &[("a", 65_535)]),
            (65_536, &[("a", 65_535), ("a.2", 1)]),
            (131_071, &[("a", 65_535), ("a.2", 65_535), ("a.3", 1)]),
        ] {
            assert_eq!(lengths(&ampbox(len)), parts);
        }
        let first: Zlib<Vec<u8>> = from_ampbox("a", &ampbox(65_536)).unwrap();
        assert_eq!(first.0.len(), 65_535, "each part is a stream of its own");
        let whole = to_ampbox("a", &Continued(Zlib(vec![b'x'; 65_536]))).unwrap();
        assert_eq!(whole.len(), 1, "which is another scheme");
    }

    #[test]
    fn a_part_that_gets_too_long_is_cut_in_halves() {
        let value = ContinuedZlib(noise(65_535 + 10));
        let ampbox = to_ampbox("a", &value).unwrap();
        assert_eq!(lengths(&ampbox), [("a", 32_767), ("a.2", 32_778)]);
        assert!(from_ampbox::<ContinuedZlib<Vec<u8>>>("a", &ampbox).unwrap() == value);
    }

    #[test]
    fn what_is_absent_is_none_or_missing() {
        let empty = AmpBox::new();
        assert_eq!(from_ampbox::<Option<ContinuedZlib<String>>>("a", &empty).unwrap(), None);
        let error = from_ampbox::<ContinuedZlib<String>>("a", &empty).unwrap_err();
        assert_eq!(error.to_string(), "argument a: missing");
        let some = Some(ContinuedZlib(String::new()));
        let ampbox = to_ampbox("a", &some).unwrap();
        assert_eq!(from_ampbox::<Option<ContinuedZlib<String>>>("a", &ampbox).unwrap(), some);
        assert!(to_ampbox("a", &None::<ContinuedZlib<String>>).unwrap().is_empty());
    }

    #[test]
    fn other_bytes_are_refused() {
        for (first, second) in
            [(&b""[..], HELLO), (HELLO, b""), (HELLO, b"hello"), (HELLO, &YYY[1..])]
        {
            let ampbox = AmpBox::from_pairs([("a", first), ("a.2", second)]).unwrap();
            let error = from_ampbox::<ContinuedZlib<String>>("a", &ampbox).unwrap_err();
            assert_eq!(error.argument(), "a");
            assert!(error.to_string().ends_with("is not a zlib stream"), "{error}");
        }
        let both = [HELLO, YYY].concat();
        let ampbox = AmpBox::from_pairs([("a", both)]).unwrap();
        from_ampbox::<ContinuedZlib<String>>("a", &ampbox).unwrap_err();
        let ampbox = AmpBox::from_pairs([("a", YYY)]).unwrap();
        let error = from_ampbox::<ContinuedZlib<i64>>("a", &ampbox).unwrap_err();
        assert_eq!(error.to_string(), r#"argument a: "yyy" is not an Integer"#);
    }

    #[test]
    fn there_are_no_keys_inside_of_another_value() {
        let error = to_ampbox("a", &vec![ContinuedZlib(1)]).unwrap_err();
        assert!(matches!(error.kind(), EncodeErrorKind::NoForm { .. }));
        let ampbox = AmpBox::from_pairs([("a", "\0\x011")]).unwrap();
        let error = from_ampbox::<Vec<ContinuedZlib<i64>>>("a", &ampbox).unwrap_err();
        assert!(matches!(error.kind(), DecodeErrorKind::NoForm { .. }));
    }

    #[test]
    fn all_parts_have_one_budget() {
        for (len, fits) in [(90_000, true), (300_000, false), (10_000_000, false)] {
            let value = ContinuedZlib(vec![0_u8; len]);
            let ampbox = to_ampbox("a", &value).unwrap();
            match from_ampbox::<ContinuedZlib<Vec<u8>>>("a", &ampbox) {
                Ok(read) => assert!(fits && read == value),
                Err(error) => {
                    assert!(!fits, "{error}");
                    assert!(matches!(error.kind(), DecodeErrorKind::TooMuchMemory { .. }));
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn any_value_comes_back(list: Vec<Vec<i64>>, len in 0..70_000_usize) {
            let value = ContinuedZlib(list);
            let ampbox = to_ampbox("a", &value).unwrap();
            prop_assert_eq!(from_ampbox::<ContinuedZlib<Vec<Vec<i64>>>>("a", &ampbox).unwrap(), value);
            let value = ContinuedZlib(noise(len));
            let ampbox = to_ampbox("a", &value).unwrap();
            prop_assert!(from_ampbox::<ContinuedZlib<Vec<u8>>>("a", &ampbox).unwrap() == value);
        }

        #[test]
        fn any_bytes_are_read_or_refused(first: Vec<u8>, second: Vec<u8>) {
            let second = [b"x\xda", &second[..]].concat();
            let ampbox = AmpBox::from_pairs([("a", first), ("a.2", second)]).unwrap();
            let _ = from_ampbox::<ContinuedZlib<Vec<u8>>>("a", &ampbox);
        }
    }
}
