//! How many calls are answered before their answers are sent.
//!
//! Answers to all that was received at once can share one write. But then the peer waits while all of them are
//! made, and this side waits while the peer deals with them. In portions, both are at work at once, and neither
//! falls asleep: with 16 calls in flight between two processes that makes up to twice as many in a second. Where
//! the peer cannot run meanwhile, because both share a core, or where writes are dear, the further ones only
//! cost. Nothing that one side sees tells which of the two it is, so it is tried now and then, in turns, by how
//! long a number of calls takes.

use std::time::{Duration, Instant};

/// So few calls are always one portion, and none is smaller.
const LEAST: usize = 2;

/// None is larger: by then a write costs little of what the calls do.
const MOST: usize = 16;

/// More than so many are one portion: whoever made them gives out their answers in turns, and calls again before
/// the last one.
const MANY: usize = 64;

/// A fuzzer makes few calls on a connection, and Miri takes long for many: for them, all numbers of calls below are
/// smaller by this factor.
const FEWER: usize = if cfg!(fuzzing) {
    1 << 12
} else if cfg!(miri) {
    // The tests deal with 16 calls at a time, and what a trial takes has to be a multiple of that.
    1 << 4
} else {
    1
};

/// A connection that calls less often has nothing to gain that would be worth a trial.
const UNTRIED: usize = (1 << 14) / FEWER;

/// So many stretches of calls are tried: one without portions, one with them, and so on.
const STRETCHES: u8 = 8;

/// Portions are kept where they were clearly faster in so many of those pairs.
const WINS: u8 = 3;

/// So many calls at the beginning of a stretch do not count, while both sides find their pace.
const PASSED: usize = 512_usize.div_ceil(FEWER);

/// So many calls count behind them.
const COUNTED: usize = 1536_usize.div_ceil(FEWER);

/// Where a call comes less often, nobody is in a hurry. What such a stretch takes says more of how long the peer
/// has nothing to ask than of anything else, so it ends the trial.
const SELDOM: Duration = Duration::from_micros(50);

/// How many calls the outcome holds at first, before it is tried again. That doubles while the outcome stays the
/// same.
const KEPT: usize = (1 << 18) / FEWER;

/// How many calls an outcome holds at most.
const KEPT_MOST: usize = (1 << 21) / FEWER;

/// How the calls that were received at once are shared out.
#[derive(Debug)]
pub(crate) struct Portions {
    trial: Trial,
    /// How many calls are begun before what is there is sent.
    size: usize,
    /// Whether that many were begun, and others are left.
    is_cut: bool,
}

impl Default for Portions {
    fn default() -> Self {
        Self { trial: Trial::default(), size: usize::MAX, is_cut: false }
    }
}

impl Portions {
    /// Begins a portion of so many calls that wait. The first portion of what was received at once says how
    /// large all of them are. `may_cut` is false where all are to be begun at once.
    #[inline]
    pub(crate) fn begin(&mut self, waiting: usize, may_cut: bool) {
        let goes_on = std::mem::take(&mut self.is_cut);
        if !may_cut || !self.trial.cuts {
            self.size = usize::MAX;
        } else if !goes_on {
            self.size = size(waiting);
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

    /// Nothing is left that could be begun now.
    #[inline]
    pub(crate) fn end(&mut self) {
        self.is_cut = false;
    }

    /// So many calls were begun.
    #[inline]
    pub(crate) fn count(&mut self, begun: usize, now: impl FnOnce() -> Instant) {
        self.trial.calls += begun;
        if self.trial.calls >= self.trial.until {
            self.trial.look(now());
        }
    }

    /// Ones that cut whatever they may.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn cutting() -> Self {
        let trial = Trial { cuts: true, until: KEPT, ..Trial::default() };
        Self { trial, ..Self::default() }
    }
}

/// How large the portions of so many calls are. The fewer are in flight, the sooner the peer has nothing to do, and
/// the earlier the first answers are to reach it: of 16 calls two, of 32 a quarter. What was received grows with
/// that, so a square gives both.
#[inline]
fn size(waiting: usize) -> usize {
    match waiting {
        0..=LEAST => usize::MAX,
        _ if waiting > MANY => usize::MAX,
        _ => (waiting * waiting / 128).clamp(LEAST, MOST),
    }
}

/// Which is faster, by a clock.
#[derive(Debug)]
struct Trial {
    /// Whether portions are tried, or were found to be faster.
    cuts: bool,
    /// How many calls were begun since the last look at the clock.
    calls: usize,
    /// How many are begun until the next one.
    until: usize,
    /// Which stretch is tried; [`STRETCHES`] while an outcome holds.
    stretch: u8,
    /// Since when its calls count.
    since: Option<Instant>,
    /// How long a call took in the last stretch without portions.
    whole: Duration,
    /// How many pairs were faster with them.
    wins: u8,
    /// The last outcome.
    cut: bool,
    /// How many calls the next one holds, if it is the same.
    kept: usize,
}

impl Default for Trial {
    fn default() -> Self {
        Self {
            cuts: false,
            calls: 0,
            until: UNTRIED,
            stretch: STRETCHES,
            since: None,
            whole: Duration::ZERO,
            wins: 0,
            cut: false,
            kept: KEPT,
        }
    }
}

impl Trial {
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
        if each > SELDOM {
            self.decide(false);
            return;
        }
        if !self.cuts {
            self.whole = each;
        } else if each * 16 < self.whole * 15 {
            self.wins += 1;
        }
        self.stretch += 1;
        if self.stretch < STRETCHES {
            self.begin_stretch();
        } else {
            self.decide(self.wins >= WINS);
        }
    }

