use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::ToSocketAddrs;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::{PeerCertificates, TlsError};
use crate::argument::PeerAddress;
use crate::connection::{ByteTransport, Connection, NoSignal, Transport};
use crate::dial;
use crate::tcp::prepared;

/// The time that a handshake may take unless another is asked for.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// The time for which a server goes on reading from a client that it refuses, and the bytes.
const FAREWELL: Duration = Duration::from_secs(1);
const FAREWELL_BYTES: u64 = 64 << 10;

/// Connects to a TLS server over TCP, to any of its addresses as
/// [`tcp::connect`](crate::tcp::connect) does. Small boxes are sent at once (`TCP_NODELAY`).
///
/// `server_name` is what the server's certificate must be for: a DNS name or an IP address, without
/// a port.
pub fn connect<'a>(
    address: impl ToSocketAddrs + Send + 'a,
    server_name: &str,
    config: Arc<ClientConfig>,
) -> Handshake<'a> {
    let role = Role::client(server_name, config);
    Handshake::new(async move {
        let role = role?;
        let connected = async { prepared(dial::connect(address).await?) };
        let (stream, address) =
            connected.await.map_err(|error| TlsError::Connect(Arc::new(error)))?;
        Ok(connection(shake(stream, role).await?, address))
    })
}

/// Begins TLS as the client, over a stream that is connected.
///
/// `server_name` is what the server's certificate must be for: a DNS name or an IP address.
pub fn client(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    server_name: &str,
    config: Arc<ClientConfig>,
) -> Handshake<'static> {
    let role = Role::client(server_name, config);
    Handshake::new(async { Ok(connection(shake(stream, role?).await?, PeerAddress::Unknown)) })
}

/// Begins TLS as the server, over a stream that is connected. For all clients of a listener, see
/// [`TlsListener`](super::TlsListener).
pub fn server(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    config: Arc<ServerConfig>,
) -> Handshake<'static> {
    let role = Role::Server(config);
    Handshake::new(async { Ok(connection(shake(stream, role).await?, PeerAddress::Unknown)) })
}

/// A TLS connection that is about to be made. Await it: nothing is done before that.
///
/// # Errors
///
/// See [`TlsError`].
///
/// # Panics
///
/// When it is awaited outside of a tokio runtime with time enabled, and with I/O enabled if it is
/// to [`connect`].
///
/// # Cancel safety
///
/// Dropping the future closes the stream.
#[must_use = "a handshake does nothing before it is awaited"]
pub struct Handshake<'a> {
    /// Until the first poll.
    planned: Option<HandshakeFuture<'a>>,
    /// From then on, within the time, until it has ended.
    begun: Option<HandshakeFuture<'a>>,
    timeout: Duration,
}

type HandshakeFuture<'a> = Pin<Box<dyn Future<Output = Result<Connection, TlsError>> + Send + 'a>>;

impl<'a> Handshake<'a> {
    fn new(future: impl Future<Output = Result<Connection, TlsError>> + Send + 'a) -> Self {
        Self { planned: Some(Box::pin(future)), begun: None, timeout: TIMEOUT }
    }

    /// Sets how long it may take, from its first poll on, connecting to the server included. 10 seconds by
    /// default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl Future for Handshake<'_> {
    type Output = Result<Connection, TlsError>;

    /// A handshake that is over stays pending for ever.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(planned) = self.planned.take() {
            self.begun = Some(Box::pin(within(self.timeout, planned)));
        }
        let Some(begun) = &mut self.begun else { return Poll::Pending };
        let ended = ready!(begun.as_mut().poll(cx));
        self.begun = None;
        Poll::Ready(ended)
    }
}

impl fmt::Debug for Handshake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// The side of a handshake that this side is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Role {
    /// The client, and what the server's certificate must be for.
    Client(ServerName<'static>, Arc<ClientConfig>),
    /// The server.
    Server(Arc<ServerConfig>),
}

impl Role {
    /// Returns the client of the server with this name: a DNS name or an IP address.
    ///
    /// # Errors
    ///
    /// When it is neither.
    pub fn client(name: &str, config: Arc<ClientConfig>) -> Result<Self, TlsError> {
        match ServerName::try_from(name) {
            Ok(name) => Ok(Self::Client(name.to_owned(), config)),
            Err(_) => Err(TlsError::ServerName { name: name.into() }),
        }
    }

    /// Returns the client of a server whose name does not matter, with a configuration of
    /// [`dangerous`](super::dangerous).
    pub fn client_any_name(config: Arc<ClientConfig>) -> Self {
        // An address is never sent to the server.
        Self::Client(ServerName::from(std::net::Ipv4Addr::UNSPECIFIED), config)
    }
}

/// A stream after its handshake, and what the peer has shown in it.
pub(crate) type Shaken<S> = (TlsStream<NoSignal<S>>, Option<PeerCertificates>);

/// Returns the handshake over any stream, with a deadline. A stream whose handshake failed is gone.
pub(crate) async fn handshake<S>(
    stream: S,
    role: Role,
    timeout: Duration,
) -> Result<Shaken<S>, TlsError>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    within(timeout, shake(stream, role)).await
}

/// Returns a connection over what a handshake gave.
pub(super) fn connection<S>((stream, certificates): Shaken<S>, address: PeerAddress) -> Connection
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = Connection::with_transport(transport(stream)).peer_address(address);
    match certificates {
        Some(certificates) => connection.data(certificates),
        None => connection,
    }
}

/// Returns a transport over what a handshake gave.
pub(super) fn transport<S>(stream: TlsStream<NoSignal<S>>) -> impl Transport
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    ByteTransport::over(stream, |stream| &stream.get_ref().0.0)
}

async fn shake<S>(stream: S, role: Role) -> Result<Shaken<S>, TlsError>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let stream = NoSignal(stream);
    let stream = match role {
        Role::Client(name, config) => {
            let connecting = TlsConnector::from(config).connect(name, stream);
            TlsStream::from(connecting.await.map_err(TlsError::in_handshake)?)
        }
        Role::Server(config) => {
            match TlsAcceptor::from(config).accept(stream).into_fallible().await {
                Ok(stream) => TlsStream::from(stream),
                Err((error, stream)) => {
                    say_farewell(stream).await;
                    return Err(TlsError::in_handshake(error));
                }
            }
        }
    };
    let certificates = PeerCertificates::of(stream.get_ref().1);
    Ok((stream, certificates))
}

/// Lets the client see the alert that says why it is refused. It may be sending already, and a
/// socket that is closed with unread bytes resets the connection, which loses the alert.
async fn say_farewell<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let drained = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(FAREWELL_BYTES), &mut tokio::io::sink()).await
    };
    // It has been refused either way.
    let _ = tokio::time::timeout(FAREWELL, drained).await;
}

async fn within<T>(
    after: Duration,
    future: impl Future<Output = Result<T, TlsError>>,
) -> Result<T, TlsError> {
    tokio::time::timeout(after, future).await.unwrap_or(Err(TlsError::Timeout { after }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_have_as_long_as_the_table_of_servers_says() {
        let row = format!("/// | TLS handshakes | {} seconds each:", TIMEOUT.as_secs());
        assert!(include_str!("../server.rs").contains(&row), "{row}");
    }
}
