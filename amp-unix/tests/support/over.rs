//! A socket that may not send, as a test has it.

use amp_core::PeerAddress;
use amp_unix::IUnixTransport;
use bytes::BytesMut;
use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::task::{Context, Poll};
use tokio::net::UnixStream;

/// What comes in place of a send, if anything does. It is told how many descriptors are to be sent.
type InPlace = Box<dyn FnMut(&mut Context<'_>, usize) -> Option<Poll<io::Result<usize>>> + Send>;

/// A Unix socket. Before it sends anything it asks whether it may.
pub(crate) struct Over {
    stream: UnixStream,
    in_place: InPlace,
    on_any_task: bool,
}

impl Over {
    pub(crate) fn new(
        stream: UnixStream,
        in_place: impl FnMut(&mut Context<'_>, usize) -> Option<Poll<io::Result<usize>>>
        + Send
        + 'static,
    ) -> Self {
        Self { stream, in_place: Box::new(in_place), on_any_task: false }
    }

    /// Callers send too, outside of the connection's task.
    pub(crate) fn on_any_task(self) -> Self {
        Self { on_any_task: true, ..self }
    }
}

impl IUnixTransport for Over {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        descriptors: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<usize>> {
        self.stream.poll_receive(cx, buffer, descriptors)
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        descriptors: &[BorrowedFd<'_>],
    ) -> Poll<io::Result<usize>> {
        match (self.in_place)(cx, descriptors.len()) {
            Some(in_place) => in_place,
            None => self.stream.poll_send(cx, bytes, descriptors),
        }
    }

    fn poll_received(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<()>> {
        self.stream.poll_received(cx, most)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_shutdown(cx)
    }

    fn peer_address(&self) -> PeerAddress {
        self.stream.peer_address()
    }

    fn sends_on_any_task(&self) -> bool {
        self.on_any_task
    }
}
