use amp_core::Connection;
use std::io;
use std::os::fd::OwnedFd;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

use crate::connection_over;

/// Creates a connection to a child process that is about to be started, and returns it with the
/// child's end. The connection carries descriptors in both directions.
///
/// Here the child gets its end as its standard input, and takes it with
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
/// If the child needs its standard input for something else, pass its end under another number. The
/// crate `command-fds` does this without `unsafe`:
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
/// Here the `Command` owns the child's end, so it must be dropped: as long as that end is open
/// anywhere, this side does not notice that the child has gone. Both ends are close-on-exec, so no
/// other program inherits them.
///
/// This side has no [`PeerCredentials`](crate::PeerCredentials), since the kernel would name the
/// process that made the pair, which is this one. A child in another language finds a plain blocking
/// socket.
///
/// To connect two tasks of one process, use tokio's [`UnixStream::pair`] and
/// [`connection`](crate::connection). For a child that expects two pipes, use [`child_pipes`].
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

/// Creates a connection over two pipes to a child process that is about to be started, and returns it
/// with the child's ends. Pipes carry no descriptors.
///
/// The workers of Twisted's `trial` and the children of `ampoule` read from descriptor 3 and write to
/// descriptor 4, and keep their standard streams. A child in Rust does the same with
/// [`inherited::pipes`](crate::inherited::pipes). The crate `command-fds` passes the ends under these
/// numbers without `unsafe`:
///
/// ```no_run
/// # use std::process::Command;
/// # async fn f() -> std::io::Result<()> {
/// use amp_unix::ChildPipes;
/// use command_fds::{CommandFdExt, FdMapping};
///
/// let (connection, ChildPipes { reader, writer, .. }) = amp_unix::child_pipes()?;
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
/// Here the `Command` owns the child's ends, so it must be dropped: as long as they are open anywhere
/// else, neither side notices that the other has gone. For a child that uses its standard input and
/// output, pass them to [`Command::stdin`](std::process::Command::stdin) and
/// [`Command::stdout`](std::process::Command::stdout).
///
/// All ends are close-on-exec, so no other program inherits them. The child's ends are in blocking
/// mode. Writing to a child that has gone raises `SIGPIPE`, which the runtime of Rust ignores: see
/// [`Connection::from_halves`].
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
#[non_exhaustive]
pub struct ChildPipes {
    /// The end that the child reads from, often as descriptor 3.
    pub reader: OwnedFd,
    /// The end that the child writes to, often as descriptor 4.
    pub writer: OwnedFd,
}
