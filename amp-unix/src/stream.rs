use amp_core::PeerAddress;
use bytes::BytesMut;
use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncWrite, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::SocketAddr;

use crate::IUnixTransport;
use crate::socket::{self, Moved};

impl IUnixTransport for UnixStream {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        descriptors: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_read_ready(cx))?;
            let receive = || socket::receive(&*self, buffer, descriptors);
            if let Some(result) = try_once(self, Interest::READABLE, receive) {
                return Poll::Ready(result);
            }
        }
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        descriptors: &[BorrowedFd<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_write_ready(cx))?;
            let send = || socket::send(&*self, bytes, descriptors);
            if let Some(result) = try_once(self, Interest::WRITABLE, send) {
                return Poll::Ready(result);
            }
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(Pin::new(self), cx)
    }

    /// The path that the peer is bound to, an abstract name with `@` before it, or the empty name
    /// of a client.
    fn peer_address(&self) -> PeerAddress {
        let Ok(address) = self.peer_addr() else { return PeerAddress::Unknown };
        let name = match (address.as_pathname(), abstract_name(&address)) {
            (Some(path), _) => path.to_string_lossy().into_owned(),
            (None, Some(name)) => format!("@{}", String::from_utf8_lossy(name)),
            (None, None) => String::new(),
        };
        PeerAddress::Name(name.into())
    }
}

/// Tries to move bytes; `None` when the stream was not ready after all and must be waited for.
///
/// tokio takes the stream for ready until an operation says `WouldBlock`. One that moved bytes and
/// knows that the next would block says so at once, here, which saves the system call that would
/// find out. It must be said inside of `try_io`, which remembers what the readiness was before the
/// operation: an event that comes in between then counts as a new one, and no wake-up is lost.
fn try_once(
    stream: &UnixStream,
    interest: Interest,
    operation: impl FnOnce() -> io::Result<Moved>,
) -> Option<io::Result<usize>> {
    let mut moved = None;
    let result = stream.try_io(interest, || {
        let Moved { bytes, exhausted } = operation()?;
        moved = Some(bytes);
        if exhausted { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    });
    match (moved, result) {
        (Some(bytes), _) => Some(Ok(bytes)),
        (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => Some(Err(error)),
        (None, _) => None,
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn abstract_name(address: &SocketAddr) -> Option<&[u8]> {
    address.as_abstract_name()
}

/// Only Linux has such names.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn abstract_name(_: &SocketAddr) -> Option<&[u8]> {
    None
}
