//! The stream of a connection and what is being written to it, which go from hand to hand.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::task::{Poll, ready};

use crate::argument::Attachment;
use crate::proto::Outgoing;

/// How many slices one write takes.
const SLICES: usize = 32;

/// Only its holder may write: the driver, or a caller while the driver waits.
pub(crate) struct Line<S> {
    pub(crate) stream: S,
    /// What was taken off the queue and is being written.
    pub(crate) writing: Outgoing,
    /// How many bytes were written since the beginning.
    pub(crate) written: u64,
    /// Whether what was written has yet to be flushed.
    pub(crate) unflushed: bool,
    /// What went wrong when a caller wrote, or what the transport refuses and cannot be taken back yet.
    pub(crate) failed: Option<io::Error>,
}

/// Whether callers may write while the driver waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lending {
    /// Callers never write over this stream.
    Never,
    /// The driver has the line.
    Kept,
    /// The line was left to callers.
    Lent,
}

impl<S> Line<S> {
    pub(crate) fn new(stream: S) -> Box<Self> {
        let writing = Outgoing::default();
        Box::new(Self { stream, writing, written: 0, unflushed: false, failed: None })
    }

    /// Whether all that was taken off the queue is written.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.writing.is_empty() && !self.unflushed
    }

    /// Writes some of what is being written, which is not empty, with `poll_send`: it takes bytes of the slices,
    /// and all attachments with the first of them.
    #[inline]
    pub(crate) fn write(
        &mut self,
        poll_send: impl FnOnce(
            &mut S,
            &[IoSlice<'_>],
            &mut VecDeque<Attachment>,
        ) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        if self.writing.is_in_one_piece() {
            self.write_slices::<1>(poll_send)
        } else {
            self.write_slices::<SLICES>(poll_send)
        }
    }

    fn write_slices<const N: usize>(
        &mut self,
        poll_send: impl FnOnce(
            &mut S,
            &[IoSlice<'_>],
            &mut VecDeque<Attachment>,
        ) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        let mut slices = [IoSlice::new(&[]); N];
        let (count, attachments) = self.writing.parts(&mut slices);
        debug_assert!(count > 0, "something is being written");
        let sent = ready!(poll_send(&mut self.stream, &slices[..count], attachments))?;
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

    /// Writes what somebody was lent the line for, and flushes it, as far as that is done at once: whether it
    /// is. Whatever goes wrong is left to the driver.
    #[inline]
    pub(crate) fn write_lent<C>(
        &mut self,
        cx: &mut C,
        poll_send: impl FnOnce(
            &mut C,
            &mut S,
            &[IoSlice<'_>],
            &mut VecDeque<Attachment>,
        ) -> Poll<io::Result<usize>>,
        poll_flush: impl FnOnce(&mut C, &mut S) -> Poll<io::Result<()>>,
    ) -> bool {
        let sent =
            self.write(|stream, bytes, attachments| poll_send(cx, stream, bytes, attachments));
        let written = match sent {
            Poll::Ready(Ok(())) if self.writing.is_empty() => {
                self.flush(|stream| poll_flush(cx, stream))
            }
            Poll::Ready(Ok(())) => Poll::Pending,
            other => other,
        };
        let all = matches!(written, Poll::Ready(Ok(())));
        if let Poll::Ready(Err(error)) = written {
            self.failed = Some(error);
        }
        all
    }

    /// Flushes what was written, if that is yet to be done.
    pub(crate) fn flush(
        &mut self,
        flush: impl FnOnce(&mut S) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        if self.unflushed {
            ready!(flush(&mut self.stream))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}
