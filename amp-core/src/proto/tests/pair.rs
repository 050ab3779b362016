//! Two sides and the stream between them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::pipe::Pipe;
use super::side::Side;
use super::way::Way;
use crate::proto::{Limits, Together};

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
    /// Two sides with a stream that passes on only what it is told to.
    pub(super) fn new(limits: Limits, together: Option<&Arc<Together>>, ways: [Way; 2]) -> Self {
        let now = Instant::now();
        let sides = ways.map(|way| Side::new(limits, together.cloned(), way, now));
        Self { sides, pipes: [Pipe::new(), Pipe::new()], now }
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
        let mut now = self.now;
        let (side, incoming, outgoing) = self.parts(which);
        let ran = side.run(incoming, outgoing, &mut now);
        self.now = now;
        ran
    }

    /// Lets the caller of a side write that has the line. Whether one has.
    pub(super) fn write_lent(&mut self, which: Which) -> bool {
        let now = self.now;
        let (side, _, outgoing) = self.parts(which);
        side.write_lent(outgoing, now)
    }

    /// Lets time pass until the next that is due, where the end of a side is a matter of time. Whether it
    /// is.
    pub(super) fn pass_to_deadline(&mut self) -> bool {
        let ends = |side: &Side| side.ended.is_none() && side.waits_for_time();
        let next = self.sides.iter().filter_map(Side::next_due).min();
        let Some(next) = next.filter(|_| self.sides.iter().any(ends)) else { return false };
        self.now = self.now.max(next);
        true
    }

    /// Lets time pass until a driver is due whose thread others keep. Whether there is one.
    pub(super) fn pass_while_held_up(&mut self) -> bool {
        let held_up = self.sides.iter().filter(|side| side.driver.held_up);
        let Some(next) = held_up.filter_map(Side::next_due).min() else { return false };
        self.now = self.now.max(next);
        true
    }

    /// A side, what it receives from, and what it sends to.
    fn parts(&mut self, which: Which) -> (&mut Side, &mut Pipe, &mut Pipe) {
        let [near, far] = &mut self.pipes;
        let (incoming, outgoing) = match which {
            Which::Near => (far, near),
            Which::Far => (near, far),
        };
        (&mut self.sides[which as usize], incoming, outgoing)
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
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
        self.sides[0].notice(far, near, self.now);
        self.sides[1].notice(near, far, self.now);
    }
}
