//! The attachments that all connections of this process hold together. They count for more than a
//! connection: open files, of which a process may have so many.
//!
//! When there are too many, those that have waited longest for a box that names them are dropped,
//! whichever connection has them. What is wanted is claimed at once; so it is not what goes.

use std::collections::HashMap;
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
    by_box: HashMap<BoxNumber, usize>,
    count: usize,
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
        if CLAIMED.fetch_add(count, Ordering::Relaxed) + count > in_all {
            CLAIMED.fetch_sub(count, Ordering::Relaxed);
            return Err(("attachments of running responders over all connections", in_all));
        }
        self.count += count;
        *self.by_box.entry(number).or_default() += count;
        Ok(())
    }

    /// The call is answered.
    pub(super) fn remove(&mut self, number: BoxNumber) {
        if let Some(count) = self.by_box.remove(&number) {
            self.count -= count;
            CLAIMED.fetch_sub(count, Ordering::Relaxed);
        }
    }
}

impl Drop for Claims {
    fn drop(&mut self) {
        CLAIMED.fetch_sub(self.count, Ordering::Relaxed);
    }
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

/// Drops those that have waited longest when there are more than `in_all` with those that were
/// received `now`, which stay; and then some more, so that this need not be done for each. Not to be
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
    let mut since = Vec::with_capacity(waiting);
    for holder in &holders {
        since.extend(holder.lock().unclaimed.since().filter(|since| *since < now));
    }
    since.sort_unstable();
    let kept = (in_all / 4 * 3).saturating_sub(claimed);
    let dropped = waiting.saturating_sub(kept).min(since.len());
    let Some(until) = dropped.checked_sub(1).map(|last| since[last]) else { return };
    let mut dead = Vec::new();
    for holder in &holders {
        dead.append(&mut holder.lock().unclaimed.take_until(until));
    }
    let count = dead.len();
    restrained!(DROPS, warn, "dropped attachments that have waited longest", count, in_all);
}
