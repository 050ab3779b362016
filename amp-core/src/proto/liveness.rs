//! Whether the peer is alive: how long nothing may come from it, and pings.

use std::time::{Duration, Instant};

use super::CallId;
use super::timers::{Timer, Timers};
use crate::proto::CloseReason;

/// Pings follow each other no faster, whatever was asked for: timers count milliseconds.
const SHORTEST: Duration = Duration::from_millis(1);

/// Watches the peer of one connection.
#[derive(Debug)]
pub(crate) struct Liveness {
    /// When something was received last, as far as this side has looked.
    received: Instant,
    /// How long nothing may come.
    idle: Option<Duration>,
    /// How long the first box may take.
    first_box: Option<Duration>,
    pings: Option<Pings>,
    /// While the stream waits to leave after an agreed switch: how many bytes had been written at the last
    /// look. Progress here is the only sign of life that is left.
    leaving: Option<u64>,
}

/// When pings are sent, and how they are answered.
#[derive(Debug)]
pub(crate) struct Pings {
    every: Duration,
    /// How long the answer may take. Without an answer there is nothing to wait for.
    timeout: Duration,
    outstanding: Option<Outstanding>,
}

/// A ping that is not answered.
#[derive(Debug)]
struct Outstanding {
    id: CallId,
    /// The place of its end among all bytes that this side sends.
    end: u64,
    /// How many of them were written when the timer was last set.
    written: u64,
}

impl Pings {
    pub(crate) fn new(every: Duration, timeout: Duration) -> Self {
        Self { every: every.max(SHORTEST), timeout, outstanding: None }
    }
}

impl Liveness {
    /// `None` where nobody asks.
    pub(crate) fn new(
        idle: Option<Duration>,
        first_box: Option<Duration>,
        pings: Option<Pings>,
        now: Instant,
        timers: &mut Timers,
    ) -> Option<Self> {
        let every = pings.as_ref().map(|pings| pings.every);
        let all = [(Timer::Idle, idle), (Timer::FirstBox, first_box), (Timer::Ping, every)];
        for (timer, after) in all {
            if let Some(after) = after {
                timers.set_after(timer, now, after);
            }
        }
        let is_asked = all.iter().any(|(_, after)| after.is_some());
        is_asked.then_some(Self { received: now, idle, first_box, pings, leaving: None })
    }

    /// Something came from the peer. That moves no timer: it is looked at when one has run out.
    pub(crate) fn received(&mut self, now: Instant) {
        self.received = now;
    }

    /// While the stream is about to leave the connection nothing more is read, and what is left is that
    /// the peer takes what is sent: `written` bytes so far.
    pub(crate) fn leaving(&mut self, written: Option<u64>, now: impl FnOnce() -> Instant) {
        if std::mem::replace(&mut self.leaving, written) != written && written.is_some() {
            self.received = now();
        }
    }

    /// Whether the stream is about to leave the connection.
    pub(crate) fn leaves(&self) -> bool {
        self.leaving.is_some()
    }

    /// The ping that is outstanding.
    pub(crate) fn ping(&self) -> Option<CallId> {
        Some(self.pings.as_ref()?.outstanding.as_ref()?.id)
    }

    /// A ping was sent, of whose call `end` is the place of the end among all bytes that this side
    /// sends; or none that wants an answer.
    pub(crate) fn sent(
        &mut self,
        ping: Option<(CallId, u64)>,
        written: u64,
        now: Instant,
        timers: &mut Timers,
    ) {
        let Some(pings) = &mut self.pings else { return };
        pings.outstanding = ping.map(|(id, end)| Outstanding { id, end, written });
        let next = if ping.is_some() { pings.timeout } else { pings.every };
        timers.set_after(Timer::Ping, now, next);
    }

    /// The ping was answered, with whatever, or is given up.
    pub(crate) fn answered(&mut self, now: Instant, timers: &mut Timers) {
        if let Some(pings) = &mut self.pings {
            pings.outstanding = None;
            timers.set_after(Timer::Ping, now, pings.every);
        }
    }

    /// One of its timers is due. Whether a ping is to be sent, of which it is to be [told](Self::sent).
    ///
    /// # Errors
    ///
    /// When the peer is not alive.
    pub(crate) fn handle_timeout(
        &mut self,
        timer: Timer,
        now: Instant,
        decoded: u64,
        written: u64,
        timers: &mut Timers,
    ) -> Result<bool, CloseReason> {
        let silent = now.saturating_duration_since(self.received);
        match timer {
            Timer::Idle => {
                let Some(after) = self.idle else { return Ok(false) };
                if silent >= after {
                    return Err(CloseReason::Idle { after });
                }
                timers.set_after(timer, self.received, after);
            }
            Timer::FirstBox => {
                let after = self.first_box.unwrap_or_default();
                if decoded == 0 {
                    return Err(CloseReason::BoxTimeout { after });
                }
            }
            _ => return self.handle_ping(silent, now, written, timers),
        }
        Ok(false)
    }

    fn handle_ping(
        &mut self,
        silent: Duration,
        now: Instant,
        written: u64,
        timers: &mut Timers,
    ) -> Result<bool, CloseReason> {
        let Some(Pings { every, timeout, outstanding }) = &mut self.pings else { return Ok(false) };
        let dead = CloseReason::PingTimeout { after: *timeout };
        let Some(ping) = outstanding else {
            // A ping would be held back while the stream leaves.
            let leaving = self.leaving.is_some() && silent >= every.saturating_add(*timeout);
            return if leaving { Err(dead) } else { Ok(true) };
        };
        let left = timeout.saturating_sub(silent);
        if !left.is_zero() {
            // A peer that sends is alive. The answer may be behind what has come.
            timers.set_after(Timer::Ping, now, left);
        } else if written < ping.end && written > ping.written {
            // The ping is still on its way, and the peer takes what is before it.
            timers.set_after(Timer::Ping, now, *timeout);
        } else {
            return Err(dead);
        }
        ping.written = written;
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Body, Core, ProtocolLimits};

