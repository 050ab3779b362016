//! The driver's half of a connection, which nobody else has, and which needs no lock: what was received and
//! is being written, the timers, whether the peer is alive, and the farewell. It decides what is done next,
//! and somebody's [`Hands`] do it.

mod due;
mod ending;
mod hands;
mod leaving;
mod line;
mod ping;
mod reading;
mod starting;
mod turn;
mod waiting;
mod writing;

pub(crate) use due::{BUFFERS_KEPT, LOOK_EVERY};
pub(crate) use hands::{AnsweredBy, Hands, Note, Rest};
pub(crate) use line::Line;
pub(crate) use ping::Ping;
#[cfg(all(test, feature = "tls"))]
pub(crate) use reading::READ_AT_ONCE;
pub(crate) use turn::Next;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::admission::Busy;
use super::ending::Ending;
use super::inbound::{Inbound, Reading};
use super::liveness::{Liveness, Pings};
use super::portions::Portions;
use super::stint::Stint;
use super::timers::{Timer, Timers};
use super::together::{Share, Together};
use super::wants::Situation;
use super::{CallId, Core, Host, Limits};
use crate::proto::CloseReason;
use line::Lending;

/// How a connection finds out whether its peer is alive.
#[derive(Default)]
pub(crate) struct Watched<W> {
    /// How long nothing may come from the peer.
    pub(crate) idle: Option<Duration>,
    /// How long its first box may take.
    pub(crate) first_box: Option<Duration>,
    /// When a ping is sent, and which.
    pub(crate) pings: Option<(Pings, Ping<W>)>,
}

/// What the driver of a connection has alone.
#[allow(clippy::struct_excessive_bools, reason = "they have nothing to do with each other")]
pub(crate) struct Drive<W, S> {
    pub(crate) inbound: Inbound<W>,
    /// While the line is left to callers, one in its place that leads nowhere.
    pub(crate) line: Box<Line<S>>,
    lending: Lending,
    /// The line that leads nowhere, which is kept for the next time that its own is left to callers. `None`
    /// until that was so once, and while it is.
    stand_in: Option<Box<Line<S>>>,
    /// Whether it waits, and has left what others need for that.
    parked: bool,
    /// The waker of the driver, kept from the last wait for the next; `None` while it waits.
    waker: Option<W>,
    /// What was done since others had their turn.
    stint: Stint,
    /// How many calls are answered before that is sent.
    pub(crate) portions: Portions,
    /// Whether this side waited for no answer when boxes were last sorted out.
    answers_only: bool,
    timers: Timers,
    /// Whether the peer is alive, where somebody asks.
    liveness: Option<Liveness>,
    ping: Option<Ping<W>>,
    ending: Ending,
    busy: Busy,
    /// Whether any responder makes protocol switches.
    makes_switches: bool,
    /// Whether something may be queued: something was when the driver last looked, or has been since then
    /// by what the driver has done. So a turn that has nothing to write need not lock the state to find
    /// that out. The driver looks at all that is queued before it waits.
    queued: bool,
    /// Whether others have had their turn since it was last written.
    yielded: bool,
    /// Whether another transport is being made.
    upgrading: bool,
    /// How many bytes are held for the peer, as far as the server knows.
    share: Share,
    /// How many bytes were queued when that was counted.
    counted: usize,
    /// Whether calls wait for room for their answers, as the core knows.
    keeps_room: bool,
    /// The number of callers that had found room by the time when the driver last said that there is some.
    room_passed: u64,
    limits: Limits,
    together: Option<Arc<Together>>,
}

impl<W, S> Drive<W, S> {
    /// Over this stream, which callers may write to if it `lends`. `makes_switches` is whether any responder
    /// makes protocol switches.
    pub(crate) fn new(
        stream: S,
        lends: bool,
        limits: Limits,
        together: Option<Arc<Together>>,
        makes_switches: bool,
        watched: Watched<W>,
        now: Instant,
    ) -> Self {
        let mut timers = Timers::default();
        let Watched { idle, first_box, pings } = watched;
        let (pings, ping) = pings.unzip();
        Self {
            inbound: Inbound::new(limits.boxes),
            line: Line::new(stream),
            lending: if lends { Lending::Kept } else { Lending::Never },
            stand_in: None,
            parked: false,
            waker: None,
            stint: Stint::default(),
            portions: Portions::default(),
            answers_only: true,
            liveness: Liveness::new(idle, first_box, pings, now, &mut timers),
            timers,
            ping,
            ending: Ending::default(),
            busy: Busy::default(),
            makes_switches,
            queued: true,
            yielded: false,
            upgrading: false,
            share: Share::new(together.clone()),
            counted: 0,
            keeps_room: false,
            room_passed: 0,
            limits,
            together,
        }
    }

    /// What this half knows, by which others see whether there is something for the driver to do.
    #[inline]
    pub(crate) fn situation(&self) -> Situation {
        Situation {
            writing: self.line.writing.len(),
            counted: self.counted,
            calls: self.inbound.calls_size(),
            received: self.inbound.size(),
            ahead: self.inbound.ahead(),
            paused: self.inbound.is_paused(),
            left: self.inbound.has_left(),
            at_switch: self.inbound.is_at_switch(),
            pings: usize::from(self.ping().is_some()),
            draining: self.timers.is_set(Timer::Drain),
            ending: self.is_ending(),
            silent: self.is_silent(),
            refused: self.line.failed.is_some(),
            may_leave: self.may_leave(),
            line: false,
        }
    }

