//! Attachments between their arrival and the argument that claims them.
//!
//! Most are claimed at once. The others must not stay until the connection ends: a connection may
//! last for months. A box does not say which attachments it names, only whoever reads it as a
//! command or a response finds out. So a box that nothing reads whole leaves attachments behind:
//! a call without a responder, say, or one with an argument that is not known here. Which those are
//! shows when a later box is read: ordinals have the order of boxes, so what lies below the ones
//! that it claims, and above those that earlier boxes have claimed, belongs to the box between.
//!
//! Where every box is read whole, nothing is concluded from ordinals, and they may come in any
//! order. Whatever is left waits for a while, and is dropped then: what nothing names may be the other
//! end of this very connection, which would never end. What a box may name that was received and not read
//! stays: this side has yet to read it.
//!
//! So many may wait. Peers send them ahead of their boxes, and boxes wait for this side, so it is no fault of
//! a peer's when there are more. Then one is dropped, and the box that names it fails: one that a box has left
//! behind which was not read, if there may be any, and else the one that came last, whose box comes last too.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::box_number::BoxNumber;
use super::held::WaitingCount;
use super::surplus::Surplus;
use super::{CallId, LimitKind};
use crate::argument::{Attachment, DecodeError, DecodeErrorKind};

/// How many boxes are remembered that may still claim something. When there are more, what has come
/// so far stays until it is claimed.
const MAX_BOXES: usize = 4096;

/// How many calls are remembered that were given up while their answers may bring attachments: those of many callers whose
/// time was up at once, but not all that a peer has ever left without an answer.
const MAX_GIVEN_UP: usize = 1 << 14;

/// Emptied queues with room for more than this are not kept.
const KEPT: usize = 128;

/// The lowest and the highest ordinal that a box has claimed, if any.
pub(crate) type Claimed = Option<(u64, u64)>;

/// Which limit has dropped the attachment that a box has named, and how many there may be, if that is the error.
pub(crate) fn dropped_for(error: &DecodeError) -> Option<(LimitKind, usize)> {
    match *error.kind() {
        DecodeErrorKind::TooManyUnclaimed { limit, .. } => {
            Some((LimitKind::UnclaimedAttachments, limit))
        }
        DecodeErrorKind::TooManyInAll { limit, .. } => Some((LimitKind::AttachmentsInAll, limit)),
        _ => None,
    }
}

/// An attachment that was received and that nothing has claimed.
struct Arrived {
    ordinal: u64,
    since: Instant,
    attachment: Attachment,
}

/// Attachments that were received and that nothing has claimed yet, by their ordinals.
///
/// A `D` says how an answer is dropped that nobody waits for, with all it claims.
pub(crate) struct Unclaimed<D> {
    /// In the order of ordinals. It is mostly the first that is claimed. Where one further in is,
    /// others have to move, but the connection's limit keeps them few.
    waiting: VecDeque<Arrived>,
    /// How many those are, for all connections together.
    count: WaitingCount,
    /// Whether it is known where they are to be looked for, when there are too many in all.
    registered: bool,
    /// How many were received, which is the ordinal of the next.
    received: u64,
    /// The boxes that may still claim something, and those behind the first of them.
    boxes: VecDeque<Numbered>,
    /// The number of the first of `boxes`.
    first: u64,
    /// One more than the highest ordinal that a box before `boxes` has claimed.
    floor: u64,
    /// From which ordinal on boxes that were not read whole may have left attachments behind.
    left: Option<u64>,
    /// The numbers of the boxes that are answers and were not taken yet.
    answers: HashMap<CallId, BoxNumber>,
    /// Calls that were given up; and the last of them in their order, also of those whose answers have come since.
    given_up: HashMap<CallId, D>,
    last_given_up: VecDeque<CallId>,
    /// Those that were dropped as this connection had too many, and as all connections had.
    surplus: Surplus,
    surplus_in_all: Surplus,
    /// Whether no more attachments come, and no more boxes that name some.
    closed: bool,
}

#[derive(Clone, Copy)]
enum Numbered {
    /// It may name what had been received before it: so many.
    Unread(u64),
    Read {
        claimed: Claimed,
        whole: bool,
    },
}

impl<D> Default for Unclaimed<D> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            count: WaitingCount::default(),
            registered: false,
            received: 0,
            boxes: VecDeque::new(),
            first: 0,
            floor: 0,
            left: None,
            answers: HashMap::new(),
            given_up: HashMap::new(),
            last_given_up: VecDeque::new(),
            surplus: Surplus::default(),
            surplus_in_all: Surplus::default(),
            closed: false,
        }
    }
}

