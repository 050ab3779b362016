//! Calls that are begun one after the other.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

use super::shared::Shared;

/// A lane of a set of responders. Each connection that has the set has a lane of its own for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LaneId(u64);

impl LaneId {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Self(COUNT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The lanes of one connection in which something goes on.
///
/// The lock is not held while anything is woken or dropped that is not ours, and never together
/// with that of the state.
#[derive(Default)]
pub(crate) struct Lanes(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// The lanes whose turn somebody has, and who waits for it.
    taken: HashMap<LaneId, VecDeque<Waiting>>,
    ended: bool,
}

struct Waiting {
    turn: oneshot::Sender<Turn>,
    requires_answer: bool,
}

/// The place of a call in its lane.
pub(crate) enum Place {
    /// Nothing is in front of it.
    First(Turn),
    /// It has to wait: for its turn, or for an error, when the connection has ended and nobody
    /// could be answered.
    Behind(oneshot::Receiver<Turn>),
}

/// The right to be begun, which goes to the next in the lane when it is dropped.
pub(crate) struct Turn {
    lane: LaneId,
    /// `None` once the turn was passed on.
    shared: Option<Arc<Shared>>,
}

impl Lanes {
    pub(crate) fn enter(shared: &Arc<Shared>, lane: LaneId, requires_answer: bool) -> Place {
        let mut lanes = shared.lanes.lock();
        let Inner { taken, ended } = &mut *lanes;
        let Some(waiting) = taken.get_mut(&lane) else {
            taken.insert(lane, VecDeque::new());
            return Place::First(Turn { lane, shared: Some(Arc::clone(shared)) });
        };
        let (turn, place) = oneshot::channel();
        if !(*ended && requires_answer) {
            waiting.push_back(Waiting { turn, requires_answer });
        }
        Place::Behind(place)
    }

    /// The connection has ended: who waits to answer waits no longer.
    pub(super) fn end(&self) {
        let mut unanswered = Vec::new();
        {
            let mut lanes = self.lock();
            lanes.ended = true;
            for waiting in lanes.taken.values_mut() {
                let (answered, one_way) = std::mem::take(waiting)
                    .into_iter()
                    .partition(|waiting| waiting.requires_answer);
                unanswered.push(answered);
                *waiting = one_way;
            }
        }
        // Dropping wakes them.
        drop::<Vec<VecDeque<Waiting>>>(unanswered);
    }

    /// Who has the turn next. Nobody waits when there is none, and the lane is free.
    fn next(&self, lane: LaneId) -> Option<Waiting> {
        let mut lanes = self.lock();
        let next = lanes.taken.get_mut(&lane)?.pop_front();
        if next.is_none() {
            lanes.taken.remove(&lane);
        }
        next
    }

    /// Nothing panics under this lock.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        // A loop, since dropping the turn that somebody does not want would come back here, and
        // once for each of them.
        while let Some(next) = shared.lanes.next(self.lane) {
            let turn = Turn { lane: self.lane, shared: Some(Arc::clone(&shared)) };
            match next.turn.send(turn) {
                Ok(()) => return,
                Err(mut unwanted) => unwanted.shared = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Connection;

    #[tokio::test]
    async fn a_turn_that_many_do_not_want_any_more_goes_to_the_next_that_does() {
        let (peer, _driver) = Connection::new(tokio::io::duplex(100).0).start();
        let lane = LaneId::new();
        let enter = || Lanes::enter(peer.shared(), lane, true);
        let Place::First(turn) = enter() else { panic!("the lane is not free") };
        for _ in 0..100_000 {
            drop(enter());
        }
        let Place::Behind(mut last) = enter() else { panic!("the lane is free") };
        assert!(last.try_recv().is_err());
        drop(turn);
        let turn = last.try_recv().expect("a turn");
        assert!(matches!(enter(), Place::Behind(_)));
        drop(turn);
        assert!(peer.shared().lanes.lock().taken.is_empty());
        // A turn that was given to somebody who goes without looking is not lost.
        let Place::First(turn) = enter() else { panic!("the lane is not free") };
        let Place::Behind(unseen) = enter() else { panic!("the lane is free") };
        drop(turn);
        drop(unseen);
        assert!(matches!(enter(), Place::First(_)));
    }
}
