use amp_core::PeerAddress;
use bytes::BytesMut;
use std::future::Future;
use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncWrite, Interest, Ready};
use tokio::net::UnixStream;

use crate::socket::{self, Moved};
use crate::{IUnixTransport, name};

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

    fn poll_received(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<()>> {
        // Who may not ask is not held back.
        let is_received = |stream: &Self| socket::unreceived(stream).unwrap_or(0) <= most;
        if is_received(self) {
            return Poll::Ready(Ok(()));
        }
        loop {
            // Each message that is received is an event, but while the socket is full.
            ready!(self.poll_write_ready(cx))?;
            // What is closed stays ready.
            let closed = readiness(self, Interest::WRITABLE).is_some_and(Ready::is_write_closed);
            let look = || {
                if is_received(self) { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
            };
            if closed || self.try_io(Interest::WRITABLE, look).is_ok() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(Pin::new(self), cx)
    }

    fn sends_on_any_task(&self) -> bool {
        true
    }

    fn has_peer_closed(&self) -> bool {
        readiness(self, Interest::READABLE).is_some_and(Ready::is_read_closed)
    }

    /// The path that the peer is bound to, an abstract name with `@` before it, or the empty name
    /// of a client.
    fn peer_address(&self) -> PeerAddress {
        let Ok(address) = self.peer_addr() else { return PeerAddress::Unknown };
        PeerAddress::Name(name::shown(&name::of(&address)).into())
    }
}

/// What the stream is ready for, as far as it is known.
fn readiness(stream: &UnixStream, interest: Interest) -> Option<Ready> {
    let ready = pin!(stream.ready(interest));
    match ready.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(ready)) => Some(ready),
        _ => None,
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// The runtime's worker sees the event while the operation goes on in the test's thread.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn an_event_that_comes_during_an_operation_is_not_lost() {
        let (here, there) = UnixStream::pair().unwrap();
        let (signal, later) = UnixStream::pair().unwrap();
        let (seen, is_seen) = mpsc::channel();
        tokio::spawn(async move {
            later.readable().await.unwrap();
            seen.send(()).unwrap();
        });
        here.writable().await.unwrap();
        signal.writable().await.unwrap();
        here.try_write(b"first").unwrap();
        there.readable().await.unwrap();

        let result = try_once(&there, Interest::READABLE, || {
            let mut buffer = BytesMut::with_capacity(100);
            let moved = socket::receive(&there, &mut buffer, &mut Vec::new())?;
            assert!(moved.exhausted);
            here.try_write(b"second")?;
            // Events are seen in the order in which they come.
            signal.try_write(b"!")?;
            is_seen.recv().unwrap();
            Ok(moved)
        });
        assert_eq!(result.unwrap().unwrap(), 5);
        assert!(there.try_io(Interest::READABLE, || Ok(())).is_ok(), "more is there");
    }
}
