//! Reading schemas, and looking things up in them.

use amp_core::AmpBox;
use amp_core::schema::{BoxSchema, CommandSchema, InnerBox, Schema, WireType};
use std::fs;
use std::process::Command;

use crate::mistake::{Mistake, no_such};
use crate::type_words;

/// The schema in a file, or in one of git's as it was in some revision.
pub(crate) fn load(source: &str) -> Result<Schema, Mistake> {
    let text = match source.strip_prefix("git:") {
        Some(place) => of_git(source, place)?,
        None => fs::read_to_string(source)
            .map_err(|error| Mistake::new(format!("cannot read the schema {source}: {error}")))?,
    };
    let schema = text.parse().map_err(|error| Mistake::new(format!("{source}: {error}")))?;
    if !source.starts_with("git:") {
        // What was committed once may be what has been put right since.
        type_words::check(&schema)
            .map_err(|mistake| Mistake::new(format!("{source}: {mistake}")))?;
    }
    Ok(schema)
}

/// All of them together.
pub(crate) fn load_all(sources: &[String]) -> Result<Schema, Mistake> {
    let mut all = Schema::default();
    for source in sources {
        all.merge(load(source)?).map_err(|clash| {
            let what = "another schema has a different command";
            Mistake::new(format!("{source}: {what} {:?}", clash.command))
        })?;
    }
    Ok(all)
}

/// Returns what is known of the calls of both sides.
pub(crate) fn of_both(schema: &Schema, peer_schema: &Schema) -> Result<Schema, Mistake> {
    let mut all = schema.clone();
    all.merge(peer_schema.clone()).map_err(|clash| {
        let what = "--schema and --peer-schema have different commands";
        Mistake::new(format!("{what} {:?}", clash.command))
    })?;
    Ok(all)
}

/// Returns what is known of a command; nothing is where there is no schema at all.
pub(crate) fn find<'a>(
    schema: &'a Schema,
    has_schema: bool,
    command: &str,
) -> Result<Option<&'a CommandSchema>, Mistake> {
    let known = schema.command(command);
    if has_schema && known.is_none() {
        return Err(no_such("command", command, schema.commands().map(|(name, _)| name)));
    }
    Ok(known)
}

/// The arguments of a command: anything where it is not known.
pub(crate) fn arguments_of(known: Option<&CommandSchema>) -> BoxSchema {
    known.map_or_else(BoxSchema::of::<AmpBox>, |known| known.arguments.clone())
}

/// The response of a command: anything where it is not known.
pub(crate) fn response_of(known: Option<&CommandSchema>) -> BoxSchema {
    known.map_or_else(BoxSchema::of::<AmpBox>, |known| known.response.clone())
}

/// The box that a value is made of.
pub(crate) fn box_in(wire_type: &WireType) -> Option<&BoxSchema> {
    match wire_type {
        WireType::Of(_, inner) => box_in(inner),
        WireType::Box(InnerBox::Of(schema)) | WireType::AmpList(InnerBox::Of(schema)) => {
            Some(schema)
        }
        _ => None,
    }
}

/// Returns whether values of this type have descriptors in them.
pub(crate) fn carries_descriptors(wire_type: &WireType) -> bool {
    match wire_type {
        WireType::Named(name) => name == "Descriptor",
        WireType::Of(_, inner) => carries_descriptors(inner),
        _ => box_in(wire_type).is_some_and(has_descriptors),
    }
}

/// Returns whether there can be descriptors in such a box.
pub(crate) fn has_descriptors(schema: &BoxSchema) -> bool {
    let mut arguments = schema.parts().into_iter().flat_map(BoxSchema::arguments);
    arguments.any(|argument| carries_descriptors(&argument.wire_type))
}

fn of_git(source: &str, place: &str) -> Result<String, Mistake> {
    let Some((revision, path)) = place.split_once(':') else {
        return Err(Mistake::new(format!(
            "{source}: it is git:REVISION:PATH, as git:main:a/b.schema"
        )));
    };
    // A path that does not begin with `./` begins at the top of the repository.
    let output = Command::new("git")
        .args(["show", "--end-of-options", &format!("{revision}:{path}")])
        .output()
        .map_err(|error| Mistake::new(format!("{source}: cannot run git: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Mistake::new(format!("{source}: git says: {}", said.trim())));
    }
    String::from_utf8(output.stdout).map_err(|_| Mistake::new(format!("{source}: it is not UTF-8")))
}
