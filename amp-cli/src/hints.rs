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
}
