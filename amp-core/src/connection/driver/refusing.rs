//! Attachments that the transport refuses: their boxes are taken back.

use std::io;
use std::sync::{Arc, TryLockError};

use super::super::line::Line;
use super::super::shared::Shared;
use super::super::transport::RefusedAttachment;
use super::state::Around;
use crate::error::CloseReason;
use crate::keys;
use crate::proto::{Refused, TakenBack, WasRemoved};
use crate::report::Report;
use crate::responder::next_reference;
use crate::restraint::restrained;
use crate::sync::{MutexGuard, Ordering, fence};

impl Around {
    /// Takes the boxes back whose attachments the transport has refused, and says whether somebody was told
    /// of room; `None` when it is done once the driver is woken. Any other error is the end.
    pub(super) fn take_back(
        &self,
        line: &mut Line,
        error: io::Error,
    ) -> Result<Option<bool>, CloseReason> {
        let RefusedAttachment { error, one } = error.downcast()?;
        let shared = &self.shared;
        let Some(mut next_ordinal) = try_lock_ordinals(shared) else {
            // A caller is encoding a box with later ordinals and holds the lock, perhaps for long, since
            // its code is the user's. Whoever releases the lock wakes the driver.
            line.failed = Some(RefusedAttachment { error, one }.into());
            return Ok(None);
        };
        let refused = match &one {
            Some((index, stand_in)) => Refused::One { index: *index, stand_in },
            None => Refused::All,
        };
        let error = Arc::new(error);
        let reference = format!("{:08x}", next_reference());
        let policy = shared.settings.policy;
        let description = policy.describe(&reference);
        let writing = &mut line.writing;
        let taken_back = shared.with(|state| {
            let core = &mut state.core;
            core.take_back(writing, &refused, &error, &description, &mut next_ordinal)
        });
        drop(next_ordinal);
        let Some(TakenBack { boxes: removed, queued, awaits_room }) = taken_back else {
            return Err(CloseReason::Io(error));
        };
        if let Some(log) = &shared.settings.wire_log {
            log.sent(&shared.address, writing.last_bytes(queued));
        }
        let (boxes, failures) = (removed.len(), &shared.settings.failures);
        restrained!(failures, warn, "attachments were refused", boxes, %reference, error = %Report(&*error));
        let undeclared = removed.iter().any(|(_, was)| *was == WasRemoved::Answer);
        if undeclared && policy.closes(false, true) {
            let code = keys::UNKNOWN.into();
            shared.close(&CloseReason::Failed { command: None, code });
        }
        Ok(Some(awaits_room))
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
        // The lock may have been released before that.
        try_lock()
    })
}
