//! Support for tests that talk to another process, a Twisted peer or one of our own, and what the
//! programs of this package share.

pub mod amplification;
mod command_line;
pub mod commands;
mod counted;
pub mod odd;
mod peer;
mod process;
mod python;
pub mod responders;
mod seed;
pub mod starvation;
/// What `ampctl generate rust` makes of `python/trade.schema`.
pub mod trade;
pub mod workload;

pub use amp_probe::{Address, DEADLINE, RawClient, UnknownAddress, conversations};
pub use command_line::{arguments, policy_named};
pub use counted::{Count, Counted, Counts};
pub use peer::{Peer, Transport};
pub use process::{Finished, Process};
pub use python::Python;
pub use seed::seed;

/// The README's program, run as a test.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
