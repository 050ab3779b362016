//! Attachments that the transport refuses: their boxes are taken back.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, TryLockError};
use std::task::Waker;

use super::super::policy::FailurePolicy;
use super::super::shared::{After, HandedOver, Shared, State};
use super::super::transport::RefusedAttachment;
use super::Driver;
use crate::boxes::keys;
use crate::error::CloseReason;
use crate::proto::{Outgoing, Removed, WasRemoved};
use crate::responder::next_reference;
use crate::restraint::restrained;

impl Driver {
    /// Takes the boxes back whose attachments the transport has refused, and says whether that is
    /// done; otherwise it is done when the driver is woken. Any other error is the end.
    ///
    /// The peer counts what it receives. Where nothing else has an ordinal behind those of the boxes,
    /// their ordinals are given out again; elsewhere stand-ins are sent for them.
    pub(super) fn take_back(&mut self, error: io::Error) -> Result<bool, CloseReason> {
        let RefusedAttachment { error, one } = error.downcast()?;
        let shared = Arc::clone(&self.shared);
        let Some(mut next_ordinal) = try_lock_ordinals(&shared) else {
            // A box is being encoded whose ordinals are behind these. It is waited for, but not by
            // blocking: that may take as long as its user's code does, which wakes the driver then.
            self.line.failed = Some(RefusedAttachment { error, one }.into());
            return Ok(false);
        };
        let (mut queued, behind, waiting_for_room, held) = {
            let mut state = shared.lock();
            let behind = state.taken;
            let mut queued = Outgoing::default();
            state.take_queued(&mut queued);
            self.awaited |= !state.after.is_empty();
            let waiting_for_room = std::mem::take(&mut state.waiting_for_room);
            (queued, behind, waiting_for_room, state.core.held_attachments())
        };
        let writing = &mut self.line.writing;
        let waited = writing.attachments() + queued.attachments() + held;
        // Nothing stands in for another where the others cannot be sent with it.
        let one = one.filter(|_| held == 0);
        let all = one.is_none();
        let mut removed_behind = Some(Vec::new());
        if all {
            removed_behind = queued.remove_all();
        }
        if let Some(log) = &shared.settings.wire_log {
            log.sent(&shared.address, queued.bytes());
        }
        let removed = if let Some((index, stand_in)) = one {
            writing.append(queued);
            writing.remove(index, &stand_in).map(|removed| vec![removed])
        } else {
            let removed = writing.remove_all();
            writing.append(queued);
            removed
        };
        if waiting_for_room {
            self.tell_of_room();
        }
        let error = Arc::new(error);
        let (Some(removed), Some(removed_behind)) = (removed, removed_behind) else {
            return Err(CloseReason::Io(error));
        };
        let reference = format!("{:08x}", next_reference());
        let policy = shared.settings.policy;
        let mut told = Told { description: describe(policy, &reference), ..Told::default() };
        {
            let mut state = shared.lock();
            if all {
                // They are behind all that was taken.
                let end = state.taken;
                let held = state.core.remove_held();
                state.note_removed(&held, end, &error, &mut told);
            }
            state.note_removed(&removed_behind, behind, &error, &mut told);
            state.note_removed(&removed, self.line.written, &error, &mut told);
            let gone = removed.iter().chain(&removed_behind).map(|removed| removed.len as u64);
            state.taken -= gone.sum::<u64>();
            let waits = self.line.writing.attachments() + state.core.held_attachments();
            *next_ordinal -= (waited - waits) as u64;
        }
        drop(next_ordinal);
        let Told { boxes, answers, waiters, after, handed_over, .. } = told;
        let failures = &shared.settings.failures;
        restrained!(failures, warn, "attachments were refused", boxes, %reference, %error);
        waiters.into_iter().for_each(Waker::wake);
        drop((after, handed_over));
        if answers > 0 && policy == FailurePolicy::Close {
            let code = keys::UNKNOWN.into();
            shared.close(&CloseReason::Failed { command: "a command".into(), code });
        }
        Ok(true)
    }
}

/// The ordinals, unless a box is being encoded: then the driver is woken when that is over.
fn try_lock_ordinals(shared: &Shared) -> Option<MutexGuard<'_, u64>> {
    let try_lock = || match shared.next_ordinal.try_lock() {
        Ok(next_ordinal) => Some(next_ordinal),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    };
    try_lock().or_else(|| {
        shared.ordinals_wanted.store(true, Ordering::SeqCst);
        // It may have been unlocked before that.
        try_lock()
    })
}

/// What the peer is told in place of an answer: as with any failure that is not declared.
fn describe(policy: FailurePolicy, reference: &str) -> String {
    match policy {
        FailurePolicy::Stay => format!("Unknown Error (reference {reference})"),
        FailurePolicy::Close => "Unknown Error".to_owned(),
    }
}

/// Who is told what, and what is dropped, once nothing is locked.
#[derive(Default)]
struct Told {
    description: String,
    boxes: usize,
    answers: usize,
    waiters: Vec<Waker>,
    after: Vec<After>,
    handed_over: Vec<HandedOver>,
}

impl State {
    /// Boxes were taken out, the last first. Their places are counted from `start`, which is that of
    /// the first byte of the queue they were in.
    fn note_removed(
        &mut self,
        removed: &[Removed],
        start: u64,
        error: &Arc<io::Error>,
        told: &mut Told,
    ) {
        for removed in removed {
            let len = removed.len as u64;
            let end = start + removed.before as u64 + len;
            let own = self.after.iter().position(|(position, _)| *position == end);
            told.after.extend(own.and_then(|at| self.after.remove(at)).map(|(_, after)| after));
            for (position, _) in &mut self.after {
                if *position > end {
                    *position -= len;
                }
            }
            told.boxes += 1;
            match self.core.handle_removed(removed, &told.description) {
                WasRemoved::Call { id, waiter, asked_switch } => {
                    if asked_switch {
                        told.handed_over.push(std::mem::take(&mut self.handed_over));
                    }
                    if let Some(waiter) = waiter {
                        self.refused.push((id, Arc::clone(error)));
                        told.waiters.push(waiter);
                    }
                }
                WasRemoved::Answer => told.answers += 1,
                WasRemoved::OneWay => {}
            }
        }
    }
}
