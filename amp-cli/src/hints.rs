//! The hint file: what a schema, or Python's classes, do not say.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::mistake::Mistake;

/// What the file says, in TOML.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Hints {
    /// Classes of arguments, by their names, with or without the module.
    argument: BTreeMap<String, ArgumentHint>,
    /// Classes of commands.
    command: BTreeMap<String, CommandHint>,
    /// What Rust is to be of a schema.
    #[serde(skip_serializing)]
    pub(crate) rust: RustHints,
}

/// What a type of Rust is called, and how wide an integer is.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RustHints {
    /// By the key of an argument, or by its place: `Sum.a`, `Line.points.x`.
    pub(crate) integers: BTreeMap<String, String>,
    /// By their places: `Sum`, `Sum.response`, `Divide.errors`, `Line.points`.
    pub(crate) names: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ArgumentHint {
    /// The type on the wire: a word of the schema, or several, as in `Zlib(AmpList)`. An `AmpList`
    /// has the keys that the attribute `subargs` says; `base` is the class of Twisted's that it is
    /// derived from, and `inner` the argument inside of it.
    wire: String,
    /// The attribute that `inner` is, where it is called something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    attribute: Option<String>,
    /// The attribute that has the texts of a `OneOf`, or maps values to them.
    #[serde(skip_serializing_if = "Option::is_none")]
    choices: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct CommandHint {
    /// Leaves it out.
    skip: bool,
}

impl Hints {
    /// Reads a file, if there is one.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self, Mistake> {
        let Some(path) = path else { return Ok(Self::default()) };
        let shown = path.display();
        let text = fs::read_to_string(path)
            .map_err(|error| Mistake::new(format!("cannot read the hints {shown}: {error}")))?;
        toml::from_str(&text).map_err(|error| Mistake::new(format!("{shown}: {error}")))
    }

    /// Adds to the file those of these names that it has not, in its table `[rust.names]`.
    pub(crate) fn keep_names(
        &self,
        path: &Path,
        names: &BTreeMap<String, String>,
    ) -> Result<(), Mistake> {
        let known = &self.rust.names;
        let new = names.iter().filter(|(place, _)| !known.contains_key(*place));
        let lines: Vec<_> = new.map(|(place, name)| format!("{place:?} = {name:?}\n")).collect();
        let lines = lines.concat();
        if lines.is_empty() {
            return Ok(());
        }
        let shown = path.display();
        let written =
            fs::read_to_string(path).and_then(|text| fs::write(path, with_names(&text, &lines)));
        written.map_err(|error| Mistake::new(format!("cannot write the hints {shown}: {error}")))
    }
}

/// A file of hints with more lines in its table of names. All else stays as its author wrote it.
fn with_names(text: &str, lines: &str) -> String {
    const TABLE: &str = "[rust.names]\n";
    let is_at_start = |at: &usize| *at == 0 || text[..*at].ends_with('\n');
    match text.find(TABLE).filter(is_at_start) {
        Some(at) => {
            let (before, after) = text.split_at(at + TABLE.len());
            format!("{before}{lines}{after}")
        }
        None if text.is_empty() => format!("{TABLE}{lines}"),
        None => format!("{}\n\n{TABLE}{lines}", text.trim_end()),
    }
}
