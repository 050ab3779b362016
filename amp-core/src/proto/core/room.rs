//! What may be begun, read and queued, and how much of it: whether a call of the peer is begun or has
//! to wait, whether more is read, and whether there is room for a call of this side.

use super::side::Core;
use crate::proto::admission::Admission;
use crate::proto::lanes::{LaneId, Place, Turn};
use crate::proto::wants::Situation;
#[cfg(feature = "tokio")]
use crate::proto::{Body, CallId, NotQueued};
use crate::proto::{CloseReason, LimitKind};
use crate::proto::{Host, held};

impl<W, H: Host> Core<W, H> {
    /// Whether another call may be queued now.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.queued() < self.limits.send_queue
            && self.queued_boxes() < self.limits.send_queue_boxes
            && self.has_room_beside(self.queued_attachments())
            && self.end.refusal().is_none()
    }

    /// Whether another call may be queued beside so many attachments: see [`held::has_room`].
    #[inline]
    pub(super) fn has_room_beside(&self, attachments: usize) -> bool {
        held::has_room(attachments, held::sending, self.limits.attachments_in_all)
    }

    /// Says whether an answer with so many attachments may be queued: see [`held::check_sending`].
    ///
    /// # Errors
    ///
    /// The limit that it would go over, and its value.
    #[cfg(feature = "tokio")]
    #[inline]
    pub(crate) fn check_attachments(&self, count: usize) -> Result<(), (LimitKind, usize)> {
        if count == 0 {
            return Ok(());
        }
        let (own, in_all) = (self.queued_attachments(), self.limits.attachments_in_all);
        held::check_sending(own, count, held::sending(), in_all)
    }

    /// Counts a responder that has not finished at its first poll. With `after`, counts instead the future
    /// that runs once the answer is written. `bytes` is the size of the call.
    pub(crate) fn begin_responder(&mut self, bytes: usize, after: bool) {
        *self.among(after) += 1;
        self.admission.bytes += bytes;
        self.news = true;
        if let Some(together) = &self.together {
            together.begin_call(bytes);
        }
    }

    /// One that was [counted](Self::begin_responder) is done.
    pub(crate) fn end_responder(&mut self, bytes: usize, after: bool) {
        *self.among(after) -= 1;
        self.admission.bytes -= bytes;
        self.news = true;
        if let Some(together) = &self.together {
            together.end_call(bytes);
        }
        self.tell_leftovers();
    }

    fn among(&mut self, after: bool) -> &mut usize {
        let Admission { running, following, .. } = &mut self.admission;
        if after { following } else { running }
    }

    /// A call that is being answered takes so many bytes more than it had on the wire.
    ///
    /// # Errors
    ///
    /// The name of the limit that it goes over, and its value.
    pub(crate) fn add_bytes(&mut self, bytes: usize) -> Result<(), (LimitKind, usize)> {
        self.news = true;
        self.admission.grow(bytes, &self.limits, self.together.as_deref())
    }

    /// Takes back what [`add_bytes`](Self::add_bytes) counted.
    pub(crate) fn remove_bytes(&mut self, bytes: usize) {
        self.admission.bytes -= bytes;
        self.news = true;
        if let Some(together) = &self.together {
            together.remove_bytes(bytes);
        }
        self.tell_leftovers();
    }

    /// Whether as many responders run as may. Then `waiter` is taken, and told when fewer do, unless one that
    /// `is_same` is told already.
    pub(crate) fn poll_full(
        &mut self,
        waiter: &mut Option<W>,
        is_same: impl Fn(&W) -> bool,
    ) -> bool {
        let full = self.is_full();
        if full && !self.leftovers.iter().any(is_same) {
            self.leftovers.extend(waiter.take());
        }
        full
    }

    fn tell_leftovers(&mut self) {
        if !self.leftovers.is_empty() {
            let leftovers = std::mem::take(&mut self.leftovers);
            self.released().callers.extend(leftovers);
        }
    }

    /// Enters a lane: see [`Lanes::enter`](crate::proto::lanes::Lanes::enter).
    pub(crate) fn enter_lane(&mut self, lane: LaneId, requires_answer: bool) -> Place {
        self.lanes.enter(lane, requires_answer)
    }

    /// Whether it is the turn of who is there. If it is not yet, `waiter` is told when that changes, and
    /// who was told before is put in its place.
    pub(crate) fn poll_turn(&mut self, lane: LaneId, place: Place, waiter: &mut Option<W>) -> Turn {
        self.lanes.poll_turn(lane, place, waiter)
    }

    /// The call in this place is done, or waits no longer. The next one is told.
    pub(crate) fn leave_lane(&mut self, lane: LaneId, place: Place) {
        if let Some(next) = self.lanes.leave(lane, place) {
            self.released().callers.push(next);
        }
    }

    /// What is being answered.
    pub(crate) fn admission(&self) -> Admission {
        self.admission
    }

    /// One more stream is open on this side, or one less. Responders that run may wait for its items, or for
    /// room for them. So reading goes on; calls that are read meanwhile wait, up to a bound, over which
    /// the first of them are begun.
    #[cfg(feature = "tokio")]
    pub(crate) fn await_stream(&mut self, begins: bool) {
        if begins {
            self.awaited_streams += 1;
        } else {
            self.awaited_streams -= 1;
        }
        self.news = true;
    }

    /// As [`call`](Self::call), for one that brings items of a stream, or its end. It has a place of its own
    /// among the outstanding ones, and nothing but the stream waits for the answer, so it lets no calls of
    /// the peer begin.
    #[cfg(feature = "tokio")]
    pub(crate) fn call_of_stream(
        &mut self,
        command: &[u8],
        body: &mut Body,
        waiter: W,
    ) -> Result<CallId, NotQueued> {
        self.stream_calls += 1;
        let called = self.call(command, body, waiter);
        if called.is_err() {
            self.stream_calls -= 1;
        }
        called
    }

    /// One that was [made](Self::call_of_stream) is over.
    #[cfg(feature = "tokio")]
    pub(crate) fn end_call_of_stream(&mut self) {
        self.stream_calls -= 1;
        self.news = true;
    }

    /// Whether as many responders run as may.
    pub(crate) fn is_full(&self) -> bool {
        self.admission.is_full(&self.limits, self.together.as_deref())
    }

    /// Whether another call may be received now: see [`field@Limits::running_responders`].
    pub(crate) fn may_read(&self, situation: &Situation) -> bool {
        !self.is_full()
            || self.must_go_on(situation)
            || !self.outgoing.is_empty()
            || situation.received < situation.ahead && !self.is_hoarding()
            || self.may_read_beside_streams(situation)
    }

    /// Whether calls are read that have to wait, and claim nothing meanwhile, since items may come behind
    /// them.
    fn may_read_beside_streams(&self, situation: &Situation) -> bool {
        self.awaited_streams > 0
            && situation.calls < self.limits.running_bytes
            && (situation.calls == 0 || !self.is_hoarding())
    }

    /// Whether a call that was received has to wait: as many are being answered as may, or others of
    /// the server's connections leave no room for it.
    pub(crate) fn holds_back(&self, situation: &Situation) -> bool {
        self.is_full() && !self.must_go_on(situation) && !self.must_make_room(situation)
    }

    /// Whether so much waits beside an open stream that the first of it is begun although as many run as
    /// may: those that run may wait for items behind all of it.
    fn must_make_room(&self, situation: &Situation) -> bool {
        self.awaited_streams > 0
            && (situation.calls >= self.limits.running_bytes || self.is_hoarding())
    }

    /// Whether calls are begun although as many run as may: the peer may be unable to go on
    /// otherwise, or they are only to be refused. Once the end has begun nobody waits for answers any more,
    /// whether or not those have heard of it who did.
    fn must_go_on(&self, situation: &Situation) -> bool {
        let outstanding = self.outstanding() > situation.pings + self.stream_calls;
        outstanding && !situation.ending
            || situation.writing > 0
            || self.end.refuses_calls()
            || self.switch.ends_boxes()
    }

    /// Whether a call waits that may be begun: so little is to be sent that there is room for its
    /// answer.
    pub(crate) fn may_start(&self, situation: &Situation) -> bool {
        situation.calls > 0 && !self.holds_back(situation) && self.has_room_for_answers(situation)
    }

    fn has_room_for_answers(&self, situation: &Situation) -> bool {
        let limits = &self.limits;
        // Once both sides agree to a switch, what came before it is begun before it is made. And
        // what is held back when the connection ends is not sent at all.
        let agreed = self.switch.is_agreed() || self.switch.is_upgrading();
        let (bytes, boxes) = if agreed || situation.ending {
            (self.outgoing.len(), self.outgoing.boxes())
        } else {
            (self.queued(), self.queued_boxes())
        };
        let most = limits.send_queue.max(limits.send_queue_max / 2);
        // A quarter is left for what the next message brings.
        let unclaimed = self.unclaimed.len();
        if unclaimed > limits.unclaimed_attachments / 4 * 3
            || held::is_crowded_by(unclaimed, limits.attachments_in_all)
        {
            return bytes < most;
        }
        // Calls become answers before there are too many, which take less if they ask much for little.
        let are_many = situation.calls > limits.send_queue_max / 4;
        let most = if are_many { most } else { limits.send_queue };
        bytes < most && boxes < limits.send_queue_boxes
    }

    /// Whether so many attachments wait that they should be claimed before more are received.
    pub(crate) fn is_hoarding(&self) -> bool {
        let unclaimed = self.unclaimed.len();
        unclaimed > self.limits.unclaimed_attachments / 2
            || held::is_crowded_by(unclaimed, self.limits.attachments_in_all)
    }

    /// Whether too much waits while the transport takes no more, or while a protocol switch holds
    /// it back. Calls that are not answered because of that count too.
    pub(crate) fn holds_too_much(&self, situation: &Situation) -> bool {
        let waiting = self.queued() + situation.writing + situation.calls;
        waiting > self.limits.send_queue_max && (self.held.is_some() || situation.writing > 0)
    }

    /// The reason for the end where [too much waits](Self::holds_too_much).
    pub(crate) fn check_queue(&self, situation: &Situation) -> Result<(), CloseReason> {
        if self.holds_too_much(situation) {
            let limit = self.limits.send_queue_max;
            return Err(CloseReason::Limit { what: LimitKind::SendQueue, limit });
        }
        Ok(())
    }

    /// Whether nothing is being answered, and nothing that was read has yet to be looked at. A
    /// responder queues its answer before it is done.
    pub(crate) fn is_drained(&self, situation: &Situation) -> bool {
        self.admission.running == 0
            && situation.calls == 0
            && !situation.left
            && !self.switch.ends_boxes()
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::Transmit;
    #[cfg(feature = "tokio")]
    use super::super::side::STREAM_CALLS;
    use super::*;
    use crate::proto::wants::{Public, Wants};
    use crate::proto::{Body, Limits, Outgoing};
    use bytes::BytesMut;
    use std::time::Duration;

    fn limits() -> Limits {
        Limits {
            running_responders: 2,
            running_responders_max: 4,
            running_bytes: 100,
            running_bytes_max: 200,
            send_queue: 100,
            send_queue_boxes: 3,
            send_queue_max: 1000,
            ..Limits::default()
        }
    }

    fn core() -> Core<(), ()> {
        Core::hosted(limits(), limits().boxes, None)
    }

    fn body(bytes: usize) -> Body {
        Body { pairs: BytesMut::from(&vec![0; bytes][..]), ..Body::default() }
    }

    const A_CALL_WAITS: Situation = Situation {
        writing: 0,
        counted: 0,
        calls: 10,
        received: 10,
        ahead: 0,
        paused: true,
        left: false,
        at_switch: false,
        pings: 0,
        draining: false,
        ending: false,
        silent: false,
        refused: false,
        may_leave: false,
        line: false,
    };

    #[test]
    fn nothing_is_read_or_begun_while_many_run_unless_the_peer_may_wait_for_it() {
        let situation = A_CALL_WAITS;
        let mut core = core();
        assert!(core.may_read(&situation) && core.may_start(&situation));
        (0..2).for_each(|_| core.begin_responder(10, false));
        assert!(!core.may_read(&situation) && !core.may_start(&situation));
        assert_eq!(core.driver_wants(&situation), Wants::NOTHING);
        // Reading goes on while this side waits for an answer.
        let id = core.call(b"A", &mut body(0), ()).unwrap();
        assert!(core.may_read(&situation) && core.may_start(&situation));
        // It does not go on when the connection is about to end.
        core.outgoing().take_bytes();
        let ending = Situation { ending: true, ..situation };
        assert!(!core.may_start(&ending) && core.holds_back(&ending));
        // It does not go on for the answer to a ping.
        let pings = Situation { pings: 1, ..situation };
        assert!(!core.may_read(&pings) && !core.may_start(&pings));
        core.forget(id);
        // What is sent may be what the peer waits for.
        let writing = Situation { writing: 1, ..situation };
        assert!(core.may_read(&writing) && core.may_start(&writing));
        core.notify(b"A", &mut body(0)).unwrap();
        assert!(core.may_read(&situation) && !core.may_start(&situation));
        core.outgoing().take_bytes();
        // A little may be read ahead.
        let ahead = Situation { ahead: 11, ..situation };
        assert!(core.may_read(&ahead) && !core.may_start(&ahead));
        // A call that is refused need not wait.
        core.drain(Duration::from_secs(1));
        assert!(core.may_read(&situation) && core.may_start(&situation));
        assert!(core.driver_wants(&situation).any(Wants::DRAIN));
        core.end_responder(10, false);
        core.end_responder(10, false);
        let begun = Situation { draining: true, calls: 0, ..situation };
        assert!(core.is_drained(&begun) && !core.is_drained(&Situation { left: true, ..begun }));
        assert!(core.driver_wants(&begun).any(Wants::DRAIN));
    }

    #[cfg(feature = "tokio")]
    #[test]
    fn beside_an_open_stream_reading_goes_on_until_attachments_have_to_be_claimed() {
        let situation = A_CALL_WAITS;
        let limits = Limits { unclaimed_attachments: 4, ..limits() };
        let mut core = Core::<(), ()>::hosted(limits, limits.boxes, None);
        (0..2).for_each(|_| core.begin_responder(10, false));
        assert!(!core.may_read(&situation));
        core.await_stream(true);
        assert!(core.may_read(&situation) && !core.may_start(&situation));
        let attachments = (0..3).map(|n| std::sync::Arc::new(n) as crate::argument::Attachment);
        core.handle_attachments(attachments, std::time::Instant::now());
        assert!(!core.may_read(&situation) && core.may_start(&situation));
        assert_eq!(core.driver_wants(&situation), Wants::START);
        let idle = Situation { calls: 0, ..situation };
        assert!(core.may_read(&idle), "what claims them is still to come");
        assert!(core.claim(0).is_ok() && core.may_read(&situation));
        assert!(core.driver_wants(&situation).any(Wants::READ), "the driver is woken");
    }

    #[cfg(feature = "tokio")]
    #[test]
    fn so_many_calls_wait_beside_an_open_stream_and_then_the_first_begin() {
        let mut core = core();
        (0..2).for_each(|_| core.begin_responder(10, false));
        core.await_stream(true);
        let most = Situation { calls: 100, ..A_CALL_WAITS };
        assert!(!core.may_read(&most) && core.may_start(&most));
        let less = Situation { calls: 99, ..A_CALL_WAITS };
        assert!(core.may_read(&less) && !core.may_start(&less));
        core.await_stream(false);
        assert!(!core.may_read(&most) && !core.may_start(&most));
    }

    /// Nobody is woken for what a call of a stream would not let begin.
    #[cfg(feature = "tokio")]
    #[test]
    fn a_call_of_a_stream_lets_no_call_begin_and_takes_the_place_of_none() {
        let situation = A_CALL_WAITS;
        let limits = Limits { outstanding_calls: 1, streams: 1, ..limits() };
        let mut core = Core::<(), ()>::hosted(limits, limits.boxes, None);
        (0..2).for_each(|_| core.begin_responder(10, false));
        let calls = [(); STREAM_CALLS + 1].map(|()| {
            let id = core.call_of_stream(b"A", &mut body(0), ()).unwrap();
            core.outgoing().take_bytes();
            assert_eq!(core.driver_wants(&situation), Wants::NOTHING);
            id
        });
        let own = core.call(b"A", &mut body(0), ()).unwrap();
        assert!(matches!(core.call(b"A", &mut body(0), ()), Err(NotQueued::TooManyCalls(_))));
        let over = core.call_of_stream(b"A", &mut body(0), ());
        assert!(matches!(over, Err(NotQueued::TooManyCalls(_))), "nothing holds more");
        core.outgoing().take_bytes();
        assert!(core.may_start(&situation), "an answer is awaited");
        core.forget(own);
        assert!(!core.may_start(&situation));
        for id in calls {
            core.forget(id);
            core.end_call_of_stream();
            assert!(!core.may_start(&situation));
        }
        core.call(b"A", &mut body(0), ()).unwrap();
        assert!(core.may_start(&situation));
    }

    #[test]
    fn nothing_is_begun_while_enough_is_to_be_sent() {
        let situation = A_CALL_WAITS;
        let mut core = core();
        core.notify(b"A", &mut body(60)).unwrap();
        assert!(core.has_room() && core.may_start(&situation));
        core.notify(b"A", &mut body(60)).unwrap();
        assert!(!core.has_room() && !core.may_start(&situation));
        let many = Situation { calls: 251, ..situation };
        assert!(core.may_start(&many), "they become answers before they are too many");
        core.notify(b"A", &mut body(400)).unwrap();
        assert!(!core.may_start(&many));
        core.outgoing().take_bytes();
        assert!(core.has_room());
        (0..3).for_each(|_| core.notify(b"A", &mut body(0)).unwrap());
        assert!(!core.has_room() && !core.may_start(&situation), "there are enough boxes");
    }

    /// Whoever waits is told once they are taken, as where there are enough bytes.
    #[test]
    fn there_is_no_room_beside_an_eighth_of_what_may_be_held_in_all() {
        let limits = Limits { attachments_in_all: 1 << 16, send_queue_boxes: 9, ..limits() };
        let mut core = Core::<(), ()>::hosted(limits, limits.boxes, None);
        let notify = |core: &mut Core<_>, count: usize| {
            let attachments =
                (0..count).map(|n| std::sync::Arc::new(n) as crate::argument::Attachment);
            let mut body = Body { attachments: attachments.collect(), ..body(0) };
            core.notify(b"A", &mut body).unwrap();
        };
        let poll = |core: &mut Core<_>, place| core.poll_room(place, &mut Some(())).unwrap();
        notify(&mut core, (1 << 13) - 1);
        assert_eq!(poll(&mut core, None), None);
        notify(&mut core, 1);
        assert!(core.poll_public().is_some_and(|public| public.any(Public::CROWDED)));
        let place = poll(&mut core, None);
        assert!(place.is_some());
        let transmit = core.poll_transmit(&mut Outgoing::default(), true);
        assert!(matches!(transmit, Transmit::Taken { awaits_room: true, .. }));
        assert_eq!(poll(&mut core, place), None);
        // What one box has is sent however much that is.
        notify(&mut core, 1 << 14);
        assert!(poll(&mut core, None).is_some());
    }

    #[test]
    fn what_waits_behind_a_transport_that_takes_nothing_has_a_bound() {
        let situation = Situation { writing: 1, calls: 0, ..A_CALL_WAITS };
        let mut core = core();
        core.notify(b"A", &mut body(900)).unwrap();
        assert!(!core.holds_too_much(&situation));
        let calls = Situation { calls: 100, ..situation };
        assert!(core.holds_too_much(&calls), "calls count that are not answered because of it");
        core.notify(b"A", &mut body(100)).unwrap();
        assert!(core.holds_too_much(&situation));
        assert!(core.driver_wants(&situation).any(Wants::LIMIT));
        assert!(
            !core.holds_too_much(&Situation { writing: 0, ..situation }),
            "it is about to be written"
        );
    }

    #[test]
    fn no_call_is_made_once_nothing_can_be_sent() {
        let mut core = core();
        core.break_off(CloseReason::Local);
        assert!(!core.has_room());
        assert!(core.call(b"A", &mut body(0), ()).is_err());
        assert!(core.notify(b"A", &mut body(0)).is_err());
        assert!(core.answer(b"1", &mut body(0)).is_ok(), "what answers is not told");
    }
}
