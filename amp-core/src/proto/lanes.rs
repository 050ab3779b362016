//! Calls that are begun one after the other.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};

/// A lane of a set of responders. Each connection that has the set has a lane of its own for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LaneId(u64);

impl LaneId {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Self(COUNT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A place in a lane. No other of the connection has had it before, nor will: who is told that its turn never comes
/// may look at its place later, when others have entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(u64);

/// Whether it is somebody's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Yes,
    NotYet,
    /// The connection has ended, and nobody could be answered.
    Never,
}

/// The lanes of one connection in which something goes on. Who waits is told by a `W`.
#[derive(Debug)]
pub(crate) struct Lanes<W> {
    /// In an order that is the same each time, in which they are told of the end.
    taken: BTreeMap<LaneId, Lane<W>>,
    /// How many places were given out.
    places: u64,
    ended: bool,
}

#[derive(Debug)]
struct Lane<W> {
    /// Whose turn it is.
    turn: Place,
    /// The calls that wait for it, in the order in which they came.
    waiting: BTreeMap<Place, InLane<W>>,
}

#[derive(Debug)]
struct InLane<W> {
    waiter: Option<W>,
    requires_answer: bool,
}

impl<W> Default for Lanes<W> {
    fn default() -> Self {
        Self { taken: BTreeMap::new(), places: 0, ended: false }
    }
}

impl<W> Lanes<W> {
    /// Enters a lane behind all who are in there.
    pub(crate) fn enter(&mut self, lane: LaneId, requires_answer: bool) -> Place {
        let place = Place(self.places);
        self.places += 1;
        match self.taken.entry(lane) {
            Entry::Vacant(lane) => {
                lane.insert(Lane { turn: place, waiting: BTreeMap::new() });
            }
            Entry::Occupied(mut lane) => {
                if !(self.ended && requires_answer) {
                    let waiting = InLane { waiter: None, requires_answer };
                    lane.get_mut().waiting.insert(place, waiting);
                }
            }
        }
        place
    }

    /// Whether it is the turn of who is there; if it is not yet, `waiter` is told when that changes, in
    /// place of the one who was told before.
    pub(crate) fn poll_turn(&mut self, lane: LaneId, place: Place, waiter: &mut Option<W>) -> Turn {
        let Some(lane) = self.taken.get_mut(&lane) else { return Turn::Never };
        if lane.turn == place {
            return Turn::Yes;
        }
        let Some(waiting) = lane.waiting.get_mut(&place) else { return Turn::Never };
        std::mem::swap(&mut waiting.waiter, waiter);
        Turn::NotYet
    }

