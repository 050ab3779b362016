//! How answers are printed.

use amp_core::AmpBox;
use amp_core::dynamic::{Value, Values};
use amp_core::schema::BoxSchema;

use crate::files::{json, json_of_value};
use crate::mistake::{Mistake, no_such};
use crate::table;

/// What stands in place of a value that is not to be seen.
const HIDDEN: &str = "(hidden)";

/// How an answer is printed.
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
            parts.iter().any(|part| !part.unknown.is_empty() || part.argument(key).is_some())
        };
        match self {
            Self::Value(key) if !is_known(key) => {
                let known = parts.iter().flat_map(|part| &part.arguments).map(|a| &*a.name);
                Err(no_such("value", key, known).at("--output"))
            }
            _ => Ok(()),
        }
    }

    /// Prints an answer, which is also given as it is on the wire.
    pub(crate) fn show(
        &self,
        answer: &Values,
        on_the_wire: &AmpBox,
        colored: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Mistake> {
        let text = match self {
            Self::None => return Ok(()),
            Self::Json => json(answer),
            Self::Pretty => pretty(&json(answer), colored),
            Self::Table => return table::of_values(answer, out),
            Self::Raw => raw(on_the_wire).unwrap_or_default(),
            Self::Value(key) => match answer.get(key) {
                None => {
                    let known = answer.iter().map(|(name, _)| name);
                    return Err(no_such("value", key, known));
                }
                // As it is, so that it can go into a file.
                Some(Value::Bytes(bytes)) => {
                    out.extend(bytes);
                    return Ok(());
                }
                Some(Value::Text(text)) => text.clone(),
                Some(value) => json_of_value(value, &mut 0),
            },
        };
        out.extend(text.bytes());
        out.push(b'\n');
        Ok(())
    }
}

/// A box as JSON, as it is on the wire, without the protocol's own keys.
pub(crate) fn raw(ampbox: &AmpBox) -> Option<String> {
    let values = ampbox.iter().filter(|(key, _)| !key.starts_with(b"_"));
    let values = AmpBox::from_pairs(values).ok()?;
    let values = Values::decode(&BoxSchema::of::<AmpBox>(), values.to_bytes()).ok()?;
    Some(values.to_json())
}

/// The same values, without those whose keys are hidden, wherever they are.
pub(crate) fn without(values: Values, hidden: &[String]) -> Values {
    if hidden.is_empty() {
        return values;
    }
    let shown = |(name, value): (&str, &Value)| {
        let hides = hidden.iter().any(|key| key == name);
        let value = if hides { Value::Text(HIDDEN.into()) } else { inside(value, hidden) };
        (name.to_owned(), value)
    };
    values.iter().map(shown).collect()
}

fn inside(value: &Value, hidden: &[String]) -> Value {
    match value {
        Value::List(items) => Value::List(items.iter().map(|item| inside(item, hidden)).collect()),
        Value::Box(values) => Value::Box(without(values.clone(), hidden)),
        value => value.clone(),
    }
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

/// Where a text ends that begins with a quote, the other quote included.
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

    #[test]
    fn what_is_hidden_is_hidden_in_boxes_too() {
        let secret = || Value::Text("secret".into());
        let inner: Values = [("key", secret()), ("other", secret())].into_iter().collect();
        let values: Values = [("list", Value::List(vec![Value::Box(inner)])), ("key", secret())]
            .into_iter()
            .collect();
        let shown = without(values, &["key".to_owned()]).to_json();
        let expected = r#"{"key": "(hidden)", "list": [{"key": "(hidden)", "other": "secret"}]}"#;
        assert_eq!(shown, expected);
    }
}
