//! Why a client that blocks waits no longer.

use std::io::{self, ErrorKind};

use crate::error::CloseReason;
use crate::proto::ProtocolError;

/// Why the stream is not waited for any longer.
pub(super) enum Stopped {
    TimedOut,
    Ended(CloseReason),
}

impl From<CloseReason> for Stopped {
    fn from(reason: CloseReason) -> Self {
        match reason {
            // Which of them it is depends on the system.
            CloseReason::Io(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
            {
                Stopped::TimedOut
            }
            reason => Stopped::Ended(reason),
        }
    }
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        CloseReason::from(error).into()
    }
}

impl<E: Into<ProtocolError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Stopped::Ended(CloseReason::Protocol(error.into()))
    }
}
