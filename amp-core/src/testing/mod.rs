//! Tools for testing programs that use this crate. Enable the feature `testing` in your
//! `[dev-dependencies]`.
//!
//! | | |
//! |---|---|
//! | [`pair`] | two peers, connected in memory |
//! | [`call_remote`], [`call_by_name`], [`notify`] | call a responder directly, without a connection of your own |
//! | [`Script`] | a peer that expects certain calls, and answers them, fails them, or cuts the connection |
//! | [`Golden`] | a file with the exact bytes of calls, answers and failures |
//! | [`ask_box`], [`answer_box`], [`error_box`] | those bytes; [`read_ask_box`] and [`read_answer_box`] read them |
//! | [`check_transport`], [`check_attachments`] | check the properties of a transport that a connection relies on |
//! | [`PrintedRecord`] | a file that a program prints, such as generated code, and a test that fails when it is stale |
//! | [`SchemaRecord`] | a file that records what the commands look like on the wire, and a test that fails when a change would break peers |

#[cfg(feature = "tokio")]
mod actor;
mod boxes;
#[cfg(feature = "tokio")]
mod call;
mod golden;
#[cfg(feature = "tokio")]
mod pair;
mod printed_record;
mod record;
mod schema_record;
#[cfg(feature = "tokio")]
mod script;
#[cfg(feature = "tokio")]
mod step;
#[cfg(feature = "tokio")]
mod transport;

pub use boxes::{answer_box, ask_box, error_box, read_answer_box, read_ask_box};
#[cfg(feature = "tokio")]
pub use call::{call_by_name, call_remote, notify};
pub use golden::Golden;
#[cfg(feature = "tokio")]
pub use pair::pair;
pub use printed_record::PrintedRecord;
pub use schema_record::SchemaRecord;
#[cfg(feature = "tokio")]
pub use script::{ExpectedCall, RunningScript, Script};
#[cfg(feature = "tokio")]
pub use transport::{check_attachments, check_transport};
