use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::CloseReason;
use crate::report::Escaped;

/// The reason why a [`Client`](crate::reconnect::Client) has no connection.
/// [`Report`](crate::Report) displays it with its causes.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No connection could be made.
    #[error("cannot connect")]
    Connect(#[source] Arc<dyn Error + Send + Sync>),
    /// A connection was made, and the [`make_ready`](crate::reconnect::Connector::make_ready) hook
    /// failed.
    #[error("the connection could not be made ready")]
    Hook(#[source] Arc<dyn Error + Send + Sync>),
    /// Connecting and the hook together took too long.
    #[error("the connection was not ready within {after:?}")]
    Timeout {
        /// The [`attempt_timeout`](crate::reconnect::Connector::attempt_timeout).
        after: Duration,
    },
    /// The code that connects, or the hook, panicked.
    #[error("the connection was not made ready: a panic: {}", Escaped(text))]
    Panicked {
        /// The text that it panicked with, if it was one.
        text: Arc<str>,
    },
    /// The connection was there, and ended.
    #[error("the connection was lost")]
    Lost(#[source] CloseReason),
}

/// A call that was not sent, because its [`Client`](crate::reconnect::Client) is not connected.
#[derive(Clone, Debug)]
pub struct NotConnected(Box<Details>);

#[derive(Clone, Debug)]
struct Details {
    kind: NotConnectedKind,
    address: Option<Arc<str>>,
    next: Next,
    cause: Option<ConnectError>,
}

/// The next step of the client.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Next {
    Connecting { attempt: u32 },
    Waiting { attempt: u32, wait: Duration },
    Nothing,
}

/// The reason why a call did not wait for the connection, or did not wait any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotConnectedKind {
    /// The call was to fail at once.
    FailFast,
    /// The call has waited until its timeout.
    Waited {
        /// The call's timeout.
        after: Duration,
    },
    /// As many calls wait as may wait.
    TooManyWaiting {
        /// The limit, in calls: [`Connector::max_waiting`](crate::reconnect::Connector::max_waiting).
        limit: usize,
    },
    /// The client is closed.
    Closed,
}

impl NotConnected {
    /// Creates the error, with this kind and without a cause. Use it in a test in which another client stands in for the one
    /// that connects again.
    pub fn new(kind: NotConnectedKind) -> Self {
        Self::of(kind, None, Next::Nothing, None)
    }

    pub(crate) fn of(
        kind: NotConnectedKind,
        address: Option<Arc<str>>,
        next: Next,
        cause: Option<ConnectError>,
    ) -> Self {
        Self(Box::new(Details { kind, address, next, cause }))
    }

    /// Says why the connection ended, where the client does not know yet.
    pub(crate) fn lost(mut self, reason: CloseReason) -> Self {
        self.0.cause.get_or_insert(ConnectError::Lost(reason));
        self
    }

    /// Returns why the call did not wait, or did not wait any longer.
    pub fn kind(&self) -> NotConnectedKind {
        self.0.kind
    }

    /// Returns why there is no connection: how the last attempt failed, or how the last connection
    /// ended. `None` during the very first attempt, and when the client is closed.
    pub fn cause(&self) -> Option<&ConnectError> {
        self.0.cause.as_ref()
    }
}

impl fmt::Display for NotConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details { kind, address, next, cause: _ } = &*self.0;
        f.write_str("not connected")?;
        if let Some(address) = address {
            write!(f, " to {address}")?;
        }
        match kind {
            NotConnectedKind::FailFast => {}
            NotConnectedKind::Waited { after } => write!(f, " within {after:?}")?,
            NotConnectedKind::TooManyWaiting { limit } => {
                write!(f, ", and {limit} calls wait for it already, which is the limit")?;
            }
            NotConnectedKind::Closed => f.write_str(": the client is closed")?,
        }
        match next {
            Next::Connecting { attempt } => write!(f, ": attempt {attempt} is under way"),
            Next::Waiting { attempt, wait } => write!(f, ": attempt {attempt} is in {wait:.1?}"),
            Next::Nothing => Ok(()),
        }
    }
}

impl Error for NotConnected {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.cause.as_ref().map(|cause| cause as _)
    }
}
