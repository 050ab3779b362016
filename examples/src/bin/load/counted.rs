use amp_core::{Connection, PeerAddress};
use amp_unix::IUnixTransport;
use bytes::BytesMut;
use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

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

/// A connection over a TCP stream whose writes are counted, otherwise as [`Connection::tcp`] makes
/// it.
pub(crate) fn tcp(stream: TcpStream) -> io::Result<Connection> {
    stream.set_nodelay(true)?;
    let address = stream.peer_addr()?;
    Ok(Connection::new(Counted(stream)).peer_address(address))
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

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_shutdown(cx)
    }

    fn max_descriptors(&self) -> usize {
        self.0.max_descriptors()
    }

    fn peer_address(&self) -> PeerAddress {
        self.0.peer_address()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        count(Pin::new(&mut self.0).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        count(Pin::new(&mut self.0).poll_write_vectored(cx, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
