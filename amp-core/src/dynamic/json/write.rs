use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use std::fmt::Write;

use crate::argument::{Attachment, EncodeError};
use crate::boxes::ValueWriter;
use crate::dynamic::{Value, Values};

/// Shows an attachment, as the text of some JSON.
type Show<'a> = &'a mut dyn FnMut(&Attachment) -> String;

impl Values {
    /// Returns the values as one JSON object on one line, in the order of their names and without control
    /// characters: see the table of [`dynamic`](crate::dynamic). An attachment is `{"attachment": N}`, counted from 0.
    pub fn to_json(&self) -> String {
        let mut count = 0_usize;
        self.to_json_with(&mut |_| {
            count += 1;
            format!(r#"{{"attachment": {}}}"#, count - 1)
        })
    }

    /// Returns the values as [`to_json`](Values::to_json) does, with attachments as what `show`
    /// returns for each, which has to be JSON.
    pub fn to_json_with(&self, show: &mut dyn FnMut(&Attachment) -> String) -> String {
        let mut out = String::new();
        write_values(self, &mut out, show);
        out
    }
}

impl Value {
    /// Returns the value as JSON on one line: see [`Values::to_json_with`].
    pub fn to_json_with(&self, show: &mut dyn FnMut(&Attachment) -> String) -> String {
        let mut out = String::new();
        write_value(self, &mut out, show);
        out
    }
}

fn write_values(values: &Values, out: &mut String, show: Show<'_>) {
    out.push('{');
    for (at, (name, value)) in values.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        write_text(name, out);
        out.push_str(": ");
        write_value(value, out, show);
    }
    out.push('}');
}

fn write_value(value: &Value, out: &mut String, show: Show<'_>) {
    match value {
        Value::Bytes(bytes) => match str::from_utf8(bytes) {
            Ok(text) if is_printable(text) => write_text(text, out),
            _ => {
                out.push_str(r#"{"base64": ""#);
                STANDARD.encode_string(bytes, out);
                out.push_str("\"}");
            }
        },
        Value::Text(text) => write_text(text, out),
        Value::Integer(integer) => out.push_str(integer.as_str()),
        Value::Float(float) if float.is_nan() => out.push_str("\"nan\""),
        Value::Float(float) if float.is_infinite() => {
            out.push_str(if *float > 0.0 { "\"inf\"" } else { "\"-inf\"" });
        }
        // The shortest digits that read as the same number.
        Value::Float(float) => put(out, format_args!("{float:?}")),
        Value::Boolean(boolean) => put(out, format_args!("{boolean}")),
        Value::Decimal(decimal) => write_text(&decimal.to_string(), out),
        Value::DateTime(date) => write_text(&date.to_string(), out),
        Value::Json(text) => write_json(text, out),
        Value::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                write_value(item, out, show);
            }
            out.push(']');
        }
        Value::Box(values) => write_values(values, out, show),
        Value::Attachment(attachment) => out.push_str(&show(attachment)),
    }
}

/// Returns whether a text can be shown as it is.
fn is_printable(text: &str) -> bool {
    text.chars().all(|c| matches!(c, '\n' | '\t') || !c.is_control())
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => put(out, format_args!("\\{c}")),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Among these are U+0000 to U+001F, which JSON has only so, and those that a terminal
            // would act upon.
            c if c.is_control() => put(out, format_args!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Copies JSON, which may be on several lines, onto one: without the white space around its texts, and
/// with nothing in them that a terminal would act upon.
fn write_json(text: &str, out: &mut String) {
    let (mut in_text, mut is_escaped) = (false, false);
    for c in text.chars() {
        match c {
            ' ' | '\n' | '\r' | '\t' if !in_text => {}
            c if c.is_control() => put(out, format_args!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
        in_text ^= c == '"' && !is_escaped;
        is_escaped = in_text && c == '\\' && !is_escaped;
    }
}

/// A `String` takes all that is written to it.
fn put(out: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(what);
}

/// Returns whether a text is one JSON value.
pub(in crate::dynamic) fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// Writes JSON in ASCII, as [`Json`](crate::argument::Json) does: what is beyond is in texts only.
pub(in crate::dynamic) fn write_ascii(
    text: &str,
    out: &mut ValueWriter<'_>,
) -> Result<(), EncodeError> {
    if !is_json(text) {
        return Err(EncodeError::unwritable("a text that is not JSON", text));
    }
    let mut ascii = String::with_capacity(text.len());
    for c in text.chars() {
        if c <= '~' {
            ascii.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            put(&mut ascii, format_args!("\\u{unit:04x}"));
        }
    }
    out.put_slice(ascii.as_bytes());
    Ok(())
}
