//! The driver's half of a connection, which nobody else has, and which needs no lock: what was received,
//! the timers, whether the peer is alive, and the farewell.

mod due;
mod stint;

#[cfg(feature = "tokio")]
pub(crate) use due::{LOOK_EVERY, Progress, ToDo};

pub(crate) use stint::Stint;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::admission::Busy;
use super::farewell::Farewell;
use super::inbound::{Inbound, Input, Reading, Received};
use super::liveness::{Liveness, Pings};
use super::timers::{Timer, Timers};
use super::together::Together;
use super::wants::{Public, Situation};
use super::{Answer, CallId, Core, Host, Limits};
use crate::proto::CloseReason;

/// How a connection finds out whether its peer is alive.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// How long nothing may come from the peer.
    pub(crate) idle: Option<Duration>,
    /// How long its first box may take.
    pub(crate) first_box: Option<Duration>,
    pub(crate) pings: Option<Pings>,
}

/// Whether more may be received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MayReceive {
    Yes,
    /// The answers to the calls that wait have no room before what is queued is sent.
    SendFirst,
    /// As many responders run as may: see [`Core::may_read`].
    No,
}

/// Calls that were received and not begun, and that the driver has parted with.
#[derive(Debug)]
pub(crate) struct LeftBehind {
    /// Calls that want an answer, which nobody waits for any more. They are dropped.
    pub(crate) unanswerable: VecDeque<Received>,
    /// One-way commands over what one connection may have at once, which are dropped too.
    pub(crate) over: VecDeque<Received>,
    /// One-way commands to be begun when fewer responders run, in their order.
    pub(crate) calls: VecDeque<Received>,
    /// How many bytes those take.
    pub(crate) size: usize,
}

/// What the driver of a connection has alone.
#[derive(Debug)]
pub(crate) struct Drive<W> {
    pub(crate) inbound: Inbound<W>,
    /// What was done since others had their turn.
    pub(crate) stint: Stint,
    timers: Timers,
    /// Whether the peer is alive, where somebody asks.
    liveness: Option<Liveness>,
    farewell: Option<Farewell>,
    busy: Busy,
    /// The number of callers that had found room by the time when the driver last said that there is some.
    room_passed: u64,
}

impl<W> Drive<W> {
    pub(crate) fn new(limits: &Limits, watched: Watched, now: Instant) -> Self {
        let mut timers = Timers::default();
        let Watched { idle, first_box, pings } = watched;
        Self {
            inbound: Inbound::new(limits.boxes),
            stint: Stint::default(),
            liveness: Liveness::new(idle, first_box, pings, now, &mut timers),
            timers,
            farewell: None,
            busy: Busy::default(),
            room_passed: 0,
        }
    }

    /// What this half knows, by which others see whether there is something for the driver to do. So many
    /// bytes were taken off the queue and are being written.
    #[inline]
    pub(crate) fn situation(&self, writing: usize) -> Situation {
        Situation {
            writing,
            counted: 0,
            calls: self.inbound.calls_size(),
            received: self.inbound.size(),
            ahead: self.inbound.ahead(),
            paused: self.inbound.is_paused(),
            left: self.inbound.has_left(),
            boundary: self.inbound.is_at_switch(),
            pings: usize::from(self.ping().is_some()),
            draining: self.timers.is_set(Timer::Drain),
            ending: self.is_ending(),
            silent: self.is_silent(),
            refused: false,
            line: false,
        }
    }

    /// Whether the farewell has begun.
    #[inline]
    pub(crate) fn is_ending(&self) -> bool {
        self.farewell.is_some()
    }

    /// The farewell, once it has begun, with what it needs.
    pub(crate) fn farewell(&mut self) -> Option<(&mut Farewell, &mut Input, &mut Stint)> {
        let Self { farewell, inbound, stint, .. } = self;
        Some((farewell.as_mut()?, &mut inbound.input, stint))
    }

    /// Whether nothing can be written any more, while what the peer has sent before is still read.
    #[inline]
    pub(crate) fn is_broken(&self) -> bool {
        self.timers.is_set(Timer::Broken)
    }

