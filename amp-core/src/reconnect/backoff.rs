use fastrand::Rng;
use std::time::Duration;

use crate::setters::setters;

/// The waits of a [`Client`](super::Client) before it connects again.
///
/// It waits before every attempt but the very first. The waits grow from one to the next, until a
/// connection has lasted [`reset_after`](field@Backoff::reset_after).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Backoff {
    /// The first wait, before jitter. 200 milliseconds by default. Less than one millisecond counts as one millisecond.
    pub base: Duration,
    /// The factor by which each wait is longer than the one before it. 2 by default; less than 1
    /// counts as 1.
    pub factor: f64,
    /// The longest wait. 30 seconds by default.
    pub cap: Duration,
    /// The random part of a wait. [`Jitter::Full`] by default.
    pub jitter: Jitter,
    /// The time that a ready connection has to last before the waits begin with `base` again. 10 seconds by default. With
    /// zero, it is enough that the connection was ready at all.
    pub reset_after: Duration,
}

setters!(Backoff {
    base: Duration,
    factor: f64,
    cap: Duration,
    jitter: Jitter,
    reset_after: Duration,
});

/// The random part of a wait, so that the clients of a server that went down do not all come
/// back at the same moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Jitter {
    /// No part of a wait is random.
    None,
    /// A wait lies between zero and its length without jitter.
    #[default]
    Full,
    /// A wait lies between `base` and `factor` times the wait before it.
    Decorrelated,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_millis(200),
            factor: 2.0,
            cap: Duration::from_secs(30),
            jitter: Jitter::Full,
            reset_after: Duration::from_secs(10),
        }
    }
}

/// The waits of one client, one after the other.
pub(super) struct Waits {
    backoff: Backoff,
    random: Rng,
    /// The wait that comes next, or, where waits are decorrelated, the last one.
    wait: Duration,
}

impl Waits {
    pub(super) fn new(backoff: Backoff, random: Rng) -> Self {
        let base = backoff.base.max(Duration::from_millis(1));
        // A factor that is no number becomes 1 here as well.
        let factor = backoff.factor.max(1.0);
        let backoff = Backoff { base, factor, ..backoff };
        Self { backoff, random, wait: base }
    }

    /// The next wait begins at the base again.
    pub(super) fn reset(&mut self) {
        self.wait = self.backoff.base;
    }

    pub(super) fn next(&mut self) -> Duration {
        let Backoff { base, factor, cap, jitter, reset_after: _ } = self.backoff;
        let wait = self.wait;
        let longer = Duration::try_from_secs_f64(wait.as_secs_f64() * factor).unwrap_or(cap);
        match jitter {
            Jitter::None => {
                self.wait = longer.min(cap);
                wait.min(cap)
            }
            Jitter::Full => {
                self.wait = longer.min(cap);
                wait.min(cap).mul_f64(self.random.f64())
            }
            Jitter::Decorrelated => {
                let more = longer.saturating_sub(base).mul_f64(self.random.f64());
                self.wait = base.saturating_add(more).min(cap);
                self.wait
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        base: Duration::from_secs(1),
        factor: 3.0,
        cap: Duration::from_secs(10),
        jitter: Jitter::None,
        reset_after: Duration::ZERO,
    };

    fn waits(backoff: Backoff) -> Waits {
        Waits::new(backoff, Rng::with_seed(7))
    }

    fn next(waits: &mut Waits, count: usize) -> Vec<f64> {
        (0..count).map(|_| waits.next().as_secs_f64()).collect()
    }

    #[test]
    fn waits_grow_up_to_the_cap_and_begin_again() {
        let mut waits = waits(BACKOFF);
        assert_eq!(next(&mut waits, 5), [1.0, 3.0, 9.0, 10.0, 10.0]);
        waits.reset();
        assert_eq!(next(&mut waits, 2), [1.0, 3.0]);
    }

    #[test]
    fn full_jitter_takes_any_part_of_a_wait() {
        let mut waits = waits(Backoff { jitter: Jitter::Full, ..BACKOFF });
        assert!(waits.next() <= Duration::from_secs(1));
        assert!(waits.next() <= Duration::from_secs(3));
        next(&mut waits, 5);
        let many = next(&mut waits, 1000);
        assert!(many.iter().all(|wait| (0.0..=10.0).contains(wait)));
        let mean = many.iter().sum::<f64>() / 1000.0;
        assert!((4.0..6.0).contains(&mean), "{mean}");
    }

    #[test]
    fn decorrelated_waits_lie_between_the_base_and_a_multiple_of_the_last() {
        let mut waits = waits(Backoff { jitter: Jitter::Decorrelated, ..BACKOFF });
        let mut last = 1.0;
        for wait in next(&mut waits, 1000) {
            assert!((1.0..=10.0).contains(&wait) && wait <= 3.0 * last, "{wait} after {last}");
            last = wait;
        }
        waits.reset();
        assert!(waits.next() <= Duration::from_secs(3));
    }

    #[test]
    fn senseless_settings_neither_panic_nor_spin() {
        for factor in [f64::NAN, -1.0, 0.0] {
            let mut waits = waits(Backoff { factor, ..BACKOFF });
            assert_eq!(next(&mut waits, 3), [1.0, 1.0, 1.0]);
        }
        let mut zero = waits(Backoff { base: Duration::ZERO, ..BACKOFF });
        assert_eq!(zero.next(), Duration::from_millis(1));
        for jitter in [Jitter::None, Jitter::Full, Jitter::Decorrelated] {
            let endless = Backoff {
                base: Duration::MAX,
                factor: f64::INFINITY,
                cap: Duration::MAX,
                jitter,
                ..BACKOFF
            };
            next(&mut waits(endless), 3);
        }
    }
}
