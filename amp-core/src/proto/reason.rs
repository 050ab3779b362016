use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::{LimitKind, ProtocolError};
use crate::report::Escaped;

/// The reason why a connection ended. Every outstanding call fails with the same reason.
/// [`Report`](crate::Report) displays it with its causes.
#[doc(alias = "connectionLost")]
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// Both sides agreed to `StartTLS`, and TLS could not be started. The cause is an
    /// `amp_core::tls::TlsError`.
    #[error("TLS could not be started")]
    Tls(#[source] Arc<dyn Error + Send + Sync>),
    /// The connection was closed by this side: by [`Peer::close`](crate::Peer::close), by dropping the last
    /// [`Peer`](crate::Peer), or because its server was told to stop.
    #[error("closed by this side")]
    Local,
    /// The peer closed the connection between two boxes.
    #[error("closed by the peer")]
    Peer,
    /// The peer closed the connection in the middle of a box.
    #[error("closed by the peer, {received} bytes into a box")]
    Truncated {
        /// The number of bytes of the box that had arrived.
        received: usize,
    },
    /// The stream broke.
    #[error(transparent)]
    Io(Arc<io::Error>),
    /// The peer violated the protocol.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// A responder failed, and that ends the connection: the error is fatal, or the policy is
    /// [`FailurePolicy::Close`](crate::FailurePolicy::Close).
    #[error("closed after {} failed with {}", Escaped(shown(command.as_deref().unwrap_or("a command"))), Escaped(code))]
    Failed {
        /// The name of the command, as it is. `None` when the responder did not fail, but the transport has
        /// refused the attachments of its answer.
        command: Option<Arc<str>>,
        /// The code that was answered, or that would have been.
        code: Arc<str>,
    },
    /// The connection speaks another protocol now: a protocol switch has succeeded.
    #[error("the connection has switched to another protocol")]
    Switched,
    /// The peer sent nothing for as long as
    /// [`Connection::idle_timeout`](crate::Connection::idle_timeout) says.
    #[error("nothing was received for {after:?}")]
    Idle {
        /// The time that this was.
        after: Duration,
    },
    /// The peer did not finish a box in time: see [`Limits::box_timeout`](field@crate::Limits::box_timeout)
    /// and [`Connection::first_box_timeout`](crate::Connection::first_box_timeout). Or the server was full, and
    /// the peer had not sent a box yet: see [`Serve::max_connections`](crate::Serve::max_connections).
    #[error("no box was finished within {after:?}")]
    BoxTimeout {
        /// The time that the peer had.
        after: Duration,
    },
    /// The peer did not log in in time: see `amp_core::login`.
    #[error("the peer has not logged in within {within:?}")]
    NoLogin {
        /// The time that the peer had.
        within: Duration,
    },
    /// A [`Connection::ping`](crate::Connection::ping) was not answered.
    #[error("a ping was not answered within {after:?}")]
    PingTimeout {
        /// The time that was waited.
        after: Duration,
    },
    /// The connection exceeded a limit that protects this side.
    #[error("the connection went over the limit of {limit} {what}")]
    #[non_exhaustive]
    Limit {
        /// Which limit it is.
        what: LimitKind,
        /// How much there may be.
        limit: usize,
    },
}

/// The beginning of a name that a peer may have chosen.
fn shown(name: &str) -> &str {
    const LONGEST: usize = 100;
    let end = (0..=LONGEST.min(name.len())).rev().find(|at| name.is_char_boundary(*at));
    &name[..end.unwrap_or_default()]
}

/// An error that contains a reason becomes that reason. So a transport that is itself part of a connection
/// can tell how that connection ended. Any other error becomes [`CloseReason::Io`].
impl From<io::Error> for CloseReason {
    fn from(error: io::Error) -> Self {
        match error.downcast() {
            Ok(reason) => reason,
            Err(error) => CloseReason::Io(Arc::new(error)),
        }
    }
}
