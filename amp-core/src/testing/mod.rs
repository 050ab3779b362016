//! For tests of what is built on this crate.
//!
//! | | |
//! |---|---|
//! | [`pair`] | two peers, connected in memory |
//! | [`SchemaRecord`] | a file that says what the commands look like on the wire, and a test that fails when a change would break peers |

#[cfg(feature = "tokio")]
mod pair;
mod record;
mod schema_record;

#[cfg(feature = "tokio")]
pub use pair::pair;
pub use schema_record::SchemaRecord;