    /// Whether nothing is sent any more.
    #[inline]
    pub(crate) fn is_silent(&self) -> bool {
        self.is_broken() || self.farewell.as_ref().is_some_and(Farewell::is_silent)
    }

    /// Whether its end is a matter of time.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn ends_in_time(&self) -> bool {
        [Timer::Broken, Timer::Close, Timer::Drain].map(|timer| self.timers.is_set(timer))
            != [false; 3]
    }

    /// Whether all who wait for room are told after a while.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn watches_room(&self) -> bool {
        self.timers.is_set(Timer::Room)
    }

    pub(crate) fn busy(&self) -> &Busy {
        &self.busy
    }

    /// Whether boxes may be read: once the end has begun, only those that were received before. What
    /// comes later than that is not answered.
    pub(crate) fn reads(&self, public: Public) -> bool {
        let reads_left = || self.inbound.has_left() && !public.any(Public::BOUNDARY);
        !self.is_ending() && (!public.any(Public::ENDING) || reads_left())
    }

    /// Whether more may be received, as far as can be said without a look at the core: whether there is
    /// nothing else to be done, and few enough responders run. Then nothing is read ahead.
    #[inline]
    pub(crate) fn may_receive(&mut self, public: Public, shares: Option<&Together>) -> bool {
        let usual =
            self.inbound.is_idle() && !public.any(Public::LOOK) && !self.busy.is_full(shares);
        if usual {
            self.inbound.end_ahead();
        }
        usual
    }

    /// Whether more may be received, by a look at the core. When it may not be, the reader has paused.
    pub(crate) fn look_whether_to_receive<H: Host>(
        &mut self,
        core: &Core<W, H>,
        situation: &Situation,
    ) -> MayReceive {
        if core.has_to_send() && situation.writing == 0 && !self.inbound.is_idle() {
            return MayReceive::SendFirst;
        }
        if core.may_read(situation) {
            return MayReceive::Yes;
        }
        self.inbound.set_reading(Reading::Paused);
        MayReceive::No
    }

    /// Something came from the peer.
    #[inline]
    pub(crate) fn handle_received(&mut self, now: impl FnOnce() -> Instant) {
        if let Some(liveness) = &mut self.liveness {
            liveness.received(now());
        }
    }

    /// Keeps the attachments that have just arrived. Whether they are the first of the connection.
    ///
    /// # Errors
    ///
    /// When too many wait that nothing has claimed.
    pub(crate) fn handle_attachments<H: Host>(
        &mut self,
        now: Instant,
        core: &mut Core<W, H>,
    ) -> Result<bool, CloseReason> {
        let attachments = self.inbound.input.attachments.drain(..);
        let first = core.handle_attachments(attachments, now)?;
        if !self.timers.is_set(Timer::Unclaimed) {
            self.timers.set_after(Timer::Unclaimed, now, core.limits().unclaimed_timeout);
        }
        Ok(first)
    }

    /// Looks at what has changed: how much is answered already, and whether calls are refused.
    pub(crate) fn take_news<H: Host>(&mut self, core: &mut Core<W, H>) {
        self.busy = core.take_news();
    }

    /// Begins the farewell when the end has begun, and the boxes are [read](Self::reads) that were
    /// received before. A connection that is drained begins its end when
    /// nothing is being answered any more, or when that takes too long. Whether the farewell has begun
    /// just now: then the peer is [no longer watched](Self::stop_watching).
    pub(crate) fn look_for_end<H: Host>(
        &mut self,
        situation: &Situation,
        now: Instant,
        core: &mut Core<W, H>,
    ) -> bool
    where
        W: Clone,
    {
        if self.is_ending() {
            return false;
        }
        if let Some(within) = core.end().draining() {
            if !self.timers.is_set(Timer::Drain) {
                self.timers.set_after(Timer::Drain, now, within);
            }
            if core.is_drained(situation) {
                core.close(CloseReason::Local);
            }
        }
        let Some(reason) = core.end().begun().cloned() else { return false };
        if self.inbound.has_left() && !core.switch().ends_boxes() {
            return false;
        }
        let peer_done = self.inbound.reading() == Reading::Over;
        let (broken, within) = (self.is_broken(), core.limits().close_timeout);
        let farewell = Farewell::begin(reason, broken, peer_done, within, now, &mut self.timers);
        self.farewell = Some(farewell);
        true
    }

    /// Whether the calls that were received and not begun are [left behind](Self::leave_behind), since
    /// nothing more comes from the peer and they have to wait.
    pub(crate) fn must_leave_behind<H: Host>(
        &self,
        core: &Core<W, H>,
        situation: &Situation,
    ) -> bool {
        self.is_ending() && !self.inbound.is_idle() && core.holds_back(situation)
    }

    /// Parts with all calls that were received and not begun. One-way commands may be begun later: as many
    /// as one connection may have at once.
    pub(crate) fn leave_behind(&mut self, limits: &Limits) -> LeftBehind {
        let unanswerable = self.inbound.take_unanswerable();
        let over = self.inbound.take_calls_over(limits.running_bytes);
        let size = self.inbound.calls_size();
        LeftBehind { unanswerable, over, calls: self.inbound.take_calls(), size }
    }

    /// Something cannot be written, for this reason. A stream that breaks is read from for a while
    /// longer: what the peer has sent before is not lost.
    ///
    /// # Errors
    ///
    /// When the connection is over: the end had begun already, the stream is not to blame, or both sides
    /// have agreed to a switch, behind which there are no more boxes to be read.
    pub(crate) fn handle_not_sent<H: Host>(
        &mut self,
        reason: CloseReason,
        now: Instant,
        core: &mut Core<W, H>,
    ) -> Result<(), CloseReason> {
        if let Some(farewell) = &self.farewell {
            return Err(farewell.reason().clone());
        }
        if !matches!(reason, CloseReason::Io(_)) || core.switch().is_agreed() {
            return Err(reason);
        }
        self.timers.set_after(Timer::Broken, now, core.limits().close_timeout);
        core.break_off(reason);
        Ok(())
    }

    /// More is held than what is left for all connections of the server.
    ///
    /// # Errors
    ///
    /// When the end had begun already, which is then over.
    pub(crate) fn handle_too_much<H: Host>(
        &self,
        reason: CloseReason,
        core: &mut Core<W, H>,
    ) -> Result<(), CloseReason>
    where
        W: Clone,
    {
        if let Some(farewell) = &self.farewell {
            return Err(farewell.reason().clone());
        }
        core.close(reason);
        Ok(())
    }

    /// The ping that is outstanding.
    #[inline]
    pub(crate) fn ping(&self) -> Option<CallId> {
        self.liveness.as_ref().and_then(Liveness::ping)
    }

    /// Takes the answer to the ping that is outstanding, once it is there.
    pub(crate) fn poll_ping<H: Host>(
        &mut self,
        now: Instant,
        core: &mut Core<W, H>,
    ) -> Option<Answer> {
        let answer = core.take_unread_answer(self.ping()?)?;
        if let Some(liveness) = &mut self.liveness {
            liveness.answered(now, &mut self.timers);
        }
        Some(answer)
    }

    /// Nobody asks any more whether the peer is alive, and the ping that is outstanding is given up.
    pub(crate) fn stop_watching<H: Host>(&mut self, core: &mut Core<W, H>) {
        for timer in
            [Timer::Idle, Timer::FirstBox, Timer::Ping, Timer::Box, Timer::Look, Timer::Drain]
        {
            self.timers.stop(timer);
        }
        if let Some(ping) = self.liveness.take().as_ref().and_then(Liveness::ping)
            && core.take_unread_answer(ping).is_none()
        {
            core.abandon(ping);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Body, ProtocolError, Then};
    use std::io;

    const SECOND: Duration = Duration::from_secs(1);

    fn both() -> (Drive<()>, Core<()>, Instant) {
        let (limits, now) = (Limits::default(), Instant::now());
        let drive = Drive::new(&limits, Watched::default(), now);
        (drive, Core::hosted(limits, limits.boxes, None), now)
    }

    fn broken() -> CloseReason {
        io::Error::from(io::ErrorKind::StorageFull).into()
    }

    #[test]
    fn nothing_is_read_once_the_end_has_begun() {
        let (mut drive, mut core, now) = both();
        assert!(drive.reads(core.poll_public().unwrap_or_default()));
        core.close(CloseReason::Local);
        let public = core.poll_public().unwrap();
        assert!(!drive.reads(public) && !drive.is_ending());
        let situation = drive.situation(0);
        assert!(drive.look_for_end(&situation, now, &mut core));
        assert!(!drive.look_for_end(&situation, now, &mut core), "it has begun");
        assert!(drive.is_ending() && !drive.is_silent() && !drive.reads(public));
    }

    #[test]
    fn what_was_received_before_the_end_is_read_unless_a_switch_is_being_decided() {
        let (mut drive, mut core, now) = both();
        core.handle_switch(b"1").unwrap();
        drive.inbound.stop();
        core.close(CloseReason::Local);
        let public = core.poll_public().unwrap();
        assert!(public.any(Public::BOUNDARY) && !drive.reads(public));
        core.fail(b"1", b"NO", "no");
        let public = core.poll_public().unwrap();
        assert!(drive.reads(public));
        let situation = drive.situation(0);
        assert!(!drive.look_for_end(&situation, now, &mut core), "something is left");
        assert!(drive.inbound.take_left() && !drive.reads(public));
        assert!(drive.look_for_end(&situation, now, &mut core));
        // Boxes may follow a switch that nobody decides on any more.
        let (mut drive, mut core, now) = both();
        core.handle_switch(b"1").unwrap();
        drive.inbound.stop();
        core.close(CloseReason::Local);
        assert!(drive.look_for_end(&situation, now, &mut core), "that is not waited for");
    }

    #[test]
    fn a_stream_that_breaks_is_read_from_for_a_while_and_a_limit_is_the_end() {
        let (mut drive, mut core, now) = both();
        assert!(drive.handle_not_sent(broken(), now, &mut core).is_ok());
        assert!(drive.is_broken() && drive.is_silent());
        assert!(core.end().refusal().is_some() && core.end().begun().is_none());
        let due = now + core.limits().close_timeout;
        assert_eq!(drive.timers.take_due(due), Some(Timer::Broken));

        let (mut drive, mut core, now) = both();
        let limit = CloseReason::Limit { what: "of anything", limit: 1 };
        assert!(drive.handle_not_sent(limit, now, &mut core).is_err());
        // Where both sides agree to a switch no boxes follow.
        core.ask_switch(b"A", &mut Body::default(), (), &mut Some(Then::HandOver)).unwrap();
        let answer = crate::AmpBox::from_pairs([("_answer", "1")]).unwrap();
        core.handle_box(answer).unwrap();
        assert!(drive.handle_not_sent(broken(), now, &mut core).is_err());
        assert!(!drive.is_broken());
    }

    #[test]
    fn what_goes_wrong_during_the_farewell_ends_it_for_its_own_reason() {
        let (mut drive, mut core, now) = both();
        let other = || CloseReason::Protocol(ProtocolError::SwitchesCross);
        assert!(drive.handle_too_much(other(), &mut core).is_ok());
        assert!(core.end().begun().is_some(), "the end begins by that");
        let situation = drive.situation(0);
        assert!(drive.look_for_end(&situation, now, &mut core));
        for over in [
            drive.handle_too_much(CloseReason::Local, &mut core),
            drive.handle_not_sent(broken(), now, &mut core),
        ] {
            assert!(matches!(over, Err(CloseReason::Protocol(_))));
        }
    }

    #[test]
    fn a_connection_is_drained_within_its_time() {
        let (mut drive, mut core, now) = both();
        core.begin_responder(1, false);
        core.drain(SECOND);
        let situation = drive.situation(0);
        assert!(!drive.look_for_end(&situation, now, &mut core));
        assert!(!drive.look_for_end(&situation, now + SECOND / 2, &mut core));
        assert_eq!(drive.timers.next(), Some(now + SECOND), "it counts from the first look");
        core.end_responder(1, false);
        assert!(drive.look_for_end(&situation, now, &mut core));
        drive.stop_watching(&mut core);
        assert!(!drive.timers.is_set(Timer::Drain) && drive.timers.is_set(Timer::Close));
    }
}
