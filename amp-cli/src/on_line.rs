use std::fmt::{self, Write};

/// What a key is called, whatever its bytes are.
pub(super) fn name_of(key: &[u8]) -> String {
    match str::from_utf8(key) {
        Ok(name) => name.to_owned(),
        Err(_) => key.escape_ascii().to_string(),
    }
}

/// A name on a line, with nothing in it that a terminal would act upon.
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
