//! Attachments that the transport refuses: their boxes are taken back.

use std::io;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, MutexGuard, TryLockError};

use super::super::shared::Shared;
use super::super::transport::RefusedAttachment;
use super::state::Driver;
use crate::error::CloseReason;
use crate::keys;
use crate::proto::{FailurePolicy, Outgoing, WasRemoved};
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
        // What comes of the answers that are taken back is queued.
        self.queued = true;
        let mut queued = Outgoing::default();
        let (behind, awaits_room, held) = shared.with(|state| {
            let core = &mut state.core;
            let behind = core.taken();
            core.take_queued(&mut queued);
            self.awaited |= core.has_after();
            (behind, core.take_awaits_room(), core.held_attachments())
        });
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
        if awaits_room {
            self.tell_of_room();
        }
        let error = Arc::new(error);
        let (Some(removed), Some(removed_behind)) = (removed, removed_behind) else {
            return Err(CloseReason::Io(error));
        };
        let reference = format!("{:08x}", next_reference());
        let policy = shared.settings.policy;
        let description = policy.describe(&reference);
        let written = self.line.written;
        let was = shared.with(|state| {
            let core = &mut state.core;
            let mut was = Vec::new();
            if all {
                // They are behind all that was taken.
                let (end, held) = (core.taken(), core.remove_held());
                was.extend(core.handle_removed(&held, end, &error, &description));
            }
            was.extend(core.handle_removed(&removed_behind, behind, &error, &description));
            was.extend(core.handle_removed(&removed, written, &error, &description));
            let gone = removed.iter().chain(&removed_behind).map(|removed| removed.len);
            core.handle_not_written(gone.sum());
            let left = self.line.writing.attachments() + core.held_attachments();
            *next_ordinal -= (waited - left) as u64;
            was
        });
        drop(next_ordinal);
        let (boxes, failures) = (was.len(), &shared.settings.failures);
        restrained!(failures, warn, "attachments were refused", boxes, %reference, %error);
        if was.contains(&WasRemoved::Answer) && policy == FailurePolicy::Close {
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
        shared.with(|state| state.core.await_ordinals(true));
        fence(Ordering::SeqCst);
        // It may have been unlocked before that.
        try_lock()
    })
}
