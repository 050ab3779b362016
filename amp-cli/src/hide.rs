//! Values that are not to be shown.

use amp_core::dynamic::{Value, Values};
use amp_core::schema::{BoxSchema, CommandSchema, WireType};
use amp_core::{AmpBox, DecodeError, RemoteError, Report};
use serde_json::Value as Json;
use std::collections::HashSet;
use std::sync::Arc;

use crate::mistake::Mistake;
use crate::on_line::name_of;
use crate::schemas::box_in;

/// The text that is shown instead.
pub(crate) const HIDDEN: &str = "(hidden)";

/// The key of the description of an error, which is hidden as a whole.
pub(crate) const DESCRIPTION: &str = "_error_description";

/// Keys whose values are not to be shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hidden {
    /// The keys that the user hides.
    anywhere: Arc<HashSet<String>>,
    /// The keys that the schema of a command calls secret, in whichever of its boxes they are.
    secrets: Vec<String>,
}

impl Hidden {
    /// The keys that the user hides.
    pub(crate) fn new<'a>(anywhere: impl IntoIterator<Item = &'a String>) -> Self {
        Self { anywhere: Arc::new(anywhere.into_iter().cloned().collect()), secrets: Vec::new() }
    }

    /// The same, and what is secret of a command, or of any of these.
    pub(crate) fn and_secrets_of<'a>(
        &self,
        commands: impl IntoIterator<Item = &'a CommandSchema>,
    ) -> Self {
        let mut secrets = self.secrets.clone();
        secrets.extend(commands.into_iter().flat_map(CommandSchema::secrets).cloned());
        Self { secrets, ..self.clone() }
    }

    /// Hides these keys as well.
    pub(crate) fn and_keys(&self, keys: &[String]) -> Self {
        let secrets = self.secrets.iter().chain(keys).cloned().collect();
        Self { secrets, ..self.clone() }
    }

    /// The keys that the user hides, alone.
    pub(crate) fn without_secrets(&self) -> Self {
        Self { secrets: Vec::new(), ..self.clone() }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &String> {
        self.anywhere.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.anywhere.is_empty() && self.secrets.is_empty()
    }

    fn has(&self, key: &str) -> bool {
        [key, without_part(key)].into_iter().any(|key| {
            self.anywhere.contains(key) || self.secrets.iter().any(|secret| secret == key)
        })
    }

    /// Returns whether such a key is on the way to a place: `token`, `points[0].token`. Keys may have dots.
    fn has_place(&self, place: &str) -> bool {
        let starts = place.match_indices(['.', ']']).map(|(at, _)| at + 1);
        let is_on_the_way = |start: usize| {
            let rest = &place[start..];
            let ends = rest.match_indices(['.', '[']).map(|(at, _)| at);
            ends.chain([rest.len()]).any(|end| self.has(&rest[..end]))
        };
        [0].into_iter().chain(starts).any(is_on_the_way)
    }

    /// The mistake, which shows nothing of a value that is hidden.
    pub(crate) fn mistake(&self, mistake: Mistake) -> Mistake {
        let place = mistake.place();
        if place.is_empty() || !self.has_place(place) {
            return mistake;
        }
        Mistake::new("a hidden value does not fit").at(place)
    }

    /// Returns whether JSON may have such a key in it.
    fn is_in_json(&self, text: &str) -> bool {
        match serde_json::from_str(text) {
            Ok(json) => self.is_in_read_json(&json),
            Err(_) => self.anywhere.iter().chain(&self.secrets).any(|key| text.contains(&**key)),
        }
    }

    fn is_in_read_json(&self, json: &Json) -> bool {
        match json {
            Json::Object(members) => {
                members.iter().any(|(key, value)| self.has(key) || self.is_in_read_json(value))
            }
            Json::Array(items) => items.iter().any(|item| self.is_in_read_json(item)),
            _ => false,
        }
    }

    /// Returns whether bytes may be boxes with such a key, or JSON: there is one, with its length in front
    /// or in an object.
    fn is_inside(&self, bytes: &[u8]) -> bool {
        if self.is_empty() {
            return false;
        }
        if let Some(b'{' | b'[') = bytes.trim_ascii_start().first()
            && str::from_utf8(bytes).is_ok_and(|text| self.is_in_json(text))
        {
            return true;
        }
        let has_some = |at: usize| match &bytes[at..] {
            [0, len, rest @ ..] if *len > 0 => {
                let key = rest.get(..usize::from(*len)).and_then(|key| str::from_utf8(key).ok());
                key.is_some_and(|key| self.has(key))
            }
            _ => false,
        };
        (0..bytes.len()).any(has_some)
    }

    /// Returns whether the description of an error is not to be shown: it is JSON with such a key, as that of an
    /// error with fields is.
    pub(crate) fn has_description(&self, description: &str) -> bool {
        self.has(DESCRIPTION) || self.is_inside(description.as_bytes())
    }

    /// An error as it may be shown.
    pub(crate) fn shown_error(&self, mut error: RemoteError) -> RemoteError {
        if self.has_description(&error.description) {
            HIDDEN.clone_into(&mut error.description);
        }
        error
    }

    /// The values as they may be shown.
    pub(crate) fn shown(&self, mut values: Values) -> Values {
        self.take_out(&mut values);
        values
    }

    /// Takes out the values of these keys, wherever they are inside; returns the outermost keys that
    /// had some.
    pub(crate) fn take_out(&self, values: &mut Values) -> Vec<String> {
        if self.is_empty() {
            return Vec::new();
        }
        self.take_out_where(values, |key| self.has(key))
    }

    fn take_out_where(&self, values: &mut Values, has: impl Fn(&str) -> bool) -> Vec<String> {
        let names: Vec<_> = values.iter().map(|(name, _)| name.to_owned()).collect();
        let hidden = names.into_iter().filter(|name| {
            let Some(value) = values.get_mut(name) else { return false };
            if has(name) {
                *value = Value::Text(HIDDEN.to_owned());
                return true;
            }
            self.take_out_of(value)
        });
        hidden.collect()
    }

    fn take_out_of(&self, value: &mut Value) -> bool {
        match value {
            Value::Box(values) => !self.take_out_where(values, |key| self.has(key)).is_empty(),
            // Of boxes and of JSON that no schema tells of, nothing is shown.
            Value::Bytes(bytes) if self.is_inside(bytes) => {
                *value = Value::Text(HIDDEN.to_owned());
                true
            }
            Value::Text(text) if self.is_inside(text.as_bytes()) => {
                *value = Value::Text(HIDDEN.to_owned());
                true
            }
            Value::Json(text) if self.is_in_json(text) => {
                *value = Value::Text(HIDDEN.to_owned());
                true
            }
            Value::List(items) => {
                let mut found = false;
                for item in items {
                    found |= self.take_out_of(item);
                }
                found
            }
            _ => false,
        }
    }

    /// The box on the wire as it may be shown; this is what it is known to have in it.
    pub(crate) fn shown_box(&self, ampbox: &AmpBox, schema: &BoxSchema) -> AmpBox {
        if self.is_empty() {
            return ampbox.clone();
        }
        let around = self.around(schema);
        replace_where(ampbox, |key, value| {
            self.has(key) || around.contains(without_part(key)) || self.is_inside(value)
        })
    }

    /// The names of arguments that have such keys inside of their values, which are not looked into
    /// when a box does not fit the schema.
    fn around(&self, schema: &BoxSchema) -> HashSet<String> {
        let arguments = schema.parts().into_iter().flat_map(BoxSchema::arguments);
        let around = arguments.filter(|argument| self.is_in(&argument.wire_type));
        around.map(|argument| argument.name.clone()).collect()
    }

    fn is_in(&self, wire_type: &WireType) -> bool {
        let parts = box_in(wire_type).into_iter().flat_map(BoxSchema::parts);
        parts
            .flat_map(BoxSchema::arguments)
            .any(|inner| self.has(&inner.name) || self.is_in(&inner.wire_type))
    }

    /// Takes out of values that are as they are on the wire what is hidden, or may have that inside.
    pub(crate) fn take_out_of_misfit(
        &self,
        values: &mut Values,
        schema: &BoxSchema,
    ) -> Vec<String> {
        if self.is_empty() {
            return Vec::new();
        }
        let around = self.around(schema);
        self.take_out_where(values, |key| self.has(key) || around.contains(without_part(key)))
    }

    /// Why a box does not fit its schema. The error shows a value.
    pub(crate) fn misfit(&self, error: &DecodeError, schema: &BoxSchema) -> String {
        let place = error.argument();
        // Names may have dots, so that the longest one counts which the place begins with.
        let names = schema.parts().into_iter().flat_map(BoxSchema::arguments);
        let names = names.map(|argument| &*argument.name).filter(|name| {
            place
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        });
        let name = names.max_by_key(|name| name.len());
        let name = name.unwrap_or_else(|| place.split(['.', '[']).next().unwrap_or_default());
        if self.has(name) || self.around(schema).contains(name) {
            format!("argument {}: a hidden value does not fit", error.argument())
        } else {
            Report::new(error).to_string()
        }
    }
}

