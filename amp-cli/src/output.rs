//! The forms in which answers are printed.

use amp_core::AmpBox;
use amp_core::dynamic::{Value, Values};
use amp_core::schema::BoxSchema;
use clap::ValueEnum;
use std::io::{self, IsTerminal};

use crate::descriptors::{json, json_of_value};
use crate::exit::{self, Failure};
use crate::hide::Hidden;
use crate::mistake::{Mistake, no_such};
use crate::on_line::on_lines;
use crate::table;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    Always,
    Never,
}

impl Color {
    pub(crate) fn is_wanted(self) -> bool {
        let no_color = || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => io::stdout().is_terminal() && !no_color(),
        }
    }
}

/// The form that an answer is printed in.
#[derive(Clone, Debug)]
pub(crate) enum Output {
    Json,
    Pretty,
    Table,
    Value(String),
    Raw,
    None,
}

impl Output {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "json" => Ok(Self::Json),
            "pretty" => Ok(Self::Pretty),
            "table" => Ok(Self::Table),
            "raw" => Ok(Self::Raw),
            "none" => Ok(Self::None),
            _ => match text.strip_prefix("value:") {
                Some(key) => Ok(Self::Value(key.to_owned())),
                None => Err("it is json, pretty, table, value:KEY, raw or none".to_owned()),
            },
        }
    }

    /// Refuses what no answer of this kind could be printed as.
    pub(crate) fn check(&self, response: &BoxSchema) -> Result<(), Mistake> {
        let parts = response.parts();
        let is_known = |key: &str| {
            parts
                .iter()
                .any(|part| !part.unknown_types().is_empty() || part.argument(key).is_some())
        };
        match self {
            Self::Value(key) if !is_known(key) => {
                let known = parts.iter().flat_map(|part| part.arguments()).map(|a| &*a.name);
                Err(no_such("value", key, known).at("--output"))
            }
            _ => Ok(()),
        }
    }

    /// An answer as it is printed, without what is hidden. It is also given as it is on the wire, where
    /// nothing hidden is left.
    pub(crate) fn show(
        &self,
        answer: &Values,
        on_the_wire: &AmpBox,
        hidden: &Hidden,
        colored: bool,
        response: &BoxSchema,
    ) -> Result<Vec<u8>, Failure> {
        let shown = || hidden.shown(answer.clone());
        let is_known = |key: &str| response.parts().iter().any(|part| part.argument(key).is_some());
        let mut text = match self {
            Self::None => return Ok(Vec::new()),
            Self::Json => json(&shown()),
            Self::Pretty => pretty(&json(&shown()), colored),
            Self::Table => return Ok(table::of_values(&shown())?),
            Self::Raw => raw(on_the_wire).unwrap_or_default(),
            // A secret that is asked for by its name is meant, unless the user hides it.
            Self::Value(key) => match hidden.without_secrets().shown(answer.clone()).remove(key) {
                // It is optional.
                None if is_known(key) => return Ok(Vec::new()),
                None => {
                    let known = answer.iter().map(|(name, _)| name);
                    let mistake = no_such("value", key, known).at("--output");
                    return Err(Failure::new(exit::NOT_USED, mistake));
                }
                Some(value) => return Ok(alone(value, io::stdout().is_terminal())),
            },
        };
        text.push('\n');
        Ok(text.into_bytes())
    }
}

/// A value as it is, so that it can go into a file. A terminal shows what it would act upon.
fn alone(value: Value, is_for_terminal: bool) -> Vec<u8> {
    let mut text = match value {
        Value::Bytes(bytes) if !is_for_terminal => return bytes.to_vec(),
        Value::Bytes(bytes) => match str::from_utf8(&bytes) {
            Ok(text) => return on_lines(text).into_bytes(),
            Err(_) => json_of_value(&Value::Bytes(bytes), &mut 0),
        },
        Value::Text(text) if is_for_terminal => on_lines(&text),
        Value::Text(text) => text,
        value => json_of_value(&value, &mut 0),
    };
    text.push('\n');
    text.into_bytes()
}

/// A box as JSON, as it is on the wire, without the protocol's own keys.
pub(crate) fn raw(ampbox: &AmpBox) -> Option<String> {
    let values = ampbox.iter().filter(|(key, _)| !key.starts_with(b"_"));
    let values = AmpBox::from_pairs(values).ok()?;
    let values = Values::decode(&BoxSchema::of::<AmpBox>(), values.to_bytes()).ok()?;
    Some(values.to_json())
}

const KEY: &str = "\x1b[34m";
const TEXT: &str = "\x1b[32m";
const PLAIN: &str = "\x1b[0m";

/// JSON on several lines, with numbers as they are, and perhaps with colours for keys and texts.
pub(crate) fn pretty(json: &str, colored: bool) -> String {
    let mut out = String::new();
    let mut depth = 0_usize;
    let mut rest = json;
    while let Some(c) = rest.chars().next() {
        let line = |depth: usize| format!("\n{:1$}", "", 2 * depth);
        let behind = &rest[c.len_utf8()..];
        match c {
            '"' => {
                let (text, behind) = rest.split_at(end_of_text(rest));
                let color = if behind.trim_start().starts_with(':') { KEY } else { TEXT };
                if colored {
                    out.extend([color, text, PLAIN]);
                } else {
                    out += text;
                }
                rest = behind;
                continue;
            }
            '{' | '[' if behind.starts_with(['}', ']']) => {
                out.push(c);
                out += &behind[..1];
                rest = &behind[1..];
                continue;
            }
            '{' | '[' => {
                depth += 1;
                out.push(c);
                out += &line(depth);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                out += &line(depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                out += &line(depth);
            }
            ':' => out += ": ",
            ' ' | '\n' | '\t' | '\r' => {}
            c => out.push(c),
        }
        rest = behind;
    }
    out
}

/// The end of a text that begins with a quote, the other quote included.
fn end_of_text(json: &str) -> usize {
    let mut escaped = false;
    for (at, c) in json.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_as_it_is_but_on_a_terminal() {
        for (value, to_a_file, shown) in [
            (Value::Text("a\x1b[31m\nb".to_owned()), "a\x1b[31m\nb\n", "a\\u{1b}[31m\nb\n"),
            (Value::Bytes(b"\x1b[31m\n"[..].into()), "\x1b[31m\n", "\\u{1b}[31m\n"),
        ] {
            assert_eq!(alone(value.clone(), false), to_a_file.as_bytes());
            assert_eq!(alone(value, true), shown.as_bytes());
        }
        let no_text = alone(Value::Bytes(b"\xff\x1b"[..].into()), true);
        assert_eq!(no_text, b"{\"base64\": \"/xs=\"}\n");
    }

    #[test]
    fn json_is_laid_out_as_it_is() {
        let json = r#"{"a": [1, 12345678901234567890.50, {}], "b\\": "x\"{,", "c": []}"#;
        let expected = "{\n  \"a\": [\n    1,\n    12345678901234567890.50,\n    {}\n  ],\n  \
                        \"b\\\\\": \"x\\\"{,\",\n  \"c\": []\n}";
        assert_eq!(pretty(json, false), expected);
        assert_eq!(
            pretty(r#"{"a": "b"}"#, true),
            format!("{{\n  {KEY}\"a\"{PLAIN}: {TEXT}\"b\"{PLAIN}\n}}")
        );
    }
}
