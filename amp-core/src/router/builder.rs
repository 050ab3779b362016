use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::{Instrument, Span};

use super::driver::RouterDriver;
use super::limits::RouterLimits;
use super::routes::Routes;
use super::shared::{RoutesHandle, SharedRoutes};
use crate::argument::PeerAddress;
use crate::connection::{ByteTransport, Transport};
use crate::error::CloseReason;
use crate::{observing, runtime};

/// A connection that many conversations are about to share: see the [module](super).
///
/// It is driven by [`spawn`](Router::spawn) or [`run`](Router::run). Dropping it ends its routes.
#[must_use = "a router does nothing before it is spawned or run"]
pub struct Router {
    driver: RouterDriver,
    shared: Arc<SharedRoutes>,
}

impl Router {
    /// Routes over a stream of bytes, as [`Connection::new`](crate::Connection::new) takes.
    pub fn new(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        Self::with_transport(ByteTransport::new(stream))
    }

    /// Routes over a transport of one's own. Attachments that the peer sends are dropped.
    pub fn with_transport(transport: impl Transport) -> Self {
        let shared = Arc::new(SharedRoutes::default());
        shared.lock().address = transport.peer_address();
        let driver = RouterDriver::new(Box::pin(transport), Arc::clone(&shared));
        Self { driver, shared }
    }

    /// Sets what the connection holds at most. A queue can always take one box, also where its
    /// limit is zero.
    pub fn limits(mut self, limits: RouterLimits) -> Self {
        self.shared.lock().table.limits = limits;
        self.driver.set_limits(limits);
        self
    }

    /// Closes the connection when nothing was received for so long, with
    /// [`CloseReason::Idle`](crate::CloseReason::Idle). No end by default.
    ///
    /// Anything that comes counts, be it a part of a box and for whatever route. While nothing is read
    /// because a route is full, no time passes: see
    /// [`stall_timeout`](field@RouterLimits::stall_timeout).
    pub fn idle_timeout(mut self, after: Duration) -> Self {
        self.driver.set_idle_timeout(after);
        self
    }

    /// Sets where the peer is, for the connections over the routes. A transport that knows says so
    /// by itself.
    pub fn peer_address(self, address: impl Into<PeerAddress>) -> Self {
        self.shared.lock().address = address.into();
        self
    }

    /// Binds routes.
    pub fn routes(&self) -> Routes {
        Routes::new(RoutesHandle::new(&self.shared))
    }

    /// Starts the connection on a task of its own.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time enabled.
    #[must_use = "the connection closes when its last routes are dropped"]
    #[track_caller]
    pub fn spawn(mut self) -> Routes {
        let runtime = runtime::with_timers();
        self.driver.starts_on(&runtime);
        let (routes, span) = (self.routes(), self.span());
        runtime.spawn(self.driver.instrument(span));
        routes
    }

    /// Runs the connection until it ends, and says why it did. It ends at once when there is
    /// neither a route nor a [`Routes`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the connection at once: what is queued is lost.
    ///
    /// # Panics
    ///
    /// When it is first polled outside of a tokio runtime with time enabled.
    pub async fn run(mut self) -> CloseReason {
        self.driver.starts_on(&runtime::with_timers());
        let span = self.span();
        self.driver.instrument(span).await
    }

    /// Returns the span that its driver runs in.
    fn span(&self) -> Span {
        observing::span_of_router(&self.shared.lock().address)
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").finish_non_exhaustive()
    }
}
