//! The stream of a connection and what is being written to it, which go from hand to hand.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::transport::{NoTransport, Transport};
use crate::proto::Outgoing;

/// How many slices one write takes.
const SLICES: usize = 32;

/// Whoever has it may write: the driver, or a caller while the driver waits.
pub(super) struct Line {
    pub(super) transport: Pin<Box<dyn Transport>>,
    /// What was taken off the queue and is being written.
    pub(super) writing: Outgoing,
    /// How many bytes were written since the beginning.
    pub(super) written: u64,
    /// Whether what was written has yet to be flushed.
    pub(super) unflushed: bool,
    /// What went wrong when a caller wrote.
    pub(super) failed: Option<io::Error>,
    /// Whoever has written reports it. `None` in a line that leads nowhere.
    #[cfg(feature = "metrics")]
    measured: Option<crate::observing::MeasuredConnection>,
}

impl Line {
    pub(super) fn new(transport: Pin<Box<dyn Transport>>) -> Box<Self> {
        let mut line = Self::dead();
        line.transport = transport;
        #[cfg(feature = "metrics")]
        {
            line.measured = Some(crate::observing::MeasuredConnection::new());
        }
        line
    }

    /// A line that leads nowhere.
    pub(super) fn dead() -> Box<Self> {
        Box::new(Self {
            transport: Box::pin(NoTransport),
            writing: Outgoing::default(),
            written: 0,
            unflushed: false,
            failed: None,
            #[cfg(feature = "metrics")]
            measured: None,
        })
    }

    /// Reports what has happened on the connection.
    #[cfg(feature = "metrics")]
    pub(super) fn report(&mut self, counters: impl FnOnce() -> crate::proto::Counters) {
        if let Some(measured) = &mut self.measured {
            measured.report(counters());
        }
    }

    /// Writes some of what is being written, which is not empty.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.writing.is_in_one_piece() {
            self.poll_write_slices::<1>(cx)
        } else {
            self.poll_write_slices::<SLICES>(cx)
        }
    }

    fn poll_write_slices<const N: usize>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut slices = [IoSlice::new(&[]); N];
        let (count, attachments) = self.writing.parts(&mut slices);
        debug_assert!(count > 0, "something is being written");
        let sent = ready!(self.transport.as_mut().poll_send(cx, &slices[..count], attachments))?;
        if sent == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.writing.advance(sent);
        self.written += sent as u64;
        self.unflushed = true;
        if self.writing.lacks_bytes() {
            let text = "a box was sent before all the attachments that it names";
            return Poll::Ready(Err(io::Error::other(text)));
        }
        Poll::Ready(Ok(()))
    }

    /// Flushes what was written, if that is yet to be done.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unflushed {
            ready!(self.transport.as_mut().poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}
