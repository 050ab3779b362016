//! The attachments that were received: those that nothing has claimed, and those that calls hold which are
//! being answered.

use std::time::Instant;

use super::event::Answer;
use super::side::Core;
use crate::argument::{Attachment, DecodeError};
use crate::proto::box_number::BoxNumber;
use crate::proto::unclaimed::Claimed;
use crate::proto::{CallId, Host, LimitKind};

impl<W, H: Host> Core<W, H> {
    /// Keeps attachments that have just arrived, until something claims them, and drops those that are too
    /// many. Whether these are the first.
    pub(crate) fn handle_attachments(
        &mut self,
        attachments: impl IntoIterator<Item = Attachment>,
        now: Instant,
    ) -> bool {
        let limit = self.limits.unclaimed_attachments;
        let (first, surplus) = self.unclaimed.receive(attachments, now, limit);
        self.drop_attachments(surplus);
        first
    }

    /// Gives the attachment with this ordinal to the box that names it.
    pub(crate) fn claim(&mut self, ordinal: u64) -> Result<Attachment, DecodeError> {
        self.unclaimed.claim(ordinal)
    }

    /// A box was read, and has claimed what it claims. Unless it was read `whole`, it may name others,
    /// which nothing can claim any more once that shows.
    pub(crate) fn handle_read(&mut self, number: BoxNumber, claimed: Claimed, whole: bool) {
        let dead = self.unclaimed.done(number, claimed, whole);
        self.drop_attachments(dead);
    }

    /// Nothing reads this box, or no more of it is read.
    pub(crate) fn handle_unread(&mut self, number: BoxNumber) {
        self.handle_read(number, None, false);
    }

    /// Takes the answer of a call that nobody reads, once it is there. The call is then over.
    pub(crate) fn take_unread_answer(&mut self, id: CallId) -> Option<Answer> {
        let answer = self.take_answer(id)?;
        if let Some(number) = self.unclaimed.take_answer(id) {
            self.handle_unread(number);
        }
        Some(answer)
    }

    /// Drops what has waited for too long, and says when to look again. Where the stream is about to leave it
    /// is not dropped, but goes with that, whatever has yet to be read. While this side does not read, the boxes
    /// that name them may be among what it has not read, so nothing is dropped.
    pub(crate) fn drop_expired(&mut self, now: Instant, reads: bool) -> Option<Instant> {
        if self.switch.is_agreed() && !self.switch.upgrades() {
            let after = self.limits.unclaimed_timeout;
            let next = self.unclaimed.since().next()?.checked_add(after)?;
            if next <= now {
                self.unclaimed.forget_boxes();
                return None;
            }
            return Some(next);
        }
        if !reads && self.unclaimed.len() > 0 {
            return now.checked_add(self.limits.unclaimed_timeout);
        }
        let (dead, next) = self.unclaimed.expire(now, self.limits.unclaimed_timeout);
        self.drop_attachments(dead);
        next
    }

    /// Since when those wait that nothing has claimed, and came before this time: the longest first.
    pub(crate) fn unclaimed_since(&self, before: Instant) -> Vec<Instant> {
        self.unclaimed.since().filter(|since| *since < before).collect()
    }

    /// Takes those that have waited since `until` or longer, as all connections have more than `in_all`.
    pub(crate) fn take_unclaimed_until(
        &mut self,
        until: Instant,
        in_all: usize,
    ) -> Vec<Attachment> {
        self.unclaimed.take_until(until, in_all)
    }

    /// Takes all that nothing has claimed, in the order in which they came.
    pub(crate) fn take_unclaimed(&mut self) -> Vec<Attachment> {
        std::mem::take(&mut self.unclaimed).into_attachments()
    }

    /// Counts what the call of this box has claimed, until that is answered.
    ///
    /// # Errors
    ///
    /// When calls hold too many: what of, and how many there may be.
    pub(crate) fn hold(
        &mut self,
        number: BoxNumber,
        count: usize,
    ) -> Result<(), (LimitKind, usize)> {
        let limits = &self.limits;
        self.claims.add(number, count, limits.unclaimed_attachments, limits.attachments_in_all)
    }

    /// What runs after the answer to the call of this box may hold what that has claimed, too.
    pub(crate) fn hold_longer(&mut self, number: BoxNumber) {
        self.claims.hold(number);
    }

    /// The call of this box is answered, or what runs after that is done.
    pub(crate) fn let_go(&mut self, number: BoxNumber) {
        self.claims.remove(number);
    }

    /// How many attachments calls hold that are being answered.
    pub(crate) fn held_by_calls(&self) -> usize {
        self.claims.count()
    }

    /// Lets attachments go, which are dropped with nothing locked.
    pub(super) fn drop_attachments(&mut self, dead: Vec<Attachment>) {
        if !dead.is_empty() {
            self.released().unclaimed.extend(dead);
        }
    }
}
