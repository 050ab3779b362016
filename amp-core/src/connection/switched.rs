use bytes::{Buf, Bytes, BytesMut};
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

use super::placed::Placed;
use super::transport::Transport;
use crate::argument::Attachment;
use crate::proto::held::{self, WaitingCount};
use crate::proto::{Limits, Share};

/// How many bytes a read asks the transport for.
const READ: usize = 16 << 10;

/// A connection that speaks another protocol from now on: what a protocol switch hands over.
///
/// Reading returns first the bytes behind the switch that were read already, and then those that the transport receives.
/// [`into_parts`](Switched::into_parts) takes it apart.
///
/// # In a server
///
/// A connection of a [server](crate::Serve) counts as one of its [`max_connections`](crate::Serve::max_connections) until
/// this is dropped, or the transport that you take out of it. Nothing else bounds it: it has no deadline, the server does
/// not end it, and a server that stops does not wait for it. The code that speaks on it has to see to it that it ends. Do
/// not let the same server serve it again, since it would need a second place while it has its first. Run it as a
/// [`Connection`](crate::Connection) of its own instead.
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
    room: Room,
    /// How many attachments wait to be taken, among those of all connections.
    waiting: WaitingCount,
    /// How many bytes wait to be read, among all that a server holds.
    held: Share,
}

/// How many attachments may wait to be taken.
#[derive(Clone, Copy, Default)]
pub(super) struct Room {
    limit: usize,
    in_all: usize,
}

impl Room {
    pub(super) fn of(limits: &Limits) -> Self {
        Self { limit: limits.unclaimed_attachments, in_all: limits.attachments_in_all }
    }

    /// Says what is wrong with there being so many that wait on this stream, if anything is.
    fn is_too_small_for(self, waiting: usize) -> Option<String> {
        let Self { limit, in_all } = self;
        let (waiting_in_all, claimed) = held::counts();
        if waiting > limit {
            Some(format!("more than {limit} attachments were received and not taken"))
        } else if waiting_in_all + claimed > in_all || held::is_crowded_by(waiting, in_all) {
            Some(format!(
                "{waiting} attachments were not taken, beside those of others: {in_all} may be held in all"
            ))
        } else {
            None
        }
    }
}

/// The parts of a [`Switched`].
#[non_exhaustive]
pub struct SwitchedParts {
    /// The transport. In a server, this has the place of the connection from then on.
    pub transport: Pin<Box<dyn Transport>>,
    /// The bytes that were read already, and come before whatever the transport receives.
    pub read: Bytes,
    /// The attachments that were received and not taken.
    pub attachments: Vec<Attachment>,
}

impl fmt::Debug for SwitchedParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SwitchedParts")
            .field("read", &self.read.len())
            .field("attachments", &self.attachments.len())
            .finish_non_exhaustive()
    }
}

impl Switched {
    pub(super) fn new(
        transport: Pin<Box<dyn Transport>>,
        read: BytesMut,
        attachments: Vec<Attachment>,
        room: Room,
    ) -> Self {
        let mut waiting = WaitingCount::default();
        waiting.set(attachments.len());
        Self { transport, read, attachments, room, waiting, held: Share::new(None) }
    }

    /// The stream counts for a server as its connection did.
    pub(super) fn counted(mut self, mut held: Share, place: Option<OwnedSemaphorePermit>) -> Self {
        // What was read was held already, so it is not too much.
        let _ = held.set(self.read.len());
        self.held = held;
        if let Some(place) = place {
            self.transport = Box::pin(Placed::new(self.transport, place));
        }
        self
    }

    /// Takes the attachments that were received and that no argument has claimed, in the order
    /// in which they came. Later reads may add others. A read fails when there are more than
    /// [`Limits::unclaimed_attachments`](field@crate::Limits::unclaimed_attachments), or more in all than
    /// [`Limits::attachments_in_all`](field@crate::Limits::attachments_in_all). Attachments that were taken no longer
    /// count.
    #[must_use = "attachments are closed when they are dropped"]
    pub fn take_attachments(&mut self) -> Vec<Attachment> {
        self.waiting.set(0);
        std::mem::take(&mut self.attachments)
    }

    /// Takes the stream apart, into the transport and what was received already.
    pub fn into_parts(self) -> SwitchedParts {
        let Self { transport, read, attachments, .. } = self;
        SwitchedParts { transport, read: read.freeze(), attachments }
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
        let Self { transport, read, attachments, room, waiting, held } = &mut *self;
        if read.is_empty() && buffer.remaining() > 0 {
            read.reserve(READ);
            let before = attachments.len();
            ready!(transport.as_mut().poll_receive(cx, read, attachments))?;
            if attachments.len() > before {
                waiting.set(attachments.len());
                if let Some(message) = room.is_too_small_for(attachments.len()) {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, message)));
                }
            }
        }
        let part = read.len().min(buffer.remaining());
        buffer.put_slice(&read[..part]);
        read.advance(part);
        // There are fewer than before, so they are not too many.
        let _ = held.set(read.len());
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
