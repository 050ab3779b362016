//! Which attachments are dropped when all connections of this process hold too many.
//!
//! The connection that has most loses some, the oldest first: what is wanted is claimed at once, and no connection loses what it has for another that has more.

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
    let counts = held::counts();
    if counts.0 + counts.1 <= in_all {
        return;
    }
    let holders: Vec<_> = {
        let holders = HOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
        holders.iter().filter_map(Weak::upgrade).collect()
    };
    let held: Vec<_> = holders
        .iter()
        .map(|holder| {
            holder.with(|state| (state.core.unclaimed_since(now), state.core.held_by_calls()))
        })
        .collect();
    let mut dead = Vec::new();
    for (holder, until) in holders.iter().zip(held::who_gives_way(&held, counts, in_all)) {
        if let Some(until) = until {
            let taken = holder.with(|state| state.core.take_unclaimed_until(until, in_all));
            dead.extend(taken);
        }
    }
    let count = dead.len();
    if count > 0 {
        restrained!(DROPS, warn, "dropped attachments of those who have most", count, in_all);
    }
}
