//! Which attachments are dropped when all connections of this process hold too many.
//!
//! When there are too many, those are dropped of whoever has most, the oldest first: what is wanted is
//! claimed at once, and nobody loses what he has for another who has more.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Instant;

use super::shared::Shared;
use crate::proto::held;
use crate::restraint::{Restraint, restrained};

/// The connections that have received any.
static HOLDERS: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

/// Peers can have any number dropped.
static DROPS: LazyLock<Restraint> = LazyLock::new(Restraint::default);

/// The connection has received attachments, for the first time.
pub(super) fn register(shared: &Arc<Shared>) {
    let mut holders = HOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
    if holders.len() == holders.capacity() {
        holders.retain(|holder| holder.strong_count() > 0);
    }
    holders.push(Arc::downgrade(shared));
}

/// Drops some of those who have most when there are more than `in_all`, the oldest first, but none
/// that were received `now`; and then some more, so that this need not be done for each. Not to be
/// called with any state locked.
pub(super) fn make_room(in_all: usize, now: Instant) {
    let (waiting, claimed) = held::counts();
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
            holder.with(|state| {
                let since = state.core.unclaimed.since().filter(|since| *since < now).collect();
                (since, state.core.claims.count())
            })
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
            let until = since[index][last];
            dead.append(&mut holder.with(|state| state.core.unclaimed.take_until(until)));
        }
    }
    let count = dead.len();
    if count > 0 {
        restrained!(DROPS, warn, "dropped attachments of those who have most", count, in_all);
    }
}
