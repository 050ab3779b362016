//! How many attachments all connections of this process hold together. They count for more than a
//! connection: open files, of which a process may have so many.
//!
//! What responders hold cannot be taken from them, so the more there is of that, the less anyone may
//! add: else a few would have all of it before the others come.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::LimitKind;
use super::box_number::BoxNumber;
use crate::descriptors::Descriptors;

/// How many nothing has claimed.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// How many the calls have claimed that are being answered.
static CLAIMED: AtomicUsize = AtomicUsize::new(0);

/// How many wait to be sent.
static SENDING: AtomicUsize = AtomicUsize::new(0);

/// A part of [`SENDING`]: what a connection has queued, or is writing.
#[derive(Debug, Default)]
pub(crate) struct SendingCount(usize);

impl SendingCount {
    #[inline]
    pub(crate) fn set(&mut self, count: usize) {
        if count > self.0 {
            SENDING.fetch_add(count - self.0, Ordering::Relaxed);
        } else if count < self.0 {
            SENDING.fetch_sub(self.0 - count, Ordering::Relaxed);
        }
        self.0 = count;
    }
}

impl Drop for SendingCount {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// How many wait to be sent on all connections.
pub(crate) fn sending() -> usize {
    SENDING.load(Ordering::Relaxed)
}

/// One connection's part of [`WAITING`].
#[derive(Default)]
pub(crate) struct WaitingCount(usize);

impl WaitingCount {
    pub(crate) fn set(&mut self, count: usize) {
        if count > self.0 {
            WAITING.fetch_add(count - self.0, Ordering::Relaxed);
        } else {
            WAITING.fetch_sub(self.0 - count, Ordering::Relaxed);
        }
        self.0 = count;
    }
}

impl Drop for WaitingCount {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// How many the calls of one connection have claimed that are being answered, by their boxes.
#[derive(Default)]
pub(crate) struct Claims {
    by_box: BTreeMap<BoxNumber, Claim>,
    count: usize,
}

/// What the call of one box has claimed.
struct Claim {
    count: usize,
    /// How many hold it: who answers the call, and what runs after that.
    holders: usize,
}

impl Claims {
    /// How many they have claimed.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Counts what a call has claimed; or says what there are too many of, and the limit.
    pub(crate) fn add(
        &mut self,
        number: BoxNumber,
        count: usize,
        limit: usize,
        in_all: usize,
    ) -> Result<(), (LimitKind, usize)> {
        if count == 0 {
            return Ok(());
        }
        if self.count + count > limit {
            return Err((LimitKind::ClaimedAttachments, limit));
        }
        let before = CLAIMED.fetch_add(count, Ordering::Relaxed);
        let (most, share) = (most_claimed(in_all), share(in_all, before - self.count));
        let over = if before + count > most {
            Some((LimitKind::ClaimedAttachmentsInAll, most))
        } else if self.count + count > share {
            Some((LimitKind::ClaimedAttachmentsShare, share))
        } else {
            None
        };
        if let Some(over) = over {
            CLAIMED.fetch_sub(count, Ordering::Relaxed);
            return Err(over);
        }
        self.count += count;
        self.by_box.entry(number).or_insert(Claim { count: 0, holders: 1 }).count += count;
        Ok(())
    }

    /// What runs after the answer may hold it too.
    pub(crate) fn hold(&mut self, number: BoxNumber) {
        if let Some(claim) = self.by_box.get_mut(&number) {
            claim.holders += 1;
        }
    }

