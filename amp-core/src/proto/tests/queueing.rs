//! Callers of a side that wait for room in the queue, as those of a connection do: each has its place, looks when
//! it is told of room, and may go away before.

use super::command::Command;
use super::side::{PINGER, Side};
use crate::proto::{Public, RoomPlace};
use std::collections::VecDeque;

/// From here on names are those of callers that wait for room.
const FIRST: usize = usize::MAX / 2;

/// What a caller is about to queue.
#[derive(Clone, Copy)]
pub(super) struct Queueing {
    /// None where it wants no answer.
    pub(super) command: Option<Command>,
    pub(super) size: usize,
    pub(super) attachments: usize,
}

/// What has come of a look for room.
pub(super) enum Looked {
    /// Nobody was told that there is some.
    Nobody,
    Waits,
    /// This is to be queued now.
    Goes(Queueing),
}

struct Waits {
    name: usize,
    place: RoomPlace,
    queueing: Queueing,
}

/// Those of a side that wait for room.
#[derive(Default)]
pub(super) struct Queue {
    /// In the order in which they came.
    waiting: Vec<Waits>,
    names: usize,
    /// Who was told of room and has yet to look.
    told: VecDeque<usize>,
    /// Who was told of room and does not look.
    kept: Vec<usize>,
    /// Whether all were told, because some did not look.
    pub(super) all_were_told: bool,
    /// How much of the queue was taken when somebody went last for whom there was no room.
    gone_beyond: Option<u64>,
}

/// Whether this is the name of a caller that waits for room.
fn is_one(name: usize) -> bool {
    (FIRST..PINGER).contains(&name)
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl Side {
    /// These were told something. Gives the others than those who wait for room.
    pub(super) fn tell_of_room(&mut self, callers: Vec<usize>) -> Vec<usize> {
        let (told, others): (Vec<_>, _) = callers.into_iter().partition(|name| is_one(*name));
        let Self { core, queue, .. } = self;
        queue.told.extend(told);
        // Those who have a place no more are polled in the end.
        let Queue { waiting, told, kept, all_were_told, .. } = queue;
        kept.retain(|name| {
            let Some(waits) = waiting.iter().find(|waits| waits.name == *name) else {
                return false;
            };
            let is_kept = core.waits_for_room(waits.place);
            if !is_kept {
                *all_were_told = true;
                told.push_back(*name);
            }
            is_kept
        });
        others
    }

    /// Somebody comes who wants to queue something. Gives it back where that is to be done now.
    pub(super) fn come(&mut self, queueing: Queueing) -> Option<Queueing> {
        if !self.public.any(Public::CROWDED | Public::AWAITED) {
            return Some(queueing);
        }
        self.queue.names += 1;
        let name = FIRST + self.queue.names;
        match self.with(|core| core.poll_room(None, &mut Some(name))) {
            Ok(Some(place)) => self.queue.waiting.push(Waits { name, place, queueing }),
            Ok(None) => {
                assert!(self.core.has_room(), "nobody who comes new goes beyond the bound");
                return Some(queueing);
            }
            Err(_) => return Some(queueing),
        }
        None
    }

    /// The next that was told of room looks.
    pub(super) fn look_for_room(&mut self) -> Looked {
        let Some(name) = self.queue.told.pop_front() else { return Looked::Nobody };
        let waits = |waits: &Waits| waits.name == name;
        let Some(at) = self.queue.waiting.iter().position(waits) else { return Looked::Waits };
        let place = self.queue.waiting[at].place;
        let room = self.with(|core| core.poll_room(Some(place), &mut Some(name)));
        if let Ok(Some(place)) = room {
            self.queue.waiting[at].place = place;
            return Looked::Waits;
        }
        if room.is_ok() && !self.core.has_room() {
            let taken = self.core.end_of_queue() - self.core.queued() as u64;
            let before = self.queue.gone_beyond.replace(taken);
            assert_ne!(before, Some(taken), "one goes beyond the bound with each filling");
        }
        Looked::Goes(self.queue.waiting.remove(at).queueing)
    }

    /// One that was told of room does not look, before all are told.
    pub(super) fn keep_room(&mut self) {
        let Self { core, queue, .. } = self;
        let Some(name) = queue.told.front() else { return };
        if queue.waiting.iter().any(|waits| waits.name == *name && core.waits_for_room(waits.place))
        {
            queue.kept.extend(queue.told.pop_front());
        }
    }

    /// Of those who wait for room this one goes away.
    pub(super) fn cancel(&mut self, at: usize) {
        let Waits { name, place, .. } = self.queue.waiting.remove(at);
        self.queue.told.retain(|told| *told != name);
        self.queue.kept.retain(|kept| *kept != name);
        self.with(|core| core.leave_room(place));
    }

    /// All those go away who wait to send items of streams.
    pub(super) fn cancel_items(&mut self) {
        let is_one = |waits: &Waits| waits.queueing.command == Some(Command::Items);
        while let Some(at) = self.queue.waiting.iter().position(is_one) {
            self.cancel(at);
        }
    }

    pub(super) fn count_queueing(&self) -> usize {
        self.queue.waiting.len()
    }
}
