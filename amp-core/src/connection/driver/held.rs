//! What is held for a peer, as a part of what a server holds for all of them.

use super::Driver;
use crate::error::CloseReason;
use crate::proto::{UNCOUNTED, Wants};

impl Driver {
    /// Counts what is held among all that the server holds, and fails when it is too much of that.
    pub(super) fn check_held(&mut self) -> Result<(), CloseReason> {
        // What is queued leaves with this turn, unless something holds it back.
        let leaves = self.line.writing.is_empty() && !self.shared.wants(Wants::EVENTFUL);
        if self.held.is_nothing() && leaves && self.input.waiting() <= UNCOUNTED {
            return Ok(());
        }
        self.counted = self.shared.with(|state| state.core.queued());
        let held = self.input.waiting() + self.line.writing.len() + self.counted;
        self.held.set(held)
    }
}
