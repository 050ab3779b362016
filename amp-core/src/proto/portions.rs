//! How many calls are answered before their answers are sent.
//!
//! Answers to all that was received at once can share one write. But then the peer waits while all of them are
//! made, and this side waits while the peer deals with them. In portions, both are at work at once, and neither
//! falls asleep: with 16 calls in flight between two processes that makes up to twice as many in a second. Where
//! the peer cannot run meanwhile, because both share a core, or where writes are dear, the further ones only
//! cost. Nothing that one side sees tells which of the two it is, so it is tried now and then, in turns, by how
//! long a number of calls takes.

use std::time::{Duration, Instant};

/// So few calls are always one portion, and none is smaller. The smaller the first is, the sooner the peer is at
/// work.
const LEAST: usize = 2;

/// None is larger: by then a write costs little of what the calls do.
const MOST: usize = 16;

/// More than so many are one portion: whoever made them gives out their answers in turns, and calls again before
/// the last one.
const MANY: usize = 64;

/// A connection that calls less often has nothing to gain that would be worth a trial.
const UNTRIED: usize = 1 << 14;

/// So many stretches of calls are tried: one without portions, one with them, and so on.
const STRETCHES: u8 = 8;

/// Portions are kept where they were clearly faster in so many of those pairs.
const WINS: u8 = 3;

/// A stretch begins with so many calls that do not count, while both sides find their pace,
const PASSED: usize = 128;

/// and then so many do.
const COUNTED: usize = 384;

/// How many calls the outcome holds at first, before it is tried again. It doubles while it stays the same.
const KEPT: usize = 1 << 16;

/// And at most.
const KEPT_MOST: usize = 1 << 20;

/// How the calls that were received at once are shared out.
#[derive(Debug)]
pub(crate) struct Portions {
    /// Whether they are, where there are neither too few nor too many.
    cuts: bool,
    /// How many calls are begun before what is there is sent.
    size: usize,
    /// Whether that many were begun, and others are left.
    is_cut: bool,
    /// How many calls came since the last look at the clock, and how many there are until the next.
    calls: usize,
    until: usize,
    /// Which stretch is tried; [`STRETCHES`] when none is.
    stretch: u8,
    /// Since when its calls count.
    since: Option<Instant>,
    /// How long so many calls took in the last stretch without portions.
    whole: Duration,
    /// How many pairs were faster with them.
    wins: u8,
    /// How many calls the next outcome holds, if it is the same, and what the last one was.
    kept: usize,
    before: bool,
}

impl Default for Portions {
    fn default() -> Self {
        Self {
            cuts: false,
            size: usize::MAX,
            is_cut: false,
            calls: 0,
            until: UNTRIED,
            stretch: STRETCHES,
            since: None,
            whole: Duration::ZERO,
            wins: 0,
            kept: KEPT,
            before: false,
        }
    }
}

impl Portions {
    /// Begins a portion of so many calls that wait. What was received at once is cut where this side
    /// `answers_only`: calls of its own are sent when those who made them have had their turn.
    #[inline]
    pub(crate) fn begin(
        &mut self,
        waiting: usize,
        answers_only: bool,
        now: impl FnOnce() -> Instant,
    ) {
        if self.is_cut {
            self.is_cut = false;
            return;
        }
        self.calls += waiting;
        if self.calls >= self.until {
            self.look(now());
        }
        self.size = usize::MAX;
        if self.cuts && answers_only && (LEAST + 1..=MANY).contains(&waiting) {
            self.size = (waiting * waiting / 128).clamp(LEAST, MOST);
        }
    }

    /// Whether so many calls are a whole portion. Others are left.
    #[inline]
    pub(crate) fn cut(&mut self, begun: usize) -> bool {
        self.is_cut = begun >= self.size;
        self.is_cut
    }

    /// Whether what is there is sent before the next portion is begun.
    #[inline]
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// What was received is dealt with.
    #[inline]
    pub(crate) fn end(&mut self) {
        self.is_cut = false;
    }

    /// A part of a stretch is over, or the time of an outcome is.
    #[inline(never)]
    fn look(&mut self, now: Instant) {
        let calls = std::mem::take(&mut self.calls);
        if self.stretch == STRETCHES {
            (self.stretch, self.wins) = (0, 0);
            self.begin_stretch();
            return;
        }
        let Some(since) = self.since.take() else {
            self.since = Some(now);
            self.until = COUNTED;
            return;
        };
        let each = now.duration_since(since) / u32::try_from(calls).unwrap_or(u32::MAX);
        if !self.cuts {
            self.whole = each;
        } else if each * 8 < self.whole * 7 {
            self.wins += 1;
        }
        self.stretch += 1;
        if self.stretch < STRETCHES {
            self.begin_stretch();
        } else {
            self.decide();
        }
    }

