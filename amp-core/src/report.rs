//! Errors in messages.

use std::error::Error;
use std::fmt::{self, Write};

/// An error with all its causes, each behind a colon, on one line.
///
/// Errors of these crates say what went wrong. Their [`source`](Error::source) says why. This displays both, for messages and
/// logs. A peer may have chosen a part of the text. So control characters are escaped, and so are characters that change the
/// direction of writing.
///
/// ```
/// use amp_core::{CallError, CloseReason, NoError, Report};
///
/// let error = CallError::<NoError>::Closed(CloseReason::Peer);
/// assert_eq!(error.to_string(), "the connection is closed");
/// assert_eq!(Report::new(&error).to_string(), "the connection is closed: closed by the peer");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Report<'a>(&'a (dyn Error + 'static));

impl<'a> Report<'a> {
    /// Creates a report of an error.
    pub fn new(error: &'a (dyn Error + 'static)) -> Self {
        Self(error)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Escaping(f);
        write!(out, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(out, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

/// A text that a peer may have chosen, with what could change other text of a terminal or a log
/// escaped.
pub(crate) struct Escaped<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// Passes on what is written, with such characters escaped.
struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut plain = 0;
        for (at, character) in text.char_indices() {
            if is_active(character) {
                self.0.write_str(&text[plain..at])?;
                write!(self.0, "{}", character.escape_debug())?;
                plain = at + character.len_utf8();
            }
        }
        self.0.write_str(&text[plain..])
    }
}

/// Returns whether it does something other than to show itself: ends a line, begins an escape
/// sequence, or changes the direction of writing.
fn is_active(character: char) -> bool {
    let changes_direction = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    character.is_control() || changes_direction || matches!(character, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::Escaped;

    #[test]
    fn what_acts_on_a_terminal_or_a_log_is_escaped_and_nothing_else() {
        for (text, shown) in [
            ("it's \"caf\u{e9}\" \\ \u{1f980}", "it's \"caf\u{e9}\" \\ \u{1f980}"),
            ("a\r\nb\tc", r"a\r\nb\tc"),
            ("\u{1b}[2J\u{9b}\0", r"\u{1b}[2J\u{9b}\0"),
            ("a\u{202e}b\u{2028}", r"a\u{202e}b\u{2028}"),
        ] {
            assert_eq!(Escaped(text).to_string(), shown);
        }
    }
}
