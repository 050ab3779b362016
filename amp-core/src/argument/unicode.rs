//! Unicode: text as UTF-8.
//!
//! Every text is written as it is, and nothing is normalised. Bytes that are not UTF-8 are
//! refused: overlong forms, surrogates and what lies above U+10FFFF too.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Argument, DecodeError, EncodeError, Proto};
use crate::boxes::{Value, ValueWriter};
use crate::schema::{WireType, WireTypes};

macro_rules! unicode {
    ($($text:ty: $from_str:expr;)*) => { $(
        /// Unicode: UTF-8 of any length.
        impl Argument for $text {
            #[inline]
            fn to_string_proto(
                &self,
                _proto: &mut Proto<'_>,
                out: &mut ValueWriter<'_>,
            ) -> Result<(), EncodeError> {
                out.put_slice(self.as_bytes());
                Ok(())
            }

            #[inline]
            fn from_string_proto(
                value: Value<'_>,
                proto: &mut Proto<'_>,
            ) -> Result<Self, DecodeError> {
                let text = text(value)?;
                proto.spend(text.len())?;
                Ok($from_str(text))
            }

            fn wire_type(_: &mut WireTypes) -> WireType {
                WireType::named("Unicode")
            }
        }
    )* };
}

unicode! {
    String: String::from;
    Box<str>: Box::from;
    Arc<str>: Arc::from;
    Cow<'_, str>: owned;
}

fn owned(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}

/// Unicode: exactly one code point, not fewer and not more.
impl Argument for char {
    #[inline]
    fn to_string_proto(
        &self,
        _proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        out.put_slice(self.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    #[inline]
    fn from_string_proto(value: Value<'_>, _proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        let mut chars = text(value)?.chars();
        match (chars.next(), chars.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(DecodeError::malformed("one character", value)),
        }
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("Unicode")
    }
}

pub(super) fn text(value: Value<'_>) -> Result<&str, DecodeError> {
    std::str::from_utf8(value.as_slice()).map_err(|_| DecodeError::malformed("UTF-8 text", value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::argument::testing::{assert_malformed, assert_wire, decode};

    #[test]
    fn text_is_utf_8() {
        for (text, wire) in [
            ("", &b""[..]),
            ("abc", b"abc"),
            ("\0", b"\0"),
            ("\u{e9}", b"\xc3\xa9"),
            ("\u{feff}x", b"\xef\xbb\xbfx"),
            ("\u{1f600}", b"\xf0\x9f\x98\x80"),
            (" a\n", b" a\n"),
        ] {
            assert_wire(text.to_owned(), wire);
            assert_wire(Box::<str>::from(text), wire);
            assert_wire(Arc::<str>::from(text), wire);
            assert_wire(Cow::Borrowed(text), wire);
        }
        assert_wire(vec!["a".to_owned(), String::new()], "\0\x01a\0\0");
    }

    #[test]
    fn what_is_not_utf_8_is_refused() {
        let others = [
            &b"\xff"[..],
            b"ab\xc3",
            b"\x80",
            b"\xc0\x80",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"\xf8\x88\x80\x80\x80",
        ];
        for other in others {
            assert_malformed::<String>(other, "UTF-8 text");
            assert_malformed::<Box<str>>(other, "UTF-8 text");
            assert_malformed::<Arc<str>>(other, "UTF-8 text");
            assert_malformed::<Cow<'static, str>>(other, "UTF-8 text");
            assert_malformed::<char>(other, "UTF-8 text");
        }
    }

    #[test]
    fn a_character_is_exactly_one() {
        assert_wire('x', "x");
        assert_wire('\u{10ffff}', "\u{10ffff}");
        for other in ["", "xy", "e\u{301}"] {
            assert_malformed::<char>(other.as_bytes(), "one character");
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text: String, character: char) {
            assert_wire(Box::<str>::from(&*text), &text);
            assert_wire(Arc::<str>::from(&*text), &text);
            assert_wire(Cow::<'static, str>::Owned(text.clone()), &text);
            assert_wire(text.clone(), &text);
            assert_wire(character, character.to_string());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let is_text = std::str::from_utf8(&bytes).is_ok();
            prop_assert_eq!(decode::<String>(&bytes).is_ok(), is_text);
            let _ = decode::<char>(&bytes);
        }
    }
}
