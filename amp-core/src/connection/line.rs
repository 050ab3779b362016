//! The stream of a connection and what is being written to it, which go from hand to hand.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use super::shared::{Shared, State};
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
    pub(super) fn report(&mut self, shared: &Shared) {
        if let Some(measured) = &mut self.measured {
            let counters = shared.with(|state| state.core.counters());
            measured.report(counters);
        }
    }

    /// Writes some of what is being written, which is not empty.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut slices = [IoSlice::new(&[]); SLICES];
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

/// A line that a caller has borrowed from a driver that waits, with a box to be written.
///
/// Waking the driver for it would take longer than the write. Whatever cannot be done at once is
/// left to the driver, and so is what others want of it in the meantime.
pub(super) struct Loan<'a> {
    shared: &'a Shared,
    /// `None` once it was given back.
    line: Option<Box<Line>>,
    /// The driver's. What the transport has to wait for wakes the driver, not the caller.
    driver: Option<Waker>,
    written: Written,
}

/// How far a caller has come with a box.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    /// The transport has not returned.
    Unknown,
    /// The driver goes on.
    InPart,
    All,
}

impl Shared {
    /// Takes the only box in the queue, which is a call, and the line to write it to, when nobody
    /// else is about to queue one that could share the write.
    pub(super) fn borrow_line(&self, state: &mut State) -> Option<Loan<'_>> {
        state.line.as_ref()?;
        let alone = state.core.outgoing().boxes() == 1 && state.core.outstanding() == 1;
        // What a log does, and how long it takes, is no caller's business.
        let watched = self.settings.wire_log.is_some();
        if !alone || watched || !state.core.is_uneventful() || state.driver.is_none() {
            return None;
        }
        let idle = |line: &mut Box<Line>| line.writing.is_empty() && !line.unflushed;
        let mut line = state.line.take_if(idle)?;
        state.core.take_queued(&mut line.writing);
        Some(Loan {
            shared: self,
            line: Some(line),
            driver: state.driver.take(),
            written: Written::Unknown,
        })
    }
}

impl Loan<'_> {
    /// Writes the box, and gives the line back.
    pub(super) fn write(mut self) {
        let Self { line: Some(line), driver: Some(driver), written, .. } = &mut self else {
            return;
        };
        let mut cx = Context::from_waker(driver);
        let result = match line.poll_write(&mut cx) {
            Poll::Ready(Ok(())) if line.writing.is_empty() => line.poll_flush(&mut cx),
            Poll::Ready(Ok(())) => Poll::Pending,
            other => other,
        };
        *written = match result {
            Poll::Ready(Ok(())) => Written::All,
            _ => Written::InPart,
        };
        if let Poll::Ready(Err(error)) = result {
            line.failed = Some(error);
        }
        #[cfg(feature = "metrics")]
        if let Some(line) = &mut self.line {
            line.report(self.shared);
        }
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let Self { shared, line, driver, written } = self;
        if let (Some(line), Written::Unknown) = (&mut *line, *written) {
            line.failed = Some(io::Error::other("the transport panicked"));
        }
        // The driver is woken if there is something for it to do by then. What is left over is dropped
        // once the lock is.
        shared.with(|state| {
            if state.core.end.over().is_none() {
                state.line = line.take();
                // The driver may have come meanwhile, on another task even.
                state.driver = state.came.take().or_else(|| driver.take());
                state.situation.line |= *written != Written::All;
            }
        });
    }
}

#[cfg(test)]
mod tests;
