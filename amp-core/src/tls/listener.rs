use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::rustls::ServerConfig;

use super::handshake::{Role, TIMEOUT, connection, handshake};
use crate::argument::PeerAddress;
use crate::connection::Connection;
use crate::descriptors::Descriptors;
use crate::report::Report;
use crate::restraint::{Restraint, restrained};
use crate::server::Listener;
use crate::tcp::{KeepaliveListener, prepared_to};

/// Accepts streams: a [`TcpListener`], or something of your own.
pub trait AcceptStream: Send + 'static {
    /// The stream that is accepted.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for the next stream, and says where its other end is.
    ///
    /// # Errors
    ///
    /// When it could not be accepted; see [`Listener::accept`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future must not lose a stream that a later call could accept: it is dropped
    /// often.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Stream, PeerAddress)>> + Send;
}

impl AcceptStream for TcpListener {
    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, PeerAddress)> {
        let (stream, address) = TcpListener::accept(self).await?;
        prepared_to(stream, address)
    }
}

impl AcceptStream for KeepaliveListener {
    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, PeerAddress)> {
        let (stream, address) = self.accept_stream().await?;
        prepared_to(stream, address)
    }
}

/// Accepts TLS connections, to be given to [`serve`](crate::serve).
///
/// Several handshakes run at once, while others are accepted. So a client that is slow, or that never says anything, holds
/// nobody up. A handshake that fails is logged at debug level, and ends its stream. When the listener is dropped, all of
/// them end.
#[must_use = "nothing is accepted before a server has the listener"]
pub struct TlsListener<L> {
    listener: L,
    config: Arc<ServerConfig>,
    timeout: Duration,
    max_handshakes: usize,
    /// Each gives a connection, unless the handshake fails.
    handshakes: JoinSet<Option<Connection>>,
    /// Restrains the events that tell of handshakes which panicked.
    panics: Restraint,
}

impl<L: AcceptStream> TlsListener<L> {
    /// Accepts the streams that `listener` accepts, and does the handshakes.
    pub fn new(listener: L, config: Arc<ServerConfig>) -> Self {
        let handshakes = JoinSet::new();
        let panics = Restraint::default();
        let max_handshakes = Descriptors::by_default().handshakes;
        Self { listener, config, timeout: TIMEOUT, max_handshakes, handshakes, panics }
    }

    /// Sets how long a handshake may take. 10 seconds by default.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how many handshakes may be under way at once, at least one. Finished handshakes count too, until the server has
    /// room for their connections. The default is an eighth of the descriptors that the process may have (`RLIMIT_NOFILE`),
    /// but 1024 at most: 128 of 1024. At this number, no more streams are accepted until one of them is done, or has taken
    /// too long.
    pub fn max_handshakes(mut self, max: usize) -> Self {
        self.max_handshakes = max.max(1);
        self
    }
}

impl<L: AcceptStream> Listener for TlsListener<L> {
    async fn accept(&mut self) -> io::Result<Connection> {
        loop {
            let room = self.handshakes.len() < self.max_handshakes;
            tokio::select! {
                biased;
                Some(done) = self.handshakes.join_next() => match done {
                    Ok(Some(connection)) => return Ok(connection),
                    Ok(None) => {}
                    // A verifier or resolver of the user's has panicked.
                    Err(error) => {
                        let error = Report::new(&error);
                        restrained!(self.panics, error, "a TLS handshake failed", %error);
                    }
                },
                accepted = self.listener.accept(), if room => {
                    let (stream, address) = accepted?;
                    let config = Arc::clone(&self.config);
                    self.handshakes.spawn(accepted_connection(stream, address, config, self.timeout));
                }
            }
        }
    }
}

impl<L: fmt::Debug> fmt::Debug for TlsListener<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsListener")
            .field("listener", &self.listener)
            .field("handshakes", &self.handshakes.len())
            .finish_non_exhaustive()
    }
}

async fn accepted_connection<S>(
    stream: S,
    address: PeerAddress,
    config: Arc<ServerConfig>,
    timeout: Duration,
) -> Option<Connection>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match handshake(stream, Role::Server(config), timeout).await {
        Ok(shaken) => Some(connection(shaken, address)),
        Err(error) => {
            tracing::debug!(peer = %address, error = %Report::new(&error), "a TLS handshake failed");
            None
        }
    }
}
