//! How a connection ends, once that has begun.

use std::task::{Context, Poll};

use super::clock::now;
use super::state::{Driver, TURNS};
use crate::error::CloseReason;
use crate::proto::{Farewell, Public};
use crate::runtime;

impl Driver {
    /// Begins the farewell when the end has begun.
    pub(super) fn look_for_end(&mut self) {
        if self.drive.is_ending() || !self.shared.wants(Public::EVENTFUL) {
            return;
        }
        let situation = self.situation();
        let Self { shared, drive, .. } = self;
        let begins = shared.with(|state| {
            let begins = drive.look_for_end(&situation, now(), &mut state.core);
            if begins {
                drive.stop_watching(&mut state.core);
            }
            begins
        });
        if begins {
            // Before anything is written: when that fails, the connection is over.
            self.leave_behind();
        }
    }

    /// Ends the connection properly: see [`Farewell`].
    ///
    /// # Errors
    ///
    /// When the connection is over.
    pub(super) fn poll_ending(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        if !self.drive.is_ending() {
            return Ok(());
        }
        self.leave_behind();
        // The driver may have let other tasks run rather than write what is queued.
        let sent =
            self.drive.inbound.is_idle() && self.line.writing.is_empty() && !self.line.unflushed;
        if self.upgrading.is_some() {
            // What is held back is sent once there is a transport.
            return Ok(());
        }
        let Self { shared, line, drive, .. } = self;
        let Some((farewell, input, stint)) = drive.farewell() else { return Ok(()) };
        let over = |farewell: &Farewell| Err(farewell.reason().clone());
        let mut reads = 0;
        while farewell.reads() {
            if reads == TURNS || stint.is_over() {
                stint.give_way();
                runtime::defer(cx);
                break;
            }
            reads += 1;
            let received = input.drop_received(|buffer, attachments| {
                line.transport.as_mut().poll_receive(cx, buffer, attachments)
            });
            match received {
                Poll::Ready(Ok(received)) => {
                    stint.received_bytes(received);
                    farewell.handle_received(received);
                }
                Poll::Ready(Err(_)) => return over(farewell),
                Poll::Pending => break,
            }
        }
        if sent && !farewell.is_silent() && !shared.peek(|state| state.core.has_to_send()) {
            match line.transport.as_mut().poll_shutdown(cx) {
                Poll::Ready(Ok(())) => farewell.handle_shut_down(),
                Poll::Ready(Err(_)) => return over(farewell),
                Poll::Pending => {}
            }
        }
        farewell.check()
    }
}
