//! What is held for a peer, as a part of what a server holds for all of them.

use super::super::together::UNCOUNTED;
use super::Driver;
use crate::error::CloseReason;

impl Driver {
    /// Counts what is held among all that the server holds, and fails when it is too much of that.
    pub(super) fn check_held(&mut self) -> Result<(), CloseReason> {
        // What is queued leaves with this turn, unless something holds it back.
        let leaves = self.line.writing.is_empty() && !self.shared.is_eventful();
        if self.held.is_nothing() && leaves && self.input.waiting() <= UNCOUNTED {
            return Ok(());
        }
        let queued = { self.shared.lock().core.outgoing().len() };
        let held = self.input.waiting() + self.line.writing.len() + queued;
        self.held.set(held)
    }
}
