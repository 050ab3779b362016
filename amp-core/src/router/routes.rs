use std::fmt;
use std::time::Duration;

use super::shared::RoutesHandle;
use super::{BoundRoute, RouteError, RouteName};
use crate::connection::Drained;
use crate::error::CloseReason;

/// Binds the routes of a connection, before it starts and while it runs. It can be cloned, and
/// stored as the data of a connection over one of the routes, for responders that open others.
///
/// The connection closes when the last clone and the last route are dropped.
#[derive(Clone)]
pub struct Routes {
    handle: RoutesHandle,
}

impl Routes {
    pub(super) fn new(handle: RoutesHandle) -> Self {
        Self { handle }
    }

    /// Binds a route to the name under which this side receives. From here on what comes for it
    /// is kept; boxes that came before had nowhere to go and are lost. So what the peer uses
    /// without being told is bound before the router is started.
    ///
    /// # Errors
    ///
    /// When the name is bound already or too long, when there are too many routes, and when the
    /// connection has ended.
    pub fn bind(&self, name: impl Into<RouteName>) -> Result<BoundRoute, RouteError> {
        self.bind_name(name.into())
    }

    /// Binds a route to a name of its own, a number, for the peer to be told. No two routes of
    /// this connection get the same.
    ///
    /// # Errors
    ///
    /// When there are too many routes, and when the connection has ended.
    pub fn bind_unused(&self) -> Result<BoundRoute, RouteError> {
        let name = self.handle.shared().lock().table.unused_name();
        self.bind_name(name)
    }

    fn bind_name(&self, name: RouteName) -> Result<BoundRoute, RouteError> {
        let handle = self.handle.clone();
        let id = {
            let mut state = handle.shared().lock();
            if state.end.draining().is_some() {
                return Err(RouteError::Closed(CloseReason::Local));
            }
            state.table.bind(&name)?
        };
        Ok(BoundRoute::new(handle, id, name))
    }

    /// Closes the connection, and waits until it has ended. Every route is told so; a connection
    /// over one sends what it has queued and is done. All of it has
    /// [`RouterLimits::close_timeout`](field@super::RouterLimits::close_timeout).
    ///
    /// # Cancel safety
    ///
    /// Once polled, the connection closes even when the future is dropped.
    pub async fn close(&self) {
        self.handle.shared().lock().begin_end(CloseReason::Local);
        self.handle.shared().wake();
        self.closed().await;
    }

    /// Closes the connection once all of its routes are over, but `within` this time; waits until it
    /// has ended. No route is bound from here on.
    ///
    /// A connection over a route goes on until it is closed, by
    /// [`Peer::close_gracefully`](crate::Peer::close_gracefully) for one: so a responder over a route
    /// that awaits this waits until the time is over. A route that is bound and that nothing is connected
    /// over is not over either, until it is dropped. Those that are left then are closed as by
    /// [`close`](Routes::close), which takes up to
    /// [`RouterLimits::close_timeout`](field@super::RouterLimits::close_timeout) more. When this is
    /// called again the first time given counts; [`close`](Routes::close) cuts it short.
    ///
    /// Returns how many routes were cut off, which the time was too short for.
    ///
    /// # Cancel safety
    ///
    /// Once polled, the connection closes even when the future is dropped.
    #[doc(alias("drain", "shutdown"))]
    pub async fn close_gracefully(&self, within: Duration) -> Drained {
        self.handle.shared().lock().end.drain(within);
        self.handle.shared().wake();
        self.closed().await;
        self.handle.shared().lock().drained()
    }

    /// Returns whether no more routes can be bound: the connection has ended, or is about to.
    pub fn is_closed(&self) -> bool {
        let state = self.handle.shared().lock();
        state.end.draining().is_some() || state.end.refusal().is_some()
    }

    /// Resolves when the connection has ended, to the reason. It is that of the connections over
    /// its routes too, unless they ended before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn closed(&self) -> CloseReason {
        let shared = self.handle.shared();
        loop {
            let ended = shared.ended.notified();
            if let Some(reason) = shared.lock().end.over() {
                return reason.clone();
            }
            ended.await;
        }
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").finish_non_exhaustive()
    }
}
