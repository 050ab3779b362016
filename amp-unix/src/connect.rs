use amp_core::Connection;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::Instant;

use crate::{IUnixTransport, PeerCredentials, UnixTransport, name};

/// Returns a connection over a transport that carries descriptors.
///
/// Over a Unix socket, [`connection`] adds who the peer is.
pub fn connection_over(transport: impl IUnixTransport) -> Connection {
    Connection::with_transport(UnixTransport::new(transport))
}

/// Returns a connection over a Unix socket. The peer's [`PeerCredentials`] are data of the
/// connection: `context.get::<PeerCredentials>()`.
///
/// # Errors
///
/// When the system does not say who the peer is, as when the socket is not connected.
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
/// [`spawn`](Connection::spawn) starts it, and gives the [`Peer`](amp_core::Peer) to call. This is
/// to Unix sockets what [`tcp::connect`](amp_core::tcp::connect) is to TCP.
///
/// While as many clients wait to be accepted as the server's backlog holds, this waits for room, as
/// a blocking `connect` does. No event says that there is room, so it tries again, every 20
/// milliseconds, for 10 seconds at most. [`tokio::time::timeout`]
/// makes that shorter.
///
/// # Errors
///
/// When nobody listens there, or this user may not connect;
/// [`TimedOut`](io::ErrorKind::TimedOut) when the backlog stays full; and those of
/// [`connection`]. Each names the path; its [`source`](std::error::Error::source) is the error of
/// the system.
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
    let connected = async { connection(stream_to(path).await?) };
    connected.await.map_err(|error| name::at_path("connect to", path, error))
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
