//! Text that others have sent, as something that a terminal only shows.

use amp_core::dynamic::Value;
use std::fmt::{self, Write};

/// The name of a key, whatever its bytes are.
pub(crate) fn name_of(key: &[u8]) -> String {
    match str::from_utf8(key) {
        Ok(name) => name.to_owned(),
        Err(_) => key.escape_ascii().to_string(),
    }
}

/// Whether a terminal does something other than to show a character: it ends a line, moves the cursor, or
/// turns the direction of what is around it.
pub(crate) fn is_active(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

/// A text on a line, with nothing in it that a terminal would act upon.
pub(crate) struct OnLine<'a>(pub(crate) &'a str);

impl fmt::Display for OnLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if is_active(c) {
                write!(f, "{}", c.escape_debug())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// A text with its line breaks, and nothing else that a terminal would act upon.
pub(crate) fn on_lines(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        match c {
            c if is_active(c) && c != '\n' => shown.extend(c.escape_debug()),
            c => shown.push(c),
        }
    }
    shown
}

/// A text as JSON.
pub(crate) fn json_text(text: &str) -> String {
    Value::Text(text.to_owned()).to_json_with(&mut |_| String::new())
}

/// JSON that serde has written, which leaves some characters in texts that a terminal would act upon.
pub(crate) fn plain_json(json: impl fmt::Display) -> String {
    let mut plain = String::new();
    for c in json.to_string().chars() {
        if is_active(c) && c != '\n' {
            let _ = write!(plain, "\\u{:04x}", u32::from(c));
        } else {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use amp_core::Report;
    use std::io;

    /// Each has a list of its own, since nobody else would want that one.
    #[test]
    fn the_characters_are_those_that_errors_are_shown_without() {
        for c in char::MIN..=char::MAX {
            let error = io::Error::other(c.to_string());
            let is_shown = Report::new(&error).to_string() == c.to_string();
            assert_eq!(is_active(c), !is_shown, "{c:?}");
        }
    }
}
