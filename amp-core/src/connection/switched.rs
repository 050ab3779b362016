use bytes::{Buf, Bytes, BytesMut};
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::transport::Transport;
use crate::argument::Attachment;

/// How many bytes a read asks the transport for.
const READ: usize = 16 << 10;

/// A connection that speaks another protocol from now on: what a protocol switch hands over.
///
/// It reads first what the peer had sent behind the switch and what was read already, then what
/// the transport receives. It comes apart with [`into_parts`](Switched::into_parts).
///
/// # Cancel safety
///
/// Reads and writes are those of [`AsyncRead`] and [`AsyncWrite`]: dropping a future of them loses
/// nothing.
#[must_use = "the stream is closed when this is dropped"]
pub struct Switched {
    transport: Pin<Box<dyn Transport>>,
    read: BytesMut,
    attachments: Vec<Attachment>,
    /// How many attachments may wait to be taken.
    limit: usize,
}

impl Switched {
    pub(super) fn new(
        transport: Pin<Box<dyn Transport>>,
        read: BytesMut,
        attachments: Vec<Attachment>,
        limit: usize,
    ) -> Self {
        Self { transport, read, attachments, limit }
    }

    /// Takes the attachments that were received and that no argument has claimed, in the order
    /// in which they came. Those that come with later reads are added to them; a read fails when
    /// there are more than [`Limits::unclaimed_attachments`](field@crate::Limits::unclaimed_attachments).
    #[must_use = "attachments are closed when they are dropped"]
    pub fn take_attachments(&mut self) -> Vec<Attachment> {
        std::mem::take(&mut self.attachments)
    }

    /// The transport, the bytes that were read already and come before whatever it receives, and
    /// the attachments that were received and not taken.
    pub fn into_parts(self) -> (Pin<Box<dyn Transport>>, Bytes, Vec<Attachment>) {
        (self.transport, self.read.freeze(), self.attachments)
    }

    pub(super) fn has_peer_closed(&self) -> bool {
        self.transport.has_peer_closed()
    }
}

impl AsyncRead for Switched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { transport, read, attachments, limit } = &mut *self;
        if read.is_empty() && buffer.remaining() > 0 {
            read.reserve(READ);
            ready!(transport.as_mut().poll_receive(cx, read, attachments))?;
            if attachments.len() > *limit {
                let message = format!("more than {limit} attachments were received and not taken");
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, message)));
            }
        }
        let part = read.len().min(buffer.remaining());
        buffer.put_slice(&read[..part]);
        read.advance(part);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Switched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let slices = [IoSlice::new(bytes)];
        self.transport.as_mut().poll_send(cx, &slices, &mut VecDeque::new())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport.as_mut().poll_shutdown(cx)
    }
}

impl fmt::Debug for Switched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Switched")
            .field("read", &self.read.len())
            .field("attachments", &self.attachments.len())
            .finish_non_exhaustive()
    }
}
