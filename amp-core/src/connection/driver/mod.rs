//! The one task that owns the stream of a connection.
//!
//! Each file has one phase of its turn, which `poll.rs` puts in their order, or a part that a phase
//! needs. What is decided is decided by `proto`: by `Core`, which it shares with the callers, and
//! `Inbound`, which it has alone.

mod clock;
mod ending;
mod leaving;
mod leftover;
mod parking;
mod pinger;
mod poll;
mod reading;
mod refusing;
mod running;
mod starting;
mod state;
mod timing;
mod writing;

pub(crate) use pinger::{Pinger, Watching};
pub(crate) use state::Driver;

#[cfg(test)]
mod tests;
