//! What a schema may say and no code can be written of: words that are nearly types, boxes that are nowhere
//! around, and keys that no box has.

use amp_core::keys::is_reserved;
use amp_core::schema::{BoxSchema, InnerBox, Schema, WireType};

use crate::mistake::Mistake;
use crate::scalars::SCALARS;

/// The words for forms of another type, each of which is a type of the libraries by this name.
pub(crate) const FORMS: &[&str] =
    &["Continued", "ContinuedZlib", "Numbered", "SinkOf", "StreamOf", "Zlib"];

/// The words for types, beside those of single values and of forms.
const OTHERS: &[&str] = &[
    "AmpList",
    "Box",
    "ByteSink",
    "ByteStream",
    "IpAddressBytes",
    "IpNetworkBytes",
    "Json",
    "ListOf",
    "OneOf",
];

/// The length of the longest key, in bytes: a rule of the protocol.
const LONGEST_KEY: usize = 255;

/// Refuses a type that differs from a known one only in how it is written. Any other word is a type of
/// somebody's own, and nobody would give it such a name.
pub(crate) fn check(schema: &Schema) -> Result<(), Mistake> {
    for (name, command) in schema.commands() {
        check_box(&command.arguments, &format!("command {name}, argument"), 1)?;
        check_box(&command.response, &format!("command {name}, response key"), 1)?;
    }
    Ok(())
}

/// Checks a box, which is as deep as `depth` says, from 1.
fn check_box(schema: &BoxSchema, place: &str, depth: usize) -> Result<(), Mistake> {
    for argument in schema.parts().into_iter().flat_map(BoxSchema::arguments) {
        check_key(&argument.name, place, depth)?;
        check_type(&argument.wire_type, &format!("{place} {}", argument.name), depth)?;
    }
    Ok(())
}

/// Refuses what no box can have as a key, or a call no argument.
fn check_key(key: &str, place: &str, depth: usize) -> Result<(), Mistake> {
    if depth == 1 && is_reserved(key.as_bytes()) {
        return Err(Mistake::new(format!("{place} {key}: the key is the protocol's own")));
    }
    if key.is_empty() || key.len() > LONGEST_KEY {
        let len = key.len();
        return Err(Mistake::new(format!(
            "{place} {key}: a key has 1 to {LONGEST_KEY} bytes, and this one {len}"
        )));
    }
    Ok(())
}

fn check_type(wire_type: &WireType, place: &str, depth: usize) -> Result<(), Mistake> {
    match wire_type {
        WireType::Named(word) => check_word(word, place),
        WireType::Of(word, inner) => {
            check_word(word, place)?;
            check_type(inner, place, depth)
        }
        WireType::Box(InnerBox::Of(schema)) | WireType::AmpList(InnerBox::Of(schema)) => {
            check_box(schema, &format!("{place}, key"), depth + 1)
        }
        WireType::Box(InnerBox::Outer(levels)) | WireType::AmpList(InnerBox::Outer(levels))
            if *levels == 0 || *levels > depth =>
        {
            Err(Mistake::new(format!(
                "{place}: ^{levels} is no box around it, which are ^1 to ^{depth}"
            )))
        }
        _ => Ok(()),
    }
}

fn check_word(word: &str, place: &str) -> Result<(), Mistake> {
    let plain = |word: &str| word.replace(['_', '-'], "").to_ascii_lowercase();
    let known = SCALARS.iter().chain(FORMS).chain(OTHERS).find(|known| plain(known) == plain(word));
    match known {
        Some(known) if *known != word => {
            Err(Mistake::new(format!("{place}: {word:?} is no type, but {known:?} is")))
        }
        _ => Ok(()),
    }
}
