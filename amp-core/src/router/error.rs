use std::io;
use std::time::Duration;

use super::RouteName;
use crate::boxes::{BoxError, MAX_VALUE};
use crate::error::CloseReason;

/// A route that cannot be bound, or that has ended by itself.
///
/// The connection over a route that has ended by itself has a
/// [`CloseReason::Io`](crate::CloseReason::Io) with this error in it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// The name is bound to another route of the same connection.
    #[error("the {name} is bound already")]
    Bound {
        /// The name.
        name: RouteName,
    },
    /// The name does not fit into a value.
    #[error("a route's name of {len} bytes is over the limit of {MAX_VALUE}")]
    NameTooLong {
        /// The name's length in bytes.
        len: usize,
    },
    /// There are as many routes bound as
    /// [`RouterLimits::routes`](field@super::RouterLimits::routes) allows.
    #[error("{limit} routes are bound already, which is the limit")]
    TooMany {
        /// The limit, in routes.
        limit: usize,
    },
    /// The connection that the routes share has ended, or is about to.
    #[error("the connection that the routes share is closed")]
    Closed(#[source] CloseReason),
    /// Nobody read what came for this route, and the other routes had to wait for that.
    #[error(
        "the {name} was not read from for {after:?}, with {waiting} bytes waiting and a limit of \
         {limit}"
    )]
    Stalled {
        /// The route's name on this side.
        name: RouteName,
        /// The bytes that had come for it.
        waiting: usize,
        /// [`RouterLimits::receive_queue`](field@super::RouterLimits::receive_queue), in bytes.
        limit: usize,
        /// [`RouterLimits::stall_timeout`](field@super::RouterLimits::stall_timeout).
        after: Duration,
    },
    /// Something other than boxes was to be sent over the route: another protocol, or TLS.
    #[error("a route carries boxes and nothing else")]
    NotBoxes(#[from] BoxError),
}

impl From<RouteError> for io::Error {
    fn from(error: RouteError) -> Self {
        io::Error::other(error)
    }
}
