//! Values that are not to be shown.

use amp_core::AmpBox;
use amp_core::dynamic::{Value, Values};
use amp_core::schema::{BoxSchema, WireType};
use std::collections::HashSet;

use super::name::name_of;
use crate::schemas::box_in;

/// What is shown instead.
const HIDDEN: &str = "(hidden)";

/// Keys whose values are not to be shown.
#[derive(Clone, Copy)]
pub(super) struct Hidden<'a> {
    /// Those that are hidden wherever they are.
    pub(super) anywhere: &'a HashSet<String>,
    /// Those that the schema of a command hides.
    pub(super) of_command: &'a [String],
}

impl Hidden<'_> {
    /// What is hidden inside of values, where only keys count that are hidden anywhere.
    fn inside(self) -> Self {
        Self { of_command: &[], ..self }
    }

    fn is_empty(self) -> bool {
        self.anywhere.is_empty() && self.of_command.is_empty()
    }

    fn has(self, key: &str) -> bool {
        let is_hidden = |key: &str| {
            self.anywhere.contains(key) || self.of_command.iter().any(|hidden| hidden == key)
        };
        is_hidden(key) || is_hidden(without_part(key))
    }

    /// Takes out the values of these keys, wherever they are inside; returns the outermost keys that
    /// had some.
    pub(super) fn take_out(self, values: &mut Values) -> Vec<String> {
        if self.is_empty() {
            return Vec::new();
        }
        let names: Vec<_> = values.iter().map(|(name, _)| name.to_owned()).collect();
        let hidden = names.into_iter().filter(|name| {
            let Some(value) = values.get_mut(name) else { return false };
            if self.has(name) {
                *value = Value::Text(HIDDEN.to_owned());
                return true;
            }
            self.inside().take_out_of(value)
        });
        hidden.collect()
    }

    fn take_out_of(self, value: &mut Value) -> bool {
        match value {
            Value::Box(values) => !self.take_out(values).is_empty(),
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

    /// The names of arguments that have such keys inside of their values, which are not looked into
    /// when a box does not fit the schema.
    pub(super) fn around(self, schema: &BoxSchema) -> HashSet<String> {
        let arguments = schema.parts().into_iter().flat_map(|part| &part.arguments);
        let around = arguments.filter(|argument| self.inside().is_in(&argument.wire_type));
        around.map(|argument| argument.name.clone()).collect()
    }

    fn is_in(self, wire_type: &WireType) -> bool {
        let parts = box_in(wire_type).into_iter().flat_map(BoxSchema::parts);
        parts
            .flat_map(|part| &part.arguments)
            .any(|inner| self.has(&inner.name) || self.is_in(&inner.wire_type))
    }
}

/// The box with these keys' values replaced.
pub(super) fn replace_in_box(ampbox: &AmpBox, hidden: &[String]) -> AmpBox {
    let mut shown = AmpBox::new();
    for (key, value) in ampbox {
        let name = name_of(key);
        let is_hidden =
            hidden.iter().any(|hidden| *hidden == name || *hidden == without_part(&name));
        let value = if is_hidden { HIDDEN.as_bytes() } else { value };
        // It was in a box before, where nothing can be longer.
        let _ = shown.insert(key, value);
    }
    shown
}

/// The name of the argument whose value is spread over keys like this one: `image` of `image.2`.
fn without_part(key: &str) -> &str {
    match key.rsplit_once('.') {
        Some((name, part)) if part.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => key,
    }
}