    fn begin_stretch(&mut self) {
        self.cuts = self.stretch % 2 == 1;
        self.until = PASSED;
    }

    fn decide(&mut self, cut: bool) {
        if cut != self.cut {
            self.kept = KEPT;
        }
        (self.cuts, self.cut, self.stretch) = (cut, cut, STRETCHES);
        self.until = self.kept;
        self.kept = (2 * self.kept).min(KEPT_MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of the portions of so many calls.
    fn shared_out(portions: &mut Portions, calls: usize, now: Instant) -> Vec<usize> {
        let (mut left, mut sizes) = (calls, Vec::new());
        loop {
            portions.begin(left, true);
            let begun = (1..left).find(|begun| portions.cut(*begun)).unwrap_or(left);
            portions.count(begun, || now);
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
        let (mut portions, now) = (Portions::cutting(), Instant::now());
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
        portions.begin(50, false);
        assert!(!portions.cut(49), "all are to be begun at once");
        portions.begin(50, true);
        assert!(portions.cut(19));
        portions.begin(31, false);
        assert!(!portions.cut(30), "now they are");
    }

    /// Deals with rounds of 16 calls, each of which takes as long as `round` says of one that is cut or not,
    /// until so many calls are answered. How many of the rounds were cut.
    fn answer(
        portions: &mut Portions,
        calls: usize,
        now: &mut Instant,
        mut round: impl FnMut(bool) -> u64,
    ) -> usize {
        let mut cuts = 0;
        for _ in 0..calls / 16 {
            let is_cut = shared_out(portions, 16, *now).len() > 1;
            cuts += usize::from(is_cut);
            *now += Duration::from_micros(round(is_cut));
        }
        cuts
    }

    const TRIAL: usize = (PASSED + COUNTED) * STRETCHES as usize;

    #[test]
    fn what_is_faster_is_kept_and_tried_again() {
        for (whole, cut, kept) in [(50, 25, true), (50, 40, true), (50, 48, false), (20, 30, false)]
        {
            let (mut portions, mut now) = (Portions::default(), Instant::now());
            let round = |is_cut| if is_cut { cut } else { whole };
            assert_eq!(answer(&mut portions, UNTRIED - 16, &mut now, round), 0);
            let cuts = answer(&mut portions, TRIAL, &mut now, round);
            assert!(cuts.abs_diff(TRIAL / 32) < 8, "half of {TRIAL} calls are tried in portions");
            let (mut held, outcomes) = (KEPT, if cfg!(miri) { 2 } else { 6 });
            for _ in 0..outcomes {
                let cuts = answer(&mut portions, held, &mut now, round);
                let as_found = if kept { cuts > held / 17 } else { cuts < held / 1000 };
                assert!(as_found, "{cuts} rounds of {held} calls");
                answer(&mut portions, TRIAL, &mut now, round);
                held = (2 * held).min(KEPT_MOST);
            }
        }
    }

    #[test]
    fn what_has_become_slower_is_found_out() {
        let (mut portions, mut now) = (Portions::default(), Instant::now());
        answer(&mut portions, UNTRIED + TRIAL, &mut now, |is_cut| if is_cut { 25 } else { 50 });
        let slower = |is_cut| if is_cut { 30 } else { 20 };
        answer(&mut portions, KEPT + TRIAL, &mut now, slower);
        assert_eq!(answer(&mut portions, KEPT / 2, &mut now, slower), 0);
    }

    /// By a clock that stands still nothing is faster.
    #[test]
    fn what_is_as_fast_is_not_kept() {
        let (mut portions, mut now) = (Portions::default(), Instant::now());
        answer(&mut portions, UNTRIED + TRIAL, &mut now, |_| 0);
        assert_eq!(answer(&mut portions, KEPT / 2, &mut now, |_| 0), 0);
    }

    #[test]
    fn pauses_of_the_peer_decide_nothing() {
        let (mut portions, mut now) = (Portions::default(), Instant::now());
        // Whatever is cut comes at once, and else each call comes a second later.
        let round = |is_cut| if is_cut { 10 } else { 1_000_000 };
        answer(&mut portions, UNTRIED + TRIAL, &mut now, round);
        assert_eq!(answer(&mut portions, KEPT / 2, &mut now, round), 0);
    }

    /// Calls that wait because as many run as may are looked at again and again.
    #[test]
    fn calls_that_are_not_begun_are_no_trial() {
        let mut portions = Portions::default();
        for _ in 0..1000 {
            portions.begin(1000, true);
            portions.count(0, || panic!("nothing was begun"));
            portions.end();
        }
        assert_eq!(portions.trial.stretch, STRETCHES);
    }
}
