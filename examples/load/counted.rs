use amp_core::argument::Attachment;
use amp_core::{Connection, PeerAddress, Transport};
use amp_unix::IUnixTransport;
use bytes::BytesMut;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use tokio::net::{TcpStream, UnixStream};
use tokio_util::io::poll_read_buf;

/// How many times this process has written to any of its connections: system calls that took at
/// least one byte.
pub(crate) fn writes() -> u64 {
    WRITES.load(Ordering::Relaxed)
}

static WRITES: AtomicU64 = AtomicU64::new(0);

/// A connection over a Unix socket whose writes are counted. It carries descriptors.
pub(crate) fn unix(stream: UnixStream) -> Connection {
    amp_unix::connection_over(Counted(stream))
}

/// A connection over a TCP stream whose writes are counted, otherwise as
/// [`tcp::connection`](amp_core::tcp::connection) makes it.
pub(crate) fn tcp(stream: TcpStream) -> io::Result<Connection> {
    stream.set_nodelay(true)?;
    let address = stream.peer_addr()?;
    Ok(Connection::with_transport(Counted(stream)).peer_address(address))
}

/// A stream that counts how many times it is written to, and is what it is made of otherwise.
struct Counted<S>(S);

fn count(written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
    if let Poll::Ready(Ok(_)) = written {
        WRITES.fetch_add(1, Ordering::Relaxed);
    }
    written
}

impl<S: IUnixTransport> IUnixTransport for Counted<S> {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        descriptors: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<usize>> {
        self.0.poll_receive(cx, buffer, descriptors)
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        descriptors: &[BorrowedFd<'_>],
    ) -> Poll<io::Result<usize>> {
        count(self.0.poll_send(cx, bytes, descriptors))
    }

    fn poll_received(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<()>> {
        self.0.poll_received(cx, most)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_shutdown(cx)
    }

    fn sends_on_any_task(&self) -> bool {
        self.0.sends_on_any_task()
    }

    fn max_descriptors(&self) -> usize {
        self.0.max_descriptors()
    }

    fn peer_address(&self) -> PeerAddress {
        self.0.peer_address()
    }
}

impl Transport for Counted<TcpStream> {
    fn poll_receive(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        _: &mut Vec<Attachment>,
    ) -> Poll<io::Result<usize>> {
        poll_read_buf(Pin::new(&mut self.0), cx, buffer)
    }

    fn poll_send(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        _: &mut VecDeque<Attachment>,
    ) -> Poll<io::Result<usize>> {
        count(Pin::new(&mut self.0).poll_write_vectored(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    /// As on a connection over the stream itself.
    fn sends_on_any_task(&self) -> bool {
        true
    }
}
