//! Calls that are begun one after the other.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

/// A lane of a set of responders. Each connection that has the set has a lane of its own for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LaneId(u64);

impl LaneId {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Self(COUNT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A place in a lane: 0 for the call that entered it while it was empty, then counted up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    taken: HashMap<LaneId, Lane<W>>,
    ended: bool,
}

#[derive(Debug)]
struct Lane<W> {
    /// Whose turn it is.
    turn: Place,
    /// Who is behind that, each in the next place.
    waiting: VecDeque<InLane<W>>,
    /// The place of the first of them.
    first: u64,
}

#[derive(Debug)]
struct InLane<W> {
    waiter: Option<W>,
    requires_answer: bool,
    /// Whether nobody waits here any more, or for nothing.
    gone: bool,
}

impl<W> Default for Lanes<W> {
    fn default() -> Self {
        Self { taken: HashMap::new(), ended: false }
    }
}

impl<W> Lanes<W> {
    /// Enters a lane behind all who are in there.
    pub(crate) fn enter(&mut self, lane: LaneId, requires_answer: bool) -> Place {
        let Some(lane) = self.taken.get_mut(&lane) else {
            let turn = Place(0);
            self.taken.insert(lane, Lane { turn, waiting: VecDeque::new(), first: 1 });
            return turn;
        };
        let gone = self.ended && requires_answer;
        lane.waiting.push_back(InLane { waiter: None, requires_answer, gone });
        Place(lane.first + lane.waiting.len() as u64 - 1)
    }

    /// Whether it is the turn of who is there; if it is not yet, `waiter` is told when that changes, in
    /// place of the one who was told before.
    pub(crate) fn poll_turn(&mut self, lane: LaneId, place: Place, waiter: &mut Option<W>) -> Turn {
        let Some(lane) = self.taken.get_mut(&lane) else { return Turn::Never };
        if lane.turn == place {
            return Turn::Yes;
        }
        match lane.at(place) {
            Some(waiting) if !waiting.gone => {
                std::mem::swap(&mut waiting.waiter, waiter);
                Turn::NotYet
            }
            _ => Turn::Never,
        }
    }

    /// Who is there is done, or waits no longer. Gives who is to look again: the next, whose turn has
    /// come, or who has left.
    pub(crate) fn leave(&mut self, id: LaneId, place: Place) -> Option<W> {
        let lane = self.taken.get_mut(&id)?;
        if lane.turn != place {
            let waiter = lane.at(place).and_then(|waiting| {
                waiting.gone = true;
                waiting.waiter.take()
            });
            // So those who come and go do not pile up behind one who stays.
            while lane.waiting.back().is_some_and(|last| last.gone) {
                lane.waiting.pop_back();
            }
            return waiter;
        }
        while let Some(next) = lane.waiting.pop_front() {
            lane.turn = Place(lane.first);
            lane.first += 1;
            if !next.gone {
                return next.waiter;
            }
        }
        self.taken.remove(&id);
        None
    }

    /// The connection has ended: who waits to answer waits no longer. Gives those.
    pub(crate) fn end(&mut self) -> Vec<W> {
        self.ended = true;
        let all = self.taken.values_mut().flat_map(|lane| &mut lane.waiting);
        let unanswered = all.filter(|waiting| waiting.requires_answer);
        unanswered
            .filter_map(|waiting| {
                waiting.gone = true;
                waiting.waiter.take()
            })
            .collect()
    }
}

impl<W> Lane<W> {
    fn at(&mut self, place: Place) -> Option<&mut InLane<W>> {
        let at = usize::try_from(place.0.checked_sub(self.first)?).ok()?;
        self.waiting.get_mut(at)
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
        // Who has waited on another task is told there.
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
        for _ in 0..100_000 {
            let place = lanes.enter(lane, true);
            lanes.leave(lane, place);
        }
        assert!(lanes.taken[&lane].waiting.is_empty(), "nobody is there");
        let gone: Vec<_> = (0..1000).map(|_| lanes.enter(lane, true)).collect();
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
}
