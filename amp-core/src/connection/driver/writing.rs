//! What goes out.

use std::task::{Context, Poll};

use super::clock::now;
use super::state::{Driver, TURNS};
use crate::error::CloseReason;
use crate::proto::{Public, Transmit};

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
        let Self { shared, drive, .. } = self;
        shared.with(|state| drive.handle_not_sent(reason, now(), &mut state.core))?;
        Ok(true)
    }

    /// Writes until nothing is queued, or the transport takes no more.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        if self.drive.is_silent() {
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
                    Transmit::Taken { awaits_room, uncarried } => {
                        drop(uncarried);
                        *yielded = false;
                        if let Some(log) = &shared.settings.wire_log {
                            log.sent(&shared.address, line.writing.bytes());
                        }
                        if awaits_room {
                            self.watch_room();
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
            if self.shared.wants(Public::AFTER) {
                self.start_what_waited();
            }
        }
        if self.line.writing.is_large() {
            self.drive.release_buffers_later(now);
        }
        Ok(false)
    }

    /// Starts what was to run when an answer has been written.
    fn start_what_waited(&mut self) {
        let written = self.line.written;
        while let Some(after) = self.shared.with(|state| state.core.take_after(written)) {
            tokio::spawn(after);
        }
    }

    /// Fails when too much waits to be sent.
    #[inline]
    pub(super) fn check_queue(&self) -> Result<(), CloseReason> {
        if self.line.writing.is_empty() && !self.shared.wants(Public::EVENTFUL) {
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
