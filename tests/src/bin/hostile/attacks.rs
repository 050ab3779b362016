//! The attacks, each with the figures that it is measured by.

mod decoding;
mod descriptors;
mod ends;
mod login;
mod memory;
mod starvation;

use std::io;

use crate::figure::Figure;
use crate::options::Options;

pub(crate) type Attack = fn(&Options) -> io::Result<Vec<Figure>>;

/// All of them, by the names that `--only` takes.
pub(crate) const ATTACKS: [(&str, Attack); 12] = [
    ("gone", ends::gone),
    ("silent", ends::silent),
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
