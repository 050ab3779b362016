//! The end of a connection, and what waits for it.

use std::time::Duration;

use super::side::{Core, Waiting};
use crate::proto::CloseReason;
use crate::proto::Host;

impl<W, H: Host> Core<W, H> {
    /// The connection ends once the responders that run have answered, or this time is over. The
    /// first time that is given counts. Calls that come are to be refused from here on.
    pub fn drain(&mut self, within: Duration) {
        self.end.drain(within);
        self.news = true;
    }

    /// Nothing can be sent any more, while what the peer sent before is still read.
    pub fn break_off(&mut self, reason: CloseReason) {
        self.end.break_off(reason);
        self.released().refuses = true;
    }

    /// The position among all bytes that this side sends up to which everything was written: gives
    /// what was to run when that is so, one after the other.
    pub(crate) fn take_after(&mut self, written: u64) -> Option<H::After> {
        let (position, _) = self.after.front()?;
        if *position > written {
            return None;
        }
        self.after.pop_front().map(|(_, after)| after)
    }

    /// Whether something runs when what is queued, or is being written, has been written.
    pub(crate) fn has_after(&self) -> bool {
        !self.after.is_empty()
    }
}

impl<W: Clone, H: Host> Core<W, H> {
    /// The end begins, unless it has begun before; says why then. No more calls are made: those that
    /// wait are to look again.
    pub fn close(&mut self, reason: CloseReason) -> Option<CloseReason> {
        let reason = self.end.begin(reason)?.clone();
        self.refuse_callers();
        Some(reason)
    }

    /// The connection has ended: nothing is sent or answered any more. Says why, which is the first
    /// reason there was; and how many responders outlive it, with what runs after answers, if it had not ended before.
    pub fn handle_end(&mut self, reason: CloseReason) -> (CloseReason, usize) {
        let (reason, first) = self.end.finish(reason);
        self.refuse_callers();
        let unsent = [self.held.take(), Some(std::mem::take(&mut self.outgoing))];
        let (after, then) = (std::mem::take(&mut self.after), self.switch.end());
        let waiting = self.lanes.end();
        let released = self.released();
        released.callers.extend(waiting);
        released.unsent.extend(unsent.into_iter().flatten());
        released.after.extend(after.into_iter().map(|(_, after)| after));
        released.then.extend(then);
        released.changed = true;
        let outliving = self.admission.running + self.admission.following;
        (reason, if first { outliving } else { 0 })
    }

    fn refuse_callers(&mut self) {
        let callers: Vec<W> = self
            .calls
            .values_mut()
            .filter_map(|waiting| match waiting {
                Waiting::For(waiter) => Some(waiter.clone()),
                _ => None,
            })
            .collect();
        let released = self.released();
        released.callers.extend(callers);
        released.refuses = true;
    }
}
