//! What a person has to go on with: types that the library does not have, and responders.

use amp_core::schema::WireType;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::names::field;
use super::rust::{Signature, Written};
use super::rust_docs::doc_comment;
use super::rust_items::WIDTH;
use super::rust_types::{Hole, several};
use super::text::code;

/// The width of calls behind each other on one line, where there are two or more.
const CHAIN: usize = 60;

/// A file with the types that are to be written by hand: what is on the wire, until somebody makes more of it.
pub(super) fn types(by_hand: &BTreeMap<String, (WireType, Hole)>) -> String {
    let mut text =
        "// What amp-core has no type for. This file is written once: it is yours.\n".to_owned();
    let has = |hole| by_hand.values().any(|(_, other)| *other == hole);
    let (mut names, mut schema) = (Vec::new(), Vec::new());
    for (hole, used, of_schema) in [
        (Hole::Argument, &["Argument", "Value", "ValueWriter"][..], &["WireType"][..]),
        (Hole::Arguments, &["AmpBox", "Arguments"], &["BoxSchema"]),
        (Hole::Errors, &["CommandError"], &[]),
    ] {
        if has(hole) {
            names.extend(used);
            schema.extend(of_schema);
        }
    }
    if has(Hole::Argument) || has(Hole::Arguments) {
        names.extend(["DecodeError", "EncodeError", "Proto"]);
        schema.push("WireTypes");
    }
    if has(Hole::Arguments) {
        text += "use amp_core::boxes::{BoxReader, BoxWriter};\n";
    }
    names.sort_unstable();
    schema.sort_unstable();
    if !schema.is_empty() {
        text += &several("amp_core::schema", &schema);
        text.push('\n');
    }
    text += &several("amp_core", &names);
    text.push('\n');
    if has(Hole::Argument) {
        text += "use bytes::Bytes;\n";
    }
    for (name, (wire_type, hole)) in by_hand {
        text += &match hole {
            Hole::Argument => argument(name, wire_type),
            Hole::Arguments => arguments(name, wire_type),
            Hole::Errors => errors(name),
        };
    }
    text
}

fn argument(name: &str, wire_type: &WireType) -> String {
    let docs =
        doc_comment(&format!("{} on the wire.", code(&wire_type.to_string())), "").join("\n");
    let (start, calls) = expression(wire_type);
    let said = chain(&start, &calls, "        ");
    format!(
        "
{docs}
#[derive(Clone, Debug, PartialEq)]
pub struct {name}(pub Bytes);

impl Argument for {name} {{
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {{
        self.0.to_string_proto(proto, out)
    }}

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {{
        Bytes::from_string_proto(value, proto).map(Self)
    }}

    fn wire_type(_: &mut WireTypes) -> WireType {{
        {said}
    }}
}}
"
    )
}

/// What makes the type on the wire, and what is then called of it.
fn expression(wire_type: &WireType) -> (String, Vec<String>) {
    let start = match wire_type {
        WireType::Named(name) => format!("WireType::named({name:?})"),
        WireType::Unknown(path) => format!("WireType::Unknown({path:?}.to_owned())"),
        WireType::Of(form, inner)
            if !matches!(**inner, WireType::Box(_) | WireType::AmpList(_)) =>
        {
            let (start, mut calls) = expression(inner);
            calls.push(format!(".in_form({form:?})"));
            return (start, calls);
        }
        // What is inside of it is for the one who writes it.
        other => format!("WireType::Unknown({:?}.to_owned())", other.to_string()),
    };
    (start, Vec::new())
}

/// Calls behind each other, on one line or on several, which begin at `indent`.
fn chain(start: &str, calls: &[String], indent: &str) -> String {
    let line = format!("{start}{}", calls.concat());
    let room = if calls.len() == 1 { WIDTH - indent.len() } else { CHAIN };
    if line.len() <= room {
        return line;
    }
    calls.iter().fold(start.to_owned(), |chain, call| format!("{chain}\n{indent}    {call}"))
}

