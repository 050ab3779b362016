//! Files that tests are compared with, and that they write when they are told to.

use std::fs;
use std::io;
use std::path::Path;

/// The environment variable that says what a test may write.
pub(super) const VARIABLE: &str = "AMP_RECORD";

/// The writing that a test may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Nothing,
    /// Only what is new.
    Additions,
    /// Whatever has changed.
    All,
}

impl Record {
    /// Returns what the environment says.
    pub(super) fn from_environment() -> Result<Self, String> {
        match std::env::var_os(VARIABLE) {
            None => Ok(Record::Nothing),
            Some(value) => Self::parse(&value.to_string_lossy()),
        }
    }

    fn parse(value: &str) -> Result<Self, String> {
        match value {
            "" => Ok(Record::Nothing),
            "additions" => Ok(Record::Additions),
            "all" => Ok(Record::All),
            _ => Err(format!("{VARIABLE} is `additions` or `all`, not {value:?}")),
        }
    }
}

/// Returns the text of a record; `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, String> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}

/// Returns what to say when there is no record.
pub(super) fn missing(path: &Path) -> String {
    format!("there is no {}; run the test with {VARIABLE}=additions to write it", path.display())
}

/// Writes a record, and the folders that it is in.
pub(super) fn write(path: &Path, text: &str) -> Result<(), String> {
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    folder
        .and_then(|()| fs::write(path, text))
        .map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::Record;

    #[test]
    fn the_variable_has_two_values() {
        assert_eq!(Record::parse(""), Ok(Record::Nothing));
        assert_eq!(Record::parse("additions"), Ok(Record::Additions));
        assert_eq!(Record::parse("all"), Ok(Record::All));
        let error = Record::parse("1").unwrap_err();
        assert_eq!(error, "AMP_RECORD is `additions` or `all`, not \"1\"");
    }
}
