//! Dynamic values to and from JSON, with all digits of their numbers.

use std::error::Error;
use std::fmt;

mod read;
mod write;

pub(super) use write::{is_json, write_ascii};

/// JSON that is not what a schema says, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    place: String,
    what: String,
}

impl JsonError {
    fn new(what: impl Into<String>) -> Self {
        Self { place: String::new(), what: what.into() }
    }

    /// Returns this error, inside of `place`.
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        let dot = if self.place.is_empty() || self.place.starts_with('[') { "" } else { "." };
        self.place = format!("{place}{dot}{}", self.place);
        self
    }

    /// Returns the place of the fault, from the outermost: `points[0].x`. Empty when it is the whole.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Returns what is wrong there: the message without the place.
    pub fn fault(&self) -> &str {
        &self.what
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.place {
            "" => f.write_str(&self.what),
            place => write!(f, "{place}: {}", self.what),
        }
    }
}

impl Error for JsonError {}