impl<D> Unclaimed<D> {
    /// Keeps attachments that have just arrived, but no more than `limit`. Whether these are the first, and
    /// those that are one too many.
    pub(crate) fn receive(
        &mut self,
        attachments: impl IntoIterator<Item = Attachment>,
        since: Instant,
        limit: usize,
    ) -> (bool, Vec<Attachment>) {
        let mut dead = Vec::new();
        for attachment in attachments {
            let arrived = Arrived { ordinal: self.received, since, attachment };
            self.received += 1;
            self.waiting.push_back(arrived);
            if self.waiting.len() > limit {
                let surplus = self.first_left().unwrap_or(self.waiting.len() - 1);
                if let Some(Arrived { ordinal, attachment, .. }) = self.waiting.remove(surplus) {
                    self.surplus.add(ordinal, limit);
                    dead.push(attachment);
                }
            }
        }
        self.count.set(self.waiting.len());
        (!std::mem::replace(&mut self.registered, true), dead)
    }

    /// Where the first waits that a box may have left behind, if no box may name it any more.
    fn first_left(&self) -> Option<usize> {
        let left = self.left.filter(|_| self.boxes.is_empty())?;
        let at = self.waiting.partition_point(|waiting| waiting.ordinal < left);
        (at < self.waiting.len()).then_some(at)
    }

    /// Since when they wait, the longest first.
    pub(crate) fn since(&self) -> impl Iterator<Item = Instant> {
        self.waiting.iter().map(|waiting| waiting.since)
    }

    /// Takes those that have waited since `until` or longer, as all connections have more than `in_all`.
    pub(crate) fn take_until(&mut self, until: Instant, in_all: usize) -> Vec<Attachment> {
        let count = self.waiting.partition_point(|waiting| waiting.since <= until);
        let taken = self.waiting.drain(..count).map(|waiting| {
            self.surplus_in_all.add(waiting.ordinal, in_all);
            waiting.attachment
        });
        let taken = taken.collect();
        self.count.set(self.waiting.len());
        taken
    }

    /// Takes those that have waited for so long, and that no box may name which was received and not read. Says
    /// when to look again.
    pub(crate) fn expire(
        &mut self,
        now: Instant,
        after: Duration,
    ) -> (Vec<Attachment>, Option<Instant>) {
        let unread = self.boxes.iter().rev().find_map(|numbered| match numbered {
            Numbered::Unread(received) => Some(*received),
            Numbered::Read { .. } => None,
        });
        let named = unread.unwrap_or_default();
        let from = self.waiting.partition_point(|waiting| waiting.ordinal < named);
        let due = |waiting: &Arrived| waiting.since.checked_add(after);
        let is_due = |waiting: &Arrived| due(waiting).is_some_and(|due| due <= now);
        let until = self.waiting.partition_point(is_due).max(from);
        let expired = self.waiting.drain(from..until).map(|waiting| waiting.attachment).collect();
        self.count.set(self.waiting.len());
        // What is due and stays is looked at again after as long, or with the next.
        let next = self.waiting.iter().find(|waiting| !is_due(waiting));
        let next = match next {
            Some(next) => due(next),
            None if self.waiting.is_empty() => None,
            None => now.checked_add(after),
        };
        (expired, next)
    }

    /// How many are waiting.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether some are waiting that a box which was received may still name.
    pub(crate) fn may_be_claimed(&self) -> bool {
        !self.waiting.is_empty() && !self.boxes.is_empty()
    }

    /// All that are waiting, in the order in which they came.
    pub(crate) fn into_attachments(self) -> Vec<Attachment> {
        self.waiting.into_iter().map(|waiting| waiting.attachment).collect()
    }

    /// Counts a box that was received, if it may name an attachment.
    #[inline]
    pub(crate) fn number(&mut self) -> Option<BoxNumber> {
        if self.waiting.is_empty() || self.closed {
            return None;
        }
        if self.boxes.len() == MAX_BOXES {
            self.forget_boxes();
        }
        self.boxes.push_back(Numbered::Unread(self.received));
        Some(BoxNumber::new(self.first + self.boxes.len() as u64 - 1))
    }

    pub(crate) fn claim(&mut self, ordinal: u64) -> Result<Attachment, DecodeError> {
        let found = match self.waiting.front() {
            Some(first) if first.ordinal == ordinal => self.waiting.pop_front(),
            _ => match self.waiting.binary_search_by_key(&ordinal, |waiting| waiting.ordinal) {
                Ok(at) => self.waiting.remove(at),
                Err(_) => None,
            },
        };
        self.count.set(self.waiting.len());
        if let Some(found) = found {
            return Ok(found.attachment);
        }
        Err(if let Some(limit) = self.surplus.take(ordinal) {
            DecodeErrorKind::TooManyUnclaimed { ordinal, limit }
        } else if let Some(limit) = self.surplus_in_all.take(ordinal) {
            DecodeErrorKind::TooManyInAll { ordinal, limit }
        } else {
            DecodeErrorKind::Unclaimable { ordinal, received: self.received }
        }
        .into())
    }

