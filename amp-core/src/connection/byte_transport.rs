use bytes::BytesMut;
use std::any::{Any, TypeId};
use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, Interest, Ready};
use tokio::net::TcpStream;
use tokio_util::io::poll_read_buf;

use super::quiet;
use super::switched::Switched;
use super::transport::Transport;
use crate::argument::Attachment;

/// A plain stream of bytes.
#[derive(Debug)]
pub(crate) struct ByteTransport<S> {
    stream: Pin<Box<S>>,
    /// What it runs over, or itself: the socket, if there is one.
    under: fn(&S) -> &dyn Any,
}

impl<S: 'static> ByteTransport<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self::over(stream, |stream| stream)
    }

    /// A stream that runs over another one.
    pub(crate) fn over(stream: S, under: fn(&S) -> &dyn Any) -> Self {
        Self { stream: Box::pin(stream), under }
    }
}

impl<S: AsyncRead + AsyncWrite + Send + 'static> Transport for ByteTransport<S> {
    fn poll_receive(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        _: &mut Vec<Attachment>,
    ) -> Poll<io::Result<usize>> {
        poll_read_buf(self.stream.as_mut(), cx, buffer)
    }

    fn poll_send(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        _: &mut VecDeque<Attachment>,
    ) -> Poll<io::Result<usize>> {
        quiet::poll_write(self.stream.as_mut(), cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(cx)
    }

    /// tokio's sockets only ask the kernel.
    fn sends_on_any_task(&self) -> bool {
        is_socket::<S>()
    }

    fn has_peer_closed(&self) -> bool {
        has_closed((self.under)(&self.stream))
    }
}

/// Whether the other side has closed a stream that is a socket, as far as the runtime has heard.
fn has_closed(stream: &dyn Any) -> bool {
    let readable = Interest::READABLE;
    if let Some(stream) = stream.downcast_ref::<TcpStream>() {
        return is_closed(stream.ready(readable));
    }
    #[cfg(unix)]
    if let Some(stream) = stream.downcast_ref::<tokio::net::UnixStream>() {
        return is_closed(stream.ready(readable));
    }
    match stream.downcast_ref::<Switched>() {
        Some(stream) => stream.has_peer_closed(),
        None => false,
    }
}

/// Looks once at what is known of a socket.
fn is_closed(ready: impl Future<Output = io::Result<Ready>>) -> bool {
    let ready = pin!(ready).poll(&mut Context::from_waker(Waker::noop()));
    matches!(ready, Poll::Ready(Ok(ready)) if ready.is_read_closed())
}

/// Whether it is one of tokio's sockets.
fn is_socket<S: 'static>() -> bool {
    let this = TypeId::of::<S>();
    #[cfg(unix)]
    if this == TypeId::of::<tokio::net::UnixStream>() {
        return true;
    }
    this == TypeId::of::<TcpStream>()
}
