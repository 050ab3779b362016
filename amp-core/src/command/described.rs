//! The descriptions of errors that have fields: JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as JsonValue};

use crate::argument::{Argument, Json, Proto};
use crate::boxes::{MAX_VALUE, Value, ValueWriter};

/// The fields of an error, one after the other. What `#[derive(CommandError)]` expands to calls this.
#[derive(Debug, Default)]
pub struct DescribedInJson {
    fields: Map<String, JsonValue>,
}

impl DescribedInJson {
    /// Reads a description: `None` when it is no object, or is made of too much.
    pub fn read(description: &str) -> Option<Self> {
        // A description is no longer than a value. What is made of it takes as much memory as of one.
        const MEMORY: usize = 18 * MAX_VALUE;
        let read = |proto: &mut Proto<'_>| {
            let value = Value::from(description.as_bytes());
            Json::<Map<String, JsonValue>>::from_string_proto(value, proto)
        };
        Proto::detached_within(MEMORY, read).ok().map(|Json(fields)| Self { fields })
    }

    /// Takes a field: `None` when it is not of this type. One that is missing is `null`.
    pub fn take<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        serde_json::from_value(self.fields.remove(name).unwrap_or_default()).ok()
    }

    /// Adds a field. What JSON cannot be made of is `null`.
    pub fn put<T: Serialize>(&mut self, name: &str, value: &T) {
        let value = serde_json::to_value(value).unwrap_or_default();
        self.fields.insert(name.to_owned(), value);
    }

    /// Returns the description.
    pub fn into_text(self) -> String {
        let mut text = bytes::BytesMut::new();
        let write = |proto: &mut Proto<'_>| {
            Json(self.fields).to_string_proto(proto, &mut ValueWriter::new(&mut text))
        };
        // What is nested too deeply is left out: it has to be some description.
        let written = Proto::detached(write);
        if written.is_ok() { String::from_utf8_lossy(&text).into_owned() } else { "{}".to_owned() }
    }
}
