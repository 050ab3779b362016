use amp_core::Connection;
use std::io;
use std::os::fd::OwnedFd;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

use crate::connection_over;

/// Creates a connection to a child process that is about to be started, and the child's end of it. It
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
/// This side has no [`PeerCredentials`](crate::PeerCredentials): the kernel would name who made the
/// pair, which is this process. A child in another language finds a plain blocking socket.
///
/// To connect two tasks of one process, use tokio's [`UnixStream::pair`] and
/// [`connection`](crate::connection); for a child that wants two pipes, [`child_pipes`].
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

/// Creates a connection over two pipes to a child process that is about to be started, and the child's ends
/// of them. Pipes carry no descriptors.
///
/// The workers of Twisted's `trial`, and the children of `ampoule`, read from 3 and write to 4, as
/// [`inherited::pipes`](crate::inherited::pipes) does for those in Rust. Their standard streams
/// stay what they are. The crate `command-fds` gives them their numbers, without `unsafe`:
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
/// The `Command` owns the child's ends here, and must be dropped: as long as anyone has them open,
/// neither side sees that the other is gone. For a child that uses its standard input and output,
/// give them to [`Command::stdin`](std::process::Command::stdin) and
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
#[non_exhaustive]
pub struct ChildPipes {
    /// The number that the child reads from: 3, for many.
    pub reader: OwnedFd,
    /// The number that the child writes to: 4, for many.
    pub writer: OwnedFd,
}
