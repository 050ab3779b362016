//! One side of a connection, as bytes and descriptors.

use amp_unix::{DescriptorError, IUnixTransport};
use bytes::BytesMut;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncWrite, join};
use tokio::time::{Instant, sleep};
use tokio_util::io::poll_read_buf;

use crate::stream::{Bytes, Stream};

/// The time that descriptors may wait for others of this user to be received.
const IN_FLIGHT: Duration = Duration::from_secs(10);
/// How often that is looked at.
const PAUSE: Duration = Duration::from_millis(5);

/// A stream whose two directions go on independently of each other, in one task.
pub(super) struct Wire(RefCell<Box<dyn IUnixTransport>>);

impl Wire {
    pub(super) fn new(stream: Stream) -> Self {
        Self(RefCell::new(match stream {
            Stream::Unix(stream) => Box::new(stream),
            Stream::Pipes(reader, writer) => {
                let both: Box<dyn Bytes> = Box::new(join(reader, writer));
                Box::new(OnlyBytes(both))
            }
            Stream::Bytes(stream, _) => Box::new(OnlyBytes(stream)),
        }))
    }

    /// Receives some bytes, and the descriptors that have come with them; 0 bytes at the end.
    pub(super) async fn receive(
        &self,
        buffer: &mut BytesMut,
        descriptors: &mut Vec<OwnedFd>,
    ) -> io::Result<usize> {
        poll_fn(|cx| self.0.borrow_mut().poll_receive(cx, buffer, descriptors)).await
    }

    /// Sends some bytes, and all descriptors with the first; `None` when that has to wait.
    pub(super) async fn try_send(
        &self,
        bytes: &[u8],
        descriptors: &[OwnedFd],
    ) -> io::Result<Option<usize>> {
        let sent = poll_fn(|cx| Poll::Ready(self.poll_send(cx, bytes, descriptors))).await;
        match sent {
            Poll::Pending => Ok(None),
            Poll::Ready(Err(error)) if is_too_many_in_flight(&error) => Ok(None),
            Poll::Ready(sent) => sent.map(Some),
        }
    }

    /// Sends all of the bytes, and all descriptors with the first.
    pub(super) async fn send(&self, mut bytes: &[u8], descriptors: &[OwnedFd]) -> io::Result<()> {
        let mut descriptors = descriptors;
        let until = Instant::now() + IN_FLIGHT;
        while !bytes.is_empty() {
            match poll_fn(|cx| self.poll_send(cx, bytes, descriptors)).await {
                Ok(sent) => {
                    bytes = &bytes[sent..];
                    descriptors = &[];
                }
                Err(error) if is_too_many_in_flight(&error) && Instant::now() < until => {
                    sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
        poll_fn(|cx| self.0.borrow_mut().poll_flush(cx)).await
    }

    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        descriptors: &[OwnedFd],
    ) -> Poll<io::Result<usize>> {
        let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        self.0.borrow_mut().poll_send(cx, &[IoSlice::new(bytes)], &descriptors)
    }

    /// Tells the peer that nothing more comes.
    pub(super) async fn shut_down(&self) -> io::Result<()> {
        poll_fn(|cx| self.0.borrow_mut().poll_shutdown(cx)).await
    }
}

fn is_too_many_in_flight(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(DescriptorError::TooManyInFlight))
}

/// A stream that carries no descriptors.
struct OnlyBytes(Box<dyn Bytes>);

impl IUnixTransport for OnlyBytes {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        _: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<usize>> {
        poll_read_buf(Pin::new(&mut self.0), cx, buffer)
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        descriptors: &[BorrowedFd<'_>],
    ) -> Poll<io::Result<usize>> {
        if !descriptors.is_empty() {
            let what = "descriptors came, which only Unix sockets carry on";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::Unsupported, what)));
        }
        match ready!(Pin::new(&mut self.0).poll_write_vectored(cx, bytes))? {
            0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            sent => Poll::Ready(Ok(sent)),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
