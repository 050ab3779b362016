use amp_core::dynamic::JsonError;
use amp_core::{EncodeError, Report};
use std::fmt;

use crate::on_line::OnLine;

/// The number of names that are listed of those that there are.
const LISTED: usize = 40;

/// A mistake in what was asked for: where it is, and what would be right.
#[derive(Debug)]
pub(crate) struct Mistake {
    /// The place in the arguments: `points[0].x`. Empty when it is in none.
    place: String,
    what: String,
}

impl Mistake {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { place: String::new(), what: what.into() }
    }

    /// The same mistake, inside of `place`.
    pub(crate) fn at(mut self, place: &str) -> Self {
        let dot = if self.place.is_empty() || self.place.starts_with('[') { "" } else { "." };
        self.place = format!("{place}{dot}{}", self.place);
        self
    }

    /// Returns the place in the arguments.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }
}

impl From<JsonError> for Mistake {
    fn from(error: JsonError) -> Self {
        Self { place: error.place().to_owned(), what: error.fault().to_owned() }
    }
}

impl From<EncodeError> for Mistake {
    fn from(error: EncodeError) -> Self {
        Self { place: error.argument().to_owned(), what: Report::new(error.kind()).to_string() }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.place {
            "" => f.write_str(&self.what),
            place => write!(f, "{place}: {}", self.what),
        }
    }
}

/// A name that is none of those that there are: which may be meant, or all of them.
pub(crate) fn no_such<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Mistake {
    let known: Vec<_> = known.collect();
    let distance = |other: &str| strsim::damerau_levenshtein(&lower(name), &lower(other));
    let nearest = known.iter().min_by_key(|other| distance(other));
    let there_is = match &known[..] {
        [] => "none".to_owned(),
        known => {
            let listed: Vec<_> =
                known.iter().take(LISTED).map(|known| OnLine(known).to_string()).collect();
            let more = match known.len() - listed.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            listed.join(", ") + &more
        }
    };
    match nearest {
        Some(nearest) if distance(nearest) <= 1 + name.len() / 3 => {
            Mistake::new(format!("there is no {what} {name:?}; did you mean {nearest:?}?"))
        }
        _ => Mistake::new(format!("there is no {what} {name:?}; there is {there_is}")),
    }
}

fn lower(name: &str) -> String {
    name.to_lowercase()
}

/// Refuses the first of these flags that was given, each of which would do nothing.
pub(crate) fn none_of(
    flags: impl IntoIterator<Item = (&'static str, bool)>,
    why: &str,
) -> Result<(), Mistake> {
    match flags.into_iter().find(|(_, is_given)| *is_given) {
        None => Ok(()),
        Some((flag, _)) => Err(Mistake::new(format!("{flag}: {why}"))),
    }
}
