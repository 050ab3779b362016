//! Which arguments of a box have the keys of parts of others: a value over several keys reads those as its own.

use std::collections::BTreeMap;

use super::WireType;

/// The arguments of a box, as far as their keys have numbers.
#[derive(Default)]
pub(super) struct Parts {
    /// The first number of a key, of each argument over several.
    whole: BTreeMap<String, u64>,
    /// The highest number that is behind a name in the name of another argument.
    highest: BTreeMap<String, u64>,
}

impl Parts {
    pub(super) fn add(&mut self, name: &str, wire_type: &WireType) {
        if let Some(first) = first_number(wire_type) {
            self.whole.insert(name.to_owned(), first);
        }
        if let Some((whole, number)) = numbered(name) {
            let highest = self.highest.entry(whole.to_owned()).or_default();
            *highest = number.max(*highest);
        }
    }

    /// Returns whether one of these is a part of this argument, or this of one of these.
    pub(super) fn meet(&self, name: &str, wire_type: &WireType) -> bool {
        let is_part = numbered(name).is_some_and(|(whole, number)| {
            self.whole.get(whole).is_some_and(|first| number >= *first)
        });
        let has_part = || {
            let first = first_number(wire_type);
            first.is_some_and(|first| self.highest.get(name).is_some_and(|last| *last >= first))
        };
        is_part || has_part()
    }
}

/// Returns the number at the end of the first key that has one, for a value over several keys.
fn first_number(wire_type: &WireType) -> Option<u64> {
    match wire_type {
        WireType::Of(form, _) => match &**form {
            "Numbered" => Some(0),
            "Continued" | "ContinuedZlib" => Some(2),
            _ => None,
        },
        _ => None,
    }
}

/// Splits a name that could be the key of a part.
fn numbered(name: &str) -> Option<(&str, u64)> {
    let (whole, digits) = name.rsplit_once('.')?;
    let number: u64 = digits.parse().ok()?;
    // Those keys have no zeros in front, and no sign.
    (number.to_string() == digits).then_some((whole, number))
}