    const SECOND: Duration = Duration::from_secs(1);

    fn watch(
        idle: Option<Duration>,
        first_box: Option<Duration>,
        pings: Option<Pings>,
    ) -> (Liveness, Timers, Instant) {
        let (now, mut timers) = (Instant::now(), Timers::default());
        let liveness = Liveness::new(idle, first_box, pings, now, &mut timers);
        (liveness.expect("somebody asks"), timers, now)
    }

    fn a_call() -> CallId {
        let mut core = Core::<()>::new(ProtocolLimits::default());
        core.call(b"Ping", &mut Body::default(), ()).unwrap()
    }

    #[test]
    fn nobody_asks() {
        let mut timers = Timers::default();
        assert!(Liveness::new(None, None, None, Instant::now(), &mut timers).is_none());
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn who_sends_is_not_idle() {
        let (mut liveness, mut timers, now) = watch(Some(3 * SECOND), None, None);
        assert_eq!(timers.next(), Some(now + 3 * SECOND));
        liveness.received(now + SECOND);
        assert_eq!(timers.take_due(now + 3 * SECOND), Some(Timer::Idle));
        let mut due = |now| liveness.handle_timeout(Timer::Idle, now, 0, 0, &mut timers);
        assert!(!due(now + 3 * SECOND).unwrap());
        assert!(
            matches!(due(now + 4 * SECOND), Err(CloseReason::Idle { after }) if after == 3 * SECOND)
        );
        assert_eq!(timers.next(), Some(now + 4 * SECOND));
    }

    #[test]
    fn the_first_box_has_its_time() {
        let (mut liveness, mut timers, now) = watch(None, Some(SECOND), None);
        let mut due = |decoded| {
            liveness.handle_timeout(Timer::FirstBox, now + SECOND, decoded, 0, &mut timers)
        };
        assert!(!due(1).unwrap());
        assert!(matches!(due(0), Err(CloseReason::BoxTimeout { after }) if after == SECOND));
    }

    #[test]
    fn pings_follow_their_answers() {
        let pings = Pings::new(5 * SECOND, 2 * SECOND);
        let (mut liveness, mut timers, start) = watch(None, None, Some(pings));
        let at = |seconds| start + seconds * SECOND;
        assert_eq!(timers.take_due(at(5)), Some(Timer::Ping));
        assert!(liveness.handle_timeout(Timer::Ping, at(5), 0, 10, &mut timers).unwrap());
        let id = a_call();
        liveness.sent(Some((id, 20)), 10, at(5), &mut timers);
        assert_eq!((liveness.ping(), timers.next()), (Some(id), Some(at(7))));
        // Something else has come in the meantime.
        liveness.received(at(6));
        assert!(!liveness.handle_timeout(Timer::Ping, at(7), 0, 10, &mut timers).unwrap());
        assert_eq!(timers.next(), Some(at(8)));
        // The ping is still on its way.
        assert!(!liveness.handle_timeout(Timer::Ping, at(8), 0, 15, &mut timers).unwrap());
        assert_eq!(timers.next(), Some(at(10)));
        liveness.answered(at(9), &mut timers);
        assert_eq!((liveness.ping(), timers.next()), (None, Some(at(14))));
        liveness.sent(Some((id, 40)), 20, at(14), &mut timers);
        let dead = liveness.handle_timeout(Timer::Ping, at(16), 0, 20, &mut timers);
        assert!(matches!(dead, Err(CloseReason::PingTimeout { .. })), "nothing is written");
        let dead = liveness.handle_timeout(Timer::Ping, at(16), 0, 40, &mut timers);
        assert!(matches!(dead, Err(CloseReason::PingTimeout { .. })), "it has all of it");
    }

    #[test]
    fn heartbeats_and_pings_that_cannot_be_sent_follow_each_other() {
        let (mut liveness, mut timers, now) = watch(None, None, Some(Pings::new(SECOND, SECOND)));
        assert!(liveness.handle_timeout(Timer::Ping, now + SECOND, 0, 0, &mut timers).unwrap());
        liveness.sent(None, 0, now + SECOND, &mut timers);
        assert_eq!((liveness.ping(), timers.next()), (None, Some(now + 2 * SECOND)));
    }

    #[test]
    fn a_peer_that_takes_nothing_of_what_is_before_a_switch_is_not_alive() {
        let (mut liveness, mut timers, start) = watch(None, None, Some(Pings::new(SECOND, SECOND)));
        let at = |seconds| start + seconds * SECOND;
        liveness.leaving(Some(10), || at(1));
        liveness.leaving(Some(10), || panic!("nothing was written"));
        assert!(liveness.handle_timeout(Timer::Ping, at(2), 0, 10, &mut timers).unwrap());
        liveness.leaving(Some(11), || at(2));
        assert!(liveness.handle_timeout(Timer::Ping, at(3), 0, 11, &mut timers).unwrap());
        assert!(liveness.handle_timeout(Timer::Ping, at(4), 0, 11, &mut timers).is_err());
        liveness.leaving(None, || panic!("boxes follow"));
    }
}