    /// The call in this place is done, or waits no longer. Returns the waker of the call that is to look
    /// again: the next one, whose turn has come, or the one that has left.
    pub(crate) fn leave(&mut self, id: LaneId, place: Place) -> Option<W> {
        let lane = self.taken.get_mut(&id)?;
        if lane.turn != place {
            return lane.waiting.remove(&place)?.waiter;
        }
        let Some((next, waiting)) = lane.waiting.pop_first() else {
            self.taken.remove(&id);
            return None;
        };
        lane.turn = next;
        waiting.waiter
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn waiting(&self) -> usize {
        self.taken.values().map(|lane| 1 + lane.waiting.len()).sum()
    }

    /// The connection has ended: who waits to answer waits no longer. Gives those.
    pub(crate) fn end(&mut self) -> Vec<W> {
        self.ended = true;
        let mut unanswered = Vec::new();
        for lane in self.taken.values_mut() {
            lane.waiting.retain(|_, waiting| {
                if waiting.requires_answer {
                    unanswered.extend(waiting.waiter.take());
                }
                !waiting.requires_answer
            });
        }
        unanswered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_turn_in_the_order_in_which_they_came() {
        let (mut lanes, lane) = (Lanes::default(), LaneId::new());
        let places = [(); 4].map(|()| lanes.enter(lane, true));
        assert_eq!(lanes.poll_turn(lane, places[0], &mut None), Turn::Yes);
        for (name, place) in places.into_iter().enumerate().skip(1) {
            assert_eq!(lanes.poll_turn(lane, place, &mut Some(name)), Turn::NotYet);
        }
        // Another lane is not held up.
        let other = LaneId::new();
        let place = lanes.enter(other, true);
        assert_eq!(lanes.poll_turn(other, place, &mut None), Turn::Yes);
        // A call that has moved to another task is told there.
        let mut waiter = Some(20);
        assert_eq!(lanes.poll_turn(lane, places[2], &mut waiter), Turn::NotYet);
        assert_eq!(waiter, Some(2));
        assert_eq!(lanes.leave(lane, places[0]), Some(1));
        assert_eq!(lanes.poll_turn(lane, places[2], &mut None), Turn::NotYet);
        assert_eq!(lanes.poll_turn(lane, places[1], &mut None), Turn::Yes);
        // One that goes before its turn is passed over, and one that has not looked has it all the same.
        lanes.leave(lane, places[2]);
        assert_eq!(lanes.leave(lane, places[1]), Some(3));
        assert_eq!(lanes.leave(lane, places[3]), None);
        assert_eq!(lanes.taken.len(), 1);
        lanes.leave(other, place);
        assert!(lanes.taken.is_empty());
    }

    #[test]
    fn a_turn_that_many_do_not_want_any_more_goes_to_the_next_that_does() {
        let (mut lanes, lane) = (Lanes::<()>::default(), LaneId::new());
        let first = lanes.enter(lane, true);
        let (many, some) = if cfg!(miri) { (1000, 100) } else { (100_000, 1000) };
        for _ in 0..many {
            let place = lanes.enter(lane, true);
            lanes.leave(lane, place);
        }
        assert!(lanes.taken[&lane].waiting.is_empty(), "nobody is there");
        let gone: Vec<_> = (0..some).map(|_| lanes.enter(lane, true)).collect();
        let last = lanes.enter(lane, true);
        for place in gone {
            lanes.leave(lane, place);
        }
        assert_eq!(lanes.poll_turn(lane, last, &mut Some(())), Turn::NotYet);
        assert_eq!(lanes.leave(lane, first), Some(()));
        assert_eq!(lanes.poll_turn(lane, last, &mut None), Turn::Yes);
        // A turn that was given to somebody who goes without looking is not lost.
        let unseen = lanes.enter(lane, true);
        lanes.leave(lane, last);
        lanes.leave(lane, unseen);
        let next = lanes.enter(lane, true);
        assert_eq!(lanes.poll_turn(lane, next, &mut None), Turn::Yes);
    }

    #[test]
    fn at_the_end_one_way_commands_keep_their_places() {
        let (mut lanes, lane) = (Lanes::default(), LaneId::new());
        let [first, call, command] = [true, true, false].map(|answer| lanes.enter(lane, answer));
        for (name, place) in [("call", call), ("command", command)] {
            assert_eq!(lanes.poll_turn(lane, place, &mut Some(name)), Turn::NotYet);
        }
        assert_eq!(lanes.end(), ["call"]);
        let behind = lanes.enter(lane, true);
        for place in [call, behind] {
            assert_eq!(lanes.poll_turn(lane, place, &mut None), Turn::Never);
        }
        assert_eq!(lanes.poll_turn(lane, command, &mut None), Turn::NotYet);
        assert_eq!(lanes.leave(lane, call), None);
        lanes.poll_turn(lane, command, &mut Some("command"));
        assert_eq!(lanes.leave(lane, first), Some("command"));
        assert_eq!(lanes.poll_turn(lane, command, &mut None), Turn::Yes);
        assert_eq!(lanes.leave(lane, command), None);
        assert!(lanes.taken.is_empty());
    }

    /// Those who are told of the end leave one by one, and what was left behind enters meanwhile.
    #[test]
    fn behind_the_end_nobody_gets_the_place_of_who_has_yet_to_look() {
        let (mut lanes, lane) = (Lanes::default(), LaneId::new());
        let [first, early, behind] = [(); 3].map(|()| lanes.enter(lane, true));
        for (name, place) in [("early", early), ("behind", behind)] {
            assert_eq!(lanes.poll_turn(lane, place, &mut Some(name)), Turn::NotYet);
        }
        assert_eq!(lanes.end(), ["early", "behind"]);
        assert_eq!(lanes.leave(lane, behind), None);
        let command = lanes.enter(lane, false);
        assert_ne!(command, early);
        assert_eq!(lanes.poll_turn(lane, command, &mut Some("command")), Turn::NotYet);
        assert_eq!(lanes.poll_turn(lane, early, &mut Some("early")), Turn::Never);
        assert_eq!(lanes.leave(lane, early), None);
        assert_eq!(lanes.leave(lane, first), Some("command"));
        assert_eq!(lanes.leave(lane, command), None);
        assert_eq!(lanes.waiting(), 0);
    }

    #[test]
    fn a_lane_that_is_entered_again_has_other_places() {
        let (mut lanes, lane) = (Lanes::default(), LaneId::new());
        let [first, call] = [(); 2].map(|()| lanes.enter(lane, true));
        assert_eq!(lanes.poll_turn(lane, call, &mut Some("call")), Turn::NotYet);
        assert_eq!(lanes.end(), ["call"]);
        // Nobody is there but who has yet to look.
        assert_eq!(lanes.leave(lane, first), None);
        let [next, command] = [(); 2].map(|()| lanes.enter(lane, false));
        assert_eq!(lanes.poll_turn(lane, command, &mut Some("command")), Turn::NotYet);
        assert_eq!(lanes.poll_turn(lane, call, &mut Some("call")), Turn::Never);
        assert_eq!(lanes.leave(lane, call), None);
        assert_eq!(lanes.leave(lane, next), Some("command"));
        assert_eq!(lanes.poll_turn(lane, command, &mut None), Turn::Yes);
        assert_eq!(lanes.leave(lane, command), None);
        assert_eq!(lanes.waiting(), 0);
    }
}
