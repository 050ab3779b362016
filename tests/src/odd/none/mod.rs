//! What `ampctl generate rust` makes of a schema without commands.

/// None.
pub mod commands;
/// None.
pub mod responders;
