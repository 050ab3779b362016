use amp_core::Connection;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::Instant;

use crate::{IUnixTransport, PeerCredentials, UnixTransport, name};

/// Returns a connection over a transport that carries descriptors.
///
/// For a Unix socket, use [`connection`], which adds the peer's credentials.
pub fn connection_over(transport: impl IUnixTransport) -> Connection {
    Connection::with_transport(UnixTransport::new(transport))
}

/// Returns a connection over a Unix socket. The [`PeerCredentials`] are part of the connection's data:
/// `context.get::<PeerCredentials>()` returns them.
///
/// # Errors
///
/// When the system does not say who the peer is, for example because the socket is not connected.
pub fn connection(stream: UnixStream) -> io::Result<Connection> {
    let credentials = PeerCredentials::of(&stream)?;
    Ok(credentials.of_peer(connection_over(stream)))
}

/// The time that [`connect`] waits for room in a server's backlog.
const PATIENCE: Duration = Duration::from_secs(10);

/// The wait before its second attempt, and twice as long before each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(1);

/// The wait between two attempts at most.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Connects to the server that listens at `path`, or on Linux and Android under an abstract name,
/// which begins with a NUL byte: `"\0name"`.
///
/// [`spawn`](Connection::spawn) starts the connection, and returns the [`Peer`](amp_core::Peer) to
/// call. This is for Unix sockets what [`tcp::connect`](amp_core::tcp::connect) is for TCP.
///
/// While the server's backlog is full of clients that wait to be accepted, this waits for room, as a
/// blocking `connect` does. No event says that there is room, so it tries again every 20
/// milliseconds, for at most 10 seconds. Use [`tokio::time::timeout`] to wait for less.
///
/// # Errors
///
/// When nobody listens there, when this user may not connect, when the backlog stays full
/// ([`TimedOut`](io::ErrorKind::TimedOut)), and the errors of [`connection`]. Each error names the
/// path. Its [`source`](std::error::Error::source) is the error of the system.
///
/// # Panics
///
/// Outside of a tokio runtime with I/O and time enabled.
///
/// # Cancel safety
///
/// Dropping the future leaves nothing behind.
#[doc(alias = "connectUNIX")]
pub async fn connect(path: impl AsRef<Path>) -> io::Result<Connection> {
    let path = path.as_ref();
    let stream = connect_stream(path).await?;
    connection(stream).map_err(|error| name::at_path("connect to", path, error))
}

/// Connects to a server as [`connect`] does, and returns the stream. Use it for anything that does not begin
/// with boxes, such as TLS from the start or a proxy.
///
/// # Errors
///
/// As [`connect`].
///
/// # Panics
///
/// As [`connect`].
///
/// # Cancel safety
///
/// Dropping the future leaves nothing behind.
pub async fn connect_stream(path: impl AsRef<Path>) -> io::Result<UnixStream> {
    let path = path.as_ref();
    stream_to(path).await.map_err(|error| name::at_path("connect to", path, error))
}

async fn stream_to(path: &Path) -> io::Result<UnixStream> {
    name::check(path)?;
    let deadline = Instant::now() + PATIENCE;
    let mut pause = FIRST_PAUSE;
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
        if Instant::now() >= deadline {
            let text = format!("its backlog has been full for {PATIENCE:?}");
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        tokio::time::sleep(pause).await;
        pause = LONGEST_PAUSE.min(2 * pause);
    }
}
