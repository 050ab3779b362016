//! What becomes of notes that a driver makes: they are logged.

use std::collections::VecDeque;

use super::pinger::UNSENT;
use super::shared::Shared;
use crate::proto::{Note, Timer, WaitingCall};
use crate::report::Report;
use crate::restraint::restrained;

impl Shared {
    /// The driver has made this note.
    #[inline]
    pub(super) fn noted(&self, note: Note<'_>) {
        match note {
            Note::Taken(writing, len) => {
                if let Some(log) = &self.settings.wire_log {
                    log.sent(&self.address, writing.last_bytes(len));
                }
            }
            other => self.noted_rarely(&other),
        }
    }

    #[inline(never)]
    fn noted_rarely(&self, note: &Note<'_>) {
        match *note {
            Note::TakenBack { boxes, error, reference } => {
                let (boxes, failures) = (boxes.len(), &self.settings.failures);
                restrained!(failures, warn, "attachments were refused", boxes, %reference, error = %Report::new(error));
            }
            Note::Unwanted { ignored, unanswerable } => {
                log_unanswerable(unanswerable);
                if ignored > 0 {
                    tracing::debug!(ignored, "ignored answers to calls that are not outstanding");
                }
            }
            Note::Dropped(calls) => self.log_dropped(calls),
            Note::NotPinged { ref error, first } => {
                let error = Report::new(error);
                if first {
                    restrained!(UNSENT, warn, "a ping cannot be sent", %error);
                } else {
                    tracing::debug!(%error, "a ping cannot be sent");
                }
            }
            Note::Due(Timer::Drain) => {
                tracing::debug!("responders have not answered before a graceful end");
            }
            Note::Due(Timer::Close) => tracing::debug!("the connection did not end in time"),
            Note::Taken(..) | Note::Due(_) => {}
        }
    }

    /// A caller that waits for an answer sees the end of the connection. Nobody sees what becomes of a
    /// one-way command.
    fn log_dropped(&self, calls: &VecDeque<WaitingCall>) {
        let dropped = calls.iter().filter(|received| received.call.tag().is_none()).count();
        log_unanswerable(calls.len() - dropped);
        if dropped > 0 {
            let failures = &self.settings.failures;
            restrained!(failures, warn, "dropped one-way commands that were not begun", dropped);
        }
    }
}

fn log_unanswerable(dropped: usize) {
    if dropped > 0 {
        tracing::debug!(dropped, "dropped calls that nobody waits for any more");
    }
}
