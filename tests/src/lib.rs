//! Support for tests that talk to another process, a Twisted peer or one of our own, and what the
//! programs of this package share.

mod address;
pub mod amplification;
mod command_line;
pub mod commands;
pub mod conversations;
mod counted;
mod peer;
mod process;
mod python;
mod raw_client;
pub mod starvation;
pub mod workload;

pub use address::{Address, Transport, UnknownAddress};
pub use command_line::{arguments, policy_named};
pub use counted::{Count, Counted, Counts};
pub use peer::Peer;
pub use process::{DEADLINE, Finished, Process};
pub use python::Python;
pub use raw_client::RawClient;

/// The README's program, run as a test.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
