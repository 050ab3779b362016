use amp_core::Connection;
use std::io;
use std::path::Path;
use tokio::net::UnixStream;

use crate::{IUnixTransport, PeerCredentials, UnixTransport, name};

/// A connection over a transport that carries descriptors.
///
/// Over a Unix socket, [`connection`] adds who the peer is.
pub fn connection_over(transport: impl IUnixTransport) -> Connection {
    Connection::with_transport(UnixTransport::new(transport))
}

/// A connection over a Unix socket. The peer's [`PeerCredentials`] are data of the connection:
/// `context.get::<PeerCredentials>()`.
///
/// # Errors
///
/// When the system does not say who the peer is, as when the socket is not connected.
pub fn connection(stream: UnixStream) -> io::Result<Connection> {
    let credentials = PeerCredentials::of(&stream)?;
    Ok(connection_over(stream).data(credentials))
}

/// Connects to the server that listens at `path`, or on Linux and Android under an abstract name,
/// which begins with a NUL byte: `"\0name"`.
///
/// [`spawn`](Connection::spawn) starts it, and gives the [`Peer`](amp_core::Peer) to call.
///
/// # Errors
///
/// When nobody listens there, or this user may not connect.
///
/// # Cancel safety
///
/// Dropping the future leaves nothing behind.
pub async fn connect(path: impl AsRef<Path>) -> io::Result<Connection> {
    name::check(path.as_ref())?;
    connection(UnixStream::connect(path).await?)
}