    fn begin_stretch(&mut self) {
        self.cuts = self.stretch % 2 == 1;
        self.until = PASSED;
    }

    fn decide(&mut self) {
        self.cuts = self.wins >= WINS;
        self.kept = if self.cuts == self.before { self.kept } else { KEPT };
        self.before = self.cuts;
        self.until = self.kept;
        self.kept = (2 * self.kept).min(KEPT_MOST);
    }

    /// Ones that cut all they are given.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn that_cut() -> Self {
        Self { cuts: true, stretch: STRETCHES, until: KEPT, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of the portions of so many calls.
    fn shared_out(portions: &mut Portions, calls: usize, now: Instant) -> Vec<usize> {
        let (mut left, mut sizes) = (calls, Vec::new());
        loop {
            portions.begin(left, true, || now);
            let begun = (1..left).find(|begun| portions.cut(*begun)).unwrap_or(left);
            sizes.push(begun);
            left -= begun;
            if left == 0 {
                portions.end();
                return sizes;
            }
            assert!(portions.is_cut());
        }
    }

    #[test]
    fn a_few_calls_are_one_portion_and_so_are_very_many() {
        let (mut portions, now) = (Portions::that_cut(), Instant::now());
        for (calls, sizes) in [
            (1, &[1][..]),
            (2, &[2]),
            (3, &[2, 1]),
            (16, &[2; 8]),
            (33, &[8, 8, 8, 8, 1]),
            (64, &[16; 4]),
            (65, &[65]),
        ] {
            assert_eq!(shared_out(&mut portions, calls, now), sizes);
        }
        portions.begin(50, false, || now);
        assert!(!portions.cut(49), "it calls too, and sends all at once");
    }

    /// Deals with rounds of 16 calls, which take so many microseconds whole and in portions, until so many
    /// calls are answered. How many of the rounds were cut.
    fn answer(
        portions: &mut Portions,
        calls: usize,
        whole: u64,
        cut: u64,
        now: &mut Instant,
    ) -> usize {
        let mut cuts = 0;
        for _ in 0..calls / 16 {
            let is_cut = shared_out(portions, 16, *now).len() > 1;
            cuts += usize::from(is_cut);
            *now += Duration::from_micros(if is_cut { cut } else { whole });
        }
        cuts
    }

    const TRIAL: usize = (PASSED + COUNTED) * STRETCHES as usize;

    #[test]
    fn what_is_faster_is_kept_and_tried_again() {
        for (whole, cut, kept) in [(50, 25, true), (50, 40, true), (50, 48, false), (20, 30, false)]
        {
            let (mut portions, mut now) = (Portions::default(), Instant::now());
            assert_eq!(answer(&mut portions, UNTRIED - 16, whole, cut, &mut now), 0);
            let cuts = answer(&mut portions, TRIAL, whole, cut, &mut now);
            assert!(cuts.abs_diff(TRIAL / 32) < 8, "half of {TRIAL} calls are tried in portions");
            let mut held = KEPT;
            for _ in 0..6 {
                let cuts = answer(&mut portions, held, whole, cut, &mut now);
                assert!(
                    if kept { cuts > held / 17 } else { cuts < held / 1000 },
                    "{cuts} of {held}"
                );
                answer(&mut portions, TRIAL, whole, cut, &mut now);
                held = (2 * held).min(KEPT_MOST);
            }
        }
    }

    #[test]
    fn what_has_become_slower_is_found_out() {
        let (mut portions, mut now) = (Portions::default(), Instant::now());
        answer(&mut portions, UNTRIED + TRIAL, 50, 25, &mut now);
        answer(&mut portions, KEPT + TRIAL, 20, 30, &mut now);
        assert_eq!(answer(&mut portions, KEPT / 2, 20, 30, &mut now), 0);
    }

    /// By a clock that stands still nothing is faster.
    #[test]
    fn what_is_as_fast_is_not_kept() {
        let (mut portions, mut now) = (Portions::default(), Instant::now());
        answer(&mut portions, UNTRIED + TRIAL, 0, 0, &mut now);
        assert_eq!(answer(&mut portions, KEPT / 2, 0, 0, &mut now), 0);
    }
}
