//! What goes out.

use std::task::{Context, Poll};

use super::clock::now;
use super::state::{Driver, TURNS};
use crate::error::CloseReason;
use crate::proto::{Timer, Transmit, Wants};

impl Driver {
    /// Writes what is queued. Whether it is worth another look.
    ///
    /// # Errors
    ///
    /// When the connection is over. Where the stream breaks it is read from a while longer: what the
    /// peer has sent before is not lost.
    pub(super) fn poll_writing(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let reason = match self.write(cx) {
            Ok(more) => return Ok(more),
            Err(reason) => reason,
        };
        if let Some(ending) = &self.ending {
            return Err(ending.reason.clone());
        }
        let is_broken = matches!(reason, CloseReason::Io(_));
        // Where a switch was agreed to there are no more boxes to be read.
        if !is_broken || self.shared.peek(|state| state.core.switch.is_agreed()) {
            return Err(reason);
        }
        self.timers.set_after(Timer::Broken, now(), self.shared.settings.limits.close_timeout);
        self.broken = Some(reason.clone());
        self.shared.with(|state| state.core.break_off(reason));
        Ok(true)
    }

    /// Writes until nothing is queued, or the transport takes no more.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        if self.sends_nothing() {
            drop(self.shared.with(|state| std::mem::take(state.core.outgoing())));
            return Ok(false);
        }
        if let Some(error) = self.line.failed.take()
            && !self.take_back(error)?
        {
            return Ok(false);
        }
        for _ in 0..TURNS {
            if self.line.writing.is_empty() {
                if !self.queued {
                    break;
                }
                let Self { shared, line, yielded, queued, .. } = self;
                let transmit =
                    shared.with(|state| state.core.poll_transmit(&mut line.writing, *yielded));
                *queued = matches!(transmit, Transmit::Later);
                match transmit {
                    Transmit::Nothing => break,
                    Transmit::Later => {
                        *yielded = true;
                        return Ok(true);
                    }
                    Transmit::Taken { awaits_room, has_after, uncarried } => {
                        drop(uncarried);
                        *yielded = false;
                        self.awaited |= has_after;
                        if let Some(log) = &shared.settings.wire_log {
                            log.sent(&shared.address, line.writing.bytes());
                        }
                        if awaits_room {
                            self.tell_of_room();
                        }
                    }
                }
            }
            let Poll::Ready(written) = self.line.poll_write(cx) else {
                self.check_queue()?;
                return Ok(false);
            };
            if let Err(error) = written {
                if self.take_back(error)? {
                    continue;
                }
                return Ok(false);
            }
            if self.line.writing.is_empty() {
                // What has been queued since then keeps the driver from waiting.
                break;
            }
        }
        self.check_queue()?;
        if !self.line.writing.is_empty() {
            return Ok(true);
        }
        if self.line.unflushed
            && let Poll::Ready(flushed) = self.line.poll_flush(cx)
        {
            flushed?;
            if self.awaited {
                self.start_what_waited();
            }
        }
        if self.line.writing.is_large() {
            self.release_buffers_later();
        }
        Ok(false)
    }

    /// Starts what was to run when an answer has been written.
    fn start_what_waited(&mut self) {
        loop {
            let written = self.line.written;
            let (after, more) =
                self.shared.with(|state| (state.core.take_after(written), state.core.has_after()));
            self.awaited = more;
            let Some(after) = after else { return };
            tokio::spawn(after);
        }
    }

    /// Fails when too much waits to be sent.
    #[inline]
    pub(super) fn check_queue(&self) -> Result<(), CloseReason> {
        if self.line.writing.is_empty() && !self.shared.wants(Wants::EVENTFUL) {
            // Nothing is held back.
            return Ok(());
        }
        self.check_waiting()
    }

    fn check_waiting(&self) -> Result<(), CloseReason> {
        let situation = self.situation();
        self.shared.peek(|state| state.core.check_queue(&situation))
    }
}
