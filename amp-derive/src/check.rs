//! Schemas that cannot work on the wire.

use syn::LitStr;

use crate::ast::{CommandAttributes, ErrorEnum, Field, Struct};
use crate::mistakes::Mistakes;

/// The longest key, in bytes: a rule of the protocol.
const MAX_KEY: usize = 255;
/// The longest value, in bytes: a rule of the protocol.
const MAX_VALUE: usize = 65_535;
/// `amp_core::keys::RESERVED`, which cannot be reached from here.
const RESERVED_KEYS: [&str; 6] =
    ["_ask", "_answer", "_error", "_command", "_error_code", "_error_description"];

/// Checks the arguments.
pub(crate) fn arguments(item: &Struct<'_>, mistakes: &mut Mistakes) {
    let mut named: Vec<&Field<'_>> = Vec::new();
    for field in &item.fields {
        if field.flatten {
            stands_alone(field, mistakes);
            continue;
        }
        wire_name(&field.wire_name, mistakes);
        match named.iter().find(|other| other.wire_name.value() == field.wire_name.value()) {
            Some(other) => mistakes.at(
                &field.wire_name,
                format_args!(
                    "the wire name `{}` is that of `{}` already",
                    field.wire_name.value(),
                    other.ident
                ),
            ),
            None => named.push(field),
        }
    }
}

/// Checks what is said about the command as a whole.
pub(crate) fn command(attributes: &CommandAttributes, mistakes: &mut Mistakes) {
    text("a command's name", &attributes.name, MAX_VALUE, mistakes);
    if attributes.one_way {
        const NO_ANSWER: &str = "a `one_way` command is never answered";
        if let Some(response) = &attributes.response {
            mistakes.at(response, format_args!("{NO_ANSWER}: it has no response"));
        }
        if let Some(error) = &attributes.error {
            mistakes.at(error, format_args!("{NO_ANSWER}: it has no errors"));
        }
    }
}

/// Checks the codes.
pub(crate) fn error_enum(item: &ErrorEnum<'_>, mistakes: &mut Mistakes) {
    for (at, variant) in item.variants.iter().enumerate() {
        let code = variant.code.value();
        text("an error's code", &variant.code, MAX_VALUE, mistakes);
        if let Some(when) = reserved_code(&code) {
            mistakes.at(
                &variant.code,
                format_args!(
                    "the code `{code}` is AMP's own, for {when}; choose another one: \
                     `#[amp(code = \"...\")]`"
                ),
            );
        }
        if let Some(other) = item.variants[..at].iter().find(|other| other.code.value() == code) {
            mistakes.at(
                &variant.code,
                format_args!("the code `{code}` is that of `{}` already", other.ident),
            );
        }
    }
}

fn stands_alone(field: &Field<'_>, mistakes: &mut Mistakes) {
    for attribute in field.attributes.iter().filter(|attribute| *attribute != "flatten") {
        mistakes.at(
            attribute,
            format_args!(
                "`{attribute}` has no meaning beside `flatten`, which adds arguments with names \
                 and forms of their own"
            ),
        );
    }
}

fn wire_name(name: &LitStr, mistakes: &mut Mistakes) {
    text("a wire name", name, MAX_KEY, mistakes);
    let key = name.value();
    if RESERVED_KEYS.contains(&key.as_str()) {
        mistakes.at(
            name,
            format_args!(
                "the key `{key}` is AMP's own; choose another wire name: `#[amp(rename = \"...\")]`"
            ),
        );
    }
}

fn text(what: &str, text: &LitStr, limit: usize, mistakes: &mut Mistakes) {
    match text.value().len() {
        0 => mistakes.at(text, format_args!("{what} cannot be empty")),
        len if len > limit => mistakes.at(
            text,
            format_args!("{what} of {len} bytes is over the protocol's limit of {limit}"),
        ),
        _ => {}
    }
}

/// When AMP itself answers with `code`.
fn reserved_code(code: &str) -> Option<&'static str> {
    match code {
        "UNKNOWN" => Some("failures that a command does not declare"),
        "UNHANDLED" => Some("calls that nothing responds to"),
        _ => None,
    }
}
