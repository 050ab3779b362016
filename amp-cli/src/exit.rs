//! What exit codes mean.

use std::fmt::Display;

use crate::mistake::Mistake;

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

/// Why it did not come to what was asked for, and the exit code for that.
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) said: String,
}

impl Failure {
    pub(crate) fn new(code: u8, said: impl Display) -> Self {
        Self { code, said: format!("ampctl: {said}") }
    }
}

impl From<Mistake> for Failure {
    fn from(mistake: Mistake) -> Self {
        Self::new(WRONG_USE, mistake)
    }
}
