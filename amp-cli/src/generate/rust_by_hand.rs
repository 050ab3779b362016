//! What a person has to go on with: arguments that the library has no type for, and responders.

use amp_core::schema::WireType;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::names::function;
use super::rust::{Signature, Written};
use super::rust_docs::doc_comment;

/// A file with the types that are to be written by hand: bytes, until somebody makes more of them.
pub(super) fn types(by_hand: &BTreeMap<String, WireType>) -> String {
    let mut text = "\
// Arguments that amp-core has no type for. This file is written once: it is yours.
use amp_core::schema::{WireType, WireTypes};
use amp_core::{Argument, DecodeError, EncodeError, Proto, Value, ValueWriter};
use bytes::Bytes;
"
    .to_owned();
    for (name, wire_type) in by_hand {
        let docs = doc_comment(&format!("`{wire_type}` on the wire."), "").join("\n");
        let said = match wire_type {
            WireType::Named(name) => format!("WireType::named({name:?})"),
            WireType::Unknown(path) => format!("WireType::Unknown({path:?}.to_owned())"),
            // What is inside of it is for the one who writes it.
            other => format!("WireType::Unknown({:?}.to_owned())", other.to_string()),
        };
        let written = write!(
            text,
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
        );
        written.expect("a String takes all");
    }
    text
}

/// A file with a responder for each command, which are to be filled in.
pub(super) fn responders(written: &Written) -> String {
    let (mut added, mut functions) = (Vec::new(), Vec::new());
    let mut is_declared = false;
    for (name, Signature { command, response, error, is_switch }) in &written.signatures {
        let function = function(name);
        let error = error.as_deref().unwrap_or("NoError");
        is_declared |= error == "NoError";
        let docs = doc_comment(&format!("Answers `{name}`."), "").join("\n");
        let (method, answer) = match (is_switch, response) {
            // What speaks the other protocol.
            (true, _) => ("respond_switch", "fn(Switched) -> Ready<()>"),
            (false, Some(response)) => ("respond", &**response),
            (false, None) => ("respond", "()"),
        };
        added.push(format!("\n        .{method}({function})"));
        functions.push(format!(
            "\n{docs}\nasync fn {function}(\n    _context: Context,\n    _command: {command},\n) -> \
             Result<{answer}, {error}> {{\n    unimplemented!()\n}}\n"
        ));
    }
    let types: BTreeSet<&str> = written
        .signatures
        .values()
        .flat_map(|Signature { command, response, error, .. }| {
            [Some(command), response.as_ref(), error.as_ref()].into_iter().flatten()
        })
        .map(|name| &**name)
        .collect();
    let types: Vec<_> = types.into_iter().collect();
    let has_switch = written.signatures.values().any(|signature| signature.is_switch);
    let mut names = vec!["Context"];
    names.extend(is_declared.then_some("NoError"));
    names.push("Responders");
    names.extend(has_switch.then_some("Switched"));
    let (added, functions) = (added.concat(), functions.concat());
    let ready = if has_switch { "use std::future::Ready;\n" } else { "" };
    format!(
        "// A responder for each command, to be filled in. This file is written once: it is yours.
use amp_core::{{{}}};
{ready}
use super::commands::{{{}}};

/// Returns what answers the peer.
pub fn responders() -> Responders {{
    Responders::new(()){added}
}}
{functions}",
        names.join(", "),
        types.join(", "),
    )
}
