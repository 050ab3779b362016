use bytes::BytesMut;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::argument::{Attachment, AttachmentKind, Extensions, PeerAddress};
use crate::boxes::BoxLimits;

/// A stream of bytes that a connection runs over, with attachments beside them if it carries any.
///
/// Anything that is [`AsyncRead`](tokio::io::AsyncRead) and [`AsyncWrite`](tokio::io::AsyncWrite) is
/// one already, by [`Connection::new`](crate::Connection::new). Implement this trait to carry
/// attachments; over Unix sockets, `amp_unix` has done so.
///
/// The methods are polled by one task, which owns the transport, unless it
/// [`sends_on_any_task`](Transport::sends_on_any_task). `poll_receive` and `poll_send` are polled
/// independently of each other, and each must arrange for a wake-up of its own when it returns
/// `Pending`.
pub trait Transport: Send + 'static {
    /// Receives bytes into the spare capacity of `buffer`, which is not empty, and appends the
    /// attachments that came with them, or before them, to `attachments`, in order.
    ///
    /// Resolves to the number of bytes; 0 means that the peer will send nothing more.
    ///
    /// # Errors
    ///
    /// When the stream broke, or when attachments were lost and ordinals no longer match. The
    /// connection then ends with this error as its reason.
    fn poll_receive(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        attachments: &mut Vec<Attachment>,
    ) -> Poll<io::Result<usize>>;

    /// Sends some of `bytes`, which are not empty, and resolves to how many were taken; at least
    /// one.
    ///
    /// The attachments are those that the bytes name. Each is taken off the front of
    /// `attachments` when it is sent. No byte may be sent before the attachments that it could
    /// name: that is, send all attachments with the first byte, or, when there are too many,
    /// one byte at a time until they are sent.
    ///
    /// # Errors
    ///
    /// When the stream broke. The connection then ends with this error as its reason, as it does
    /// when no byte is taken. An attachment that cannot be sent over a stream that is well is a
    /// [`RefusedAttachment`](crate::RefusedAttachment): then only its call fails.
    fn poll_send(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        attachments: &mut VecDeque<Attachment>,
    ) -> Poll<io::Result<usize>>;

    /// Hands everything that was sent to the peer, where the transport holds something back.
    ///
    /// # Errors
    ///
    /// When the stream broke.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Tells the peer that nothing more will be sent. Receiving goes on.
    ///
    /// # Errors
    ///
    /// When the stream broke.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Returns whether [`poll_send`](Transport::poll_send) and [`poll_flush`](Transport::poll_flush) may be
    /// called on the task of a caller too, and not only on the one that owns the transport.
    ///
    /// While that one waits, a call that has nobody to share a write with then goes out at once,
    /// which saves a wake-up. The context is still that of the owner, and never are two methods
    /// called at a time. But a call may be polled on any thread: they must not need the context of a
    /// runtime, as the making of a timer does, nor take long. When the owner is dropped while a caller
    /// sends, the transport is dropped there too. No unless this is implemented.
    fn sends_on_any_task(&self) -> bool {
        false
    }

    /// Returns whether the peer has closed its side, or the stream broke, as far as that is known without
    /// receiving what came before. No unless this is implemented.
    ///
    /// A connection asks several times a second while it does not receive. Where that is because as many
    /// responders run as may, it receives all that there is when the answer stays yes; where it is because
    /// the peer has asked for a protocol switch that is not decided, it ends. A transport that does not
    /// know is received from a little further, and so are all others, but not before a switch; a peer
    /// that has sent more than that before it went is then noticed only when responders are done.
    fn has_peer_closed(&self) -> bool {
        false
    }

    /// Returns which attachments are carried; none unless this is implemented.
    fn attachment_kind(&self) -> Option<AttachmentKind> {
        None
    }

    /// Returns how large a box may be that is sent over this transport, where that is less than the
    /// connection's own limits say. Nothing is less unless this is implemented.
    fn box_limits(&self) -> BoxLimits {
        BoxLimits { max_bytes: usize::MAX, max_pairs: usize::MAX }
    }

    /// Returns where the other side is, if that is known.
    fn peer_address(&self) -> PeerAddress {
        PeerAddress::Unknown
    }

    /// Returns the [data](crate::Connection::data) that a connection over this transport begins with, such
    /// as who the peer is; none unless this is implemented.
    fn data(&self) -> Extensions {
        Extensions::default()
    }
}

/// A transport behind a pointer, such as the one that a [`Switched`](crate::Switched) comes apart
/// into.
impl<P> Transport for Pin<P>
where
    P: DerefMut<Target: Transport> + Unpin + Send + 'static,
{
    fn poll_receive(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        attachments: &mut Vec<Attachment>,
    ) -> Poll<io::Result<usize>> {
        self.get_mut().as_mut().poll_receive(cx, buffer, attachments)
    }

    fn poll_send(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        attachments: &mut VecDeque<Attachment>,
    ) -> Poll<io::Result<usize>> {
        self.get_mut().as_mut().poll_send(cx, bytes, attachments)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().as_mut().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().as_mut().poll_shutdown(cx)
    }

    fn sends_on_any_task(&self) -> bool {
        (**self).sends_on_any_task()
    }

    fn box_limits(&self) -> BoxLimits {
        (**self).box_limits()
    }

    fn has_peer_closed(&self) -> bool {
        (**self).has_peer_closed()
    }

    fn attachment_kind(&self) -> Option<AttachmentKind> {
        (**self).attachment_kind()
    }

    fn peer_address(&self) -> PeerAddress {
        (**self).peer_address()
    }

    fn data(&self) -> Extensions {
        (**self).data()
    }
}

/// What a connection has when it has ended, and its driver while callers may have the other one.
pub(super) struct NoTransport;

impl Transport for NoTransport {
    fn poll_receive(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut BytesMut,
        _: &mut Vec<Attachment>,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(0))
    }

    fn poll_send(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &[IoSlice<'_>],
        _: &mut VecDeque<Attachment>,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
