use bytes::BytesMut;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::argument::{Attachment, AttachmentKind, Extensions, PeerAddress};
use crate::boxes::BoxLimits;

/// A stream of bytes that a connection runs over, with attachments beside the bytes if it carries any.
///
/// [`Connection::new`](crate::Connection::new) accepts anything that is
/// [`AsyncRead`](tokio::io::AsyncRead) and [`AsyncWrite`](tokio::io::AsyncWrite). Implement this trait to
/// carry attachments. For Unix sockets, `amp_unix` does so.
///
/// One task owns the transport and polls its methods, unless the transport
/// [`sends_on_any_task`](Transport::sends_on_any_task). `poll_receive` and `poll_send` are polled
/// independently of each other, and each must arrange for its own wake-up when it returns `Pending`.
pub trait Transport: Send + 'static {
    /// Receives bytes into the spare capacity of `buffer`, which is not zero, and appends the
    /// attachments that arrived with them, or before them, to `attachments`, in order.
    ///
    /// Resolves to the number of bytes. 0 means that the peer will send nothing more.
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

    /// Sends some of `bytes`, which are not empty, and resolves to how many were taken, which is at
    /// least one.
    ///
    /// The attachments are those that the bytes name. Take each off the front of `attachments` when it
    /// is sent. No byte may be sent before the attachments that it could name. So send all attachments
    /// with the first byte or, if there are too many, one byte at a time until they are sent.
    ///
    /// # Errors
    ///
    /// When the stream broke. The connection then ends with this error as its reason, as it does when
    /// no byte is taken. If the stream works but an attachment cannot be sent, the error is a
    /// [`RefusedAttachment`](crate::RefusedAttachment). Then only the call of the attachment fails.
    fn poll_send(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        attachments: &mut VecDeque<Attachment>,
    ) -> Poll<io::Result<usize>>;

    /// Hands everything that was sent to the peer, if the transport holds something back.
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
    /// called on the task of a caller too, and not only on the task that owns the transport. `false` by
    /// default.
    ///
    /// While the owner waits, a call that has no others to share a write with is then sent at once,
    /// which saves a wake-up. The context is still that of the owner, and two methods are never called
    /// at the same time. But a call may be polled on any thread. So the methods must not take long, and
    /// must not need the context of a runtime, as creating a timer does. When the owner is dropped while
    /// a caller sends, the transport is dropped by that caller.
    fn sends_on_any_task(&self) -> bool {
        false
    }

    /// Returns whether the peer has closed its side, or the stream broke, as far as that is known without
    /// receiving what came before. `false` by default.
    ///
    /// A connection asks several times a second while it does not receive. If it does not receive because
    /// as many responders run as may, and the answer stays `true`, it receives everything that is there.
    /// If it does not receive because the peer has asked for a protocol switch that is not decided yet,
    /// it ends. A connection also receives a little ahead from any transport, except before a switch. If
    /// a transport always returns `false` and its peer sent more than that before it went, the end is
    /// noticed only when responders have finished.
    fn has_peer_closed(&self) -> bool {
        false
    }

    /// Returns which kind of attachments is carried. None by default.
    fn attachment_kind(&self) -> Option<AttachmentKind> {
        None
    }

    /// Returns how large a box may be that is sent over this transport, if that is less than the
    /// connection's own limits. Unlimited by default.
    fn box_limits(&self) -> BoxLimits {
        BoxLimits { max_bytes: usize::MAX, max_pairs: usize::MAX }
    }

    /// Returns the address of the other side, if that is known.
    fn peer_address(&self) -> PeerAddress {
        PeerAddress::Unknown
    }

    /// Returns the [data](crate::Connection::data) that a connection over this transport begins with, such as who the
    /// peer is. None by default.
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
