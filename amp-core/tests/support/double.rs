//! A transport that receives and sends as a test has it.
#![allow(dead_code, reason = "every test program uses a part of it")]

use amp_core::Transport;
use amp_core::argument::{Attachment, AttachmentKind};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncWrite, DuplexStream};
use tokio_util::io::poll_read_buf;

type Moved = Poll<io::Result<usize>>;
type Receive =
    Box<dyn FnMut(&mut Context<'_>, &mut BytesMut, &mut Vec<Attachment>) -> Moved + Send>;
type Take =
    Box<dyn FnMut(&mut Context<'_>, &[IoSlice<'_>], &mut VecDeque<Attachment>) -> Moved + Send>;
type Step = Box<dyn FnMut(&mut Context<'_>) -> Poll<io::Result<()>> + Send>;

/// Receives nothing and takes all that is sent, where nothing else is said.
pub(crate) struct Double {
    receive: Receive,
    take: Take,
    flush: Step,
    shut_down: Step,
    kind: Option<AttachmentKind>,
    on_any_task: bool,
}

impl Double {
    pub(crate) fn new() -> Self {
        Self {
            receive: Box::new(|_, _, _| Poll::Pending),
            take: Box::new(|_, bytes, _| Poll::Ready(Ok(len(bytes)))),
            flush: Box::new(|_| Poll::Ready(Ok(()))),
            shut_down: Box::new(|_| Poll::Ready(Ok(()))),
            kind: None,
            on_any_task: false,
        }
    }

    /// Receives the same bytes again and again, without end. `received` is told of how many.
    pub(crate) fn flood(bytes: Bytes, mut received: impl FnMut(usize) + Send + 'static) -> Self {
        let mut next = bytes.clone();
        Self::new().receives(move |buffer, _| {
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
        })
    }

    /// Receives from a stream, and sends to it.
    pub(crate) fn over(stream: DuplexStream) -> Self {
        let stream = Arc::new(Mutex::new(stream));
        let [receiving, sending, ending] = [(); 3].map(|()| Arc::clone(&stream));
        Self {
            receive: Box::new(move |cx, buffer, _| {
                poll_read_buf(Pin::new(&mut *receiving.lock().unwrap()), cx, buffer)
            }),
            take: Box::new(move |cx, bytes, _| {
                Pin::new(&mut *sending.lock().unwrap()).poll_write_vectored(cx, bytes)
            }),
            shut_down: Box::new(move |cx| Pin::new(&mut *ending.lock().unwrap()).poll_shutdown(cx)),
            ..Self::new()
        }
    }

    /// Receives from a stream, and sends to it. With all that is received comes an attachment, and so
    /// does one with the end.
    pub(crate) fn attaching(
        stream: DuplexStream,
        mut attachment: impl FnMut() -> Attachment + Send + 'static,
    ) -> Self {
        let over = Self::over(stream);
        let mut receive = over.receive;
        Self {
            receive: Box::new(move |cx, buffer, attachments| {
                let received = ready!(receive(cx, buffer, attachments));
                attachments.push(attachment());
                Poll::Ready(received)
            }),
            ..over
        }
    }

    /// Counts how often something is sent.
    pub(crate) fn counts_sends(self, sends: &Arc<AtomicUsize>) -> Self {
        let (mut take, sends) = (self.take, Arc::clone(sends));
        Self {
            take: Box::new(move |cx, bytes, attachments| {
                sends.fetch_add(1, Ordering::Relaxed);
                take(cx, bytes, attachments)
            }),
            ..self
        }
    }

    /// Does this before it sends.
    pub(crate) fn before_sending(self, mut before: impl FnMut() + Send + 'static) -> Self {
        let mut take = self.take;
        Self {
            take: Box::new(move |cx, bytes, attachments| {
                before();
                take(cx, bytes, attachments)
            }),
            ..self
        }
    }

    /// Receives so.
    pub(crate) fn receives(
        self,
        mut receive: impl FnMut(&mut BytesMut, &mut Vec<Attachment>) -> Moved + Send + 'static,
    ) -> Self {
        Self { receive: Box::new(move |_, bytes, attachments| receive(bytes, attachments)), ..self }
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

    /// Keeps what was sent until this is ready.
    pub(crate) fn flushes(
        self,
        mut flush: impl FnMut() -> Poll<io::Result<()>> + Send + 'static,
    ) -> Self {
        Self { flush: Box::new(move |_| flush()), ..self }
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
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        attachments: &mut Vec<Attachment>,
    ) -> Moved {
        (self.receive)(cx, buffer, attachments)
    }

    fn poll_send(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        attachments: &mut VecDeque<Attachment>,
    ) -> Moved {
        (self.take)(cx, bytes, attachments)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (self.flush)(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (self.shut_down)(cx)
    }

    fn sends_on_any_task(&self) -> bool {
        self.on_any_task
    }

    fn attachment_kind(&self) -> Option<AttachmentKind> {
        self.kind
    }
}