    /// A box is done with: it was read and has claimed what it claims, or nothing will read it.
    /// Unless it was read `whole`, it may name others. Returns what nothing can claim any more.
    pub(crate) fn done(
        &mut self,
        number: BoxNumber,
        claimed: Claimed,
        whole: bool,
    ) -> Vec<Attachment> {
        let mut dead = Vec::new();
        match number.get().checked_sub(self.first) {
            // Most boxes are read in the order in which they came.
            Some(0) if self.boxes.pop_front().is_some() => {
                self.settle(claimed, whole, &mut dead);
                while let Some(Numbered::Read { claimed, whole }) = self.boxes.front().copied() {
                    self.boxes.pop_front();
                    self.settle(claimed, whole, &mut dead);
                }
            }
            at => {
                let at = at.and_then(|at| usize::try_from(at).ok());
                if let Some(place) = at.and_then(|at| self.boxes.get_mut(at)) {
                    *place = Numbered::Read { claimed, whole };
                }
            }
        }
        if self.closed {
            dead.extend(self.take_left());
        }
        if self.waiting.is_empty() {
            // Whatever comes is named by boxes that come later still.
            self.forget_boxes();
        }
        dead
    }

    /// The first of the boxes, which was taken off, is done with.
    fn settle(&mut self, claimed: Claimed, whole: bool, dead: &mut Vec<Attachment>) {
        self.first += 1;
        if let (Some(left), Some((lowest, _))) = (self.left, claimed)
            && lowest >= left
        {
            self.remove(left, lowest, dead);
            self.left = None;
        }
        let before = self.floor;
        self.floor = claimed.map_or(before, |(_, highest)| before.max(highest + 1));
        if !whole {
            self.remove(before, self.floor, dead);
            self.left.get_or_insert(self.floor);
        }
    }

    /// No more attachments come, and no more boxes that name some. Returns what nothing can claim
    /// any more.
    pub(crate) fn close(&mut self) -> Vec<Attachment> {
        self.closed = true;
        self.take_left()
    }

    /// Takes what is left when the last box is done.
    fn take_left(&mut self) -> Vec<Attachment> {
        if self.boxes.is_empty() { self.take_all() } else { Vec::new() }
    }

    /// Takes all that wait: boxes that name them find nothing.
    pub(crate) fn take_all(&mut self) -> Vec<Attachment> {
        let all = self.waiting.drain(..).map(|waiting| waiting.attachment).collect();
        self.count.set(0);
        all
    }

    /// Concludes nothing any more of what has come so far.
    pub(crate) fn forget_boxes(&mut self) {
        self.first += self.boxes.len() as u64;
        self.boxes.clear();
        self.floor = self.received;
        self.left = None;
        self.boxes.shrink_to(KEPT);
        self.waiting.shrink_to(KEPT);
    }

    /// Removes those with ordinals from `from` to below `to`.
    fn remove(&mut self, from: u64, to: u64, dead: &mut Vec<Attachment>) {
        let place = |ordinal| self.waiting.partition_point(|waiting| waiting.ordinal < ordinal);
        let places = place(from)..place(to.max(from));
        dead.extend(self.waiting.drain(places).map(|waiting| waiting.attachment));
        self.count.set(self.waiting.len());
    }

    /// The box with this number is the answer to a call, and waits to be taken.
    pub(crate) fn answered(&mut self, id: CallId, number: BoxNumber) {
        self.answers.insert(id, number);
    }

    /// The number of the box that was the answer to a call, if it has one.
    pub(crate) fn take_answer(&mut self, id: CallId) -> Option<BoxNumber> {
        if self.answers.is_empty() { None } else { self.answers.remove(&id) }
    }

    /// Nobody waits for the answer to a call any more.
    pub(crate) fn give_up(&mut self, id: CallId, discard: D) {
        if self.last_given_up.len() == MAX_GIVEN_UP
            && let Some(first) = self.last_given_up.pop_front()
        {
            self.given_up.remove(&first);
        }
        self.last_given_up.push_back(id);
        self.given_up.insert(id, discard);
    }

    /// How the answer to a call that was given up is discarded, if that is known.
    pub(crate) fn take_given_up(&mut self, id: CallId) -> Option<D> {
        let discard = self.given_up.remove(&id)?;
        if self.given_up.is_empty() {
            self.given_up = HashMap::new();
            self.last_given_up = VecDeque::new();
        }
        Some(discard)
    }
}

#[cfg(test)]
mod tests;
