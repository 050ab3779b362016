use super::reason::CloseReason;
use crate::boxes::BoxError;

/// More calls were to be outstanding than the limit allows. Only the one call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{limit} calls are outstanding already, which is the limit")]
#[non_exhaustive]
pub struct TooManyCalls {
    /// The limit, in calls.
    pub limit: usize,
}

impl TooManyCalls {
    /// Creates the error with this limit: for a test in which another client stands in for a connection.
    pub fn new(limit: usize) -> Self {
        Self { limit }
    }
}

/// A call that was not queued. Nothing was sent.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotQueued {
    /// Too many calls are outstanding.
    #[error(transparent)]
    TooManyCalls(#[from] TooManyCalls),
    /// The box would be over a limit of this side.
    #[error(transparent)]
    TooLarge(#[from] BoxError),
    /// No more calls are made: the connection ends, or nothing can be sent.
    #[error(transparent)]
    Closed(CloseReason),
}

/// A protocol switch that cannot be made now. Nothing was sent.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SwitchRefused {
    /// Another one is under way.
    #[error("a protocol switch is under way")]
    UnderWay,
    /// The transport was replaced by a switch before, by that to TLS: that happens once at most.
    #[error("TLS has been started before")]
    Upgraded,
    /// The call that asks for it was not queued.
    #[error(transparent)]
    NotQueued(#[from] NotQueued),
}
