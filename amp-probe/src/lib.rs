//! A look at peers from outside, at what they do and how fast: `ampctl`, the tests and the examples share it.
//!
//! The [`conversations`] are those of the compliance suite, held byte for byte with any peer that serves its
//! commands. The module [`load`] calls a peer again and again, and measures how long its answers take.
//!
//! It follows no semantic versions: it stays at 0.x, and any release may change what it has.

mod address;
pub mod conversations;
pub mod load;
mod raw_client;

pub use address::{Address, UnknownAddress};
pub use raw_client::{DEADLINE, RawClient, RawStream};
