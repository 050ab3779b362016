use amp_core::PeerAddress;
use amp_unix::IUnixTransport;
use bytes::BytesMut;
use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// A socket that counts what is done with it. What it counts is right on a current-thread runtime.
#[derive(Debug)]
pub struct Counted {
    stream: UnixStream,
    counts: Arc<Counts>,
}

/// What was done with sockets.
#[derive(Debug, Default)]
pub struct Counts {
    /// System calls that wrote.
    pub writes: Count,
    /// System calls that read.
    pub reads: Count,
    /// System calls that would have blocked.
    pub blocked: Count,
    /// Descriptors that were received.
    pub descriptors: Count,
    /// How often somebody tried to read, with or without a system call.
    pub polls: Count,
}

/// A number that grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Counted {
    /// Counts with others that have the same counts.
    pub fn new(stream: UnixStream, counts: &Arc<Counts>) -> Self {
        Self { stream, counts: Arc::clone(counts) }
    }

    /// Whether tokio takes the socket for ready. Then, and only then, it asks the kernel. What it
    /// takes it for does not change before it has asked: for that it looks between tasks.
    fn is_ready(&self, interest: Interest) -> bool {
        self.stream.try_io(interest, || Ok(())).is_ok()
    }

    fn count<T>(&self, asked: bool, moved: &Count, result: &Poll<T>) {
        let count = if result.is_ready() { moved } else { &self.counts.blocked };
        count.add(u64::from(asked));
    }
}

impl Count {
    /// Adds to it.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// What it is.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl IUnixTransport for Counted {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        descriptors: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<usize>> {
        self.counts.polls.add(1);
        let before = descriptors.len();
        let asked = self.is_ready(Interest::READABLE);
        let received = self.stream.poll_receive(cx, buffer, descriptors);
        self.count(asked, &self.counts.reads, &received);
        self.counts.descriptors.add((descriptors.len() - before) as u64);
        received
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
        descriptors: &[BorrowedFd<'_>],
    ) -> Poll<io::Result<usize>> {
        let asked = self.is_ready(Interest::WRITABLE);
        let sent = self.stream.poll_send(cx, bytes, descriptors);
        self.count(asked, &self.counts.writes, &sent);
        sent
    }

    fn poll_received(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<()>> {
        self.stream.poll_received(cx, most)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_shutdown(cx)
    }

    fn sends_on_any_task(&self) -> bool {
        self.stream.sends_on_any_task()
    }

    fn peer_address(&self) -> PeerAddress {
        self.stream.peer_address()
    }
}
