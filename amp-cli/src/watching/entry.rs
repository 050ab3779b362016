use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::time::Duration;

use super::seen::{Seen, put};
use super::side::Side;
use crate::mistake::Mistake;

/// A line of a record: JSON about one box, or about one descriptor.
#[derive(Debug, Deserialize)]
pub(crate) struct Entry {
    /// Seconds since the record began.
    #[serde(default)]
    at: f64,
    /// Which connection it was on, counted from 1.
    #[serde(default)]
    pub(crate) connection: u64,
    pub(crate) from: Side,
    pub(crate) kind: Kept,
    /// The values, by the schema that the record was made with.
    values: Option<Box<RawValue>>,
    /// Keys whose values were not recorded.
    #[serde(default)]
    pub(crate) hidden: Vec<String>,
    /// The box as it was sent, in base64.
    #[serde(rename = "box")]
    raw: Option<String>,
    /// The description of a descriptor.
    descriptor: Option<Box<RawValue>>,
}

/// The kind of thing that an [`Entry`] is about.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kept {
    Call,
    OneWay,
    Answer,
    Error,
    Box,
    Descriptor,
}

impl Entry {
    /// All lines of a record.
    pub(crate) fn read_all(text: &str) -> Result<Vec<Self>, Mistake> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let entries = lines.map(|(at, line)| {
            let wrong = |what: String| Mistake::new(format!("line {}: {what}", at + 1));
            let entry: Self = serde_json::from_str(line).map_err(|error| {
                wrong(format!(
                    "it is no line of a record, as `ampctl tap --record` writes: {error}"
                ))
            })?;
            entry.boxed().map_err(wrong)?;
            Ok(entry)
        });
        entries.collect()
    }

    pub(crate) fn at(&self) -> Duration {
        Duration::try_from_secs_f64(self.at).unwrap_or_default()
    }

    /// The bytes of the box, if it is about one.
    pub(crate) fn boxed(&self) -> Result<Option<Bytes>, String> {
        let Some(raw) = &self.raw else {
            return match self.kind {
                Kept::Descriptor => Ok(None),
                _ => Err("there is no \"box\"".to_owned()),
            };
        };
        match STANDARD.decode(raw) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) => Err(format!("its \"box\" is no base64: {error}")),
        }
    }

    /// The values as JSON, by the schema that the record was made with.
    pub(crate) fn values(&self) -> &str {
        self.values.as_deref().map_or("{}", RawValue::get)
    }

    /// Returns the description of the descriptor, as JSON, if it is about one.
    pub(crate) fn descriptor(&self) -> Option<&str> {
        self.descriptor.as_deref().map(RawValue::get)
    }

    /// The line for a box.
    pub(crate) fn of_box(connection: u64, seen: &Seen) -> String {
        let mut line = begun(connection, seen.at);
        seen.write_members(&mut line);
        line.push_str(r#", "box": ""#);
        STANDARD.encode_string(seen.shown_bytes(), &mut line);
        line.push_str("\"}\n");
        line
    }

    /// The line for a descriptor that is this, as JSON.
    pub(crate) fn of_descriptor(connection: u64, at: Duration, from: Side, is: &str) -> String {
        let mut line = begun(connection, at);
        let from = from.name();
        put(
            &mut line,
            format_args!(
                "\"from\": \"{from}\", \"kind\": \"descriptor\", \"descriptor\": {is}}}\n"
            ),
        );
        line
    }
}

fn begun(connection: u64, at: Duration) -> String {
    format!(r#"{{"at": {:.6}, "connection": {connection}, "#, at.as_secs_f64())
}
