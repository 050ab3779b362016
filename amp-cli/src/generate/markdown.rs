//! Commands as a reference to read.

use amp_core::schema::{
    ArgumentSchema, BoxSchema, CommandSchema, InnerBox, Presence, Schema, WireType,
};
use std::collections::BTreeMap;

use super::rust_docs::markdown;
use super::text::{clean_line, says_nothing};

pub(super) fn write(schema: &Schema, title: &str) -> String {
    let mut lines = vec![format!("# {}", cell(title)), String::new()];
    lines.push("| Command | Arguments | Answer | Errors |".to_owned());
    lines.push("|---|---|---|---|".to_owned());
    let mut anchors = BTreeMap::new();
    for (name, command) in schema.commands() {
        let answer = match command {
            CommandSchema { requires_answer: false, .. } => "none: one-way".to_owned(),
            CommandSchema { is_switch: true, .. } => "another protocol".to_owned(),
            _ => keys(&command.response),
        };
        let errors = match command.errors() {
            None => "not known".to_owned(),
            Some(errors) => {
                let codes: Vec<_> = errors.iter().map(|error| code(&error.code)).collect();
                codes.join(", ")
            }
        };
        let row = [link(name, &mut anchors), keys(&command.arguments), answer, errors];
        lines.push(format!("| {} |", row.map(or_dash).join(" | ")));
    }
    for (name, command) in schema.commands() {
        lines.extend([String::new(), format!("## {}", cell(name)), String::new()]);
        lines.extend(describe(command));
    }
    lines.join("\n") + "\n"
}

fn describe(command: &CommandSchema) -> Vec<String> {
    let mut parts = Vec::new();
    parts.extend((!says_nothing(&command.docs)).then(|| markdown(&command.docs).join("\n")));
    let mut notes = Vec::new();
    if !command.requires_answer {
        notes.push("It is never answered.");
    }
    if command.is_switch {
        notes.push("Once it is answered, both sides speak another protocol.");
    }
    if command.is_idempotent {
        notes.push("It may be sent again.");
    }
    if !notes.is_empty() {
        parts.push(notes.join(" "));
    }
    for (title, schema) in [("Arguments", &command.arguments), ("Answer", &command.response)] {
        let mut rows = Vec::new();
        add_rows(schema, 0, command.secrets(), &mut rows);
        if !rows.is_empty() {
            let strict = if schema.is_strict { ", and no others" } else { "" };
            let head = "| Key | Type | |\n|---|---|---|";
            parts.push(format!("**{title}**{strict}\n\n{head}\n{}", rows.join("\n")));
        }
    }
    match command.errors() {
        None => parts.push("Its errors are not known.".to_owned()),
        Some([]) => {}
        Some(errors) => {
            let rows: Vec<_> = errors
                .iter()
                .map(|error| {
                    let fatal = if error.is_fatal { ", and the connection is closed" } else { "" };
                    let exception = error.exception.as_deref().map(code).unwrap_or_default();
                    let docs = cell(&error.docs);
                    format!("| {}{fatal} | {exception} | {docs} |", code(&error.code))
                })
                .collect();
            let head = "| Code | In Python | |\n|---|---|---|";
            parts.push(format!("**Errors**\n\n{head}\n{}", rows.join("\n")));
        }
    }
    if parts.is_empty() {
        parts.push("It has no arguments and an empty answer.".to_owned());
    }
    vec![parts.join("\n\n")]
}

fn add_rows(schema: &BoxSchema, depth: usize, secrets: &[String], rows: &mut Vec<String>) {
    for argument in schema.arguments() {
        let mut notes = Vec::new();
        match argument.presence {
            Presence::Required => {}
            Presence::Optional => notes.push("optional".to_owned()),
            Presence::Defaulted => notes.push("has a default".to_owned()),
        }
        if secrets.contains(&argument.name) {
            notes.push("secret".to_owned());
        }
        notes.extend((!says_nothing(&argument.docs)).then(|| cell(&argument.docs)));
        let indent = "&nbsp;&nbsp;".repeat(depth);
        let ty = code(&argument.wire_type.to_string());
        rows.push(format!("| {indent}{} | {ty} | {} |", code(&argument.name), notes.join("; ")));
        if let Some(inner) = box_in(&argument.wire_type) {
            add_rows(inner, depth + 1, secrets, rows);
        }
    }
    for path in schema.unknown_types() {
        rows.push(format!("| others | | only known as {} |", code(path)));
    }
    for case in schema.cases() {
        let indent = "&nbsp;&nbsp;".repeat(depth);
        let (tag, text) = (code(&case.tag), code(&case.text));
        rows.push(format!("| {indent}when {tag} is {text} | | {} |", cell(&case.docs)));
        add_rows(&case.arguments, depth + 1, secrets, rows);
    }
}

/// The box that a value is made of.
fn box_in(wire_type: &WireType) -> Option<&BoxSchema> {
    match wire_type {
        WireType::Of(_, inner) => box_in(inner),
        WireType::Box(InnerBox::Of(schema)) | WireType::AmpList(InnerBox::Of(schema)) => {
            Some(schema)
        }
        _ => None,
    }
}

fn keys(schema: &BoxSchema) -> String {
    let key = |argument: &ArgumentSchema| {
        let optional = if argument.presence == Presence::Required { "" } else { "?" };
        format!("{}{optional}", code(&argument.name))
    };
    schema.arguments().iter().map(key).collect::<Vec<_>>().join(", ")
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

/// A link to what a heading is called by those who show Markdown: GitHub numbers those that are alike.
fn link(name: &str, anchors: &mut BTreeMap<String, usize>) -> String {
    let anchor: String = name
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '))
        .flat_map(|c| if c == ' ' { '-' } else { c }.to_lowercase())
        .collect();
    let others = anchors.entry(anchor.clone()).or_default();
    let number = if *others == 0 { String::new() } else { format!("-{others}") };
    *others += 1;
    format!("[{}](#{anchor}{number})", cell(name))
}

fn code(text: &str) -> String {
    super::text::code(text).replace('|', "\\|")
}

/// Text in a table, or in a heading.
fn cell(text: &str) -> String {
    let mut out = String::new();
    for c in clean_line(text).chars() {
        if "\\|<>[]*_`#&".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
