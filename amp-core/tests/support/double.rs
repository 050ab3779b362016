//! A transport that receives and sends as a test has it.

use amp_core::AttachmentKind;
use amp_core::{Attachment, Transport};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

type Moved = Poll<io::Result<usize>>;
type Receive = Box<dyn FnMut(&mut BytesMut, &mut Vec<Attachment>) -> Moved + Send>;
type Take =
    Box<dyn FnMut(&mut Context<'_>, &[IoSlice<'_>], &mut VecDeque<Attachment>) -> Moved + Send>;

/// Receives nothing and takes all that is sent, where nothing else is said.
pub(crate) struct Double {
    receive: Receive,
    take: Take,
    kind: Option<AttachmentKind>,
    on_any_task: bool,
}

impl Double {
    pub(crate) fn new() -> Self {
        Self {
            receive: Box::new(|_, _| Poll::Pending),
            take: Box::new(|_, bytes, _| Poll::Ready(Ok(len(bytes)))),
            kind: None,
            on_any_task: false,
        }
    }

    /// Receives the same bytes again and again, without end. `received` is told of how many.
    pub(crate) fn flood(bytes: Bytes, mut received: impl FnMut(usize) + Send + 'static) -> Self {
        let mut next = bytes.clone();
        let receive = move |buffer: &mut BytesMut, _: &mut Vec<Attachment>| {
            let before = buffer.len();
            while buffer.len() < buffer.capacity() {
                let room = buffer.capacity() - buffer.len();
                let part = next.split_to(room.min(next.len()));
                buffer.extend_from_slice(&part);
                if next.is_empty() {
                    next = bytes.clone();
                }
            }
            let count = buffer.len() - before;
            received(count);
            Poll::Ready(Ok(count))
        };
        Self { receive: Box::new(receive), ..Self::new() }
    }

    /// Sends so.
    pub(crate) fn takes(
        self,
        take: impl FnMut(&mut Context<'_>, &[IoSlice<'_>], &mut VecDeque<Attachment>) -> Moved
        + Send
        + 'static,
    ) -> Self {
        Self { take: Box::new(take), ..self }
    }

    /// Carries attachments of this kind.
    pub(crate) fn carries(self, kind: AttachmentKind) -> Self {
        Self { kind: Some(kind), ..self }
    }

    /// Whether callers send too, outside of the connection's task.
    pub(crate) fn on_any_task(self, on_any_task: bool) -> Self {
        Self { on_any_task, ..self }
    }
}

/// How many bytes these are.
pub(crate) fn len(bytes: &[IoSlice<'_>]) -> usize {
    bytes.iter().map(|slice| slice.len()).sum()
}

impl Transport for Double {
    fn poll_receive(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut BytesMut,
        attachments: &mut Vec<Attachment>,
    ) -> Moved {
        (self.receive)(buffer, attachments)
    }

    fn poll_send(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        attachments: &mut VecDeque<Attachment>,
    ) -> Moved {
        (self.take)(cx, bytes, attachments)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn sends_on_any_task(&self) -> bool {
        self.on_any_task
    }

    fn attachment_kind(&self) -> Option<AttachmentKind> {
        self.kind
    }
}
