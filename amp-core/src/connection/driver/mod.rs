//! The one task that owns the stream of a connection.
//!
//! What is decided is decided by `proto`: by `Core`, which it shares with the callers, and `Drive`, which it
//! has alone. Here is what those are done with (`hands.rs`), and what runs on a task of its own (`leftover.rs`).

mod hands;
mod leftover;
mod poll;
mod state;

pub(crate) use state::Driver;

#[cfg(test)]
mod tests;
