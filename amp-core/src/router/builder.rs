use std::any::Any;
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
use crate::connection::{Connection, Transport};
use crate::error::CloseReason;
use crate::{observing, runtime};

/// A connection that many conversations share: see the [module](super).
///
/// [`spawn`](Router::spawn) or [`run`](Router::run) starts it. Dropping it ends its routes.
#[must_use = "a router does nothing before it is spawned or run"]
pub struct Router {
    driver: RouterDriver,
    shared: Arc<SharedRoutes>,
}

impl Router {
    /// Routes over a stream of bytes, like [`Connection::new`](crate::Connection::new).
    pub fn new(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        Connection::new(stream).into()
    }

    /// Routes over two streams, one for each direction, like
    /// [`Connection::from_halves`](crate::Connection::from_halves).
    pub fn from_halves(
        reader: impl AsyncRead + Send + 'static,
        writer: impl AsyncWrite + Send + 'static,
    ) -> Self {
        Connection::from_halves(reader, writer).into()
    }

    /// Routes over a transport of your own. Attachments that the peer sends are dropped.
    pub fn with_transport(transport: impl Transport) -> Self {
        Connection::with_transport(transport).into()
    }

    /// Sets how much the connection may hold. A queue can always take one box, even where its limit is
    /// zero.
    pub fn limits(mut self, limits: RouterLimits) -> Self {
        self.shared.lock().table.limits = limits;
        self.driver.set_limits(limits);
        self
    }

    /// Closes the connection, with [`CloseReason::Idle`](crate::CloseReason::Idle), when nothing was
    /// received for this long. No timeout by default.
    ///
    /// Anything that is received counts, even a part of a box, for any route. While nothing is read
    /// because a route is full, the time does not run: see
    /// [`stall_timeout`](field@RouterLimits::stall_timeout).
    pub fn idle_timeout(mut self, after: Duration) -> Self {
        self.driver.set_idle_timeout(after);
        self
    }

    /// Sets the address of the peer, for the connections over the routes. This is only needed for a
    /// transport that does not know the address.
    pub fn peer_address(self, address: impl Into<PeerAddress>) -> Self {
        self.shared.lock().address = address.into();
        self
    }

    /// Sets a value that each connection over a route begins with, as
    /// [`Connection::data`](crate::Connection::data) sets one.
    pub fn data<T: Any + Send + Sync>(self, value: T) -> Self {
        self.shared.lock().data.insert(value);
        self
    }

    /// Returns a handle that binds routes.
    pub fn routes(&self) -> Routes {
        Routes::new(RoutesHandle::new(&self.shared))
    }

    /// Starts the connection on a task of its own.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with time enabled.
    #[must_use = "the connection closes when its last routes are dropped"]
    #[track_caller]
    pub fn spawn(mut self) -> Routes {
        let runtime = runtime::with_timers();
        self.driver.starts_on(&runtime);
        let (routes, span) = (self.routes(), self.span());
        runtime.spawn(self.driver.instrument(span));
        routes
    }

    /// Runs the connection until it ends, and returns the reason. It ends at once when there is neither
    /// a route nor a [`Routes`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the connection at once, and boxes that are queued are lost.
    ///
    /// # Panics
    ///
    /// Panics when it is first polled outside of a tokio runtime with time enabled.
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

/// Routes over the transport of a connection, made by `tls::connect`, by a [`Listener`](crate::Listener) or by
/// `amp_unix::connect`. The connections over the routes begin with the address and the data of this connection, such as
/// the certificates or the credentials of the peer. All other settings of the connection are dropped. Attachments that the
/// peer sends are dropped too.
///
/// ```
/// # async fn f(mut listener: impl amp_core::Listener) -> std::io::Result<()> {
/// use amp_core::router::Router;
///
/// let router = Router::from(listener.accept().await?);
/// # drop(router);
/// # Ok(()) }
/// ```
impl From<Connection> for Router {
    fn from(connection: Connection) -> Self {
        let (transport, address, data) = connection.into_shared();
        let shared = Arc::new(SharedRoutes::default());
        {
            let mut state = shared.lock();
            state.address = address;
            state.data = data;
        }
        let driver = RouterDriver::new(transport, Arc::clone(&shared));
        Self { driver, shared }
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").finish_non_exhaustive()
    }
}