/// The box with these keys' values replaced.
pub(crate) fn replace_in_box(ampbox: &AmpBox, hidden: &[String]) -> AmpBox {
    replace_where(ampbox, |name, _| {
        hidden.iter().any(|hidden| hidden == name || hidden == without_part(name))
    })
}

fn replace_where(ampbox: &AmpBox, is_hidden: impl Fn(&str, &[u8]) -> bool) -> AmpBox {
    let mut shown = AmpBox::new();
    for (key, value) in ampbox {
        let value = if is_hidden(&name_of(key), value) { HIDDEN.as_bytes() } else { value };
        // It was in a box before, where nothing can be longer.
        let _ = shown.insert(key, value);
    }
    shown
}

/// The name of the argument whose value is spread over keys like this one: `image` of `image.2`.
pub(crate) fn without_part(key: &str) -> &str {
    match key.rsplit_once('.') {
        Some((name, part)) if part.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_hidden_in_boxes_too() {
        let text = |text: &str| Value::Text(text.into());
        let inner: Values =
            [("key", text("a")), ("other", text("b")), ("secret", text("c"))].into_iter().collect();
        let values: Values = [
            ("list", Value::List(vec![Value::Box(inner)])),
            ("key.2", text("d")),
            ("key.x", text("e")),
            ("secret.0", text("f")),
        ]
        .into_iter()
        .collect();
        let mut hidden = Hidden::new(&["key".to_owned()]);
        hidden.secrets.push("secret".into());
        assert_eq!(
            hidden.shown(values).to_json(),
            r#"{"key.2": "(hidden)", "key.x": "e", "list": [{"key": "(hidden)", "other": "b", "secret": "(hidden)"}], "secret.0": "(hidden)"}"#
        );
    }
}