    /// Whether others may write while the driver waits: all is read, and nothing waits to be begun.
    #[inline]
    fn is_idle(&self) -> bool {
        self.inbound.reading() == Reading::Done && self.inbound.is_idle()
    }

    /// Whether the stream may leave after a switch: all is written and begun that came before that.
    #[inline]
    fn may_leave(&self) -> bool {
        self.line.is_idle() && self.inbound.is_idle() && !self.is_ending() && !self.is_broken()
    }

    /// Whether the farewell has begun.
    #[inline]
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.has_begun()
    }

    /// Whether nothing can be written any more, while what the peer has sent before is still read.
    #[inline]
    pub(crate) fn is_broken(&self) -> bool {
        self.ending.is_broken()
    }

    /// Whether nothing is sent any more.
    #[inline]
    pub(crate) fn is_silent(&self) -> bool {
        self.ending.is_silent()
    }

    /// Whether its end is a matter of time.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn waits_for_its_end(&self) -> bool {
        self.ends_in_time() || self.timers.is_set(Timer::Drain)
    }

    /// Whether what has begun to end, or is broken, is over in time.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn ends_in_time(&self) -> bool {
        let timer = if self.is_ending() { Timer::Close } else { Timer::Broken };
        self.timers.is_set(timer)
    }

    /// Lets all that is held count, however little.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn count_all(&mut self) {
        self.share = Share::left_behind(self.together.clone());
    }

    /// How many bytes count of what is held, of which so many are queued; and how many are.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn counted_and_held(&self, queued: usize) -> (usize, usize) {
        (self.share.bytes(), self.inbound.size() + self.line.writing.len() + queued)
    }

    /// Whether all who wait for room are told after a while.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn watches_room(&self) -> bool {
        self.timers.is_set(Timer::Room)
    }

    /// Keeps the attachments that have just arrived. Whether they are the first of the connection.
    pub(crate) fn handle_attachments<H: Host>(
        &mut self,
        now: Instant,
        core: &mut Core<W, H>,
    ) -> bool {
        let attachments = self.inbound.input.attachments.drain(..);
        let first = core.handle_attachments(attachments, now);
        if !self.timers.is_set(Timer::Unclaimed) {
            self.timers.set_after(Timer::Unclaimed, now, core.limits().unclaimed_timeout);
        }
        first
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
        let Self { ending, inbound, timers, .. } = self;
        let is_drained = || core.is_drained(situation);
        if Ending::look_for_drained(core.end(), is_drained, || now, timers) {
            core.close(CloseReason::Local);
        }
        if inbound.has_left() && !core.switch().ends_boxes() {
            return false;
        }
        let peer_done = inbound.reading() == Reading::Over;
        ending.begin_farewell(core.end(), peer_done, core.limits().close_timeout, now, timers)
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
        let may_break = matches!(reason, CloseReason::Io(_)) && !core.switch().is_agreed();
        let (within, timers) = (core.limits().close_timeout, &mut self.timers);
        self.ending.handle_not_sent(&reason, may_break, within, now, timers)?;
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
        self.ending.check_begun()?;
        core.close(reason);
        Ok(())
    }

    /// The ping that is outstanding.
    #[inline]
    pub(crate) fn ping(&self) -> Option<CallId> {
        self.liveness.as_ref().and_then(Liveness::ping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Body, LimitKind, ProtocolError, Public, Then};
    use std::io;

    const SECOND: Duration = Duration::from_secs(1);

    fn both() -> (Drive<(), ()>, Core<()>, Instant) {
        let (limits, now) = (Limits::default(), Instant::now());
        let drive = Drive::new((), false, limits, None, false, Watched::default(), now);
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
        let situation = drive.situation();
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
        assert!(public.any(Public::ENDS_BOXES) && !drive.reads(public));
        core.fail(b"1", b"NO", "no");
        let public = core.poll_public().unwrap();
        assert!(drive.reads(public));
        let situation = drive.situation();
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
        let limit = CloseReason::Limit { what: LimitKind::SendQueue, limit: 1 };
        assert!(drive.handle_not_sent(limit, now, &mut core).is_err());
        // Where both sides agree to a switch no boxes follow.
        core.ask_switch(b"A", &mut Body::default(), (), &mut Some(Then::HandOver)).unwrap();
        let answer = crate::AmpBox::from_pairs([("_answer", "1")]).unwrap();
        core.handle_box(answer).unwrap();
        assert!(drive.handle_not_sent(broken(), now, &mut core).is_err());
        assert!(!drive.is_broken());
    }

    #[test]
    fn too_much_is_the_end_and_once_that_has_begun_the_end_of_the_farewell() {
        let (mut drive, mut core, now) = both();
        let other = CloseReason::Protocol(ProtocolError::SwitchesCross);
        assert!(drive.handle_too_much(other, &mut core).is_ok());
        assert!(core.end().begun().is_some(), "the end begins by that");
        let situation = drive.situation();
        assert!(drive.look_for_end(&situation, now, &mut core));
        let over = drive.handle_too_much(CloseReason::Local, &mut core);
        assert!(matches!(over, Err(CloseReason::Protocol(_))));
    }

    #[test]
    fn a_connection_is_drained_when_no_responder_runs() {
        let (mut drive, mut core, now) = both();
        core.begin_responder(1, false);
        core.drain(SECOND);
        let situation = drive.situation();
        assert!(!drive.look_for_end(&situation, now, &mut core));
        core.end_responder(1, false);
        assert!(drive.look_for_end(&situation, now, &mut core));
        assert!(matches!(core.end().begun(), Some(CloseReason::Local)));
    }
}
