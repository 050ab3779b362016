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

/// A text on a line, with nothing in it that a terminal would act upon.
pub(crate) struct OnLine<'a>(pub(crate) &'a str);

impl fmt::Display for OnLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_debug())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// A text as JSON.
pub(crate) fn json_text(text: &str) -> String {
    Value::Text(text.to_owned()).to_json_with(&mut |_| String::new())
}

/// JSON that serde has written, which leaves some characters in texts that a terminal would act upon.
pub(crate) fn plain_json(json: impl fmt::Display) -> String {
    let mut plain = String::new();
    for c in json.to_string().chars() {
        if c.is_control() && c != '\n' {
            let _ = write!(plain, "\\u{:04x}", u32::from(c));
        } else {
            plain.push(c);
        }
    }
    plain
}
