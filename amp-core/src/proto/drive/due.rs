//! What is due when, and what becomes of it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Drive;
use super::hands::{Hands, Note};
use crate::proto::inbound::{Looked, Reading, WaitingCall};
use crate::proto::liveness::Liveness;
use crate::proto::timers::Timer;
use crate::proto::wants::Public;
use crate::proto::{Answer, CloseReason, Core, Host, NotQueued};

/// How often a peer is looked for that is not read from. It needs three looks to be sure that a peer has
/// gone which had sent too much to be read ahead, and that takes less than a second.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long after a look further ahead it is looked again for a sign of life. The driver reads before.
const SOON: Duration = Duration::from_millis(1);

/// If no caller that was told of room looks within this time, all callers are told. To tell all
/// of them too early costs each of them a look, and their order.
const LOOKS_WITHIN: Duration = Duration::from_millis(50);

/// How long large buffers are there to be used again, so that a connection on which nothing happens
/// keeps none.
pub(crate) const BUFFERS_KEPT: Duration = Duration::from_secs(1);

/// What is left to be done when something was due.
#[derive(Debug)]
enum ToDo {
    Nothing,
    /// Another turn is worth it.
    Turn,
    /// A ping cannot be queued; the first, or one more.
    NotPinged(NotQueued, bool),
    /// These calls are dropped, since nobody waits for their answers any more.
    Drop(VecDeque<WaitingCall>),
    /// Large buffers are given up.
    ReleaseBuffers,
    /// The connection is over.
    Over(CloseReason),
}

