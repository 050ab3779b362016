//! What the driver of a side writes, and what of it is taken back.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Instant;

use super::driver::Progress;
use super::pipe::Pipe;
use super::side::{Mark, Seen, Side, TakenBack};
use crate::argument::Attachment;
use crate::proto::CloseReason;
use crate::proto::core::{Refused, Transmit};

impl Side {
    pub(super) fn write(&mut self, outgoing: &mut Pipe, now: Instant) -> Progress {
        let reason = match self.write_queued(outgoing, now) {
            Ok(()) => return Ok(()),
            Err(reason) => reason,
        };
        self.with_drive(|drive, core| drive.handle_not_sent(reason, now, core))?;
        self.driver.more = true;
        Ok(())
    }

    fn write_queued(&mut self, outgoing: &mut Pipe, now: Instant) -> Progress {
        self.driver.waits_to_write = false;
        if self.driver.drive.is_silent() {
            drop(self.with(|core| std::mem::take(core.outgoing())));
            return Ok(());
        }
        loop {
            if self.driver.writing.is_empty() {
                self.run_what_waited();
                let mut writing = std::mem::take(&mut self.driver.writing);
                let waited = std::mem::replace(&mut self.driver.waited, true);
                let transmit = self.with(|core| core.poll_transmit(&mut writing, waited));
                self.driver.writing = writing;
                match transmit {
                    Transmit::Nothing | Transmit::Later => return Ok(()),
                    Transmit::Taken { awaits_room, .. } => {
                        self.driver.waited = false;
                        self.watch_room(awaits_room, now);
                    }
                }
            }
            if outgoing.refuses_bytes() {
                return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
            }
            let mut slices = [IoSlice::new(&[]); 4];
            let (count, attachments) = self.driver.writing.parts(&mut slices);
            if !attachments.is_empty()
                && outgoing.room > 0
                && let Some(at) = outgoing.refuses.take()
            {
                let at = (at < attachments.len()).then_some(at);
                self.take_back(at, now)?;
                continue;
            }
            let sent = outgoing.send(&slices[..count], attachments, now);
            self.driver.writing.advance(sent);
            self.driver.written += sent as u64;
            assert!(!self.driver.writing.lacks_bytes(), "all went with the first byte");
            if sent == 0 {
                self.driver.waits_to_write = true;
                let situation = self.situation();
                return self.core.check_queue(&situation);
            }
        }
    }

    /// Runs what was to run when an answer is written.
    fn run_what_waited(&mut self) {
        let written = self.driver.written;
        while let Some(n) = self.with(|core| core.take_after(written)) {
            self.finish_after();
            self.seen.push_back(Seen::After(n, written));
        }
    }

    /// Takes the boxes back whose attachments were refused: the one with the attachment at this place,
    /// or all of them.
    fn take_back(&mut self, at: Option<usize>, now: Instant) -> Progress {
        let stand_in = Arc::new(Mark { of: None, at: 0 }) as Attachment;
        let refused = match at {
            Some(index) => Refused::One { index, stand_in: &stand_in },
            None => Refused::All,
        };
        let error = Arc::new(io::Error::other("refused"));
        let (mut writing, mut next_ordinal) =
            (std::mem::take(&mut self.driver.writing), self.next_ordinal as u64);
        let taken_back = self.with(|core| {
            core.take_back(&mut writing, &refused, &error, "refused", &mut next_ordinal)
        });
        self.driver.writing = writing;
        self.next_ordinal = usize::try_from(next_ordinal).expect("it is small");
        let taken_back = taken_back.ok_or(CloseReason::Io(error))?;
        self.watch_room(taken_back.awaits_room, now);
        let boxes = taken_back.boxes.into_iter().map(|(removed, was)| {
            let (key, value) = removed.first_pair().expect("a box begins with a pair");
            TakenBack { key: key.to_vec(), value: value.to_vec(), was }
        });
        self.seen.push_back(Seen::TakenBack(boxes.collect()));
        Ok(())
    }

    /// Somebody was told of room, if anyone waits for it: it is watched whether they look.
    fn watch_room(&mut self, awaits_room: bool, now: Instant) {
        if awaits_room {
            self.driver.drive.watch_room(self.room_passed, || now);
        }
    }
}
