//! Who gets the room that there is in the queue: first the answers to calls that were received, then those
//! who wait to call, in the order in which they came, then whoever comes new.

use super::side::Core;
use crate::proto::waiters::RoomPlace;
use crate::proto::{CloseReason, Host};

/// So many of those who wait are told at most before they have looked. Each who finds room tells the next.
const TOLD_AT_ONCE: usize = 256;

impl<W, H: Host> Core<W, H> {
    /// Whether another call may be queued, which is to be done at once. Otherwise the place in which whoever has
    /// asked waits, who asks again from there: `waiter` is told when that is worth it, in place of the one who
    /// was told before.
    ///
    /// # Errors
    ///
    /// When no more calls are made.
    pub(crate) fn poll_room(
        &mut self,
        place: Option<RoomPlace>,
        waiter: &mut Option<W>,
    ) -> Result<Option<RoomPlace>, CloseReason> {
        if let Some(reason) = self.end.refusal() {
            return Err(reason.clone());
        }
        let waiters = &self.order.waiters;
        let place = place.filter(|place| waiters.has(*place));
        let is_next = match place {
            None => self.has_room_for_new(),
            Some(place) => waiters.is_told(place) && self.may_go(),
        };
        if is_next {
            if let Some(place) = place {
                self.order.waiters.leave(place);
                self.order.look_who_waits();
                self.order.lets_one = false;
                self.order.passed += 1;
                self.tell_of_room(1);
            }
            return Ok(None);
        }
        let Some(new) = waiter.take() else { return Ok(place) };
        let Some(place) = place else {
            let place = self.order.waiters.enter(new);
            self.order.look_who_waits();
            return Ok(Some(place));
        };
        *waiter = self.order.waiters.wait(place, new);
        Ok(Some(place))
    }

    /// Whether there is room, and it is not for answers.
    fn has_room_for_callers(&self) -> bool {
        !self.order.answers && self.has_room()
    }

    /// Whether somebody who was told of room may go.
    fn may_go(&self) -> bool {
        self.order.lets_one || self.has_room_for_callers()
    }

    /// Whether there is room for somebody who comes new: more than for all who wait.
    fn has_room_for_new(&self) -> bool {
        let wait = self.order.waiters.len();
        let is_left = || wait == 0 || self.boxes_with_room() > wait;
        self.has_room_for_callers() && is_left()
    }

    /// For how many boxes there is room, where there is some, if they are as those before.
    fn boxes_with_room(&self) -> usize {
        let bytes = self.limits.send_queue.saturating_sub(self.queued());
        let boxes = self.limits.send_queue_boxes.saturating_sub(self.queued_boxes());
        boxes.min(bytes.div_ceil(self.order.usual_len.max(1)))
    }

    /// Those who wait for room are told that there is some, as many as it is for, where it is not for answers.
    /// So many of the boxes that it is for are about to be queued. Whether anybody was told and has yet to look.
    fn tell_of_room(&mut self, queued: usize) -> bool {
        if self.order.waiters.is_empty() {
            return false;
        }
        let most = if self.has_room_for_callers() {
            self.boxes_with_room().saturating_sub(queued).clamp(1, TOLD_AT_ONCE)
        } else {
            usize::from(self.order.lets_one)
        };
        while self.order.waiters.told() < most {
            let Some(waiter) = self.order.waiters.tell_next() else { break };
            self.released().callers.push(waiter);
        }
        self.order.waiters.told() > 0
    }

    /// What is queued is about to be taken.
    pub(super) fn queue_is_taken(&mut self) {
        if !self.order.waiters.is_empty() && self.outgoing.boxes() > 0 {
            self.order.usual_len = self.outgoing.len() / self.outgoing.boxes();
        }
    }

    /// What was queued was taken, so those who wait for room are told of it. Whether anybody was.
    pub(super) fn queue_was_taken(&mut self) -> bool {
        self.order.lets_one = !self.order.waiters.is_empty() && self.has_room();
        self.tell_of_room(0)
    }

    /// Calls that were received wait for room for their answers, or do not any more. Until then it is given to
    /// nobody else, but for one with each filling of the queue. Whether anybody was told of it.
    pub(crate) fn keep_room_for_answers(&mut self, keeps: bool) -> bool {
        self.order.answers = keeps;
        self.order.look_who_waits();
        !keeps && self.tell_of_room(0)
    }

    /// Whoever was in this place waits no longer, and if they were told of room, the next is in their place.
    /// Returns who was to be told.
    pub(crate) fn leave_room(&mut self, place: RoomPlace) -> Option<W> {
        let (was_told, waiter) = self.order.waiters.leave(place);
        self.order.look_who_waits();
        if was_told {
            self.tell_of_room(0);
        }
        waiter
    }

    /// How many that had waited for room have found some.
    pub(crate) fn room_passed(&self) -> u64 {
        self.order.passed
    }

    /// Whether somebody was told of room who has yet to look.
    pub(crate) fn waits_for_told(&self) -> bool {
        self.order.waiters.told() > 0
    }

    /// Nobody waits for room any longer, and all look again as if they came new: some who were told do not look, or
    /// there will be no room any more.
    pub(crate) fn dismiss_waiters(&mut self) {
        if !self.order.waiters.is_empty() {
            let Self { order, released, .. } = self;
            released.get_or_insert_default().callers.extend(order.waiters.dismiss());
            order.look_who_waits();
        }
    }

