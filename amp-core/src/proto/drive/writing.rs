//! What goes out.

use std::io;
use std::sync::Arc;
use std::task::Poll;

use super::Drive;
use super::hands::{Hands, Note};
use crate::proto::core::{Core, TakenBack, Transmit};
use crate::proto::policy::next_reference;
use crate::proto::stint::TURNS;
use crate::proto::wants::Public;
use crate::proto::{CloseReason, RefusedAttachment};

impl<W: Clone, S: Default> Drive<W, S> {
    /// Writes what is queued. Whether it is worth another look.
    ///
    /// # Errors
    ///
    /// When the connection is over. Where the stream breaks it is read from a while longer: what the
    /// peer has sent before is not lost.
    pub(super) fn write_boxes(
        &mut self,
        hands: &mut impl Hands<Caller = W, Stream = S>,
    ) -> Result<bool, CloseReason> {
        let reason = match self.write(hands) {
            Ok(more) => return Ok(more),
            Err(reason) => reason,
        };
        let now = hands.now();
        hands.with(|core| self.handle_not_sent(reason, now, core))?;
        Ok(true)
    }

    /// Writes until nothing is queued, or the stream takes no more.
    fn write(
        &mut self,
        hands: &mut impl Hands<Caller = W, Stream = S>,
    ) -> Result<bool, CloseReason> {
        if self.is_silent() {
            drop(hands.with(|core| std::mem::take(core.outgoing())));
            return Ok(false);
        }
        if let Some(error) = self.line.failed.take()
            && !self.take_back(error, hands)?
        {
            // More may come to wait behind them meanwhile.
            self.check_queue(hands)?;
            return Ok(false);
        }
        for _ in 0..TURNS {
            if self.line.writing.is_empty() {
                if !self.queued {
                    self.yielded = false;
                    break;
                }
                let Self { line, yielded, queued, .. } = self;
                let transmit = hands.with(|core| core.poll_transmit(&mut line.writing, *yielded));
                *yielded = matches!(transmit, Transmit::Later);
                *queued = *yielded;
                match transmit {
                    Transmit::Nothing => break,
                    Transmit::Later => return Ok(true),
                    Transmit::Taken { awaits_room, uncarried } => {
                        drop(uncarried);
                        hands.note(Note::Taken(&line.writing, line.writing.len()));
                        if awaits_room {
                            self.watch_room(hands);
                        }
                    }
                }
            }
            let written = self
                .line
                .write(|stream, bytes, attachments| hands.send(stream, bytes, attachments));
            let Poll::Ready(written) = written else {
                self.check_queue(hands)?;
                return Ok(false);
            };
            if let Err(error) = written {
                if self.take_back(error, hands)? {
                    continue;
                }
                self.check_queue(hands)?;
                return Ok(false);
            }
            if self.line.writing.is_empty() {
                // What has been queued since then keeps the driver from waiting.
                break;
            }
        }
        self.check_queue(hands)?;
        if !self.line.writing.is_empty() {
            return Ok(true);
        }
        if self.line.unflushed
            && let Poll::Ready(flushed) = self.line.flush(|stream| hands.flush(stream))
        {
            flushed?;
            if hands.public().any(Public::AFTER) {
                let written = self.line.written;
                while let Some(after) = hands.with(|core| core.take_after(written)) {
                    hands.run(after);
                }
            }
        }
        if self.line.writing.is_large() {
            self.release_buffers_later(|| hands.now());
        }
        Ok(false)
    }

    /// Takes the boxes back whose attachments the stream refuses by this error. Whether that is done; it has
    /// to wait while a box with attachments is being encoded.
    ///
    /// # Errors
    ///
    /// When it is another error, or they cannot be taken back.
    fn take_back(
        &mut self,
        error: io::Error,
        hands: &mut impl Hands<Caller = W, Stream = S>,
    ) -> Result<bool, CloseReason> {
        let RefusedAttachment { error, one, for_now } = error.downcast()?;
        let (error, reference) = (Arc::new(error), next_reference());
        let writing = &mut self.line.writing;
        let taken_back = hands.with_ordinal(|hands, next| {
            hands.with(|core| core.take_back(writing, one.as_ref(), &error, &reference, next))
        });
        let Some(taken_back) = taken_back else {
            let error = Arc::into_inner(error);
            self.line.failed = error.map(|error| RefusedAttachment { error, one, for_now }.into());
            return Ok(false);
        };
        let Some(TakenBack { boxes, queued, awaits_room }) = taken_back else {
            return Err(CloseReason::Io(error));
        };
        if queued > 0 {
            hands.note(Note::Taken(&self.line.writing, queued));
        }
        // Those who are told of an end may encode a box with attachments, so its ordinals are unlocked.
        hands.with(|core| core.handle_taken_back(&boxes, for_now));
        hands.note(Note::TakenBack { boxes: &boxes, error: &error, reference: &reference });
        // What comes of the answers that are taken back is queued.
        self.queued = true;
        if awaits_room {
            self.watch_room(hands);
        }
        Ok(true)
    }

    /// Somebody who waits for room was told that there is some: it is watched whether they go on.
    pub(super) fn watch_room(&mut self, hands: &mut impl Hands<Caller = W, Stream = S>) {
        let passed = hands.peek(Core::room_passed);
        self.watch_room_since(passed, || hands.now());
    }

    /// Fails when too much waits to be sent.
    #[inline]
    pub(super) fn check_queue(
        &self,
        hands: &mut impl Hands<Caller = W, Stream = S>,
    ) -> Result<(), CloseReason> {
        if self.line.writing.is_empty() && !hands.public().any(Public::EVENTFUL) {
            // Nothing is held back.
            return Ok(());
        }
        let situation = self.situation();
        hands.peek(|core| core.check_queue(&situation))
    }
}
