//! Path: the path's text as UTF-8.
//!
//! Twisted reads a path relative to its own working directory.

use std::path::PathBuf;

use super::unicode::text;
use super::{Argument, DecodeError, EncodeError, Proto};
use crate::boxes::{Value, ValueWriter};
use crate::schema::{WireType, WireTypes};

/// A Path. If it is not UTF-8, encoding it is an error.
impl Argument for PathBuf {
    fn to_string_proto(
        &self,
        _proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        let Some(text) = self.to_str() else {
            return Err(EncodeError::unwritable(
                "a path that is not UTF-8",
                self.as_os_str().as_encoded_bytes(),
            ));
        };
        out.put_slice(text.as_bytes());
        Ok(())
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        proto.spend(value.len())?;
        text(value).map(PathBuf::from)
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("Path")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::argument::testing::{assert_malformed, assert_wire, decode};

    #[test]
    fn paths_are_utf_8() {
        for path in ["", "/", "/tmp/a b", "../x", "/caf\u{e9}/", "C:\\x"] {
            assert_wire(PathBuf::from(path), path);
        }
        assert_wire(vec![PathBuf::from("/a"), PathBuf::from("b")], "\0\x02/a\0\x01b");
        assert_malformed::<PathBuf>(b"/tmp/\xff", "UTF-8 text");
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_utf_8_cannot_be_written() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        use crate::argument::testing::try_encode;

        let path = PathBuf::from(OsStr::from_bytes(b"/tmp/caf\xe9"));
        let message = r#"a path that is not UTF-8 cannot be written: "/tmp/caf\xe9""#;
        assert_eq!(try_encode(&path).unwrap_err().to_string(), message);
    }

    proptest! {
        #[test]
        fn any_path_comes_back(path: String, bytes: Vec<u8>) {
            assert_wire(PathBuf::from(&path), &path);
            let _ = decode::<PathBuf>(&bytes);
        }
    }
}
