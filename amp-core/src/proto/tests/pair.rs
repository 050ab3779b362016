//! Two sides and the stream between them.

use std::time::{Duration, Instant};

use super::pipe::Pipe;
use super::side::Side;
use crate::proto::Limits;

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
    pub(super) fn new(limits: Limits) -> Self {
        let (sides, pipes) = ([Side::new(limits), Side::new(limits)], [Pipe::new(), Pipe::new()]);
        Self { sides, pipes, now: Instant::now() }
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
        let now = self.now;
        let (side, incoming, outgoing) = self.parts(which);
        side.run(incoming, outgoing, now)
    }

    /// Lets all deadlines of a side pass. Whether that ends it.
    pub(super) fn end_in_time(&mut self, which: Which) -> bool {
        let (side, incoming, outgoing) = self.parts(which);
        side.time_is_over(incoming, outgoing)
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
        self.sides[0].notice(far, near);
        self.sides[1].notice(near, far);
    }
}