    /// The call is answered, or what runs after that is done.
    pub(crate) fn remove(&mut self, number: BoxNumber) {
        if let Entry::Occupied(mut claim) = self.by_box.entry(number) {
            claim.get_mut().holders -= 1;
            if claim.get().holders == 0 {
                let count = claim.remove().count;
                self.count -= count;
                CLAIMED.fetch_sub(count, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Claims {
    fn drop(&mut self) {
        CLAIMED.fetch_sub(self.count, Ordering::Relaxed);
    }
}

/// How many of `in_all` running responders may hold: the rest is for what waits.
fn most_claimed(in_all: usize) -> usize {
    in_all - in_all / 4
}

/// How many of `in_all` the responders of one connection may hold while those of others hold `others`:
/// half of all, times the square of the share that is left. That is an eighth when half is left, and
/// always one.
fn share(in_all: usize, others: usize) -> usize {
    let most = most_claimed(in_all);
    let [half, most, left] =
        [in_all / 2, most, most.saturating_sub(others)].map(|count| count.min(1 << 31) as u128);
    let share = (half * left * left).checked_div(most * most).unwrap_or_default();
    usize::try_from(share).unwrap_or(usize::MAX).max(1)
}

/// How many are held that nothing has claimed, and that running responders have.
pub(crate) fn counts() -> (usize, usize) {
    (WAITING.load(Ordering::Relaxed), CLAIMED.load(Ordering::Relaxed))
}

/// Whether a connection on which so many wait adds to there being many in all. Who has few does not.
pub(crate) fn is_crowded_by(waiting: usize, in_all: usize) -> bool {
    let held_in_all = || {
        let (waiting, claimed) = counts();
        waiting + claimed
    };
    waiting > in_all / 8 && held_in_all() > in_all / 2
}

/// How many may wait to be sent on all connections. They are open for as long as their peers do not read, so they may
/// be twice as many as are held of those that were received: half of the files that a process may have, by default.
fn most_sending(in_all: usize) -> usize {
    in_all.saturating_mul(2)
}

/// Whether a caller may queue a box, where `own` attachments are queued on its connection and `sending` wait to be
/// sent on all. A caller waits until its connection's queue is taken, so it may add less than an answer.
#[inline]
pub(crate) fn has_room(own: usize, sending: impl FnOnce() -> usize, in_all: usize) -> bool {
    own == 0 || own < in_all / 8 && sending() < most_sending(in_all)
}

/// Says whether an answer may be queued with `count` attachments, where `own` are queued on its connection and
/// `sending` wait to be sent on all. An answer cannot wait for others, so beyond what all may have a connection may
/// have an eighth of what may be held in all, and always what one box has.
///
/// # Errors
///
/// The limit that it would go over, and its value.
#[cfg(feature = "tokio")]
pub(crate) fn check_sending(
    own: usize,
    count: usize,
    sending: usize,
    in_all: usize,
) -> Result<(), (LimitKind, usize)> {
    let most = most_sending(in_all);
    if own == 0 || own + count <= in_all / 8 || sending + count <= most {
        return Ok(());
    }
    Err((LimitKind::SendingInAll, most))
}

/// Decides whose attachments are dropped when all connections together hold more than `in_all`: those of the
/// connection that has most, the oldest first, and then some more, so that this need not be done for each. So
/// no connection loses what it has for another that has more.
///
/// Of each connection, `held` has since when those wait that nothing has claimed, the longest first, and how
/// many its running responders hold; of all together, `counts` has the same. Says of each up to which time
/// the attachments are dropped that came no later, if any are.
pub(crate) fn who_gives_way(
    held: &[(Vec<Instant>, usize)],
    (waiting, claimed): (usize, usize),
    in_all: usize,
) -> Vec<Option<Instant>> {
    // Each with how many it has, and since when the oldest of those waits.
    let place = |index: usize, taken: usize| {
        let (since, claimed) = &held[index];
        let oldest = since.get(taken)?;
        Some((claimed + since.len() - taken, Reverse(*oldest), index))
    };
    let mut most: BinaryHeap<_> = (0..held.len()).filter_map(|index| place(index, 0)).collect();
    let mut taken = vec![0; held.len()];
    let left = (in_all / 4 * 3).saturating_sub(claimed).max(in_all / 8);
    for _ in 0..waiting.saturating_sub(left) {
        let Some((_, _, index)) = most.pop() else { break };
        taken[index] += 1;
        most.extend(place(index, taken[index]));
    }
    let last = |(taken, (since, _)): (usize, &(Vec<Instant>, usize))| {
        taken.checked_sub(1).map(|last| since[last])
    };
    taken.into_iter().zip(held).map(last).collect()
}

/// How many may be held together by default.
pub(crate) fn default_in_all() -> usize {
    static IN_ALL: LazyLock<usize> = LazyLock::new(|| Descriptors::by_default().attachments);
    *IN_ALL
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_more_responders_hold_the_less_one_may_add() {
        assert_eq!(most_claimed(256), 192);
        let shares = [0, 96, 144, 168, 192, 200].map(|others| share(256, others));
        assert_eq!(shares, [128, 32, 8, 2, 1, 1]);
        assert_eq!([0, 1, 2, 7].map(|in_all| share(in_all, 0)), [1, 1, 1, 3]);
        assert!(share(usize::MAX, 0) >= 1 << 31);
    }

    #[test]
    fn whoever_has_most_gives_way_and_what_came_first_goes_first() {
        let start = Instant::now();
        let at = |second: u64| start + Duration::from_secs(second);
        let seconds = |seconds: std::ops::Range<u64>| seconds.map(at).collect::<Vec<_>>();
        // A quarter of all is made free. Only who has more than others loses any.
        let held = [(seconds(0..2), 0), (seconds(10..20), 0), (seconds(5..11), 0)];
        assert_eq!(who_gives_way(&held, (18, 0), 16), [None, Some(at(14)), Some(at(5))]);
        // What responders hold counts, and cannot be taken.
        let held = [(seconds(0..4), 0), (seconds(2..4), 8)];
        assert_eq!(who_gives_way(&held, (6, 8), 12), [Some(at(2)), Some(at(3))]);
        let held = [(Vec::new(), 20), (seconds(0..3), 0)];
        assert_eq!(who_gives_way(&held, (3, 20), 16), [None, Some(at(0))], "an eighth is left");
        assert_eq!(who_gives_way(&[], (3, 0), 1), []);
    }

    #[cfg(feature = "tokio")]
    #[test]
    fn answers_are_refused_where_all_have_half_and_this_one_more_than_few() {
        let over = Err((LimitKind::SendingInAll, 512));
        for (own, count, sending, may) in [
            (300, 100, 400, Ok(())),
            (300, 113, 400, over),
            (0, 1000, 2000, Ok(())),
            (30, 2, 2000, Ok(())),
            (30, 3, 2000, over),
        ] {
            assert_eq!(check_sending(own, count, sending, 256), may);
        }
        assert_eq!(check_sending(9, 9, usize::MAX - 9, usize::MAX), Ok(()));
    }

    #[test]
    fn callers_wait_behind_an_eighth_and_where_all_have_half_behind_one() {
        for (own, sending, may) in
            [(0, 2000, true), (1, 511, true), (31, 511, true), (32, 32, false), (1, 512, false)]
        {
            assert_eq!(has_room(own, || sending, 256), may, "{own} of {sending}");
        }
        assert!(has_room(0, || 0, 0) && !has_room(1, || 1, 0));
        assert!(has_room(usize::MAX / 16, || usize::MAX - 1, usize::MAX));
    }

    /// Each takes all it can, one after the other.
    #[test]
    fn a_few_do_not_have_all() {
        for (in_all, few) in [(256, 30), (1024, 60), (1 << 16, 400)] {
            let taken = (0..few).fold(0, |taken, _| taken + share(in_all, taken));
            assert!(taken + 1 < most_claimed(in_all), "{taken} of {in_all}");
        }
    }
}
