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
use std::ops::Range;
use std::time::{Duration, Instant};

use super::CallId;
use super::box_number::BoxNumber;
use super::held::WaitingCount;
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
    /// Among these are the ordinals of those that were dropped as there were more than this limit.
    surplus: (Range<u64>, usize),
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
            surplus: (0..0, 0),
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
                    let (among, _) = &self.surplus;
                    let start = if among.is_empty() { ordinal } else { among.start.min(ordinal) };
                    self.surplus = (start..among.end.max(ordinal + 1), limit);
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

    /// Takes those that have waited since `until` or longer.
    pub(crate) fn take_until(&mut self, until: Instant) -> Vec<Attachment> {
        let count = self.waiting.partition_point(|waiting| waiting.since <= until);
        let taken = self.waiting.drain(..count).map(|waiting| waiting.attachment).collect();
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
        match found {
            Some(found) => Ok(found.attachment),
            None if self.surplus.0.contains(&ordinal) => {
                Err(DecodeErrorKind::TooManyUnclaimed { ordinal, limit: self.surplus.1 }.into())
            }
            None => Err(DecodeErrorKind::Unclaimable { ordinal, received: self.received }.into()),
        }
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
mod tests {
    use super::*;
    use std::sync::Arc;

    fn holding(count: u8) -> Unclaimed<u8> {
        let mut unclaimed = Unclaimed::<u8>::default();
        let attachments = (0..count).map(|n| Arc::new(n) as Attachment);
        assert!(unclaimed.receive(attachments, Instant::now(), 255).1.is_empty());
        unclaimed
    }

    fn more(unclaimed: &mut Unclaimed<u8>, numbers: Range<u8>, limit: usize) -> Vec<u8> {
        let attachments = numbers.map(|n| Arc::new(n) as Attachment);
        let (_, dead) = unclaimed.receive(attachments, Instant::now(), limit);
        dead.into_iter().map(|attachment| *attachment.downcast::<u8>().unwrap()).collect()
    }

    fn numbers<const N: usize>(unclaimed: &mut Unclaimed<u8>) -> [BoxNumber; N] {
        std::array::from_fn(|_| unclaimed.number().unwrap())
    }

    /// Reads a box that makes these claims, after which those in `dead` are gone.
    fn read(
        unclaimed: &mut Unclaimed<u8>,
        number: BoxNumber,
        claims: &[u64],
        whole: bool,
        dead: &[u8],
    ) {
        for ordinal in claims {
            unclaimed.claim(*ordinal).unwrap();
        }
        let claimed = claims.iter().min().copied().zip(claims.iter().max().copied());
        let dropped = unclaimed.done(number, claimed, whole);
        let dropped = dropped.into_iter().map(|attachment| *attachment.downcast::<u8>().unwrap());
        assert_eq!(dropped.collect::<Vec<_>>(), dead);
    }

    #[test]
    fn attachments_are_claimed_once_and_in_any_order() {
        let mut unclaimed = holding(3);
        let mut claim = |ordinal| unclaimed.claim(ordinal).map(|a| *a.downcast::<u8>().unwrap());
        assert_eq!(claim(2).unwrap(), 2);
        assert_eq!(claim(0).unwrap(), 0);
        let message =
            "attachment 0 was already taken, has waited for too long, or gave way to others";
        assert_eq!(claim(0).unwrap_err().to_string(), message);
        let message = "attachment 3 has not arrived: 3 have";
        assert_eq!(claim(3).unwrap_err().to_string(), message);
        assert_eq!(unclaimed.len(), 1);
    }

    #[test]
    fn boxes_that_are_read_whole_may_claim_in_any_order() {
        let mut unclaimed = holding(4);
        let [first, second, third] = numbers(&mut unclaimed);
        read(&mut unclaimed, first, &[3], true, &[]);
        read(&mut unclaimed, third, &[2], true, &[]);
        read(&mut unclaimed, second, &[0, 1], true, &[]);
        assert_eq!(unclaimed.len(), 0);
    }

    #[test]
    fn what_a_box_left_behind_goes_when_a_later_one_claims() {
        let mut unclaimed = holding(6);
        let [first, unread, third, last] = numbers(&mut unclaimed);
        read(&mut unclaimed, first, &[0], true, &[]);
        read(&mut unclaimed, unread, &[], false, &[]);
        read(&mut unclaimed, third, &[3], true, &[1, 2]);
        // Those behind it were left by nobody.
        read(&mut unclaimed, last, &[5], true, &[]);
        assert!(unclaimed.claim(4).is_ok());
    }

    #[test]
    fn nothing_goes_while_an_earlier_box_may_claim_it() {
        let mut unclaimed = holding(3);
        let [first, unread, last] = numbers(&mut unclaimed);
        read(&mut unclaimed, unread, &[], false, &[]);
        read(&mut unclaimed, last, &[2], true, &[]);
        read(&mut unclaimed, first, &[0], true, &[1]);
    }

    #[test]
    fn a_box_that_was_read_in_part_leaves_what_it_did_not_claim() {
        let mut unclaimed = holding(7);
        let [first, partly, last] = numbers(&mut unclaimed);
        read(&mut unclaimed, first, &[0], true, &[]);
        read(&mut unclaimed, partly, &[2, 4], false, &[1, 3]);
        read(&mut unclaimed, last, &[6], true, &[5]);
        assert_eq!(unclaimed.len(), 0);
        // All over again, with ordinals that go on.
        more(&mut unclaimed, 7..8, 10);
        let [next] = numbers(&mut unclaimed);
        read(&mut unclaimed, next, &[7], true, &[]);
    }

    #[test]
    fn one_box_after_another_may_be_left_unread() {
        let mut unclaimed = holding(5);
        let [a, b, c] = numbers(&mut unclaimed);
        read(&mut unclaimed, a, &[], false, &[]);
        read(&mut unclaimed, b, &[1], false, &[0]);
        read(&mut unclaimed, c, &[4], true, &[2, 3]);
    }

    #[test]
    fn a_box_is_not_numbered_when_nothing_waits() {
        let mut unclaimed = Unclaimed::<u8>::default();
        assert_eq!(unclaimed.number(), None);
        more(&mut unclaimed, 0..1, 10);
        assert!(unclaimed.number().is_some());
        unclaimed.claim(0).unwrap();
        assert_eq!(unclaimed.number(), None);
    }

    #[test]
    fn those_between_others_can_be_claimed_or_dropped() {
        let mut unclaimed = holding(10);
        for ordinal in [6, 1, 8] {
            unclaimed.claim(ordinal).unwrap();
        }
        let [unread, last] = numbers(&mut unclaimed);
        read(&mut unclaimed, unread, &[], false, &[]);
        read(&mut unclaimed, last, &[7, 9], true, &[0, 2, 3, 4, 5]);
        assert_eq!(unclaimed.len(), 0);
    }

    #[test]
    fn of_too_many_the_last_are_dropped_and_their_boxes_learn_of_it() {
        let mut unclaimed = holding(3);
        assert_eq!(more(&mut unclaimed, 3..6, 4), [4, 5]);
        let [first] = numbers(&mut unclaimed);
        let error = unclaimed.claim(5).unwrap_err();
        let message = "attachment 5 was dropped: more than 4 waited, which is the limit";
        assert_eq!(error.to_string(), message);
        read(&mut unclaimed, first, &[0], true, &[]);
        // There is room for one again.
        assert_eq!(more(&mut unclaimed, 6..8, 4), [7]);
        let mut claim = |ordinal| unclaimed.claim(ordinal).map(|a| *a.downcast::<u8>().unwrap());
        assert_eq!([1, 2, 3, 6].map(|ordinal| claim(ordinal).unwrap()), [1, 2, 3, 6]);
        assert!(claim(7).is_err());
    }

    /// What nobody reads does not keep others out.
    #[test]
    fn of_too_many_those_go_first_that_a_box_has_left() {
        let mut unclaimed = holding(2);
        let [first, unread] = numbers(&mut unclaimed);
        read(&mut unclaimed, first, &[0], true, &[]);
        assert_eq!(more(&mut unclaimed, 2..4, 2), [3], "they may be those of the box");
        read(&mut unclaimed, unread, &[], false, &[]);
        assert_eq!(more(&mut unclaimed, 4..6, 2), [1, 2]);
        let [next] = numbers(&mut unclaimed);
        read(&mut unclaimed, next, &[4, 5], true, &[]);
        assert_eq!(unclaimed.len(), 0);
    }

    #[test]
    fn what_a_box_may_name_that_was_not_read_does_not_expire() {
        let minute = Duration::from_secs(60);
        let mut unclaimed = Unclaimed::<u8>::default();
        let start = Instant::now();
        let receive = |unclaimed: &mut Unclaimed<u8>, n: u8, after| {
            unclaimed.receive([Arc::new(n) as Attachment], start + after, 10);
        };
        receive(&mut unclaimed, 0, Duration::ZERO);
        let [read_soon] = numbers(&mut unclaimed);
        let [waits] = numbers(&mut unclaimed);
        let later = minute / 2;
        receive(&mut unclaimed, 1, later);
        read(&mut unclaimed, read_soon, &[], false, &[]);
        let (dead, next) = unclaimed.expire(start + minute, minute);
        assert_eq!((dead.len(), next), (0, Some(start + later + minute)));
        let (dead, next) = unclaimed.expire(start + later + minute, minute);
        assert_eq!(dead.len(), 1, "it came behind the box");
        assert_eq!(next, Some(start + later + 2 * minute), "it is looked at again");
        assert_eq!(unclaimed.len(), 1);
        unclaimed.done(waits, None, true);
        let (dead, next) = unclaimed.expire(start + later + 2 * minute, minute);
        assert_eq!((dead.len(), next), (1, None));
    }

    #[test]
    fn the_room_that_many_needed_is_not_kept() {
        let mut unclaimed = holding(200);
        let boxes: [_; 200] = numbers(&mut unclaimed);
        for (ordinal, number) in boxes.into_iter().enumerate() {
            assert!(unclaimed.waiting.capacity() > KEPT && unclaimed.boxes.capacity() > KEPT);
            read(&mut unclaimed, number, &[ordinal as u64], true, &[]);
        }
        assert!(unclaimed.waiting.capacity() <= KEPT && unclaimed.boxes.capacity() <= KEPT);
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut unclaimed = holding(3);
        let first = unclaimed.number().unwrap();
        let unread = unclaimed.number().unwrap();
        unclaimed.done(unread, None, false);
        for _ in 0..2 * MAX_BOXES {
            let number = unclaimed.number().unwrap();
            read(&mut unclaimed, number, &[], true, &[]);
        }
        assert!(unclaimed.boxes.len() <= MAX_BOXES);
        // What may have been left is not remembered any more: nothing is dropped that might be
        // wanted.
        let number = unclaimed.number().unwrap();
        read(&mut unclaimed, number, &[2], true, &[]);
        read(&mut unclaimed, first, &[0], true, &[]);
        assert!(unclaimed.claim(1).is_ok());

        let mut core = crate::proto::Core::new(crate::proto::ProtocolLimits::default());
        let mut call = || core.call(b"", &mut crate::proto::Body::default(), ()).unwrap();
        let calls: Vec<_> = (0..=MAX_GIVEN_UP).map(|_| call()).collect();
        for id in &calls {
            unclaimed.give_up(*id, 0);
        }
        assert!(unclaimed.take_given_up(calls[0]).is_none());
        assert!(unclaimed.take_given_up(calls[1]).is_some());
        assert!(unclaimed.take_given_up(calls[1]).is_none());
        assert_eq!(unclaimed.last_given_up.len(), MAX_GIVEN_UP);
        assert!(calls[2..].iter().all(|id| unclaimed.take_given_up(*id).is_some()));
        assert_eq!(unclaimed.last_given_up.capacity(), 0, "no room is kept for them");
    }

    #[test]
    fn thousands_of_calls_may_be_given_up_at_once() {
        let mut core = crate::proto::Core::new(crate::proto::ProtocolLimits::default());
        let mut call = || core.call(b"", &mut crate::proto::Body::default(), ()).unwrap();
        let calls: Vec<_> = (0..10_000).map(|_| call()).collect();
        let mut unclaimed = Unclaimed::<u8>::default();
        for id in &calls {
            unclaimed.give_up(*id, 0);
        }
        assert!(calls.iter().all(|id| unclaimed.take_given_up(*id).is_some()));
    }
}