impl<W: Clone, S: Default> Drive<W, S> {
    /// When something is due next.
    #[inline]
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Deals with what is due. Whether it is worth another look.
    ///
    /// # Errors
    ///
    /// When the connection is over.
    pub(super) fn handle_due(
        &mut self,
        hands: &mut impl Hands<Caller = W, Stream = S>,
    ) -> Result<bool, CloseReason> {
        if self.ping().is_some() {
            self.look_for_ping(hands);
        }
        self.set_timers(hands.public(), || hands.now());
        while let Some(now) = hands.due(self.next_due()) {
            let mut more = false;
            while let Some(timer) = self.timers.take_due(now) {
                hands.note(Note::Due(timer));
                more |= self.handle_one_due(timer, now, hands)?;
            }
            if more {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Deals with a timer that was due. Whether it is worth another look.
    fn handle_one_due(
        &mut self,
        timer: Timer,
        now: Instant,
        hands: &mut impl Hands<Caller = W, Stream = S>,
    ) -> Result<bool, CloseReason> {
        // The stream may be a user's, so it is asked with nothing locked.
        let looks = timer == Timer::Look && self.is_stopped(hands.public());
        let closed = looks && hands.has_peer_closed(&self.line.stream);
        match hands.with(|core| self.handle_timeout(timer, closed, now, core)) {
            ToDo::Nothing => return Ok(false),
            ToDo::Turn => {}
            ToDo::NotPinged(error, first) => hands.note(Note::NotPinged { error, first }),
            ToDo::Drop(calls) => Self::drop_calls(&calls, hands),
            ToDo::ReleaseBuffers => {
                self.inbound.input.release();
                self.line.writing.release();
                hands.with(|core| core.outgoing().release());
                return Ok(false);
            }
            ToDo::Over(reason) => return Err(reason),
        }
        Ok(true)
    }

    /// Looks whether the ping that is outstanding was answered.
    #[inline(never)]
    fn look_for_ping(&mut self, hands: &mut impl Hands<Caller = W, Stream = S>) {
        let now = hands.now();
        // It is dropped with nothing locked.
        drop(hands.with(|core| self.poll_ping(now, core)));
    }

    /// Nobody asks any more whether the peer is alive, and the ping that is outstanding is given up.
    pub(super) fn stop_watching(&mut self, hands: &mut impl Hands<Caller = W, Stream = S>) {
        let liveness = self.liveness.take();
        let Some(ping) = liveness.as_ref().and_then(Liveness::ping) else { return };
        // An answer that is there already is dropped with nothing locked.
        drop(hands.with(|core| {
            let answer = core.take_unread_answer(ping);
            if answer.is_none() {
                core.abandon(ping);
            }
            answer
        }));
    }

    /// Takes the answer to the ping that is outstanding, once it is there.
    fn poll_ping<H: Host>(&mut self, now: Instant, core: &mut Core<W, H>) -> Option<Answer> {
        let answer = core.take_unread_answer(self.ping()?)?;
        if let Some(liveness) = &mut self.liveness {
            liveness.answered(now, &mut self.timers);
        }
        Some(answer)
    }

    /// Whether nothing is read for the time being, because of the responders that run or a switch that is
    /// being decided.
    fn is_stopped(&self, public: Public) -> bool {
        self.inbound.is_paused() || public.any(Public::DECIDING)
    }

    /// Sets the timers of what has begun since the last look, and stops those of what is over.
    #[inline]
    fn set_timers(&mut self, public: Public, now: impl Fn() -> Instant) {
        if self.is_ending() {
            return;
        }
        let stopped = self.is_stopped(public);
        let Self { inbound, timers, liveness, line, .. } = self;
        inbound.watch_box(self.limits.box_timeout, timers, &now);
        // Calls that wait until other connections hold less are looked at again by a turn: nobody says
        // when that is so.
        let waits = self.together.is_some() && !inbound.is_idle();
        if !stopped && !waits {
            if timers.is_set(Timer::Look) {
                timers.stop(Timer::Look);
                inbound.end_look();
            }
        } else if !timers.is_set(Timer::Look) {
            timers.set_after(Timer::Look, now(), LOOK_EVERY);
        }
        if let Some(liveness) = liveness {
            liveness.leaving(public.any(Public::AGREED).then_some(line.written), now);
        }
    }

    /// Some of those who wait for room were told that there is some. Whoever was told tells the next when it
    /// looks. But nobody has to look: a future may be kept and not polled, as a service is that has said
    /// it was not ready. So it is watched whether they go on.
    pub(super) fn watch_room_since(&mut self, passed: u64, now: impl FnOnce() -> Instant) {
        if !self.timers.is_set(Timer::Room) {
            self.room_passed = passed;
            self.timers.set_after(Timer::Room, now(), LOOKS_WITHIN);
        }
    }

    /// Large buffers are given up after a while.
    pub(super) fn release_buffers_later(&mut self, now: impl FnOnce() -> Instant) {
        if !self.timers.is_set(Timer::Buffers) {
            self.timers.set_after(Timer::Buffers, now(), BUFFERS_KEPT);
        }
    }

    /// Queues a ping, unless it would be held back behind a protocol switch.
    fn send_ping<H: Host>(&mut self, now: Instant, core: &mut Core<W, H>) -> ToDo {
        let Self { ping: Some(ping), liveness: Some(liveness), line, timers, .. } = self else {
            return ToDo::Nothing;
        };
        let queued = if core.holds() { Ok(None) } else { ping.queue(core) };
        let id = queued.as_ref().ok().copied().flatten();
        let sent = id.map(|id| (id, core.end_of_queue()));
        liveness.sent(sent, line.written, now, timers);
        queued.map_or_else(|(error, first)| ToDo::NotPinged(error, first), |_| ToDo::Turn)
    }

    /// Deals with a timer that was due. `closed` is whether the stream knows that the peer has closed it.
    fn handle_timeout<H: Host>(
        &mut self,
        timer: Timer,
        closed: bool,
        now: Instant,
        core: &mut Core<W, H>,
    ) -> ToDo {
        match timer {
            Timer::Idle | Timer::FirstBox | Timer::Ping => self.handle_silence(timer, now, core),
            Timer::Box => {
                let (timers, after) = (&mut self.timers, core.limits().box_timeout);
                let due = self.inbound.handle_box_timeout(after, timers, now);
                due.map_or_else(|reason| close(core, reason), |()| ToDo::Nothing)
            }
            Timer::Look => self.look_for_peer(closed, now, core),
            Timer::Room => {
                if !core.waits_for_told() {
                    // Whoever waits is told when the queue is taken, and watched from then on.
                    return ToDo::Nothing;
                }
                if core.room_passed() == self.room_passed {
                    // Those who were told keep the others waiting.
                    core.dismiss_waiters();
                    return ToDo::Nothing;
                }
                self.room_passed = core.room_passed();
                self.timers.set_after(Timer::Room, now, LOOKS_WITHIN);
                ToDo::Nothing
            }
            Timer::Unclaimed => {
                if let Some(next) = core.drop_expired(now, !self.inbound.is_paused()) {
                    self.timers.set(Timer::Unclaimed, next);
                }
                ToDo::Nothing
            }
            Timer::Drain | Timer::Broken | Timer::Close => {
                match self.ending.handle_timeout(timer, core.end()) {
                    Ok(begins) => begins.map_or(ToDo::Nothing, |reason| close(core, reason)),
                    Err(reason) => ToDo::Over(reason),
                }
            }
            Timer::Buffers => ToDo::ReleaseBuffers,
            // It has its turn by that. And only a router has the other.
            Timer::GivenWay | Timer::Stall => ToDo::Nothing,
        }
    }

    /// Something should have come by now.
    fn handle_silence<H: Host>(
        &mut self,
        timer: Timer,
        now: Instant,
        core: &mut Core<W, H>,
    ) -> ToDo {
        if self.is_broken() {
            // The end has a reason already.
            return ToDo::Nothing;
        }
        // All is written before an agreed switch, and the stream stays for whoever has yet to read what came:
        // it is not the peer who is silent then.
        let stays = core.switch().is_agreed() && !core.switch().upgrades() && self.may_leave();
        let Self { inbound, liveness: Some(liveness), timers, line, .. } = self else {
            return ToDo::Nothing;
        };
        // What is about to be read may be from just now. What waits behind calls is read right after
        // them.
        let behind = inbound.reading() == Reading::Behind
            && (core.switch().ends_boxes() || inbound.is_idle())
            && !liveness.leaves();
        if stays || behind {
            liveness.received(now);
        }
        match liveness.handle_timeout(timer, now, inbound.decoded(), line.written, timers) {
            Ok(false) => ToDo::Nothing,
            Ok(true) => self.send_ping(now, core),
            // What it finds counts from then on, and when it finds nothing the time is over.
            Err(_) if inbound.look_further(core.limits(), core.together()) => {
                timers.set_after(timer, now, SOON);
                ToDo::Turn
            }
            Err(reason) => close(core, reason),
        }
    }

    /// Reads ahead once nothing was read for a while, and all that there is once the peer has gone
    /// and nothing goes on: the end is behind that. Calls that want an answer are dropped then. Where
    /// the peer has asked for a protocol switch what follows may be no boxes, and nothing is read ahead;
    /// nobody waits for what is decided once the peer has gone.
    fn look_for_peer<H: Host>(
        &mut self,
        closed: bool,
        now: Instant,
        core: &mut Core<W, H>,
    ) -> ToDo {
        self.timers.set_after(Timer::Look, now, LOOK_EVERY);
        let deciding = core.switch().is_deciding();
        if !self.inbound.is_paused() && !deciding {
            self.inbound.end_look();
            return ToDo::Nothing;
        }
        match self.inbound.look_for_peer(closed, deciding, core.limits(), core.together()) {
            Looked::Same => ToDo::Nothing,
            Looked::Further => ToDo::Turn,
            Looked::Rest(unanswerable) => ToDo::Drop(unanswerable),
            Looked::Gone => close(core, CloseReason::Peer),
        }
    }
}

fn close<W: Clone, H: Host>(core: &mut Core<W, H>, reason: CloseReason) -> ToDo {
    core.close(reason);
    ToDo::Turn
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::argument::Attachment;
    use crate::proto::drive::{Ping, Watched};
    use crate::proto::inbound::WAITS_BEHIND_OTHERS;
    use crate::proto::liveness::Pings;
    use crate::proto::switch::Then;
    use crate::proto::together::Together;
    use crate::proto::{Body, Limits};
    use std::sync::Arc;

    const SECOND: Duration = Duration::from_secs(1);

    type Own = Drive<(), ()>;

    fn both(watched: Watched<()>) -> (Own, Core<()>, Instant) {
        sharing(watched, None)
    }

    fn sharing(watched: Watched<()>, together: Option<Arc<Together>>) -> (Own, Core<()>, Instant) {
        let (limits, now) = (Limits::default(), Instant::now());
        let core = Core::hosted(limits, limits.boxes, together.clone());
        (Drive::new((), false, limits, together, false, watched, now), core, now)
    }

    fn due(drive: &mut Own, core: &mut Core<()>, now: Instant) -> ToDo {
        let timer = drive.timers.take_due(now).expect("something is due");
        drive.handle_timeout(timer, false, now, core)
    }

    #[test]
    fn a_silent_peer_is_the_end_unless_that_has_begun() {
        let watched = || Watched { idle: Some(SECOND), ..Watched::default() };
        let (mut drive, mut core, start) = both(watched());
        drive.inbound.set_reading(Reading::Done);
        let now = start + SECOND;
        assert!(matches!(due(&mut drive, &mut core, now), ToDo::Turn));
        assert!(matches!(core.end().begun(), Some(CloseReason::Idle { .. })));
        // A stream that cannot be written to has its reason.
        let (mut drive, mut core, start) = both(watched());
        let broken = std::io::Error::other("it broke").into();
        drive.handle_not_sent(broken, start, &mut core).unwrap();
        let now = start + SECOND;
        assert!(matches!(due(&mut drive, &mut core, now), ToDo::Nothing));
        assert!(core.end().begun().is_none());
    }

    /// It has agreed to a switch, and this side has not let the stream go.
    #[test]
    fn a_peer_that_waits_for_the_stream_is_not_silent() {
        let ping = Ping::new("Ping", Body::default(), Some(()));
        let pings = Some((Pings::new(SECOND, SECOND), ping));
        for watched in [
            Watched { idle: Some(SECOND), ..Watched::default() },
            Watched { pings, ..Watched::default() },
        ] {
            let (mut drive, mut core, start) = both(watched);
            drive.inbound.set_reading(Reading::Done);
            core.ask_switch(b"A", &mut Body::default(), (), &mut Some(Then::HandOver)).unwrap();
            core.outgoing().take_bytes();
            core.handle_box(crate::AmpBox::from_pairs([("_answer", "1")]).unwrap()).unwrap();
            assert!(core.switch().is_agreed() && drive.may_leave());
            for seconds in 1..10 {
                drive.set_timers(Public::AGREED, || start + (seconds - 1) * SECOND);
                due(&mut drive, &mut core, start + seconds * SECOND);
                assert!(drive.ping().is_none(), "it would be held back");
                assert!(core.end().begun().is_none(), "after {seconds} s");
            }
        }
    }

    #[test]
    fn a_ping_is_sent_and_its_answer_is_waited_for() {
        let ping = Ping::new("Ping", Body::default(), Some(()));
        let pings = Some((Pings::new(SECOND, SECOND), ping));
        let (mut drive, mut core, start) = both(Watched { pings, ..Watched::default() });
        drive.inbound.set_reading(Reading::Done);
        let now = start + SECOND;
        assert!(matches!(due(&mut drive, &mut core, now), ToDo::Turn));
        assert!(drive.ping().is_some() && core.outstanding() == 1);
        assert!(drive.poll_ping(now, &mut core).is_none());
        let answer = crate::AmpBox::from_pairs([("_answer", "1")]).unwrap();
        core.handle_box(answer).unwrap();
        assert!(drive.poll_ping(now, &mut core).is_some() && drive.ping().is_none());
        assert_eq!(drive.next_due(), Some(now + SECOND), "the next one");
    }

    #[test]
    fn all_are_told_of_room_when_one_of_them_does_not_look() {
        let (mut drive, mut core, now) = both(Watched::default());
        let full = |core: &mut Core<()>| {
            core.keep_room_for_answers(true);
            core.poll_room(None, &mut Some(())).unwrap().expect("there is no room")
        };
        let places = [(); 3].map(|()| full(&mut core));
        assert!(core.keep_room_for_answers(false), "all are told");
        drive.watch_room_since(core.room_passed(), || now);
        drive.watch_room_since(9, || panic!("it is watched"));
        assert_eq!(core.poll_room(Some(places[1]), &mut None).unwrap(), None);
        due(&mut drive, &mut core, now + LOOKS_WITHIN);
        assert!(core.waits_for_room(places[0]), "another has gone on");
        due(&mut drive, &mut core, now + 2 * LOOKS_WITHIN);
        assert_eq!((core.wait_for_room(), drive.next_due()), (0, None));
        // Where nobody was told there is nothing to be watched.
        full(&mut core);
        drive.watch_room_since(core.room_passed(), || now);
        due(&mut drive, &mut core, now + 3 * LOOKS_WITHIN);
        assert_eq!((core.wait_for_room(), drive.next_due()), (1, None));
    }

    #[test]
    fn a_driver_that_gives_way_among_several_threads_is_woken_in_time() {
        let (mut drive, mut core, start) = both(Watched::default());
        let watch = |drive: &mut Own, now: fn(Instant) -> Instant| {
            drive.inbound.watch_giving_way(&mut drive.timers, || now(start))
        };
        assert!(!watch(&mut drive, |_| panic!("nobody else could go on")));
        drive.inbound.share_threads();
        assert!(watch(&mut drive, |now| now));
        assert!(!watch(&mut drive, |_| panic!("it is due already")));
        assert_eq!(drive.next_due(), Some(start + WAITS_BEHIND_OTHERS));
        assert!(matches!(due(&mut drive, &mut core, start + WAITS_BEHIND_OTHERS), ToDo::Nothing));
        assert_eq!(drive.next_due(), None);
    }

    #[test]
    fn attachments_that_nothing_claims_are_dropped_in_time_and_too_many_when_they_come() {
        let (mut drive, mut core, now) = both(Watched::default());
        let attachments = |count| (0..count).map(|n| Arc::new(n) as Attachment);
        let mut handle = |drive: &mut Own, count: usize, now| {
            drive.inbound.input.attachments.extend(attachments(count));
            drive.handle_attachments(now, &mut core)
        };
        assert!(handle(&mut drive, 1, now));
        assert!(!handle(&mut drive, 1, now + SECOND));
        let after = core.limits().unclaimed_timeout;
        assert_eq!(drive.next_due(), Some(now + after));
        due(&mut drive, &mut core, now + after);
        assert_eq!(core.take_released().expect("it is dropped").unclaimed.len(), 1);
        assert_eq!(drive.next_due(), Some(now + SECOND + after), "the next");
        let limit = core.limits().unclaimed_attachments;
        drive.inbound.input.attachments.extend(attachments(limit));
        drive.handle_attachments(now + SECOND, &mut core);
        assert_eq!(core.take_released().expect("the last is dropped").unclaimed.len(), 1);
        // While nothing is read, the boxes may not be read that name them.
        drive.inbound.set_reading(Reading::Paused);
        due(&mut drive, &mut core, now + SECOND + after);
        assert!(core.take_released().is_none());
        assert_eq!(drive.next_due(), Some(now + SECOND + 2 * after));
        drive.inbound.set_reading(Reading::Done);
        due(&mut drive, &mut core, now + SECOND + 2 * after);
        assert_eq!(core.take_released().expect("all are dropped").unclaimed.len(), limit);
    }

    #[test]
    fn what_breaks_and_what_ends_is_over_in_time() {
        let (mut drive, mut core, start) = both(Watched::default());
        let within = core.limits().close_timeout;
        let broken = std::io::Error::other("it broke").into();
        drive.handle_not_sent(broken, start, &mut core).unwrap();
        let over = due(&mut drive, &mut core, start + within);
        assert!(matches!(over, ToDo::Over(CloseReason::Io(_))));
        let (mut drive, mut core, start) = both(Watched::default());
        core.close(CloseReason::Local);
        let situation = drive.situation();
        drive.look_for_end(&situation, start, &mut core);
        let over = due(&mut drive, &mut core, start + within);
        assert!(matches!(over, ToDo::Over(CloseReason::Local)));
        let (mut drive, mut core, start) = both(Watched::default());
        core.begin_responder(1, false);
        core.drain(SECOND);
        drive.look_for_end(&situation, start, &mut core);
        let due = due(&mut drive, &mut core, start + SECOND);
        assert!(matches!(due, ToDo::Turn) && core.end().begun().is_some());
    }

    #[test]
    fn the_timers_of_what_is_over_are_stopped() {
        let (mut drive, _core, start) = both(Watched::default());
        let nothing = Public::NOTHING;
        let set = |drive: &mut Own, public| {
            drive.set_timers(public, || start);
            drive.timers.is_set(Timer::Look)
        };
        assert!(!set(&mut drive, nothing));
        assert!(set(&mut drive, Public::DECIDING));
        assert!(!set(&mut drive, nothing));
        drive.inbound.set_reading(Reading::Paused);
        assert!(set(&mut drive, nothing));
        drive.inbound.set_reading(Reading::Done);
        assert!(!set(&mut drive, nothing));
    }
}
