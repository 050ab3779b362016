//! The attacks, each with the figures that it is measured by.

mod decoding;
mod descriptors;
mod ends;
mod login;
mod memory;
mod starvation;
mod streams;

use std::io;

use crate::figure::Figure;
use crate::options::Options;

pub(crate) type Attack = fn(&Options) -> io::Result<Vec<Figure>>;

/// All of them, by the names that `--only` takes.
pub(crate) const ATTACKS: [(&str, Attack); 20] = [
    ("gone", ends::gone),
    ("silent", ends::silent),
    ("nonsense", ends::nonsense),
    ("unfinished", ends::unfinished),
    ("trickling", ends::trickling),
    ("unanswered", memory::unanswered),
    ("after-login", memory::after_login),
    ("unread", memory::unread),
    ("burst", memory::burst),
    ("routes", memory::routes),
    ("of-themselves", descriptors::of_themselves),
    ("unclaimed", descriptors::unclaimed),
    ("claimed", descriptors::claimed),
    ("opened", descriptors::opened),
    ("switched", descriptors::switched),
    ("handshakes", descriptors::handshakes),
    ("guesses", login::guesses),
    ("decoding", decoding::made_of_bytes),
    ("streams", streams::badly_spoken),
    ("flooded", starvation::flooded),
];
