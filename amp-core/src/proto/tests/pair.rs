//! Two sides and the stream between them.

use std::time::{Duration, Instant};

use super::pipe::Pipe;
use super::side::{Ended, Side};
use crate::proto::CoreLimits;

/// Which of the two sides. What it sends goes into the pipe of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Near,
    Far,
}

impl Which {
    pub(super) const BOTH: [Self; 2] = [Self::Near, Self::Far];

    pub(super) fn other(self) -> Self {
        match self {
            Self::Near => Self::Far,
            Self::Far => Self::Near,
        }
    }
}

/// Two sides and two pipes, at a time that only whoever tests moves on.
pub(super) struct Pair {
    sides: [Side; 2],
    pipes: [Pipe; 2],
    now: Instant,
}

impl Pair {
    /// Two sides with a stream that passes everything on at once.
    pub(super) fn new(limits: CoreLimits, responders: usize) -> Self {
        let side = || Side::new(limits, responders);
        Self { sides: [side(), side()], pipes: [Pipe::new(), Pipe::new()], now: Instant::now() }
    }

    /// Two sides with a stream that passes on only what it is told to.
    pub(super) fn stalled(limits: CoreLimits, responders: usize) -> Self {
        let pipes = [Pipe::stalled(), Pipe::stalled()];
        Self { pipes, ..Self::new(limits, responders) }
    }

    pub(super) fn side(&mut self, which: Which) -> &mut Side {
        &mut self.sides[which as usize]
    }

    /// What this side sends.
    pub(super) fn pipe(&mut self, which: Which) -> &mut Pipe {
        &mut self.pipes[which as usize]
    }

    /// Lets the driver of a side act, if it was woken. Whether it was.
    pub(super) fn run(&mut self, which: Which) -> bool {
        self.look_around();
        let [near, far] = &mut self.pipes;
        let (incoming, outgoing) = match which {
            Which::Near => (far, near),
            Which::Far => (near, far),
        };
        let ran = self.sides[which as usize].run(incoming, outgoing, self.now);
        let ended = self.sides[which as usize].ended;
        if matches!(ended, Some(Ended::Broken | Ended::SwitchesCross)) {
            self.break_off();
        }
        ran
    }

    /// Lets both sides act for as long as one of them is woken.
    pub(super) fn run_all(&mut self) -> bool {
        let mut ran = false;
        while self.run(Which::Near) | self.run(Which::Far) {
            ran = true;
        }
        ran
    }

    /// Lets time pass, and both sides act.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.run_all();
    }

    /// Nothing passes any more, in either direction.
    pub(super) fn break_off(&mut self) {
        self.pipes.iter_mut().for_each(|pipe| pipe.broken = true);
    }

    /// Lets arrive what has been on its way for long enough, and wakes whoever waits for that.
    fn look_around(&mut self) {
        let [near, far] = &mut self.pipes;
        near.arrive(self.now);
        far.arrive(self.now);
        self.sides[0].notice(far, near);
        self.sides[1].notice(near, far);
    }
}
