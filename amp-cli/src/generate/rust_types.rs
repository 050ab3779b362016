//! Which type of Rust a type on the wire is.

use amp_core::schema::WireType;
use std::collections::{BTreeMap, BTreeSet};

use super::names::pascal;
use super::rust_items::WIDTH;
use crate::mistake::Mistake;
use crate::type_words::FORMS;

/// The integers that a hint may ask for.
const INTEGERS: &[&str] = &[
    "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128", "usize",
    "BigInt", "BigUint",
];

const ARGUMENT: &str = "amp_core::argument";
const STREAMS: &str = "amp_core::streams";

/// What the items of a file use of others.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// By their crate and module.
    names: BTreeMap<&'static str, BTreeSet<&'static str>>,
    /// Types that are to be written by hand.
    pub(super) by_hand: BTreeMap<String, (WireType, Hole)>,
}

/// What a type that is to be written by hand stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hole {
    Argument,
    /// Several, which are flattened into others.
    Arguments,
    Errors,
}

impl Uses {
    pub(super) fn name(&mut self, module: &'static str, name: &'static str) -> String {
        self.names.entry(module).or_default().insert(name);
        name.to_owned()
    }

    /// A type that the user has to write.
    pub(super) fn by_hand(&mut self, wire_type: &WireType, hole: Hole) -> String {
        let name = match wire_type {
            WireType::Unknown(path) => path.rsplit(['.', ':', '<']).find(|part| !part.is_empty()),
            WireType::Named(name) | WireType::Of(name, _) => Some(&**name),
            _ => None,
        };
        let wanted = pascal(name.unwrap_or("Unknown"));
        let known = (wire_type.clone(), hole);
        let numbered = (2..).map(|number| format!("{wanted}{number}"));
        let mut names = std::iter::once(wanted.clone()).chain(numbered);
        let is_free = |name: &String| self.by_hand.get(name).is_none_or(|other| *other == known);
        let name = names.find(is_free).expect("there are many numbers");
        self.by_hand.insert(name.clone(), known);
        format!("by_hand::{name}")
    }

    /// The declarations, in the order that rustfmt gives them.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (module, names) in &self.names {
            let names: Vec<_> = names.iter().copied().collect();
            lines.push(several(module, &names));
        }
        // A module is before the names beside it.
        lines.sort_by_key(|line| line.replace('{', "~"));
        lines
    }
}

/// The declaration of names, as rustfmt breaks it.
pub(super) fn several(module: &str, names: &[&str]) -> String {
    if let [only] = names {
        return format!("use {module}::{only};");
    }
    let line = format!("use {module}::{{{}}};", names.join(", "));
    // It keeps room for the brace and the semicolon once more.
    if line.len() <= WIDTH - 2 {
        return line;
    }
    let mut lines = vec![format!("use {module}::{{")];
    let mut line = String::new();
    for (at, name) in names.iter().enumerate() {
        // Rustfmt keeps room for one more behind each but the last.
        let room = if at + 1 < names.len() { WIDTH - 1 } else { WIDTH };
        if !line.is_empty() && line.len() + name.len() + 2 > room {
            lines.push(std::mem::take(&mut line));
        }
        line += if line.is_empty() { "    " } else { " " };
        line += name;
        line.push(',');
    }
    lines.extend([line, "};".to_owned()]);
    lines.join("\n")
}

/// The type of a value that has no box inside of it, and that no wrapper is.
pub(super) fn plain(name: &str, integer: &str, uses: &mut Uses) -> Option<String> {
    Some(match name {
        "Integer" if integer.starts_with("Big") => {
            uses.name("num_bigint", if integer == "BigInt" { "BigInt" } else { "BigUint" })
        }
        "Integer" => integer.to_owned(),
        "String" => uses.name("bytes", "Bytes"),
        "Unicode" => "String".to_owned(),
        "Float" => "f64".to_owned(),
        "Boolean" => "bool".to_owned(),
        "Path" => uses.name("std::path", "PathBuf"),
        "Decimal" => uses.name(ARGUMENT, "Decimal"),
        "DateTime" => uses.name(ARGUMENT, "DateTime"),
        "Json" => format!("{}<serde_json::Value>", uses.name(ARGUMENT, "Json")),
        "Descriptor" => uses.name("amp_unix", "Descriptor"),
        "ByteSink" => uses.name(STREAMS, "ByteSink"),
        "ByteStream" => uses.name(STREAMS, "ByteStream"),
        "IpAddressBytes" => {
            format!("{}<{}>", uses.name(ARGUMENT, "Packed"), uses.name("std::net", "IpAddr"))
        }
        "IpNetworkBytes" => {
            format!("{}<{}>", uses.name(ARGUMENT, "Packed"), uses.name("ipnet", "IpNet"))
        }
        _ => return None,
    })
}

/// The wrapper of a form of another type.
pub(super) fn wrapper(form: &str, uses: &mut Uses) -> Option<String> {
    let known = FORMS.iter().find(|known| **known == form)?;
    let module = if is_stream(form) { STREAMS } else { ARGUMENT };
    Some(uses.name(module, known))
}

/// Refuses what is no integer.
pub(super) fn check_integer(place: &str, integer: &str) -> Result<(), Mistake> {
    if INTEGERS.contains(&integer) {
        return Ok(());
    }
    let known = INTEGERS.join(", ");
    Err(Mistake::new(format!("the hint for {place}: {integer:?} is none of {known}")))
}

/// Whether the values of a form of another type are an end of a stream.
pub(super) fn is_stream(form: &str) -> bool {
    matches!(form, "SinkOf" | "StreamOf")
}

/// Whether all types of this form have a `Default`.
pub(super) fn has_default(wire_type: &WireType) -> bool {
    match wire_type {
        WireType::Named(name) => {
            matches!(&**name, "Integer" | "String" | "Unicode" | "Float" | "Boolean" | "Path")
        }
        WireType::Of(form, _) if is_stream(form) => false,
        WireType::Of(form, inner) => &**form == "ListOf" || has_default(inner),
        WireType::AmpList(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As rustfmt breaks them.
    #[test]
    fn declarations_are_broken_where_rustfmt_breaks_them() {
        let names = [
            "FooBar",
            "FooBarCommand",
            "FooBarCommandError",
            "FooBarCommandResponse",
            "FooBarError",
        ];
        for (others, expected) in [
            (&["N", "NResponse", "XY"][..], "N, NResponse, XY,\n"),
            (&["N", "NResponse", "XYZ"], "N, NResponse,\n    XYZ,\n"),
            (&["N", "NResponse", "XY", "XYError"], "N, NResponse,\n    XY, XYError,\n"),
            (&["N", "NResponse", "X", "XYError"], "N, NResponse, X,\n    XYError,\n"),
        ] {
            let written = several("super::commands", &[&names[..], others].concat());
            assert!(written.contains(expected), "{written}");
        }
    }
}