fn arguments(name: &str, wire_type: &WireType) -> String {
    let WireType::Unknown(path) = wire_type else {
        unreachable!("only unknown ones are flattened")
    };
    let docs = doc_comment(&format!("Arguments that are only known as {}.", code(path)), "");
    format!(
        "
{}
#[derive(Clone, Debug, PartialEq)]
pub struct {name}(pub AmpBox);

impl Arguments for {name} {{
    fn write_to(&self, out: &mut BoxWriter<'_>, proto: &mut Proto<'_>) -> Result<(), EncodeError> {{
        self.0.write_to(out, proto)
    }}

    fn read_from(input: &mut BoxReader<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {{
        AmpBox::read_from(input, proto).map(Self)
    }}

    fn schema(_: &mut WireTypes) -> BoxSchema {{
        BoxSchema::unknown_type({path:?})
    }}
}}
",
        docs.join("\n")
    )
}

fn errors(name: &str) -> String {
    format!(
        "
/// Errors whose codes are not known.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(\"{{description}}\")]
pub struct {name} {{
    /// The code on the wire.
    pub code: String,
    /// What is said of it.
    pub description: String,
}}

impl CommandError for {name} {{
    fn code(&self) -> &str {{
        &self.code
    }}

    fn from_wire(code: &[u8], description: &str) -> Option<Self> {{
        let code = String::from_utf8(code.to_vec()).ok()?;
        let description = description.to_owned();
        Some(Self {{ code, description }})
    }}
}}
"
    )
}

/// A file with a responder for each command, which are to be filled in.
pub(super) fn responders(written: &Written) -> String {
    let (mut added, mut functions) = (Vec::new(), Vec::new());
    let mut names = BTreeSet::from(["responders".to_owned()]);
    let mut is_declared = false;
    for (name, Signature { command, response, error, is_switch }) in &written.signatures {
        let mut function = field(name);
        while !names.insert(function.clone()) {
            function.push('_');
        }
        let error = error.as_deref().unwrap_or("NoError");
        is_declared |= error == "NoError";
        let (method, answer) = match (is_switch, response) {
            // The responder of a switch gives the code that speaks the other protocol.
            (true, _) => ("respond_switch", "fn(Switched) -> Ready<()>"),
            (false, Some(response)) => ("respond", &**response),
            (false, None) => ("respond", "()"),
        };
        added.push(format!(".{method}({function})"));
        let docs = doc_comment(&format!("Answers {}.", code(name)), "").join("\n");
        let (takes, gives) = (
            format!("_context: Context, _command: {command}"),
            format!("Result<{answer}, {error}>"),
        );
        let mut signature = format!("async fn {function}({takes}) -> {gives} {{");
        if signature.len() > WIDTH {
            let takes = takes.replace(", ", ",\n    ");
            signature = format!("async fn {function}(\n    {takes},\n) -> {gives} {{");
        }
        functions.push(format!("\n{docs}\n{signature}\n    unimplemented!()\n}}\n"));
    }
    let has_switch = written.signatures.values().any(|signature| signature.is_switch);
    let mut core = Vec::new();
    core.extend((!written.signatures.is_empty()).then_some("Context"));
    core.extend(is_declared.then_some("NoError"));
    core.push("Responders");
    core.extend(has_switch.then_some("Switched"));

    let types =
        written.signatures.values().flat_map(|Signature { command, response, error, .. }| {
            [Some(command), response.as_ref(), error.as_ref()].into_iter().flatten()
        });
    let (by_hand, types): (BTreeSet<&str>, BTreeSet<&str>) =
        types.map(|name| &**name).partition(|name| name.starts_with("by_hand::"));
    let mut text = "// A responder for each command, to be filled in. This file is written once: it is yours.\n"
        .to_owned();
    let _ = writeln!(text, "{}", several("amp_core", &core));
    text += if has_switch { "use std::future::Ready;\n" } else { "" };
    text += if written.signatures.is_empty() { "" } else { "\n" };
    text += if by_hand.is_empty() { "" } else { "use super::by_hand;\n" };
    let types: Vec<_> = types.into_iter().collect();
    if !types.is_empty() {
        let _ = writeln!(text, "{}", several("super::commands", &types));
    }
    let chain = chain("Responders::new(())", &added, "    ");
    let docs = "/// Returns what answers the peer.";
    let _ = write!(text, "\n{docs}\npub fn responders() -> Responders {{\n    {chain}\n}}\n");
    text + &functions.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As rustfmt breaks them.
    #[test]
    fn calls_are_broken_where_rustfmt_breaks_them() {
        let start = "WireType::Unknown(\"OneOf(\\\"a\\\", \\\"b\\\")\".to_owned())";
        let calls = |count| vec![".in_form(\"Own\")".to_owned(); count];
        assert_eq!(chain(start, &calls(0), ""), start);
        assert_eq!(chain(start, &calls(1), "    "), format!("{start}.in_form(\"Own\")"));
        let broken = format!("{start}\n        .in_form(\"Own\")\n        .in_form(\"Own\")");
        assert_eq!(chain(start, &calls(2), "    "), broken);
        assert_eq!(chain("a", &calls(2), "    "), "a.in_form(\"Own\").in_form(\"Own\")");
    }
}
