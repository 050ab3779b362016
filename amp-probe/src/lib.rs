//! What peers do, and how fast: what `ampctl`, the tests and the examples share that look at a peer from
//! outside.
//!
//! [`conversations`] are those of the compliance suite, held byte for byte with any peer that serves its
//! commands. [`load`] calls a peer again and again, and measures how long its answers take.

mod address;
pub mod conversations;
pub mod load;
mod raw_client;

pub use address::{Address, Transport, UnknownAddress};
pub use raw_client::{DEADLINE, RawClient, RawStream};
