//! Recipes for common tasks. Each is compiled and run with the tests of this crate.
//!
//! | to | see |
//! |---|---|
//! | move a service from Twisted, step by step | [`from_twisted`] |
//! | send a list over 64 KiB, or any other large value | [`large_values`] |
//! | send a large file | [`large_files`] |
//! | send events no faster than subscribers take them | [`events`] |
//! | show the progress of a call, and cancel it | [`progress`] |
//! | limit how long a call takes | [`deadlines`] |
//! | stop a server or a client without losing calls | [`shutdown`] |
//! | stay connected | [`reconnecting`] |
//! | admit only peers that know a secret | [`logins`] |
//! | encrypt a connection | [`encryption`] |
//! | test without sockets | [`tests`] |
//! | run connections over something other than a socket | [`transports`] |
//! | use your own type as an argument | [`arguments`] |
//! | pass on unknown calls | [`proxies`] |
//! | log, trace and measure calls | [`watching`] |
//! | spread calls over several machines | [`scaling_out`] |
//!
//! The cookbook of the crate `amp_unix` is about open files and sockets as arguments, their ownership, and
//! child processes.
//!
//! Where the transport does not matter, recipes connect two peers in memory with
//! [`testing::pair`](crate::testing::pair).

pub mod arguments;
pub mod deadlines;
#[cfg(feature = "tls")]
pub mod encryption;
pub mod events;
pub mod from_twisted;
pub mod large_files;
pub mod large_values;
#[cfg(feature = "login")]
pub mod logins;
pub mod progress;
pub mod proxies;
pub mod reconnecting;
#[cfg(feature = "tower")]
pub mod scaling_out;
pub mod shutdown;
pub mod tests;
pub mod transports;
pub mod watching;
