//! What `ampctl generate rust` makes of `python/odd.schema`, with the types that are to be written by hand and
//! the responders as it begins them.

#![deny(missing_docs, unused, clippy::pedantic)]

/// Types that the library does not have.
pub mod by_hand;
/// Commands.
pub mod commands;
/// The same of a schema without commands.
pub mod none;
/// Nothing but `unimplemented!()`.
pub mod responders;
