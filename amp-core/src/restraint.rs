//! Events that a peer can cause any number of, and that must not fill the log.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The number of events of a kind that may follow each other at once.
const BURST: u32 = 5;

/// The time until one more may.
const EVERY: Duration = Duration::from_secs(1);

/// Says an event at a level, with the number of those left out before it as the field `unsaid`; or
/// at the level `DEBUG`, where as many of its kind as may be were said already.
#[doc(hidden)]
#[macro_export]
macro_rules! __restrained {
    ($restraint:expr, $level:ident, $message:literal $(, $($fields:tt)+)?) => {
        match $restraint.allow() {
            Some(unsaid) => {
                let unsaid = (unsaid > 0).then_some(unsaid);
                $crate::__private::tracing::$level!($($($fields)+,)? unsaid, $message)
            }
            None => $crate::__private::tracing::debug!($($($fields)+,)? $message),
        }
    };
}

pub use __restrained as restrained;

/// Counts the events of a kind, and says which of them may be seen.
#[derive(Debug, Default)]
pub struct Restraint(Mutex<Spent>);

#[derive(Debug, Default)]
struct Spent {
    events: u32,
    /// Since when one event fewer counts; `None` while none does.
    since: Option<Instant>,
    unsaid: u64,
}

impl Restraint {
    /// Returns whether the event may be said aloud: `Some` with the number of those before it that
    /// were not, since the last one that was.
    pub fn allow(&self) -> Option<u64> {
        self.allow_at(Instant::now())
    }

    /// Says of failed calls how many were not said aloud since the last one that was.
    pub fn say_how_many_more_failed(&self) {
        match self.take_unsaid() {
            0 => {}
            unsaid => tracing::warn!(unsaid, "more calls failed"),
        }
    }

    /// Returns how many events were not said aloud, and forgets them.
    fn take_unsaid(&self) -> u64 {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).unsaid)
    }

    fn allow_at(&self, now: Instant) -> Option<u64> {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = spent.since.unwrap_or(now);
        let over = now.saturating_duration_since(since).as_secs() / EVERY.as_secs();
        let over = u32::try_from(over).unwrap_or(u32::MAX);
        spent.events = spent.events.saturating_sub(over);
        spent.since = Some(if spent.events == 0 { now } else { since + EVERY * over });
        if spent.events == BURST {
            spent.unsaid += 1;
            return None;
        }
        spent.events += 1;
        Some(std::mem::take(&mut spent.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_says_a_few_events_and_then_one_a_second_and_how_many_it_left_out() {
        let restraint = Restraint::default();
        let start = Instant::now();
        let at = |millis| restraint.allow_at(start + Duration::from_millis(millis));
        for _ in 0..BURST {
            assert_eq!(at(0), Some(0));
        }
        for _ in 0..100 {
            assert_eq!(at(999), None);
        }
        assert_eq!(at(1000), Some(100));
        assert_eq!(at(1999), None);
        assert_eq!(at(3999), Some(1));
        assert_eq!(at(3999), Some(0));
        assert_eq!(at(3999), None);
        assert_eq!(restraint.take_unsaid(), 1);
        assert_eq!(restraint.take_unsaid(), 0);
    }

    #[test]
    fn what_comes_seldom_is_always_said() {
        let restraint = Restraint::default();
        let start = Instant::now();
        for second in 0..1000 {
            assert_eq!(restraint.allow_at(start + Duration::from_secs(second)), Some(0));
        }
        let much_later = start + Duration::from_secs(1 << 33);
        for _ in 0..BURST {
            assert_eq!(restraint.allow_at(much_later), Some(0));
        }
        assert_eq!(restraint.allow_at(much_later), None);
    }
}
