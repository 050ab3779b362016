//! The attacks, each with the figures that it is measured by.

mod decoding;
mod descriptors;
mod ends;
mod login;
mod memory;
mod starvation;

use std::io;

use crate::options::Options;

/// What an attack has cost.
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) seen: f64,
    pub(crate) bound: f64,
    pub(crate) unit: &'static str,
}

impl Figure {
    pub(crate) fn is_within(&self) -> bool {
        self.seen <= self.bound
    }

    fn new(what: &str, seen: f64, bound: f64, unit: &'static str) -> Self {
        Self { what: what.to_owned(), seen, bound, unit }
    }

    /// Bytes, as MiB of which `bound` are allowed.
    #[allow(clippy::cast_precision_loss, reason = "these are small numbers")]
    fn mib(what: &str, bytes: u64, bound: f64) -> Self {
        Self::new(what, bytes as f64 / f64::from(1 << 20), bound, "MiB")
    }

    /// How many there are of something.
    #[allow(clippy::cast_precision_loss, reason = "these are small numbers")]
    fn count(what: &str, seen: usize, bound: f64) -> Self {
        Self::new(what, seen as f64, bound, "")
    }
}

pub(crate) type Attack = fn(&Options) -> io::Result<Vec<Figure>>;

/// All of them, by the names that `--only` takes.
pub(crate) const ATTACKS: [(&str, Attack); 11] = [
    ("gone", ends::gone),
    ("nonsense", ends::nonsense),
    ("unfinished", ends::unfinished),
    ("unanswered", memory::unanswered),
    ("unread", memory::unread),
    ("burst", memory::burst),
    ("of-themselves", descriptors::of_themselves),
    ("unclaimed", descriptors::unclaimed),
    ("guesses", login::guesses),
    ("decoding", decoding::made_of_bytes),
    ("flooded", starvation::flooded),
];
