use tokio::time::Instant;

use crate::connection::Peer;
use crate::error::{ConnectError, Next};

/// The state of a [`Client`](super::Client)'s connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum State {
    /// A connection is being made, or made ready by the
    /// [`make_ready`](super::Connector::make_ready) hook.
    Connecting {
        /// The number of this attempt, from 1, since the last connection that lasted.
        attempt: u32,
        /// The reason why there is no connection, unless this is the very first attempt.
        cause: Option<ConnectError>,
    },
    /// There is a connection, and it is ready for calls. As soon as it begins to end, for whatever reason, the state is
    /// another one: the next connection is made while this one ends.
    Connected(Peer),
    /// There is no connection, and the next attempt has to wait.
    Waiting {
        /// The number of the next attempt since the last connection that lasted: from 2, or 1 right after that connection.
        attempt: u32,
        /// The moment at which the attempt begins.
        until: Instant,
        /// The reason why there is no connection.
        cause: ConnectError,
    },
    /// The client is closed, and makes no more connections.
    Closed,
}

impl State {
    /// Returns the connection, if there is one that has not been lost since.
    pub(super) fn peer(&self) -> Option<&Peer> {
        match self {
            State::Connected(peer) if !peer.is_closed() => Some(peer),
            _ => None,
        }
    }

    /// Returns what the client does next about a connection that is missing, and why it is.
    pub(super) fn outlook(&self) -> (Next, Option<ConnectError>) {
        match self {
            State::Connecting { attempt, cause } => {
                (Next::Connecting { attempt: *attempt }, cause.clone())
            }
            State::Waiting { attempt, until, cause } => {
                let wait = until.saturating_duration_since(Instant::now());
                (Next::Waiting { attempt: *attempt, wait }, Some(cause.clone()))
            }
            State::Connected(_) | State::Closed => (Next::Nothing, None),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self, State::Closed)
    }
}
