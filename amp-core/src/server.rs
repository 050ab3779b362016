//! Servers: accept connections and serve them until told to stop.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::connection::{CloseReason, Connection, Peer};
use crate::responder::Responders;

/// How long a server waits before it accepts again when it cannot, for want of descriptors or
/// memory.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Accepts connections: a [`TcpListener`], `amp_unix::UnixSocketListener`, or one of your own.
pub trait Listener: Send + 'static {
    /// Waits for the next connection.
    ///
    /// # Errors
    ///
    /// When it could not be accepted. The server tries again: at once if the error is about that
    /// one connection, such as `ConnectionAborted`, and after a pause otherwise.
    ///
    /// # Cancel safety
    ///
    /// A server drops the future when it is told to stop. Dropping it must not lose a connection
    /// that a later call could accept.
    fn accept(&mut self) -> impl Future<Output = io::Result<Connection>> + Send;
}

impl Listener for TcpListener {
    async fn accept(&mut self) -> io::Result<Connection> {
        let (stream, _) = TcpListener::accept(self).await?;
        Connection::tcp(stream)
    }
}

/// Connects to a TCP server to call it. For a connection that also answers calls, or with other
/// settings, see [`Connection::connect_tcp`].
///
/// # Errors
///
/// When the connection cannot be made.
///
/// # Cancel safety
///
/// Dropping the future leaves nothing behind.
pub async fn connect_tcp(address: impl ToSocketAddrs) -> io::Result<Peer> {
    Ok(Connection::connect_tcp(address).await?.spawn())
}

/// Serves every connection that `listener` accepts with the same responders: await what it
/// returns.
///
/// ```no_run
/// # async fn f() -> std::io::Result<()> {
/// use amp_core::Responders;
///
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:1234").await?;
/// amp_core::serve(listener, Responders::new(())).await;
/// # Ok(()) }
/// ```
///
/// On a task of its own, and until it is told to stop:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
/// # use amp_core::Responders;
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
/// let server = amp_core::serve(listener, Responders::new(())).shutdown_on(stopped);
/// let server = tokio::spawn(server.into_future());
/// // ...
/// drop(stop);
/// server.await?;
/// # Ok(()) }
/// ```
pub fn serve<L: Listener, S: Send + Sync + 'static>(
    listener: L,
    responders: Responders<S>,
) -> Serve<L> {
    serve_with(listener, move |connection| connection.responders(responders.clone()))
}

/// Serves every connection that `listener` accepts as `prepare` says, which is called for each:
/// with responders, limits, data of its own.
pub fn serve_with<L: Listener>(
    listener: L,
    prepare: impl FnMut(Connection) -> Connection + Send + 'static,
) -> Serve<L> {
    Serve { listener, prepare: Box::new(prepare), shutdown: Box::pin(std::future::pending()) }
}

/// A server that is about to run: await it.
///
/// It runs until it is told to stop, or for ever. Dropped, it ends its connections at once.
#[must_use = "a server does nothing before it is awaited"]
pub struct Serve<L> {
    listener: L,
    prepare: Box<dyn FnMut(Connection) -> Connection + Send>,
    shutdown: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl<L: Listener> Serve<L> {
    /// Stops the server when `signal` resolves, to whatever: it accepts no more, running responders
    /// finish and their answers are sent, and the connections are closed, each within its
    /// [`close_timeout`](crate::Limits::close_timeout). Then the server's future resolves.
    pub fn shutdown_on<F>(mut self, signal: F) -> Self
    where
        F: Future + Send + 'static,
    {
        self.shutdown = Box::pin(async { drop(signal.await) });
        self
    }

    async fn run(self) {
        let Self { mut listener, mut prepare, mut shutdown } = self;
        let (stop, stopped) = watch::channel(());
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok(connection) => {
                    connections.spawn(run_until(prepare(connection), stopped.clone()));
                }
                Err(error) if concerns_one_connection(&error) => {
                    tracing::debug!(%error, "a connection was lost before it was accepted");
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::select! {
                        () = &mut shutdown => break,
                        () = tokio::time::sleep(ACCEPT_AGAIN) => {}
                    }
                }
            }
        }
        drop((listener, stop));
        while connections.join_next().await.is_some() {}
    }
}

impl<L: Listener> IntoFuture for Serve<L> {
    type Output = ();
    type IntoFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<L: fmt::Debug> fmt::Debug for Serve<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve").field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// Runs a connection, and closes it when the server stops.
async fn run_until(connection: Connection, mut stopped: watch::Receiver<()>) {
    let (peer, driver) = connection.start();
    let mut driver = pin!(driver);
    tokio::select! {
        _ = &mut driver => return,
        // The server holds the sending side, and drops it to stop.
        _ = stopped.changed() => {}
    }
    peer.shared().close(&CloseReason::Local, true);
    driver.await;
}

fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | NotConnected)
}
