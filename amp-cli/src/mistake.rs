use std::fmt;

/// What is wrong with what was asked for: where, and what would be right.
#[derive(Debug)]
pub(crate) struct Mistake(String);

impl Mistake {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `one of A, B; did you mean B?` for a name that is none of those that there are.
pub(crate) fn no_such<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Mistake {
    let known: Vec<_> = known.collect();
    let distance = |other: &str| strsim::damerau_levenshtein(&lower(name), &lower(other));
    let nearest = known.iter().min_by_key(|other| distance(other));
    let there_is = match &known[..] {
        [] => "none".to_owned(),
        known => known.join(", "),
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
