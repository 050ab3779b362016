//! Which type has which name.

use std::collections::{BTreeMap, BTreeSet};

use crate::mistake::Mistake;

/// Names that a type of this file cannot have, as it uses them for others.
const TAKEN: &[&str] = &[
    "Argument",
    "Arguments",
    "BigInt",
    "BigUint",
    "Box",
    "ByteSink",
    "ByteStream",
    "Bytes",
    "Clone",
    "Command",
    "CommandError",
    "Context",
    "Continued",
    "ContinuedZlib",
    "Copy",
    "DateTime",
    "Debug",
    "Decimal",
    "Default",
    "Descriptor",
    "Eq",
    "Err",
    "IpAddr",
    "IpNet",
    "Json",
    "NoError",
    "None",
    "Numbered",
    "Ok",
    "Option",
    "Packed",
    "PartialEq",
    "PathBuf",
    "Ready",
    "Responders",
    "Result",
    "Schema",
    "Self",
    "Send",
    "SinkOf",
    "Some",
    "StreamOf",
    "String",
    "Switched",
    "Sync",
    "Vec",
    "Zlib",
];

/// Refuses hints for names that no type can have.
pub(super) fn check_names(hints: &BTreeMap<String, String>) -> Result<(), Mistake> {
    for (place, name) in hints {
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric())
            && name.starts_with(|c: char| c.is_ascii_uppercase());
        if !is_name {
            return Err(Mistake::new(format!(
                "the hint for {place}: {name:?} is no name of a type"
            )));
        }
        if TAKEN.contains(&&**name) {
            return Err(Mistake::new(format!(
                "the hint for {place}: {name} is another type's name"
            )));
        }
    }
    Ok(())
}

/// The names of types. Places whose types have one shape, which is what is written of them, share one type.
pub(super) struct Names<'a> {
    /// The names that the hints keep, by the places of their types.
    hints: &'a BTreeMap<String, String>,
    kept: BTreeSet<&'a str>,
    /// Places that do not get the name that is kept for them.
    refused: BTreeSet<String>,
    /// The shape that each name is the name of.
    taken: BTreeMap<String, String>,
    /// The first name of each shape.
    shapes: BTreeMap<String, String>,
    /// The name and the shape of each place.
    chosen: BTreeMap<String, (String, String)>,
}

impl<'a> Names<'a> {
    pub(super) fn new(hints: &'a BTreeMap<String, String>, refused: BTreeSet<String>) -> Self {
        Self {
            hints,
            kept: hints.values().map(|name| &**name).collect(),
            refused,
            taken: TAKEN.iter().map(|&name| (name.to_owned(), String::new())).collect(),
            shapes: BTreeMap::new(),
            chosen: BTreeMap::new(),
        }
    }

    /// The name of what is in this place: the one that is kept, that of the same shape, or one of these.
    pub(super) fn of(&mut self, place: &str, candidates: &[String], shape: &str) -> String {
        let is_free = |taken: &BTreeMap<String, String>, name: &str| {
            taken.get(name).is_none_or(|other| other == shape)
        };
        let kept = self.hints.get(place).filter(|_| !self.refused.contains(place));
        let kept = kept.filter(|name| is_free(&self.taken, name));
        let name = kept.cloned().or_else(|| self.shapes.get(shape).cloned()).unwrap_or_else(|| {
            let last = candidates.last().expect("there is a candidate");
            let numbered = (2..).map(|number| format!("{last}{number}"));
            candidates
                .iter()
                .cloned()
                .chain(numbered)
                .find(|name| !self.kept.contains(&**name) && is_free(&self.taken, name))
                .expect("there are many numbers")
        });
        self.shapes.entry(shape.to_owned()).or_insert_with(|| name.clone());
        self.chosen.insert(place.to_owned(), (name.clone(), shape.to_owned()));
        name
    }

    /// Takes the name that [`of`](Self::of) returns, and says whether nothing had it before.
    pub(super) fn taken_by(
        &mut self,
        place: &str,
        candidates: &[String],
        shape: &str,
    ) -> (String, bool) {
        let name = self.of(place, candidates, shape);
        let is_new = self.taken.insert(name.clone(), shape.to_owned()).is_none();
        (name, is_new)
    }

    /// The places of hints that there are not.
    pub(super) fn nowhere(&self) -> impl Iterator<Item = &'a String> {
        self.hints.keys().filter(|place| !self.chosen.contains_key(*place))
    }

    /// Places for which a name is kept that is kept for more others, which are alike and not like them: one of
    /// several commands that shared a type has changed. Where most still do the name stays, and of as many, where
    /// it comes first.
    pub(super) fn outvoted(&self) -> BTreeSet<String> {
        let mut by_name = BTreeMap::<_, BTreeMap<_, Vec<_>>>::new();
        for (place, name) in self.hints {
            if let Some((_, shape)) = self.chosen.get(place) {
                by_name.entry(name).or_default().entry(shape).or_default().push(place);
            }
        }
        let mut outvoted = BTreeSet::new();
        for places in by_name.values() {
            // Of as many places, those that come first.
            let most = places.values().max_by(|a, b| a.len().cmp(&b.len()).then(b.cmp(a)));
            let others = places.values().filter(|places| Some(*places) != most);
            outvoted.extend(others.flatten().map(|place| (*place).clone()));
        }
        outvoted
    }

    /// Says which places have another name than the one that is kept for them.
    pub(super) fn renamed(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (place, kept) in self.hints {
            if let Some((name, _)) = self.chosen.get(place).filter(|(name, _)| name != kept) {
                lines.push(format!(
                    "{place} is {name}, and not {kept} as the hints say, which is another type"
                ));
            }
        }
        lines
    }

    /// The name of each place.
    pub(super) fn into_chosen(self) -> BTreeMap<String, String> {
        self.chosen.into_iter().map(|(place, (name, _))| (place, name)).collect()
    }
}
