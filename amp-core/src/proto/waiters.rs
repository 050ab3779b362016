//! Those who wait for room in the queue, in the order in which they came.

use std::collections::{BTreeMap, BTreeSet};

use super::wants::Public;

/// A place among those who wait for room. No other of the connection has had it before, nor will.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RoomPlace(u64);

/// Who waits is told by a `W`, and looks then.
#[derive(Debug)]
pub(crate) struct Waiters<W> {
    /// Those who have yet to be told that there is room.
    waiting: BTreeMap<RoomPlace, W>,
    /// Those who were told, and have not looked yet.
    told: BTreeSet<RoomPlace>,
    /// How many places were given out.
    places: u64,
}

impl<W> Default for Waiters<W> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), told: BTreeSet::new(), places: 0 }
    }
}

impl<W> Waiters<W> {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.told.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.told.len()
    }

    /// How many were told, and have not looked yet.
    pub(crate) fn told(&self) -> usize {
        self.told.len()
    }

    pub(crate) fn is_told(&self, place: RoomPlace) -> bool {
        self.told.contains(&place)
    }

    /// Whether somebody waits in this place.
    pub(crate) fn has(&self, place: RoomPlace) -> bool {
        self.is_told(place) || self.waiting.contains_key(&place)
    }

    /// Waits behind all others.
    pub(crate) fn enter(&mut self, waiter: W) -> RoomPlace {
        let place = RoomPlace(self.places);
        self.places += 1;
        self.waiting.insert(place, waiter);
        place
    }

    /// Waits in the same place as before, whether told or not. Returns who was to be told before.
    pub(crate) fn wait(&mut self, place: RoomPlace, waiter: W) -> Option<W> {
        self.told.remove(&place);
        self.waiting.insert(place, waiter)
    }

    /// Waits no longer. Returns whether they were told, and who was to be told otherwise.
    pub(crate) fn leave(&mut self, place: RoomPlace) -> (bool, Option<W>) {
        (self.told.remove(&place), self.waiting.remove(&place))
    }

    /// The first who was not told is told now.
    pub(crate) fn tell_next(&mut self) -> Option<W> {
        let (place, waiter) = self.waiting.pop_first()?;
        self.told.insert(place);
        Some(waiter)
    }

    /// Nobody waits any longer. Returns those who were not told.
    pub(crate) fn dismiss(&mut self) -> impl Iterator<Item = W> {
        self.told.clear();
        std::mem::take(&mut self.waiting).into_values()
    }
}

/// Who wants room, and what they are told by.
pub(crate) struct Order<W> {
    pub(crate) waiters: Waiters<W>,
    /// Whether calls that were received wait for room for their answers.
    pub(crate) answers: bool,
    /// Whether one of those who were told may go, whatever has come between: one with each filling of the
    /// queue, so that answers without end do not keep the callers waiting for ever.
    pub(crate) lets_one: bool,
    /// How many bytes a box had, on an average, when the queue was taken last while others waited.
    pub(crate) usual_len: usize,
    /// How many that had waited for room have found some.
    pub(crate) passed: u64,
    /// What is public of it, which is asked for several times at each change of the core: so it is noted, not looked up.
    signs: Public,
}

impl<W> Default for Order<W> {
    fn default() -> Self {
        let waiters = Waiters::default();
        let (usual_len, passed, signs) = (0, 0, Public::NOTHING);
        Self { waiters, answers: false, lets_one: false, usual_len, passed, signs }
    }
}

impl<W> Order<W> {
    /// What is public of it.
    #[inline]
    pub(crate) fn signs(&self) -> Public {
        self.signs
    }

    /// Somebody waits from now on, or does not any more.
    pub(crate) fn look_who_waits(&mut self) {
        self.signs = Public::AWAITED.when(self.answers || !self.waiters.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_in_the_order_in_which_they_came_and_keeps_the_place() {
        let mut waiters = Waiters::default();
        let [a, b, c] = ["a", "b", "c"].map(|waiter| waiters.enter(waiter));
        assert_eq!((waiters.tell_next(), waiters.tell_next()), (Some("a"), Some("b")));
        assert!(waiters.is_told(a) && waiters.is_told(b) && !waiters.is_told(c));
        // Who has found none is in front of those who came later, and may have moved to another task.
        assert_eq!(waiters.wait(a, "moved"), None);
        assert_eq!(waiters.wait(c, "c too"), Some("c"));
        assert_eq!((waiters.told(), waiters.tell_next()), (1, Some("moved")));
        assert_eq!(waiters.leave(b), (true, None));
        assert_eq!(waiters.leave(c), (false, Some("c too")));
        assert!(waiters.len() == 1 && waiters.has(a));
        assert_eq!(waiters.tell_next(), None);
        let d = waiters.enter("d");
        assert!(d > c && waiters.len() == 2);
        assert_eq!(waiters.dismiss().collect::<Vec<_>>(), ["d"]);
        assert!(waiters.is_empty() && !waiters.has(a) && !waiters.has(d));
        assert_eq!(waiters.leave(d), (false, None));
    }
}
