//! The attachments that all connections of this process hold together. They count for more than a
//! connection: open files, of which a process may have so many.
//!
//! When there are too many, those are dropped of whoever has most, the oldest first: what is wanted is
//! claimed at once, and nobody loses what he has for another who has more. What responders hold cannot
//! be taken from them, so the more there is of that, the less anyone may add: else a few would have
//! all of it before the others come.

#[cfg(unix)]
use nix::sys::resource::{Resource, getrlimit};
use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use tokio::time::Instant;

use super::shared::Shared;
use super::unclaimed::BoxNumber;
use crate::restraint::{Restraint, restrained};

/// How many nothing has claimed.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// How many the calls have claimed that are being answered.
static CLAIMED: AtomicUsize = AtomicUsize::new(0);

/// The connections that have received any.
static HOLDERS: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

/// Peers can have any number dropped.
static DROPS: LazyLock<Restraint> = LazyLock::new(Restraint::default);

/// One connection's part of [`WAITING`].
#[derive(Default)]
pub(super) struct WaitingCount(usize);

impl WaitingCount {
    pub(super) fn set(&mut self, count: usize) {
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
pub(super) struct Claims {
    by_box: HashMap<BoxNumber, Claim>,
    count: usize,
}

/// What the call of one box has claimed.
struct Claim {
    count: usize,
    /// How many hold it: who answers the call, and what runs after that.
    holders: usize,
}

impl Claims {
    /// Counts what a call has claimed; or says what there are too many of, and the limit.
    pub(super) fn add(
        &mut self,
        number: BoxNumber,
        count: usize,
        limit: usize,
        in_all: usize,
    ) -> Result<(), (&'static str, usize)> {
        if count == 0 {
            return Ok(());
        }
        if self.count + count > limit {
            return Err(("attachments of running responders", limit));
        }
        let before = CLAIMED.fetch_add(count, Ordering::Relaxed);
        let (most, share) = (most_claimed(in_all), share(in_all, before - self.count));
        let over = if before + count > most {
            Some(("attachments of running responders over all connections", most))
        } else if self.count + count > share {
            Some(("attachments of running responders, beside what others hold,", share))
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
    pub(super) fn hold(&mut self, number: BoxNumber) {
        if let Some(claim) = self.by_box.get_mut(&number) {
            claim.holders += 1;
        }
    }

    /// The call is answered, or what runs after that is done.
    pub(super) fn remove(&mut self, number: BoxNumber) {
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

/// How many are held.
pub(super) fn count() -> usize {
    WAITING.load(Ordering::Relaxed) + CLAIMED.load(Ordering::Relaxed)
}

/// The connection has received attachments, for the first time.
pub(super) fn register(shared: &Arc<Shared>) {
    let mut holders = HOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
    if holders.len() == holders.capacity() {
        holders.retain(|holder| holder.strong_count() > 0);
    }
    holders.push(Arc::downgrade(shared));
}

/// Whether a connection on which so many wait adds to there being many in all. Who has few does not.
pub(super) fn is_crowded_by(waiting: usize, in_all: usize) -> bool {
    waiting > in_all / 8 && count() > in_all / 2
}

/// Drops some of those who have most when there are more than `in_all`, the oldest first, but none
/// that were received `now`; and then some more, so that this need not be done for each. Not to be
/// called with any state locked.
pub(super) fn make_room(in_all: usize, now: Instant) {
    let waiting = WAITING.load(Ordering::Relaxed);
    let claimed = CLAIMED.load(Ordering::Relaxed);
    if waiting + claimed <= in_all {
        return;
    }
    let holders: Vec<_> = {
        let holders = HOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
        holders.iter().filter_map(Weak::upgrade).collect()
    };
    let (since, claims): (Vec<Vec<_>>, Vec<_>) = holders
        .iter()
        .map(|holder| {
            let state = holder.lock();
            let since = state.unclaimed.since().filter(|since| *since < now).collect();
            (since, state.claims.count)
        })
        .unzip();
    // Each with how many it has, and since when the oldest of those waits.
    let place = |index: usize, taken: usize| {
        let oldest = since[index].get(taken)?;
        Some((claims[index] + since[index].len() - taken, Reverse(*oldest), index))
    };
    let mut most: BinaryHeap<_> = (0..since.len()).filter_map(|index| place(index, 0)).collect();
    let mut taken = vec![0; since.len()];
    let left = (in_all / 4 * 3).saturating_sub(claimed).max(in_all / 8);
    for _ in 0..waiting.saturating_sub(left) {
        let Some((_, _, index)) = most.pop() else { break };
        taken[index] += 1;
        most.extend(place(index, taken[index]));
    }
    let mut dead = Vec::new();
    for (index, holder) in holders.iter().enumerate() {
        if let Some(last) = taken[index].checked_sub(1) {
            dead.append(&mut holder.lock().unclaimed.take_until(since[index][last]));
        }
    }
    let count = dead.len();
    restrained!(DROPS, warn, "dropped attachments of those who have most", count, in_all);
}

/// How many may be held together by default.
pub(super) fn default_in_all() -> usize {
    /// Where the system has no limit that is known here.
    const FEW: usize = 256;
    static IN_ALL: LazyLock<usize> = LazyLock::new(|| {
        #[cfg(unix)]
        if let Ok((limit, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
            return usize::try_from(limit / 4).unwrap_or(usize::MAX).clamp(1, 1 << 16);
        }
        FEW
    });
    *IN_ALL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_responders_hold_the_less_one_may_add() {
        assert_eq!(most_claimed(256), 192);
        let shares = [0, 96, 144, 168, 192, 200].map(|others| share(256, others));
        assert_eq!(shares, [128, 32, 8, 2, 1, 1]);
        assert_eq!([0, 1, 2, 7].map(|in_all| share(in_all, 0)), [1, 1, 1, 3]);
        assert!(share(usize::MAX, 0) >= 1 << 31);
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
