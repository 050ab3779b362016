//! What exit codes mean.

/// A declared error, or for `check` a change that breaks peers.
pub(crate) const DECLARED: u8 = 1;
/// Something is wrong with what was asked for, and nothing was sent.
pub(crate) const WRONG_USE: u8 = 2;
/// There is no connection.
pub(crate) const NO_CONNECTION: u8 = 3;
/// `UNKNOWN`, or a code that is not declared.
pub(crate) const UNDECLARED: u8 = 4;
/// The peer does not handle the command.
pub(crate) const UNHANDLED: u8 = 5;
/// The connection ended before the answer.
pub(crate) const ENDED: u8 = 6;
/// The answer does not fit the schema.
pub(crate) const NO_FIT: u8 = 7;
/// Not in time.
pub(crate) const NOT_IN_TIME: u8 = 124;
/// Interrupted by the user.
pub(crate) const INTERRUPTED: u8 = 130;
