//! The order in which the end of a stream comes about, whoever drives it.

use std::time::{Duration, Instant};

use super::CloseReason;
use super::farewell::Farewell;
use super::phase::End;
use super::timers::{Timer, Timers};

/// How far the driver of a stream has come to the end, which [`End`] may be ahead of: a stream breaks, or
/// its farewell begins, and each of those is over in time.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    broken: bool,
    pub(crate) farewell: Option<Farewell>,
}

impl Ending {
    /// Whether the farewell has begun.
    #[inline]
    pub(crate) fn has_begun(&self) -> bool {
        self.farewell.is_some()
    }

    /// Whether nothing can be written any more, while what the peer has sent before is still read.
    #[inline]
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether nothing is sent any more.
    #[inline]
    pub(crate) fn is_silent(&self) -> bool {
        self.broken || self.farewell.as_ref().is_some_and(Farewell::is_silent)
    }

    /// Whether a stream that is drained has nothing left to wait for, in which case its end is to begin. Its
    /// time counts from the first look.
    pub(crate) fn look_for_drained(
        end: &End,
        is_drained: impl FnOnce() -> bool,
        now: impl FnOnce() -> Instant,
        timers: &mut Timers,
    ) -> bool {
        let Some(within) = end.draining() else { return false };
        if !timers.is_set(Timer::Drain) {
            timers.set_after(Timer::Drain, now(), within);
        }
        is_drained()
    }

    /// Begins the farewell when the end has begun. Whether it has begun just now: then it is over `within` this
    /// time, and the timers that watch the peer are stopped. `peer_done` is whether that has closed its side.
    pub(crate) fn begin_farewell(
        &mut self,
        end: &End,
        peer_done: bool,
        within: Duration,
        now: Instant,
        timers: &mut Timers,
    ) -> bool {
        if self.has_begun() {
            return false;
        }
        let Some(reason) = end.begun().cloned() else { return false };
        timers.stop_watching();
        self.farewell = Some(Farewell::begin(reason, self.broken, peer_done, within, now, timers));
        true
    }

    /// Something cannot be written, for this reason. Where the stream `may_break` by that, it is read from a while
    /// longer, `within` this time: what the peer has sent before is not lost.
    ///
    /// # Errors
    ///
    /// When the stream is over: its farewell had begun already, or it may not break.
    pub(crate) fn handle_not_sent(
        &mut self,
        reason: &CloseReason,
        may_break: bool,
        within: Duration,
        now: Instant,
        timers: &mut Timers,
    ) -> Result<(), CloseReason> {
        self.check_begun()?;
        if !may_break {
            return Err(reason.clone());
        }
        self.broken = true;
        timers.set_after(Timer::Broken, now, within);
        Ok(())
    }

    /// Something is wrong, which ends the farewell if that has begun.
    ///
    /// # Errors
    ///
    /// When it has, with its own reason.
    pub(crate) fn check_begun(&self) -> Result<(), CloseReason> {
        self.farewell.as_ref().map_or(Ok(()), |farewell| Err(farewell.reason().clone()))
    }

