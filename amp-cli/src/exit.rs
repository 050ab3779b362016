//! The exit codes.

use amp_core::tls::rustls;
use amp_core::{CallError, CloseReason};
use std::fmt::Display;

use crate::mistake::Mistake;

/// A declared error; or what was compared differs, and what was to hold does not.
pub(crate) const DECLARED: u8 = 1;
/// Something is wrong with what was asked for, and nothing was sent but what `--reflect` asks.
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
/// The answer is there, and cannot be printed, copied or handed on as was asked for.
pub(crate) const NOT_USED: u8 = 8;
/// The answer did not come in time.
pub(crate) const NOT_IN_TIME: u8 = 124;
/// Interrupted by the user.
pub(crate) const INTERRUPTED: u8 = 130;
/// Ended by another program.
pub(crate) const TERMINATED: u8 = 143;

/// Why it did not come to what was asked for, and the exit code for that.
pub(crate) struct Failure {
    pub(crate) code: u8,
    /// Empty where there is nothing to be said.
    pub(crate) said: String,
}

impl Failure {
    pub(crate) fn new(code: u8, said: impl Display) -> Self {
        Self { code, said: said.to_string() }
    }
}

impl From<Mistake> for Failure {
    fn from(mistake: Mistake) -> Self {
        Self::new(WRONG_USE, mistake)
    }
}

/// The exit code for a call that has failed.
pub(crate) fn of_error(error: &CallError) -> u8 {
    match error {
        // TLS has failed where a server takes no client with such a certificate.
        CallError::Closed(CloseReason::Io(error))
            if error
                .get_ref()
                .and_then(|error| error.downcast_ref::<rustls::Error>())
                .is_some() =>
        {
            NO_CONNECTION
        }
        CallError::Closed(_) => ENDED,
        CallError::Timeout { .. } => NOT_IN_TIME,
        CallError::Decode(_) => NO_FIT,
        CallError::Remote(error) if error.code == "UNHANDLED" => UNHANDLED,
        CallError::Remote(_) => UNDECLARED,
        _ => WRONG_USE,
    }
}
