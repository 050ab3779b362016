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

    /// Binds a route to the name under which this side receives. From here on, boxes for it are kept. Boxes that came
    /// before are lost. So if the peer uses a route without being told, bind it before the router is started.
    ///
    /// # Errors
    ///
    /// When the name is bound already or too long, when there are too many routes, and when the
    /// connection has ended.
    pub fn bind(&self, name: impl Into<RouteName>) -> Result<BoundRoute, RouteError> {
        self.bind_name(name.into())
    }

    /// Binds a route to an unused name, which is a number. Tell the peer this name. No two routes of this connection get
    /// the same.
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

    /// Closes the connection, and waits until it has ended. Every route is told. A connection over a route sends the boxes
    /// that it has queued, and ends. All of this takes no longer than
    /// [`RouterLimits::close_timeout`](field@super::RouterLimits::close_timeout).
    ///
    /// # Cancel safety
    ///
    /// Once the future was polled, the connection closes even if it is dropped.
    pub async fn close(&self) {
        self.handle.shared().lock().begin_end(CloseReason::Local);
        self.handle.shared().wake();
        self.closed().await;
    }

    /// Closes the connection once all of its routes are over, or when the time `within` is, and waits until it has ended.
    /// No route can be bound from here on.
    ///
    /// A connection over a route goes on until it is closed, for example by
    /// [`Peer::close_gracefully`](crate::Peer::close_gracefully). So a responder over a route that awaits this waits until
    /// the time is over. A bound route without a connection is over when it is dropped. Routes that are left at the end
    /// are closed as by [`close`](Routes::close), which takes up to
    /// [`RouterLimits::close_timeout`](field@super::RouterLimits::close_timeout) more. If this is called again, the time
    /// of the first call counts. [`close`](Routes::close) cuts it short.
    ///
    /// Returns how many routes were cut off because the time was too short for them.
    ///
    /// # Cancel safety
    ///
    /// Once the future was polled, the connection closes even if it is dropped.
    #[doc(alias("drain", "shutdown"))]
    pub async fn close_gracefully(&self, within: Duration) -> Drained {
        self.handle.shared().lock().end.drain(within);
        self.handle.shared().wake();
        self.closed().await;
        self.handle.shared().lock().drained()
    }

    /// Returns whether no more routes can be bound, because the connection has ended or is about to.
    pub fn is_closed(&self) -> bool {
        let state = self.handle.shared().lock();
        state.end.draining().is_some() || state.end.refusal().is_some()
    }

    /// Resolves to the reason when the connection has ended. Connections over its routes that did not end before have the
    /// same reason.
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
