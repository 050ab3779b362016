//! The one task that owns the stream of a connection.
//!
//! What is decided is decided by `proto`: by `Core`, which it shares with the callers, and `Drive`, which it
//! has alone. Here is what those are done with (`hands.rs`), how the driver waits (`parking.rs`), and what
//! runs on tasks of its own.

mod clock;
mod hands;
mod leftover;
mod parking;
mod pinger;
mod poll;
mod refusing;
mod running;
mod state;

pub(crate) use pinger::{Pinger, Watching};
pub(crate) use state::Driver;

#[cfg(test)]
mod tests;
