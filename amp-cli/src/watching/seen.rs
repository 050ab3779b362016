use amp_core::AmpBox;
use amp_core::dynamic::{Value, Values};
use bytes::Bytes;
use serde_json::Value as Json;
use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;

use super::arrived;
use super::side::Side;
use crate::hide;
use crate::on_line::{OnLine, json_text, plain_json};

/// How much of a value is shown on a line, in characters.
const SHOWN: usize = 120;

/// One box that somebody has sent.
pub(crate) struct Seen {
    /// Since whenever the first was.
    pub(crate) at: Duration,
    pub(crate) from: Side,
    pub(crate) kind: Kind,
    pub(crate) tag: Option<String>,
    /// Of an answer, where its call was seen.
    pub(crate) command: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) description: Option<String>,
    pub(super) values: Values,
    /// Keys whose values are not shown.
    pub(super) hidden: Vec<String>,
    /// Why the values are not those that the schema says.
    pub(super) problem: Option<String>,
    /// How long the answer has taken.
    pub(crate) took: Option<Duration>,
    pub(super) ampbox: AmpBox,
    /// As it came.
    pub(super) raw: Bytes,
}

/// What a box is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Call,
    OneWay,
    Answer,
    Error,
    /// None of these.
    Box,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::OneWay => "one-way",
            Self::Answer => "answer",
            Self::Error => "error",
            Self::Box => "box",
        }
    }
}

impl Seen {
    /// The box on the wire, without what is hidden.
    pub(crate) fn shown_bytes(&self) -> Bytes {
        if self.hidden.is_empty() {
            self.raw.clone()
        } else {
            hide::replace_in_box(&self.ampbox, &self.hidden).to_bytes()
        }
    }

    /// How many bytes it has on the wire.
    pub(crate) fn len(&self) -> usize {
        self.raw.len()
    }

    /// Writes one line about it: when and where it was, and what it is.
    pub(crate) fn write_line(&self, connection: u64, out: &mut String) {
        let arrow = match self.from {
            Side::Client => "->",
            Side::Server => "<-",
        };
        put(out, format_args!("{:10.4} #{connection} {arrow} ", self.at.as_secs_f64()));
        self.write(out);
    }

    /// Writes what it is: `call 1 Sum a=1 b=2`.
    pub(crate) fn write(&self, out: &mut String) {
        out.push_str(self.kind.name());
        for word in [&self.tag, &self.command].into_iter().flatten() {
            put(out, format_args!(" {}", OnLine(word)));
        }
        if self.kind != Kind::Error && self.command.is_none() {
            out.push_str(match self.kind {
                Kind::Answer => " (to no call that was seen)",
                _ => " (neither a call nor an answer)",
            });
        }
        if let Some(code) = &self.code {
            put(out, format_args!(" {}", OnLine(code)));
        }
        if let Some(description) = &self.description {
            put(out, format_args!(" {}", shortened(json_text(description), description.len())));
        }
        for (name, value) in self.values.iter() {
            let value =
                shortened(beginning(value).to_json_with(&mut arrived::shown), len_of(value));
            put(out, format_args!(" {}={value}", OnLine(name)));
        }
        if let Some(problem) = &self.problem {
            put(out, format_args!("  (does not fit the schema: {})", OnLine(problem)));
        }
        if let Some(took) = self.took {
            put(out, format_args!("  [{}]", shown_time(took)));
        }
    }

    /// The members of a JSON object that say what it is, without its braces.
    pub(super) fn write_members(&self, out: &mut String) {
        put(out, format_args!(r#""from": "{}", "kind": "{}""#, self.from.name(), self.kind.name()));
        for (name, text) in [
            ("tag", &self.tag),
            ("command", &self.command),
            ("code", &self.code),
            ("description", &self.description),
            ("problem", &self.problem),
        ] {
            if let Some(text) = text {
                put(out, format_args!(r#", "{name}": {}"#, json_text(text)));
            }
        }
        if let Some(took) = self.took {
            put(out, format_args!(r#", "took": {:.6}"#, took.as_secs_f64()));
        }
        put(out, format_args!(r#", "values": {}"#, self.values.to_json_with(&mut arrived::shown)));
        if !self.hidden.is_empty() {
            put(
                out,
                format_args!(r#", "hidden": {}"#, plain_json(Json::from(self.hidden.clone()))),
            );
        }
    }
}

/// A time as people read it: `12.34 ms`.
pub(crate) fn shown_time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 1.0 { format!("{:.2} ms", seconds * 1e3) } else { format!("{seconds:.2} s") }
}

/// As much of a value as a line may have room for.
fn beginning(value: &Value) -> Cow<'_, Value> {
    match value {
        Value::Bytes(bytes) if bytes.len() > SHOWN => {
            // Nothing is cut inside of a character, so that a text stays one.
            let text = String::from_utf8_lossy(&bytes[..SHOWN]);
            let end = text.trim_end_matches(char::REPLACEMENT_CHARACTER).len().min(SHOWN);
            Cow::Owned(Value::Bytes(bytes.slice(..end.max(1))))
        }
        Value::Text(text) if text.len() > SHOWN => {
            Cow::Owned(Value::Text(text.chars().take(SHOWN).collect()))
        }
        _ => Cow::Borrowed(value),
    }
}

/// How long a value is, if that is known before it is JSON.
fn len_of(value: &Value) -> usize {
    match value {
        Value::Bytes(bytes) => bytes.len(),
        Value::Text(text) => text.len(),
        _ => 0,
    }
}

/// A value as JSON, cut where it is longer than a line has room for, with the length of the whole.
fn shortened(mut value: String, len: usize) -> String {
    let cut = value.char_indices().nth(SHOWN).map(|(end, _)| end);
    if cut.is_none() && len <= SHOWN {
        return value;
    }
    let len = len.max(value.len());
    value.truncate(cut.unwrap_or(value.len()));
    put(&mut value, format_args!("... ({len} bytes)"));
    value
}

/// A `String` takes all that is written to it.
pub(super) fn put(out: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(what);
}
