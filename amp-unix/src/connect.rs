use amp_core::Connection;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::time::Instant;

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

/// How long [`connect`] waits for room in a server's backlog.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long it waits between two attempts, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));

/// Connects to the server that listens at `path`, or on Linux and Android under an abstract name,
/// which begins with a NUL byte: `"\0name"`.
///
/// [`spawn`](Connection::spawn) starts it, and gives the [`Peer`](amp_core::Peer) to call. This is
/// to Unix sockets what [`Connection::connect_tcp`] is to TCP.
///
/// While as many clients wait to be accepted as the server's backlog holds, this waits for room, as
/// a blocking `connect` does. No event says that there is room, so it tries again, every 20
/// milliseconds, for 10 seconds at most. Who wants to wait for less uses
/// [`tokio::time::timeout`].
///
/// # Errors
///
/// When nobody listens there, or this user may not connect;
/// [`TimedOut`](io::ErrorKind::TimedOut) when the backlog stays full; and those of
/// [`connection`]. Each names the path.
///
/// # Panics
///
/// Outside of a tokio runtime with I/O and time enabled.
///
/// # Cancel safety
///
/// Dropping the future leaves nothing behind.
pub async fn connect(path: impl AsRef<Path>) -> io::Result<Connection> {
    let path = path.as_ref();
    let connected = async { connection(stream_to(path).await?) };
    connected.await.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot connect to {}: {error}", name::shown(path)))
    })
}

async fn stream_to(path: &Path) -> io::Result<UnixStream> {
    name::check(path)?;
    let deadline = Instant::now() + PATIENCE;
    let mut pause = PAUSES.0;
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
        pause = PAUSES.1.min(2 * pause);
    }
}

/// A connection to a child process that is about to be started, and the child's end of it. It
/// carries descriptors, both ways.
///
/// The child gets its end as its standard input, and takes it with
/// [`inherited::socket`](crate::inherited::socket):
///
/// ```no_run
/// # use std::process::Command;
/// # async fn f() -> std::io::Result<()> {
/// let (connection, end) = amp_unix::socketpair()?;
/// let child = Command::new("worker").stdin(end).spawn()?;
/// let peer = connection.spawn();
/// # Ok(()) }
/// # async fn child() -> std::io::Result<()> {
/// // In the child:
/// let peer = amp_unix::inherited::socket(0)?.spawn();
/// # Ok(()) }
/// ```
///
/// A child that needs its standard input for something else gets its end under another number. The
/// crate `command-fds` does that, without `unsafe`:
///
/// ```no_run
/// # use std::process::Command;
/// # async fn f() -> std::io::Result<()> {
/// use command_fds::{CommandFdExt, FdMapping};
///
/// let (connection, end) = amp_unix::socketpair()?;
/// let mut command = Command::new("worker");
/// command.fd_mappings(vec![FdMapping { parent_fd: end, child_fd: 3 }]).expect("one number");
/// let child = command.spawn()?;
/// drop(command);
/// # Ok(()) }
/// ```
///
/// The `Command` owns the child's end here, and must be dropped: as long as anyone has that end
/// open, this side does not see that the child is gone. Both ends are close-on-exec, so that no
/// other program inherits them.
///
/// This side has no [`PeerCredentials`]: the kernel would name who made the pair, which is this
/// process. A child in another language finds a plain blocking socket.
///
/// To connect two tasks of one process, use tokio's [`UnixStream::pair`] and [`connection`]; for a
/// child that wants two pipes, [`child_pipes`].
///
/// # Errors
///
/// When this process may have no more open files.
///
/// # Panics
///
/// Outside of a tokio runtime with I/O enabled.
pub fn socketpair() -> io::Result<(Connection, OwnedFd)> {
    let (near, far) = std::os::unix::net::UnixStream::pair()?;
    near.set_nonblocking(true)?;
    Ok((connection_over(UnixStream::from_std(near)?), far.into()))
}

/// A connection over two pipes to a child process that is about to be started, and the child's ends of
/// them. Pipes carry no descriptors.
///
/// The workers of Twisted's `trial`, and the children of `ampoule`, read from 3 and write to 4, as
/// [`inherited::pipes`](crate::inherited::pipes) does for those in Rust. Their standard streams stay
/// what they are. The crate `command-fds` gives them their numbers, without `unsafe`:
///
/// ```no_run
/// # use std::process::Command;
/// # async fn f() -> std::io::Result<()> {
/// use amp_unix::ChildPipes;
/// use command_fds::{CommandFdExt, FdMapping};
///
/// let (connection, ChildPipes { reader, writer }) = amp_unix::child_pipes()?;
/// let mut command = Command::new("worker");
/// let mappings = vec![
///     FdMapping { parent_fd: reader, child_fd: 3 },
///     FdMapping { parent_fd: writer, child_fd: 4 },
/// ];
/// command.fd_mappings(mappings).expect("two numbers");
/// let child = command.spawn()?;
/// drop(command);
/// let peer = connection.spawn();
/// # Ok(()) }
/// # async fn child() -> std::io::Result<()> {
/// // In the child:
/// let peer = amp_unix::inherited::pipes(3, 4)?.spawn();
/// # Ok(()) }
/// ```
///
/// The `Command` owns the child's ends here, and must be dropped: as long as anyone has them open,
/// neither side sees that the other is gone. For a child that uses its standard input and output, give
/// them to [`Command::stdin`](std::process::Command::stdin) and
/// [`Command::stdout`](std::process::Command::stdout).
///
/// All ends are close-on-exec, so that no other program inherits them. Those of the child are in
/// blocking mode. Writing to a child that is gone raises `SIGPIPE`, which the runtime of Rust has
/// ignored: see [`Connection::from_halves`].
///
/// # Errors
///
/// When this process may have no more open files.
///
/// # Panics
///
/// Outside of a tokio runtime with I/O enabled.
pub fn child_pipes() -> io::Result<(Connection, ChildPipes)> {
    let (reader, near_writer) = io::pipe()?;
    let (near_reader, writer) = io::pipe()?;
    let connection = Connection::from_halves(
        pipe::Receiver::from_owned_fd(near_reader.into())?,
        pipe::Sender::from_owned_fd(near_writer.into())?,
    );
    Ok((connection, ChildPipes { reader: reader.into(), writer: writer.into() }))
}

/// The child's ends of [`child_pipes`].
#[derive(Debug)]
pub struct ChildPipes {
    /// What the child reads from: 3, for many.
    pub reader: OwnedFd,
    /// What the child writes to: 4, for many.
    pub writer: OwnedFd,
}
