//! What inflates the values of one box, one after another.

use flate2::Decompress;

/// It is made for the first of them.
pub(super) type Inflater = Option<Box<Decompress>>;