    /// Whether somebody waits in this place.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn waits_for_room(&self, place: RoomPlace) -> bool {
        self.order.waiters.has(place)
    }

    /// How many wait for room.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn wait_for_room(&self) -> usize {
        self.order.waiters.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::wants::Public;
    use crate::proto::{Body, Limits, Outgoing};
    use bytes::BytesMut;

    fn core() -> Core<u32> {
        let limits = Limits { send_queue: 1000, send_queue_boxes: 4, ..Limits::default() };
        Core::hosted(limits, limits.boxes, None)
    }

    fn queue(core: &mut Core<u32>, bytes: usize) {
        let mut body = Body { pairs: BytesMut::from(&vec![0; bytes][..]), ..Body::default() };
        core.notify(b"A", &mut body).unwrap();
    }

    /// Somebody comes, who has to wait.
    fn comes(core: &mut Core<u32>, waiter: u32) -> RoomPlace {
        core.poll_room(None, &mut Some(waiter)).unwrap().expect("others come first")
    }

    /// Whether whoever waits there, or comes new, may go.
    fn looks(core: &mut Core<u32>, place: Option<RoomPlace>) -> bool {
        let waits = core.poll_room(place, &mut Some(99)).unwrap();
        if let (None, Some(waits)) = (place, waits) {
            core.leave_room(waits);
        }
        waits.is_none()
    }

    /// The driver takes the queue. Gives those who are told of room by that.
    fn write(core: &mut Core<u32>) -> Vec<u32> {
        core.poll_transmit(&mut Outgoing::default(), true);
        told(core)
    }

    fn told(core: &mut Core<u32>) -> Vec<u32> {
        core.take_released().map(|released| released.callers).unwrap_or_default()
    }

    #[test]
    fn who_comes_new_waits_behind_all_who_wait() {
        let mut core = core();
        assert!(looks(&mut core, None));
        (0..4).for_each(|_| queue(&mut core, 0));
        let [a, b] = [1, 2].map(|waiter| comes(&mut core, waiter));
        assert!(!looks(&mut core, Some(a)), "nobody was told");
        assert_eq!(write(&mut core), [99, 2]);
        // There is room for four, and two of them have yet to look.
        assert!(looks(&mut core, None));
        queue(&mut core, 0);
        assert!(looks(&mut core, None));
        queue(&mut core, 0);
        let c = comes(&mut core, 3);
        assert!(looks(&mut core, Some(b)));
        queue(&mut core, 0);
        assert!(looks(&mut core, Some(a)));
        queue(&mut core, 0);
        assert_eq!(told(&mut core), [3], "whoever has found room tells the next");
        assert!(!looks(&mut core, Some(c)) && !looks(&mut core, None));
        assert_eq!(core.room_passed(), 2);
    }

    /// The bytes of a box are not known before it is encoded.
    #[test]
    fn as_many_are_told_as_there_is_room_for_if_their_boxes_are_as_those_before() {
        let mut core = core();
        queue(&mut core, 400);
        queue(&mut core, 600);
        let places = [1, 2, 3].map(|waiter| comes(&mut core, waiter));
        assert_eq!(write(&mut core), [1, 2]);
        for place in &places[..2] {
            assert!(looks(&mut core, Some(*place)));
            queue(&mut core, 10);
        }
        assert_eq!(told(&mut core), [3]);
        assert!(looks(&mut core, Some(places[2])) && looks(&mut core, None));
    }

    #[test]
    fn whoever_was_told_and_goes_away_tells_the_next() {
        let mut core = core();
        queue(&mut core, 1000);
        let [a, b, c] = [1, 2, 3].map(|waiter| comes(&mut core, waiter));
        assert_eq!(write(&mut core), [1]);
        assert_eq!((core.leave_room(b), told(&mut core)), (Some(2), vec![]));
        assert_eq!((core.leave_room(a), told(&mut core)), (None, vec![3]));
        assert_eq!((core.leave_room(c), told(&mut core)), (None, vec![]));
        assert!(looks(&mut core, None));
        assert_eq!(core.order.signs(), Public::NOTHING);
    }

    #[test]
    fn answers_that_wait_for_room_come_before_all_but_one_with_each_filling() {
        let mut core = core();
        queue(&mut core, 1000);
        core.keep_room_for_answers(true);
        let [a, b, c] = [1, 2, 3].map(|waiter| comes(&mut core, waiter));
        assert_eq!(write(&mut core), [1]);
        assert!(!looks(&mut core, None), "though there is room");
        // They fill the queue.
        queue(&mut core, 1000);
        assert!(looks(&mut core, Some(a)) && !looks(&mut core, Some(b)));
        queue(&mut core, 10);
        assert!(told(&mut core).is_empty());
        assert_eq!(write(&mut core), [99]);
        assert!(looks(&mut core, Some(b)));
        assert!(told(&mut core).is_empty());
        // What is left is for the others.
        assert!(core.keep_room_for_answers(false));
        assert_eq!(told(&mut core), [3]);
        assert!(looks(&mut core, Some(c)));
    }

    #[test]
    fn whoever_finds_no_room_keeps_the_place() {
        let mut core = core();
        queue(&mut core, 500);
        queue(&mut core, 500);
        let [a, b, _] = [1, 2, 3].map(|waiter| comes(&mut core, waiter));
        assert_eq!(write(&mut core), [1, 2]);
        // Answers do not wait for room here. One goes all the same.
        queue(&mut core, 1000);
        assert!(looks(&mut core, Some(b)) && !looks(&mut core, Some(a)));
        assert!(told(&mut core).is_empty());
        assert_eq!(write(&mut core), [99], "before who came later");
    }

    #[test]
    fn nobody_waits_for_room_that_does_not_come() {
        let mut core = core();
        queue(&mut core, 1000);
        let place = comes(&mut core, 1);
        core.break_off(CloseReason::Local);
        assert_eq!(told(&mut core), [1]);
        assert!(core.poll_room(Some(place), &mut Some(1)).is_err());
        assert_eq!(core.wait_for_room(), 0);
    }
}
