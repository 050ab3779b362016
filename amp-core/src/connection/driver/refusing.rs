//! Attachments that the transport refuses: their boxes are taken back.

use std::io;
use std::sync::{Arc, TryLockError};
use std::task::{Context, Waker};

use super::super::shared::{HandedOver, State};
use super::super::transport::RefusedAttachment;
use super::Driver;
use crate::error::CloseReason;
use crate::proto::{Outgoing, Removed, Unsent};

impl Driver {
    /// Takes the boxes back whose attachments the transport has refused, and says whether that is
    /// done; otherwise it is tried again, with the driver awake. Any other error is the end.
    ///
    /// The peer counts what it receives. Where nothing else has an ordinal behind those of the boxes,
    /// their ordinals are given out again; elsewhere stand-ins are sent for them.
    pub(super) fn take_back(
        &mut self,
        cx: &Context<'_>,
        error: io::Error,
    ) -> Result<bool, CloseReason> {
        let RefusedAttachment { error, one } = error.downcast()?;
        let shared = Arc::clone(&self.shared);
        let mut next_ordinal = match shared.next_ordinal.try_lock() {
            Ok(next_ordinal) => next_ordinal,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                // A box is being encoded whose ordinals are behind these. It is waited for, but not
                // by blocking: that may take as long as its user's code does.
                self.line.failed = Some(RefusedAttachment { error, one }.into());
                cx.waker().wake_by_ref();
                return Ok(false);
            }
        };
        let (queued, waiting_for_room, held) = {
            let mut state = shared.lock();
            let mut queued = Outgoing::default();
            state.take_queued(&mut queued);
            self.awaited |= !state.after.is_empty();
            let waiting_for_room = std::mem::take(&mut state.waiting_for_room);
            (queued, waiting_for_room, state.core.held_attachments())
        };
        if let Some(log) = &shared.settings.wire_log {
            log.sent(&shared.address, queued.bytes());
        }
        if waiting_for_room {
            self.tell_of_room();
        }
        let writing = &mut self.line.writing;
        writing.append(queued);

        let waited = writing.attachments() + held;
        let alone = one.filter(|_| held == 0);
        let all = alone.is_none();
        let removed = match alone {
            Some((index, stand_in)) => {
                writing.remove(index, &stand_in).map(|removed| vec![removed])
            }
            None => writing.remove_all(),
        };
        let error = Arc::new(error);
        let Some(removed) = removed else { return Err(CloseReason::Io(error)) };
        let told = {
            let mut state = shared.lock();
            let mut told = Told::default();
            if all {
                // They are behind all that was taken.
                let behind = state.taken;
                let held = state.core.remove_held();
                state.unsent(&held, behind, &error, &mut told);
            }
            state.unsent(&removed, self.line.written, &error, &mut told);
            state.taken -= removed.iter().map(|removed| removed.len as u64).sum::<u64>();
            *next_ordinal -=
                (waited - writing.attachments() - state.core.held_attachments()) as u64;
            told
        };
        drop(next_ordinal);
        tracing::warn!(boxes = told.boxes, %error, "boxes were not sent: attachments were refused");
        told.waiters.into_iter().for_each(Waker::wake);
        drop((told.after, told.handed_over));
        Ok(true)
    }
}

/// Who is told, and what is dropped, once nothing is locked.
#[derive(Default)]
struct Told {
    boxes: usize,
    waiters: Vec<Waker>,
    after: Vec<super::super::shared::After>,
    handed_over: Vec<HandedOver>,
}

impl State {
    /// These boxes are not sent, of which the last is the first, and which were in what comes
    /// `behind` so many bytes.
    fn unsent(
        &mut self,
        removed: &[Removed],
        behind: u64,
        error: &Arc<io::Error>,
        told: &mut Told,
    ) {
        for removed in removed {
            let len = removed.len as u64;
            let end = behind + removed.before as u64 + len;
            self.after.retain_mut(|(position, _)| {
                if *position > end {
                    *position -= len;
                }
                true
            });
            if let Some(at) = self.after.iter().position(|(position, _)| *position == end) {
                told.after.extend(self.after.remove(at).map(|(_, after)| after));
            }
            told.boxes += 1;
            let description = format!("the answer was not sent: {error}");
            match self.core.unsent(removed, &description) {
                Unsent::Call { id, waiter, asked_switch } => {
                    if asked_switch {
                        told.handed_over.push(std::mem::take(&mut self.handed_over));
                    }
                    if let Some(waiter) = waiter {
                        self.unsent.push((id, Arc::clone(error)));
                        told.waiters.push(waiter);
                    }
                }
                Unsent::Other => {}
            }
        }
    }
}
