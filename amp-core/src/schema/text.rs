//! A schema as text.

use std::fmt::{self, Display, Formatter, Write};

use super::{
    ArgumentSchema, BoxSchema, CaseSchema, CommandSchema, ErrorSchema, InnerBox, Presence, Schema,
    WireType,
};

impl Display for Schema {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, (name, command)) in self.commands.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            write_command(f, name, command)?;
        }
        Ok(())
    }
}

/// As it stands in the text, without the arguments of its boxes.
impl Display for WireType {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            WireType::Named(name) => write!(f, "{}", Word(name)),
            WireType::OneOf(texts) => {
                f.write_str("OneOf(")?;
                for (at, text) in texts.iter().enumerate() {
                    write!(f, "{}{}", if at == 0 { "" } else { ", " }, Quoted(text))?;
                }
                f.write_char(')')
            }
            WireType::Of(form, inner) => write!(f, "{}({inner})", Word(form)),
            WireType::Box(inner) => write!(f, "Box{inner}"),
            WireType::AmpList(inner) => write!(f, "AmpList{inner}"),
            WireType::Unknown(path) => write!(f, "unknown({})", Quoted(path)),
        }
    }
}

impl Display for InnerBox {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            InnerBox::Of(BoxSchema { is_strict: false, .. }) => Ok(()),
            InnerBox::Of(_) => f.write_str(" strict"),
            InnerBox::Outer(levels) => write!(f, "(^{levels})"),
        }
    }
}

fn write_command(f: &mut Formatter<'_>, name: &str, command: &CommandSchema) -> fmt::Result {
    let CommandSchema { docs, is_idempotent, secrets, arguments, response, errors, .. } = command;
    write_docs(f, docs, 0)?;
    if *is_idempotent {
        writeln!(f, "#! idempotent")?;
    }
    for key in secrets {
        writeln!(f, "#! secret {}", Word(key))?;
    }
    let one_way = if command.requires_answer { "" } else { " one-way" };
    let switch = if command.is_switch { " switch" } else { "" };
    writeln!(f, "command {}{one_way}{switch}", Word(name))?;
    for (title, schema) in [("arguments", arguments), ("response", response)] {
        if !schema.is_plain_and_empty() {
            writeln!(f, "  {title}{}", if schema.is_strict { " strict" } else { "" })?;
            write_box(f, schema, 4)?;
        }
    }
    match errors.as_deref() {
        None => writeln!(f, "  errors unknown"),
        Some([]) => Ok(()),
        Some(errors) => {
            writeln!(f, "  errors")?;
            for ErrorSchema { code, is_fatal, docs, exception } in errors {
                write_docs(f, docs, 4)?;
                if let Some(exception) = exception {
                    writeln!(f, "    #! exception {}", Word(exception))?;
                }
                writeln!(f, "    {}{}", Word(code), if *is_fatal { " fatal" } else { "" })?;
            }
            Ok(())
        }
    }
}

fn write_box(f: &mut Formatter<'_>, schema: &BoxSchema, indent: usize) -> fmt::Result {
    for ArgumentSchema { name, wire_type, presence, docs } in &schema.arguments {
        write_docs(f, docs, indent)?;
        let presence = match presence {
            Presence::Required => "",
            Presence::Optional => " optional",
            Presence::Defaulted => " default",
        };
        writeln!(f, "{:indent$}{}: {wire_type}{presence}", "", Word(name))?;
        if let Some(inner) = box_in(wire_type) {
            write_box(f, inner, indent + 2)?;
        }
    }
    for path in &schema.unknown {
        writeln!(f, "{:indent$}unknown({})", "", Quoted(path))?;
    }
    for CaseSchema { tag, text, docs, arguments } in &schema.cases {
        write_docs(f, docs, indent)?;
        writeln!(f, "{:indent$}when {} is {}", "", Word(tag), Quoted(text))?;
        write_box(f, arguments, indent + 2)?;
    }
    Ok(())
}

fn write_docs(f: &mut Formatter<'_>, docs: &str, indent: usize) -> fmt::Result {
    for line in docs.lines() {
        let space = if line.is_empty() { "" } else { " " };
        writeln!(f, "{:indent$}#:{space}{line}", "")?;
    }
    Ok(())
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

/// A name, in quotes where it could be taken for something else.
struct Word<'a>(&'a str);

/// Returns whether the text can have this character outside of quotes.
pub(super) fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

impl Display for Word<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.0.is_empty() && self.0.chars().all(is_plain) {
            f.write_str(self.0)
        } else {
            write!(f, "{}", Quoted(self.0))
        }
    }
}

pub(super) struct Quoted<'a>(pub(super) &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}
