use amp_core::{Connection, Listener};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockType, SockaddrLike, SockaddrStorage, getsockname, getsockopt, sockopt,
};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use tokio::net::{TcpListener, UnixListener};

use crate::UnixSocketListener;

/// A listening socket that another process has bound, which is either a Unix or a TCP socket.
///
/// `TryFrom` makes one from an [`OwnedFd`] that was
/// [inherited](crate::inherited::listen_fds) or that arrived as a [`Descriptor`](crate::Descriptor).
/// Connections over a Unix socket carry descriptors, and those over TCP do not.
///
/// To admit certain users only:
///
/// ```no_run
/// # fn f(fd: std::os::fd::OwnedFd) -> std::io::Result<()> {
/// use amp_unix::AnyListener;
///
/// let AnyListener::Unix(listener) = AnyListener::try_from(fd)? else {
///     return Err(std::io::Error::other("not a Unix socket"));
/// };
/// let listener = listener.only_own_user();
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "nobody listens any more when this is dropped"]
pub enum AnyListener {
    /// A Unix socket. Its file is not removed.
    Unix(UnixSocketListener),
    /// A TCP socket.
    Tcp(TcpListener),
}

/// Puts the socket into non-blocking mode, which also affects other processes that have it.
///
/// # Errors
///
/// [`InvalidInput`](io::ErrorKind::InvalidInput) when it is not a socket, does not listen, or is
/// neither a Unix nor a TCP socket; and when the runtime cannot take it. It is closed then.
///
/// # Panics
///
/// Outside of a tokio runtime with I/O enabled.
impl TryFrom<OwnedFd> for AnyListener {
    type Error = io::Error;

    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        let family = family_of_stream(&fd)?;
        if !getsockopt(&fd, sockopt::AcceptConn)? {
            return Err(invalid("a socket that does not listen"));
        }
        match family {
            Some(AddressFamily::Unix) => {
                let listener = std::os::unix::net::UnixListener::from(fd);
                listener.set_nonblocking(true)?;
                Ok(Self::Unix(UnixListener::from_std(listener)?.into()))
            }
            Some(AddressFamily::Inet | AddressFamily::Inet6) => {
                let listener = std::net::TcpListener::from(fd);
                listener.set_nonblocking(true)?;
                Ok(Self::Tcp(TcpListener::from_std(listener)?))
            }
            _ => Err(invalid("neither a Unix nor a TCP socket")),
        }
    }
}

impl Listener for AnyListener {
    async fn accept(&mut self) -> io::Result<Connection> {
        match self {
            Self::Unix(listener) => Listener::accept(listener).await,
            Self::Tcp(listener) => Listener::accept(listener).await,
        }
    }
}

impl AsFd for AnyListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(listener) => listener.as_fd(),
            Self::Tcp(listener) => listener.as_fd(),
        }
    }
}

/// Returns the family of a stream socket, `None` for one that is not known here; else an error.
pub(crate) fn family_of_stream(socket: &OwnedFd) -> io::Result<Option<AddressFamily>> {
    match getsockopt(socket, sockopt::SockType) {
        Ok(SockType::Stream) => {}
        Ok(_) => return Err(invalid("not a stream socket")),
        Err(Errno::ENOTSOCK) => return Err(invalid("not a socket")),
        Err(error) => return Err(error.into()),
    }
    Ok(getsockname::<SockaddrStorage>(socket.as_raw_fd())?.family())
}

pub(crate) fn invalid(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text.into())
}
