//! Boxes that were queued and are not sent after all, since the transport refuses what they name.

use std::io;
use std::sync::Arc;

use super::side::{Core, Waiting};
use crate::keys;
use crate::proto::calls::{CallId, Tagged};
use crate::proto::{Host, Outgoing, Removed};

/// What a box was that was taken out of what is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WasRemoved {
    /// A call, which is over.
    Call {
        id: CallId,
        /// Whether somebody waits for its answer.
        waits: bool,
        /// Whether it has asked for a protocol switch.
        asked_switch: bool,
    },
    /// An answer. A failure is queued in its place.
    Answer,
    /// A call that wants no answer.
    OneWay,
}

impl<W, H: Host> Core<W, H> {
    /// How many attachments wait that are named by boxes which are held back.
    pub(crate) fn held_attachments(&self) -> usize {
        self.held.as_ref().map_or(0, Outgoing::attachments)
    }

    /// Takes all boxes out that are held back and name attachments, the last first.
    pub(crate) fn remove_held(&mut self) -> Vec<Removed> {
        self.held.as_mut().and_then(Outgoing::remove_all).unwrap_or_default()
    }

    /// Of what was taken off the queue, so many bytes are not written after all.
    pub(crate) fn handle_not_written(&mut self, bytes: usize) {
        self.taken -= bytes as u64;
    }

    /// The place of the first byte that was not taken off the queue, among all bytes that this side
    /// sends.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Boxes were taken out of what is to be sent, the last first, because of this error. Their places
    /// are counted from `start`, which is that of the first byte of the queue they were in. They count
    /// no more. Answers among them become the failure `UNKNOWN` with this description.
    pub(crate) fn handle_removed(
        &mut self,
        removed: &[Removed],
        start: u64,
        error: &Arc<io::Error>,
        description: &str,
    ) -> Vec<WasRemoved> {
        removed
            .iter()
            .map(|removed| {
                self.move_after(start + removed.before as u64, removed.len as u64);
                self.counters.boxes_sent -= 1;
                self.counters.bytes_sent -= removed.len as u64;
                self.handle_one_removed(removed, error, description)
            })
            .collect()
    }

    fn handle_one_removed(
        &mut self,
        removed: &Removed,
        error: &Arc<io::Error>,
        description: &str,
    ) -> WasRemoved {
        match removed.first_pair() {
            Some((keys::ANSWER, tag)) => {
                self.counters.answers_sent -= 1;
                self.fail(tag, keys::UNKNOWN.as_bytes(), description);
                WasRemoved::Answer
            }
            Some((keys::ASK, tag)) => {
                self.counters.calls_sent -= 1;
                let Tagged::Outstanding(id) = self.calls.find(tag) else {
                    return WasRemoved::OneWay;
                };
                let asked_switch = self.switch.is_asked_by(id);
                if asked_switch {
                    let then = self.switch.end();
                    self.released().then.extend(then);
                    self.stop_holding();
                }
                let waits = if let Some(waiting @ Waiting::For(_)) = self.calls.get_mut(id)
                    && let Waiting::For(waiter) =
                        std::mem::replace(waiting, Waiting::NotSent(Arc::clone(error)))
                {
                    self.released().callers.push(waiter);
                    true
                } else {
                    self.calls.remove(id);
                    false
                };
                WasRemoved::Call { id, waits, asked_switch }
            }
            _ => {
                self.counters.calls_sent -= 1;
                WasRemoved::OneWay
            }
        }
    }

    /// A box of so many bytes was removed: what runs behind it runs earlier, and its own never.
    fn move_after(&mut self, before: u64, len: u64) {
        let end = before + len;
        if let Some(at) = self.after.iter().position(|(position, _)| *position == end)
            && let Some((_, own)) = self.after.remove(at)
        {
            self.released().after.push(own);
        }
        for (position, _) in &mut self.after {
            if *position > end {
                *position -= len;
            }
        }
    }
}
