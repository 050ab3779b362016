//! When something is due: one table of all that a connection waits for, so that its driver needs one
//! timer.

use std::time::{Duration, Instant};

/// Nobody waits longer.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// What may be due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// Something must have come from the peer.
    Idle,
    /// The first box must have come.
    FirstBox,
    /// A ping goes out, or must have been answered.
    Ping,
    /// A box that has begun must be finished.
    Box,
    /// The driver looks for a peer that is not read from.
    Look,
    /// One of those who wait for room must have looked.
    Room,
    /// Attachments have waited for long enough.
    Unclaimed,
    /// What is being answered must be, before a graceful end.
    Drain,
    /// What was sent before the stream broke must have been read.
    Broken,
    /// The end must be over.
    Close,
    /// Large buffers are not kept any longer.
    Buffers,
    /// A route must have made room for the box that waits for it.
    Stall,
    /// A driver that has given way must have had its turn.
    GivenWay,
}

impl Timer {
    const ALL: [Self; 13] = [
        Self::Idle,
        Self::FirstBox,
        Self::Ping,
        Self::Box,
        Self::Look,
        Self::Room,
        Self::Unclaimed,
        Self::Drain,
        Self::Broken,
        Self::Close,
        Self::Buffers,
        Self::Stall,
        Self::GivenWay,
    ];
}

/// When each of them is due, if ever.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    at: [Option<Instant>; Timer::ALL.len()],
    /// The first of those.
    next: Option<Instant>,
}

impl Timers {
    /// When the next one is due.
    #[inline]
    pub(crate) fn next(&self) -> Option<Instant> {
        self.next
    }

    #[inline]
    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.at[timer as usize].is_some()
    }

    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        self.put(timer, Some(at));
    }

    /// Sets a timer that is due after so long, however long that is.
    pub(crate) fn set_after(&mut self, timer: Timer, now: Instant, after: Duration) {
        self.put(timer, Some(now.checked_add(after).unwrap_or_else(|| now + FAR)));
    }

    #[inline]
    pub(crate) fn stop(&mut self, timer: Timer) {
        if self.is_set(timer) {
            self.put(timer, None);
        }
    }

    /// Stops those by which a stream is watched until its end begins.
    pub(crate) fn stop_watching(&mut self) {
        use Timer::{Box, Drain, FirstBox, Idle, Look, Ping, Stall};
        for timer in [Idle, FirstBox, Ping, Box, Look, Stall, Drain] {
            self.stop(timer);
        }
    }

    fn put(&mut self, timer: Timer, at: Option<Instant>) {
        self.at[timer as usize] = at;
        self.next = self.at.iter().flatten().min().copied();
    }

    /// Takes the one that has been due for longest. It is not set any more.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let next = self.next.filter(|next| *next <= now)?;
        let timer = *Timer::ALL.iter().find(|timer| self.at[**timer as usize] == Some(next))?;
        self.stop(timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_in_its_order_and_once() {
        let mut timers = Timers::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!((timers.next(), timers.take_due(at(100))), (None, None));
        timers.set(Timer::Close, at(3));
        timers.set_after(Timer::Idle, start, Duration::from_secs(1));
        timers.set(Timer::Ping, at(2));
        timers.set(Timer::Ping, at(4));
        timers.set_after(Timer::Drain, start, Duration::MAX);
        assert!(timers.is_set(Timer::Drain));
        timers.set(Timer::Look, at(1));
        timers.stop(Timer::Look);
        assert_eq!((timers.next(), timers.take_due(start)), (Some(at(1)), None));
        assert_eq!(timers.take_due(at(3)), Some(Timer::Idle));
        assert_eq!(timers.take_due(at(3)), Some(Timer::Close));
        assert_eq!((timers.take_due(at(3)), timers.next()), (None, Some(at(4))));
        assert_eq!(timers.take_due(at(5)), Some(Timer::Ping));
        timers.stop(Timer::Drain);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn each_has_its_place() {
        for (place, timer) in Timer::ALL.into_iter().enumerate() {
            assert_eq!(timer as usize, place);
        }
    }
}
