use bytes::BytesMut;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::OwnedSemaphorePermit;

use super::transport::Transport;
use crate::argument::{Attachment, AttachmentKind, Extensions, PeerAddress};
use crate::boxes::BoxLimits;

/// The transport of a connection that has left its server for another protocol, and has its place
/// among the connections of that server still.
pub(super) struct Placed {
    transport: Pin<Box<dyn Transport>>,
    /// Given back when the transport is dropped, and not before.
    _place: OwnedSemaphorePermit,
}

impl Placed {
    pub(super) fn new(transport: Pin<Box<dyn Transport>>, place: OwnedSemaphorePermit) -> Self {
        Self { transport, _place: place }
    }
}

impl Transport for Placed {
    fn poll_receive(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        attachments: &mut Vec<Attachment>,
    ) -> Poll<io::Result<usize>> {
        self.transport.as_mut().poll_receive(cx, buffer, attachments)
    }

    fn poll_send(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        attachments: &mut VecDeque<Attachment>,
    ) -> Poll<io::Result<usize>> {
        self.transport.as_mut().poll_send(cx, bytes, attachments)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport.as_mut().poll_shutdown(cx)
    }

    fn sends_on_any_task(&self) -> bool {
        self.transport.sends_on_any_task()
    }

    fn has_peer_closed(&self) -> bool {
        self.transport.has_peer_closed()
    }

    fn attachment_kind(&self) -> Option<AttachmentKind> {
        self.transport.attachment_kind()
    }

    fn box_limits(&self) -> BoxLimits {
        self.transport.box_limits()
    }

    fn peer_address(&self) -> PeerAddress {
        self.transport.peer_address()
    }

    fn data(&self) -> Extensions {
        self.transport.data()
    }
}
