use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::Routes;
use super::driver::Driver;
use super::shared::{Handle, Shared};
use crate::argument::PeerAddress;
use crate::boxes::BoxLimits;
use crate::connection::{ByteStream, Transport};
use crate::error::CloseReason;
use crate::runtime;

/// A connection that many conversations are about to share: see the [module](super).
///
/// It is driven by [`spawn`](Router::spawn) or [`run`](Router::run). Dropping it ends its routes.
#[must_use = "a router does nothing before it is spawned or run"]
pub struct Router {
    driver: Driver,
    shared: Arc<Shared>,
}

/// What a routed connection holds at most, beside what the connections over its routes hold by
/// their own [`Limits`](crate::Limits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterLimits {
    /// How large a received box may be; room for its `_route` is added. Over it, the connection
    /// ends and all routes with it. What is larger than the limit of the connection over the route
    /// ends that one only, so this is the largest of them. A connection over a route sends no
    /// larger box either.
    pub boxes: BoxLimits,
    /// Routes that are bound at once. 1024 by default. Over it, binding fails.
    pub routes: usize,
    /// Bytes that were received for a route and that it has not read. 1 MiB by default, for each
    /// route. Over it nothing is read from the peer, which is thereby slowed down on all routes,
    /// until the route is read from. Boxes are never cut, so a box more may wait.
    pub receive_queue: usize,
    /// How long the others wait for a route over `receive_queue`. 5 seconds by default. Then the
    /// route ends with [`RouteError::Stalled`](super::RouteError::Stalled), and the others go on.
    pub stall_timeout: Duration,
    /// Bytes that a route has queued before it has to wait for room. 64 KiB by default, for each
    /// route. Boxes are never cut, so a box more may wait.
    pub send_queue: usize,
    /// How long the end of the connection may take: sending what the routes have queued, and
    /// waiting until the peer has closed its side. 5 seconds by default.
    pub close_timeout: Duration,
}

impl Default for RouterLimits {
    fn default() -> Self {
        Self {
            boxes: BoxLimits::default(),
            routes: 1024,
            receive_queue: 1 << 20,
            stall_timeout: Duration::from_secs(5),
            send_queue: 64 << 10,
            close_timeout: Duration::from_secs(5),
        }
    }
}

impl Router {
    /// Routes over a stream of bytes, as [`Connection::new`](crate::Connection::new) takes.
    pub fn new(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        Self::with_transport(ByteStream::new(stream))
    }

    /// Routes over a TCP stream that is connected. Small boxes are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// When the stream is not connected any more.
    pub fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let address = stream.peer_addr()?;
        Ok(Self::new(stream).peer_address(address))
    }

    /// Routes over a transport of one's own. Attachments that the peer sends are dropped.
    pub fn with_transport(transport: impl Transport) -> Self {
        let shared = Arc::new(Shared::default());
        shared.lock().address = transport.peer_address();
        let driver = Driver::new(Box::pin(transport), Arc::clone(&shared));
        Self { driver, shared }
    }

    /// What the connection holds at most. A queue can always take one box, also where its limit is
    /// zero.
    pub fn limits(mut self, limits: RouterLimits) -> Self {
        self.shared.lock().table.limits = limits;
        self.driver.set_limits(limits);
        self
    }

    /// Where the peer is, for the connections over the routes. A transport that knows says so by
    /// itself.
    pub fn peer_address(self, address: impl Into<PeerAddress>) -> Self {
        self.shared.lock().address = address.into();
        self
    }

    /// Binds routes.
    pub fn routes(&self) -> Routes {
        Routes::new(Handle::new(&self.shared))
    }

    /// Starts the connection on a task of its own.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time enabled.
    #[must_use = "the connection closes when its last routes are dropped"]
    #[track_caller]
    pub fn spawn(self) -> Routes {
        let runtime = runtime::with_timers();
        let routes = self.routes();
        runtime.spawn(self.driver);
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
    pub async fn run(self) -> CloseReason {
        runtime::with_timers();
        self.driver.await
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").finish_non_exhaustive()
    }
}
