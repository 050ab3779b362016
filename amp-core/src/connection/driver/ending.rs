//! How a connection ends, once that has begun.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

use super::{Driver, Input, READ_MIN, TURNS};
use crate::error::CloseReason;
use crate::runtime;

/// How many bytes of the peer are read and dropped at the end: about as many as the buffers of both
/// systems may hold when it hears of the end.
const FAREWELL_BYTES: usize = 16 << 20;

/// How many, and for how long, when the end is the peer's own fault. It has no claim to anything
/// but to be told.
const SHORT_FAREWELL_BYTES: usize = 256 << 10;
const SHORT_FAREWELL: Duration = Duration::from_secs(1);

/// How the connection ends, once that has begun.
pub(super) struct Ending {
    pub(super) reason: CloseReason,
    deadline: Pin<Box<Sleep>>,
    /// Whether the peer was told that nothing more will be sent.
    pub(super) shut_down: bool,
    /// Whether the peer has closed its side.
    peer_done: bool,
    /// How many bytes are still read from it.
    left: usize,
}

impl Driver {
    pub(super) fn begin_ending(&mut self, reason: CloseReason, peer_done: bool) {
        let timeout = self.shared.settings.limits.close_timeout;
        let (timeout, left) = if reason.is_fault_of_peer() {
            (timeout.min(SHORT_FAREWELL), SHORT_FAREWELL_BYTES)
        } else {
            (timeout, FAREWELL_BYTES)
        };
        let deadline = Box::pin(sleep(timeout));
        let shut_down = self.broken.is_some();
        self.ending = Some(Ending { reason, deadline, shut_down, peer_done, left });
    }

    /// Ends the connection properly: what is queued is sent, the peer is told that nothing more
    /// will come, and what it still sends is read and dropped. Closing a socket with unread bytes
    /// would reset the connection, and the peer might lose what was just sent. But one that goes on
    /// sending is not read from for ever.
    pub(super) fn poll_ending(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.ending.is_some() {
            self.leave_behind();
        }
        let Some(ending) = &mut self.ending else { return Poll::Pending };
        if ending.deadline.as_mut().poll(cx).is_ready() {
            tracing::debug!("the connection did not end in time");
            return Poll::Ready(());
        }
        if self.upgrading.is_some() {
            // What is held back is sent once there is a transport.
            return Poll::Pending;
        }
        let mut reads = 0;
        while !ending.peer_done && ending.left > 0 {
            if reads == TURNS || self.stint.is_over() {
                self.stint.give_way();
                runtime::defer(cx);
                break;
            }
            reads += 1;
            let Input { buffer, attachments, .. } = &mut self.input;
            buffer.clear();
            buffer.reserve(READ_MIN);
            let received = self.line.transport.as_mut().poll_receive(cx, buffer, attachments);
            attachments.clear();
            match received {
                Poll::Ready(Ok(received)) => {
                    self.stint.received_bytes(received);
                    ending.left = ending.left.saturating_sub(received);
                    ending.peer_done = received == 0;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        // The driver may have let other tasks run rather than write what is queued.
        let sent = self.input.calls.is_empty()
            && self.line.writing.is_empty()
            && !self.line.unflushed
            && self.shared.with(|state| state.core.outgoing().is_empty());
        if sent && !ending.shut_down {
            match self.line.transport.as_mut().poll_shutdown(cx) {
                Poll::Ready(Ok(())) => ending.shut_down = true,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {}
            }
        }
        let done = ending.peer_done || ending.left == 0;
        if ending.shut_down && done { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Closes the connection if it is to end gracefully and nothing is being answered any more, or
    /// that takes too long.
    pub(super) fn poll_draining(&mut self, cx: &mut Context<'_>) {
        let waits = self.waits();
        let (within, drained) =
            self.shared.with(|state| (state.core.end.draining(), state.core.is_drained(&waits)));
        let Some(within) = within else { return };
        let deadline = self.draining.get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
        let too_late = deadline.as_mut().poll(cx).is_ready();
        if too_late && !drained {
            tracing::debug!(?within, "responders have not answered before a graceful end");
        }
        if drained || too_late {
            self.shared.close(&CloseReason::Local);
        }
    }
}
