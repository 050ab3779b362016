//! What is counted, and what went wrong.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many violations are printed; the others are only counted.
const PRINTED: u64 = 20;

/// How often what happened, by what it concerns.
#[derive(Default)]
pub(crate) struct Tally(Mutex<BTreeMap<(Group, String), u64>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    Calls,
    Outcomes,
    Ways,
    Streams,
    Faults,
    Attempts,
    Connections,
    Ends,
}

impl Tally {
    pub(crate) fn count(&self, group: Group, what: &str) {
        let mut counts = lock(&self.0);
        *counts.entry((group, what.to_owned())).or_default() += 1;
    }

    /// Whether something happened at all.
    pub(crate) fn has(&self, group: Group, what: &str) -> bool {
        lock(&self.0).contains_key(&(group, what.to_owned()))
    }

    /// How often anything of the group happened.
    pub(crate) fn total(&self, group: Group) -> u64 {
        lock(&self.0).iter().filter(|((of, _), _)| *of == group).map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = lock(&self.0);
        for (group, title) in [
            (Group::Calls, "calls"),
            (Group::Outcomes, "outcomes, as the callers saw them"),
            (Group::Ways, "calls that are known to be acted upon"),
            (Group::Streams, "streams, as their ends saw them"),
            (Group::Faults, "faults"),
            (Group::Attempts, "times that clients had to connect again, and why"),
            (Group::Connections, "connections of these clients, by how soon there was one"),
            (Group::Ends, "ends of connections, as the server saw them"),
        ] {
            let of_group = || counts.iter().filter(|((of, _), _)| *of == group);
            writeln!(f, "{title}: {}", of_group().map(|(_, count)| count).sum::<u64>())?;
            for ((_, what), count) in of_group() {
                writeln!(f, "  {count:>9}  {what}")?;
            }
        }
        Ok(())
    }
}

/// What should not have happened. It is printed when it does.
#[derive(Default)]
pub(crate) struct Violations(Mutex<u64>);

impl Violations {
    pub(crate) fn add(&self, what: impl fmt::Display) {
        let mut count = lock(&self.0);
        *count += 1;
        if *count <= PRINTED {
            eprintln!("VIOLATION: {what}");
        }
        if *count == PRINTED {
            eprintln!("further violations are only counted");
        }
    }

    pub(crate) fn check(&self, checked: Result<(), String>) {
        if let Err(what) = checked {
            self.add(what);
        }
    }

    pub(crate) fn count(&self) -> u64 {
        *lock(&self.0)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
