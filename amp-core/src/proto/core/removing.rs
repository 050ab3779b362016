//! Boxes that were queued and are not sent after all, since the transport refuses what they name.

use super::{Core, Waiting};
use crate::boxes::keys;
use crate::proto::calls::{CallId, Tagged};
use crate::proto::{Outgoing, Removed};

/// What a box was that was taken out of what is to be sent.
#[derive(Debug)]
pub(crate) enum WasRemoved<W> {
    /// A call, which is over.
    Call {
        id: CallId,
        /// Who waited for its answer, if anyone did.
        waiter: Option<W>,
        /// Whether it has asked for a protocol switch.
        asked_switch: bool,
    },
    /// An answer. A failure is queued in its place.
    Answer,
    /// A call that wants no answer.
    OneWay,
}

impl<W> Core<W> {
    /// How many attachments wait that are named by boxes which are held back.
    pub(crate) fn held_attachments(&self) -> usize {
        self.held.as_ref().map_or(0, Outgoing::attachments)
    }

    /// Takes all boxes out that are held back and name attachments, the last first.
    pub(crate) fn remove_held(&mut self) -> Vec<Removed> {
        self.held.as_mut().and_then(Outgoing::remove_all).unwrap_or_default()
    }

    /// A box was taken out of what is to be sent. Where it was an answer, that becomes the failure
    /// `UNKNOWN` with this description. It counts no more.
    pub(crate) fn handle_removed(&mut self, removed: &Removed, description: &str) -> WasRemoved<W> {
        self.counters.boxes_sent -= 1;
        self.counters.bytes_sent -= removed.len as u64;
        match removed.first_pair() {
            Some((keys::ANSWER, tag)) => {
                self.counters.answers_sent -= 1;
                self.fail(tag, keys::UNKNOWN.as_bytes(), description);
                return WasRemoved::Answer;
            }
            Some((keys::ASK, tag)) => {
                self.counters.calls_sent -= 1;
                if let Tagged::Outstanding(id) = self.calls.find(tag) {
                    let asked_switch = self.is_switch(id);
                    if asked_switch {
                        self.asked_switch = None;
                        self.resume();
                    }
                    let waiter = match self.calls.remove(id) {
                        Some(Waiting::For(waiter)) => Some(waiter),
                        Some(Waiting::Nobody | Waiting::Done(_)) | None => None,
                    };
                    return WasRemoved::Call { id, waiter, asked_switch };
                }
            }
            _ => self.counters.calls_sent -= 1,
        }
        WasRemoved::OneWay
    }
}
