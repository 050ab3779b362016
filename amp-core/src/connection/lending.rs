//! A lone call is written by whoever makes it, while the driver waits.

use std::io;
use std::task::{Context, Waker};

use super::line::Line;
use super::shared::{Shared, State};

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
    /// As [`with`](Self::with), for a call: when nothing else could share the write of its box, it gives
    /// the stream with the box, to be written by whoever calls.
    #[inline]
    pub(super) fn with_line<R>(
        &self,
        change: impl FnOnce(&mut State) -> R,
    ) -> (R, Option<Loan<'_>>) {
        self.with(|state| {
            let result = change(state);
            (result, self.borrow_line(state))
        })
    }

    /// Takes the only box in the queue, which is a call, and the line to write it to, when nobody
    /// else is about to queue one that could share the write.
    fn borrow_line(&self, state: &mut State) -> Option<Loan<'_>> {
        if !state.parking.has_line() {
            return None;
        }
        let (line, driver) = state.parking.lend(&mut state.core)?;
        Some(Loan { shared: self, line: Some(line), driver, written: Written::Unknown })
    }
}

impl Loan<'_> {
    /// Writes the box, and gives the line back.
    pub(super) fn write(mut self) {
        let Self { line: Some(line), driver: Some(driver), written, .. } = &mut self else {
            return;
        };
        let all = line.write_lent(
            &mut Context::from_waker(driver),
            |cx, stream, bytes, attachments| {
                stream.transport.as_mut().poll_send(cx, bytes, attachments)
            },
            |cx, stream| stream.transport.as_mut().poll_flush(cx),
        );
        *written = if all { Written::All } else { Written::InPart };
        #[cfg(feature = "metrics")]
        if let Some(line) = &mut self.line {
            line.stream.report(|| self.shared.peek(|state| state.core.counters()));
        }
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let Self { shared, line, driver, written } = self;
        if let (Some(line), Written::Unknown) = (&mut *line, *written) {
            line.failed = Some(io::Error::other("the transport panicked"));
        }
        // The driver is woken if there is something for it to do by then. Whatever remains is dropped
        // after the lock has been released.
        shared.with(|state| {
            if state.core.end().over().is_none() {
                state.parking.give_back(line, driver, *written == Written::All);
            }
        });
    }
}

#[cfg(test)]
mod meanwhile;
#[cfg(test)]
mod tests;
