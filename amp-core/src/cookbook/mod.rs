//! Recipes for what people do with AMP. Each is compiled and run with the tests of this crate.
//!
//! | to | see |
//! |---|---|
//! | move a service from Twisted, step by step | [`from_twisted`] |
//! | send a list over 64 KiB, or any other large value | [`large_values`] |
//! | send a large file | [`large_files`] |
//! | send events, no faster than the subscribers take them | [`events`] |
//! | show progress, and cancel what runs | [`progress`] |
//! | bound how long a call takes | [`deadlines`] |
//! | stop a server or a client without losing calls | [`shutdown`] |
//! | stay connected | [`reconnecting`] |
//! | let in those who know a secret | [`logins`] |
//! | encrypt | [`encryption`] |
//! | test without sockets | [`tests`] |
//! | carry connections over something else than a socket | [`transports`] |
//! | make an argument of a type of your own | [`arguments`] |
//! | pass on calls that are not known | [`proxies`] |
//! | see what happens | [`watching`] |
//! | spread calls over several machines | [`scaling_out`] |
//!
//! The cookbook of the crate `amp_unix` has open files and sockets as arguments, who owns them, and child
//! processes.
//!
//! Recipes connect two peers in memory, by [`testing::pair`](crate::testing::pair), where it does not
//! matter what is between them.

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
