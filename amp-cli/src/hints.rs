//! The hint file: what a schema, or Python's classes, do not say.

use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::path::Path;

use crate::mistake::Mistake;
use crate::whole_file;

/// What the file says, in TOML.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Hints {
    /// Classes of arguments, by their names, with or without the module.
    argument: BTreeMap<String, ArgumentHint>,
    /// Classes of commands.
    command: BTreeMap<String, CommandHint>,
    /// Modules of Python.
    module: BTreeMap<String, ModuleHint>,
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
    /// Says that the word is one that only this program knows, and no misspelt one.
    #[serde(default, skip_serializing_if = "is_false")]
    own: bool,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct CommandHint {
    /// Leaves it out.
    skip: bool,
    /// The keys, of its arguments and of its response, whose values are not to be shown.
    secrets: Vec<String>,
    /// Says whether it may be sent once more when nobody knows what came of it.
    idempotent: bool,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ModuleHint {
    /// Says that nothing is missing, although not all of it could be looked at.
    complete: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // Serde asks for it.
fn is_false(value: &bool) -> bool {
    !value
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
        let lines: Vec<_> =
            new.map(|(place, name)| format!("{} = {name:?}\n", json!(place))).collect();
        let lines = lines.concat();
        if lines.is_empty() {
            return Ok(());
        }
        let shown = path.display();
        let cannot =
            |error: &dyn Display| Mistake::new(format!("cannot write the hints {shown}: {error}"));
        let text = fs::read_to_string(path).map_err(|error| cannot(&error))?;
        let text = with_names(&text, &lines);
        if toml::from_str::<Self>(&text).is_err() {
            return Err(cannot(&"its names are in no table [rust.names] of their own"));
        }
        whole_file::replace(path, &text).map_err(|error| cannot(&error))
    }
}

/// A file of hints with more lines in its table of names. All else stays as its author wrote it.
fn with_names(text: &str, lines: &str) -> String {
    const TABLE: &str = "[rust.names]";
    let is_table = |line: &str| {
        let rest = line.trim_start().strip_prefix(TABLE).map(str::trim_start);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('#'))
    };
    let mut out = String::new();
    let mut is_added = false;
    for line in text.split_inclusive('\n') {
        out += line;
        if !is_added && is_table(line) {
            is_added = true;
            out += if line.ends_with('\n') { "" } else { "\n" };
            out += lines;
        }
    }
    match (is_added, text.trim_end()) {
        (true, _) => out,
        (false, "") => format!("{TABLE}\n{lines}"),
        (false, text) => format!("{text}\n\n{TABLE}\n{lines}"),
    }
}
