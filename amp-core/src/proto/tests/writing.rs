//! What the driver of a side writes, and what of it is taken back.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Instant;

use super::driver::Progress;
use super::pipe::Pipe;
use super::side::{Mark, Seen, Side, TakenBack};
use crate::argument::Attachment;
use crate::proto::core::Transmit;
use crate::proto::{CloseReason, Outgoing, Timer};

impl Side {
    pub(super) fn write(&mut self, outgoing: &mut Pipe, now: Instant) -> Progress {
        let reason = match self.write_queued(outgoing, now) {
            Ok(()) => return Ok(()),
            Err(reason) => reason,
        };
        if let Some(ending) = &self.driver.ending {
            return Err(ending.reason.clone());
        }
        if !matches!(reason, CloseReason::Io(_)) || self.core.switch.is_agreed() {
            return Err(reason);
        }
        self.driver.timers.set_after(Timer::Broken, now, self.core.limits.close_timeout);
        self.driver.broken = Some(reason.clone());
        self.with(|core| core.break_off(reason));
        self.driver.more = true;
        Ok(())
    }

    fn write_queued(&mut self, outgoing: &mut Pipe, now: Instant) -> Progress {
        self.driver.waits_to_write = false;
        if self.is_silent() {
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
                    Transmit::Taken { awaits_room, .. } => self.told_of_room |= awaits_room,
                }
                self.driver.waited = false;
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
                self.take_back(at)?;
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
    fn take_back(&mut self, at: Option<usize>) -> Progress {
        let mut queued = Outgoing::default();
        let behind = self.core.taken();
        self.told_of_room |= self.with(|core| {
            core.take_queued(&mut queued);
            core.take_awaits_room()
        });
        let end = self.core.taken();
        let held = self.core.held_attachments();
        let writing = &mut self.driver.writing;
        let waited = writing.attachments() + queued.attachments() + held;
        let stand_in = Arc::new(Mark { of: None, at: 0 }) as Attachment;
        let removed = if let Some(at) = at.filter(|_| held == 0) {
            writing.append(queued);
            writing.remove(at, &stand_in).map(|removed| (vec![removed], Vec::new(), Vec::new()))
        } else {
            let removed = writing.remove_all().zip(queued.remove_all());
            writing.append(queued);
            let held = self.core.remove_held();
            removed.map(|(first, behind)| (first, behind, held))
        };
        let error = Arc::new(io::Error::other("refused"));
        let (first, queued, held) = removed.ok_or_else(|| CloseReason::Io(Arc::clone(&error)))?;
        let mut taken_back = Vec::new();
        for (boxes, start) in [(&held, end), (&queued, behind), (&first, self.driver.written)] {
            let was = self.with(|core| core.handle_removed(boxes, start, &error, "refused"));
            for (removed, was) in boxes.iter().zip(was) {
                let (key, value) = removed.first_pair().expect("a box begins with a pair");
                taken_back.push(TakenBack { key: key.to_vec(), value: value.to_vec(), was });
            }
        }
        let gone = first.iter().chain(&queued).map(|removed| removed.len).sum();
        self.with(|core| core.handle_not_written(gone));
        let left = self.driver.writing.attachments() + self.core.held_attachments();
        self.next_ordinal -= waited - left;
        self.seen.push_back(Seen::TakenBack(taken_back));
        Ok(())
    }
}
