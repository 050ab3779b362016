//! How a connection ends, once that has begun.

use std::task::{Context, Poll};

use super::clock::now;
use super::state::{Driver, Ending, Input, READ_MIN, TURNS};
use crate::error::CloseReason;
use crate::proto::{Timer, Wants};
use crate::runtime;

impl Driver {
    /// Begins the farewell when the end has begun. A connection that is drained begins it when nothing
    /// is being answered any more, or that takes too long.
    pub(super) fn look_for_end(&mut self) {
        if self.ending.is_some() || !self.shared.wants(Wants::EVENTFUL) {
            return;
        }
        let situation = self.situation();
        let (within, drained) = self
            .shared
            .peek(|state| (state.core.end.draining(), state.core.is_drained(&situation)));
        if let Some(within) = within {
            if !situation.draining {
                self.timers.set_after(Timer::Drain, now(), within);
            }
            if drained {
                self.shared.close(&CloseReason::Local);
            }
        }
        if let Some(reason) = self.shared.peek(|state| state.core.end.begun().cloned()) {
            self.begin_ending(reason);
        }
    }

    fn begin_ending(&mut self, reason: CloseReason) {
        self.stop_watching();
        let (timeout, left) = reason.farewell(self.shared.settings.limits.close_timeout);
        self.timers.set_after(Timer::Close, now(), timeout);
        let (shut_down, peer_done) = (self.broken.is_some(), self.input.over);
        self.ending = Some(Ending { reason, shut_down, peer_done, left });
    }

    /// Ends the connection properly: what is queued is sent, the peer is told that nothing more
    /// will come, and what it still sends is read and dropped. Closing a socket with unread bytes
    /// would reset the connection, and the peer might lose what was just sent. But one that goes on
    /// sending is not read from for ever.
    ///
    /// # Errors
    ///
    /// When the connection is over.
    pub(super) fn poll_ending(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        if self.ending.is_some() {
            self.leave_behind();
        }
        let Self { ending: Some(ending), line, .. } = self else { return Ok(()) };
        if self.upgrading.is_some() {
            // What is held back is sent once there is a transport.
            return Ok(());
        }
        let over = |ending: &Ending| Err(ending.reason.clone());
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
            let received = line.transport.as_mut().poll_receive(cx, buffer, attachments);
            attachments.clear();
            match received {
                Poll::Ready(Ok(received)) => {
                    self.stint.received_bytes(received);
                    ending.left = ending.left.saturating_sub(received);
                    ending.peer_done = received == 0;
                }
                Poll::Ready(Err(_)) => return over(ending),
                Poll::Pending => break,
            }
        }
        // The driver may have let other tasks run rather than write what is queued.
        let sent = self.inbound.is_idle()
            && line.writing.is_empty()
            && !line.unflushed
            && self.shared.with(|state| state.core.outgoing().is_empty());
        if sent && !ending.shut_down {
            match line.transport.as_mut().poll_shutdown(cx) {
                Poll::Ready(Ok(())) => ending.shut_down = true,
                Poll::Ready(Err(_)) => return over(ending),
                Poll::Pending => {}
            }
        }
        let done = ending.peer_done || ending.left == 0;
        if ending.shut_down && done { over(ending) } else { Ok(()) }
    }
}