    /// Deals with a timer that was due, if it is one of the end. Gives the reason for which that is to begin.
    ///
    /// # Errors
    ///
    /// When the stream has had its time, and is over.
    pub(crate) fn handle_timeout(
        &self,
        timer: Timer,
        end: &End,
    ) -> Result<Option<CloseReason>, CloseReason> {
        match timer {
            Timer::Drain => Ok(Some(CloseReason::Local)),
            Timer::Broken => {
                debug_assert!(end.broken().is_some(), "its timer is set when it breaks");
                end.broken().cloned().map_or(Ok(None), Err)
            }
            Timer::Close => {
                debug_assert!(self.has_begun(), "its timer is set when that begins");
                self.check_begun().map(|()| None)
            }
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::ProtocolError;
    use std::io;

    const SECOND: Duration = Duration::from_secs(1);
    const WITHIN: Duration = Duration::from_secs(10);

    fn new() -> (Ending, End, Timers, Instant) {
        (Ending::default(), End::new(), Timers::default(), Instant::now())
    }

    fn broken() -> CloseReason {
        io::Error::from(io::ErrorKind::StorageFull).into()
    }

    #[test]
    fn what_is_drained_has_its_time_from_the_first_look_on() {
        let (mut ending, mut end, mut timers, start) = new();
        let look = |end: &End, is_drained, after, timers: &mut Timers| {
            Ending::look_for_drained(end, || is_drained, || start + after, timers)
        };
        assert!(!look(&end, true, SECOND, &mut timers), "nobody drains it");
        assert_eq!(timers.next(), None);
        end.drain(WITHIN);
        assert!(!look(&end, false, SECOND, &mut timers));
        assert!(look(&end, true, 2 * SECOND, &mut timers));
        let due = start + SECOND + WITHIN;
        assert_eq!((timers.next(), timers.take_due(due)), (Some(due), Some(Timer::Drain)));
        let begins = ending.handle_timeout(Timer::Drain, &end);
        assert!(matches!(begins, Ok(Some(CloseReason::Local))));
        // From the beginning of the end on nothing drains.
        assert!(look(&end, true, SECOND, &mut timers) && timers.is_set(Timer::Drain));
        end.begin(CloseReason::Local);
        assert!(ending.begin_farewell(&end, false, WITHIN, start, &mut timers));
        assert!(!look(&end, true, SECOND, &mut timers) && !timers.is_set(Timer::Drain));
    }

    #[test]
    fn the_farewell_begins_once_with_the_end_and_nothing_is_watched_any_more() {
        let (mut ending, mut end, mut timers, now) = new();
        timers.set_after(Timer::Idle, now, SECOND);
        timers.set_after(Timer::Stall, now, SECOND);
        timers.set_after(Timer::Buffers, now, 2 * SECOND);
        assert!(!ending.begin_farewell(&end, false, WITHIN, now, &mut timers));
        assert!(ending.check_begun().is_ok() && timers.is_set(Timer::Idle));
        end.begin(CloseReason::Local);
        assert!(ending.begin_farewell(&end, false, WITHIN, now, &mut timers));
        assert!(!ending.begin_farewell(&end, false, WITHIN, now + SECOND, &mut timers));
        assert!(ending.has_begun() && !ending.is_broken() && !ending.is_silent());
        assert_eq!(timers.take_due(now + WITHIN), Some(Timer::Buffers));
        assert_eq!(timers.take_due(now + WITHIN), Some(Timer::Close));
        assert_eq!(timers.next(), None);
        let over = ending.handle_timeout(Timer::Close, &end);
        assert!(matches!(over, Err(CloseReason::Local)));
    }

    #[test]
    fn what_breaks_is_over_in_time_and_the_peer_is_told_nothing() {
        let (mut ending, mut end, mut timers, now) = new();
        assert!(ending.handle_not_sent(&broken(), true, WITHIN, now, &mut timers).is_ok());
        end.break_off(broken());
        assert!(ending.is_broken() && ending.is_silent() && !ending.has_begun());
        assert_eq!(timers.take_due(now + WITHIN), Some(Timer::Broken));
        let over = ending.handle_timeout(Timer::Broken, &end);
        assert!(matches!(over, Err(CloseReason::Io(_))));
        end.begin(CloseReason::Peer);
        assert!(ending.begin_farewell(&end, false, WITHIN, now, &mut timers));
        let farewell = ending.farewell.as_ref().unwrap();
        assert!(farewell.is_silent() && matches!(farewell.reason(), CloseReason::Io(_)));
    }

    #[test]
    fn what_cannot_be_written_is_the_end_where_the_stream_may_not_break() {
        let (mut ending, _, mut timers, now) = new();
        let reason = CloseReason::Idle { after: SECOND };
        let over = ending.handle_not_sent(&reason, false, WITHIN, now, &mut timers);
        assert!(matches!(over, Err(CloseReason::Idle { .. })));
        assert!(!ending.is_broken() && timers.next().is_none());
    }

    #[test]
    fn what_goes_wrong_during_the_farewell_ends_it_for_its_own_reason() {
        let (mut ending, mut end, mut timers, now) = new();
        end.begin(ProtocolError::SwitchesCross.into());
        ending.begin_farewell(&end, false, WITHIN, now, &mut timers);
        for may_break in [true, false] {
            let over = ending.handle_not_sent(&broken(), may_break, WITHIN, now, &mut timers);
            assert!(matches!(over, Err(CloseReason::Protocol(_))));
        }
        assert!(matches!(ending.check_begun(), Err(CloseReason::Protocol(_))));
        assert!(!ending.is_broken() && !timers.is_set(Timer::Broken));
    }

    #[test]
    fn the_other_timers_have_nothing_to_do_with_the_end() {
        let (ending, end, ..) = new();
        for timer in [Timer::Idle, Timer::Box, Timer::Buffers, Timer::Stall] {
            assert!(matches!(ending.handle_timeout(timer, &end), Ok(None)));
        }
    }
}
