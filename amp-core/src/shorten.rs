//! Values in messages: what a peer sent may be long, secret at its end, or not text.

use std::fmt;

#[cfg(any(feature = "serde", feature = "json"))]
use crate::report::Escaped;

/// The number of bytes of a value that a message shows.
const SHOWN: usize = 40;

/// The beginning of some bytes, as text, for a message.
///
/// At most 40 bytes are kept; what is not printable ASCII is escaped. It is displayed as
/// `"abc"`, or as `"abc..." (1234 bytes)` when it was longer.
#[derive(Clone, PartialEq, Eq)]
pub struct Shortened {
    head: Box<[u8]>,
    len: usize,
}

impl Shortened {
    /// Keeps the beginning of `bytes`.
    pub fn new(bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        Self { head: bytes[..bytes.len().min(SHOWN)].into(), len: bytes.len() }
    }

    /// Keeps only how many bytes there were.
    #[cfg(feature = "tokio")]
    pub(crate) fn hide(&mut self) {
        self.head = Box::default();
    }
}

impl fmt::Display for Shortened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = self.head.escape_ascii();
        if self.head.len() == self.len {
            write!(f, "\"{head}\"")
        } else {
            write!(f, "\"{head}...\" ({} bytes)", self.len)
        }
    }
}

impl fmt::Debug for Shortened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Returns the beginning of a message of `serde`'s, which may have all of a value in it.
#[cfg(any(feature = "serde", feature = "json"))]
pub(crate) fn message(message: &impl fmt::Display) -> String {
    const LONGEST: usize = 240;
    let mut text = Escaped(message).to_string();
    if text.len() > LONGEST {
        let is_end = |at: &usize| text.is_char_boundary(*at);
        let end = (0..=LONGEST).rev().find(is_end).unwrap_or_default();
        text.truncate(end);
        text.push_str("...");
        text.shrink_to_fit();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::Shortened;

    #[test]
    fn long_values_are_cut_and_say_how_long_they_were() {
        assert_eq!(Shortened::new("abc").to_string(), r#""abc""#);
        assert_eq!(Shortened::new(b"a\0\xff\"").to_string(), r#""a\x00\xff\"""#);
        let long = Shortened::new("x".repeat(41)).to_string();
        assert_eq!(long, format!("\"{}...\" (41 bytes)", "x".repeat(40)));
    }
}
