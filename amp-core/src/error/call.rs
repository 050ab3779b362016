use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::CloseReason;
#[cfg(feature = "tokio")]
use super::not_connected::{NotConnected, NotConnectedKind};
use crate::argument::{DecodeError, EncodeError};
use crate::command::{CommandError, NoError};
use crate::proto::{NotQueued, RemoteError, SwitchRefused, TooManyCalls};

/// The reason why a call did not give a response. [`Report`](crate::Report) displays it with its causes.
///
/// `E` are the errors that the command declares.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError<E = NoError> {
    /// The peer answered with an error that the command declares.
    #[error(transparent)]
    Command(E),
    /// The peer answered with an error that the command does not declare, such as `UNHANDLED` or
    /// `UNKNOWN`.
    #[error(transparent)]
    Remote(RemoteError),
    /// An argument cannot be written, or the call is over a limit of this side
    /// ([`BoxLimits`](crate::boxes::BoxLimits)). Nothing was sent.
    #[error("the call cannot be written")]
    Encode(#[source] EncodeError),
    /// The answer is not what the command declares as its response.
    #[error("the answer cannot be read")]
    Decode(#[source] DecodeError),
    /// No answer came in time. If one comes later, it is ignored. The peer may well have acted.
    #[error("no answer within {after:?}")]
    Timeout {
        /// The time that was waited.
        after: Duration,
    },
    /// The system of this side or of the peer does not take an attachment of the call, such as a file descriptor. Nothing was
    /// sent.
    #[error("the call was not sent")]
    NotSent(#[source] Arc<io::Error>),
    /// Too many calls are outstanding. Nothing was sent.
    #[error(transparent)]
    TooManyCalls(#[from] TooManyCalls),
    /// A protocol switch was asked for while another one is under way. Nothing was sent.
    #[error("a protocol switch is under way")]
    SwitchUnderWay,
    /// `StartTLS` was called on a connection on which it has succeeded before. Nothing was sent.
    #[error("TLS has been started before")]
    TlsStarted,
    /// A client that connects again is not connected, and the call did not wait for a connection, or not long enough. Nothing
    /// was sent.
    #[cfg(feature = "tokio")]
    #[error(transparent)]
    NotConnected(#[from] NotConnected),
    /// The connection ended before the answer came. The peer may have acted, unless the
    /// connection had ended before the call was made.
    #[error("the connection is closed")]
    Closed(#[source] CloseReason),
}

impl<E> CallError<E> {
    /// Returns whether no answer came in time, or no connection.
    pub fn is_timeout(&self) -> bool {
        match self {
            CallError::Timeout { .. } => true,
            #[cfg(feature = "tokio")]
            CallError::NotConnected(error) => {
                matches!(error.kind(), NotConnectedKind::Waited { .. })
            }
            _ => false,
        }
    }

    /// Returns whether the connection has ended, or the client that connects again is closed.
    pub fn is_closed(&self) -> bool {
        match self {
            CallError::Closed(_) => true,
            #[cfg(feature = "tokio")]
            CallError::NotConnected(error) => error.kind() == NotConnectedKind::Closed,
            _ => false,
        }
    }

    /// Returns whether the call can be made again without the peer acting on it twice: nothing was sent, or the peer
    /// says that it has not acted on it.
    ///
    /// The peer says so in two cases. It refuses calls because it is about to close the connection
    /// ([`RemoteError::is_closing`]): that is certain, since no proxy passes this refusal on. Or it has no responder
    /// for the command ([`RemoteError::is_unhandled`]): if the peer is a proxy, the backend may have said that, after
    /// the proxy passed the call on. A call that was outstanding when the connection ended may have been acted on.
    #[doc(alias = "Retry")]
    pub fn is_safe_to_retry(&self) -> bool {
        match self {
            CallError::Encode(_)
            | CallError::NotSent(_)
            | CallError::TooManyCalls(_)
            | CallError::SwitchUnderWay
            | CallError::TlsStarted => true,
            #[cfg(feature = "tokio")]
            CallError::NotConnected(_) => true,
            CallError::Remote(error) => error.is_not_acted_upon(),
            CallError::Command(_)
            | CallError::Decode(_)
            | CallError::Timeout { .. }
            | CallError::Closed(_) => false,
        }
    }

    /// Returns whether the peer has no responder for the command: see
    /// [`RemoteError::is_unhandled`].
    pub fn is_unhandled(&self) -> bool {
        matches!(self, CallError::Remote(error) if error.is_unhandled())
    }
}

impl<E: CommandError> CallError<E> {
    /// Returns the error with which the peer answered a call of this command. A code that the command declares is an error of
    /// the command. But an error that the peer's connection returns without asking a responder is not, whatever its code.
    pub(crate) fn of(error: RemoteError, command: &[u8]) -> Self {
        if error.is_closing() {
            return CallError::Remote(error);
        }
        match E::from_wire(&error.code, &error.description) {
            Some(declared) => CallError::Command(declared),
            None => CallError::Remote(error.answering(command)),
        }
    }
}

impl CallError<NoError> {
    /// Returns the same error of a command that declares some.
    pub(crate) fn widen<E>(self) -> CallError<E> {
        match self {
            CallError::Command(never) => match never {},
            CallError::Remote(error) => CallError::Remote(error),
            CallError::Encode(error) => CallError::Encode(error),
            CallError::Decode(error) => CallError::Decode(error),
            CallError::Timeout { after } => CallError::Timeout { after },
            CallError::NotSent(error) => CallError::NotSent(error),
            CallError::TooManyCalls(error) => CallError::TooManyCalls(error),
            CallError::SwitchUnderWay => CallError::SwitchUnderWay,
            CallError::TlsStarted => CallError::TlsStarted,
            #[cfg(feature = "tokio")]
            CallError::NotConnected(error) => CallError::NotConnected(error),
            CallError::Closed(reason) => CallError::Closed(reason),
        }
    }
}

impl<E> From<SwitchRefused> for CallError<E> {
    fn from(refused: SwitchRefused) -> Self {
        match refused {
            SwitchRefused::UnderWay => CallError::SwitchUnderWay,
            SwitchRefused::Upgraded => CallError::TlsStarted,
            SwitchRefused::NotQueued(error) => error.into(),
        }
    }
}

impl<E> From<NotQueued> for CallError<E> {
    fn from(error: NotQueued) -> Self {
        match error {
            NotQueued::TooManyCalls(error) => CallError::TooManyCalls(error),
            NotQueued::TooLarge(error) => CallError::Encode(error.into()),
            NotQueued::Closed(reason) => CallError::Closed(reason),
        }
    }
}
