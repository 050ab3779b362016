//! What is to happen, all of it made from the seed: what each client is and calls, what becomes of
//! each of its connections and at which byte, when the server goes, what the raw peers do.
//!
//! How the tasks interleave is not planned, and so how far each gets. A seed gives the same plan
//! again; what fails by a race may need several runs.

use amp_tests::Transport;
use fastrand::Rng;
use std::time::Duration;

/// How many calls each client has under way at once.
pub(crate) const WORKERS: u32 = 4;

/// What a plan is for. Each has random numbers of its own, whatever the others take.
#[derive(Clone, Copy, Debug)]
pub(crate) enum For {
    Client(u32),
    Worker(u32, u32),
    /// A connection of a client, counted from 0.
    Link(u32, u32),
    Server,
    Hooligan(u32),
}

/// The random numbers of one part of the plan.
pub(crate) fn random(seed: u64, round: u32, part: For) -> Rng {
    let (kind, a, b) = match part {
        For::Client(client) => (1, client, 0),
        For::Worker(client, worker) => (2, client, worker),
        For::Link(client, link) => (3, client, link),
        For::Server => (4, 0, 0),
        For::Hooligan(number) => (5, number, 0),
    };
    // Each step is a seed of the next: what differs in any number differs in everything.
    let mut seed = seed;
    for number in [round, kind, a, b] {
        seed = Rng::with_seed(seed ^ u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)).u64(..);
    }
    Rng::with_seed(seed)
}

/// What carries the boxes of a client, over each transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// They go as they are.
    Clear,
    /// TLS from the start.
    Tls,
    /// TLS that is started before anything else is called.
    StartTls,
    /// Routes, of which a client that makes its connections itself has several.
    Routes,
}

impl Way {
    pub(crate) const ALL: [Self; 4] = [Self::Clear, Self::Tls, Self::StartTls, Self::Routes];

    pub(crate) fn any(random: &mut Rng) -> Self {
        Self::ALL[random.usize(..Self::ALL.len())]
    }

    /// Whether descriptors can be passed.
    pub(crate) fn carries_descriptors(self, transport: Transport) -> bool {
        self == Self::Clear && transport == Transport::Unix
    }
}

/// What a client is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientPlan {
    pub(crate) transport: Transport,
    pub(crate) way: Way,
    pub(crate) kind: ClientKind,
    /// Whether it pings the server.
    pub(crate) pings: bool,
    /// Whether it may have fewer calls outstanding than it makes.
    pub(crate) tight: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientKind {
    /// Makes its connections itself.
    Plain,
    /// Calls wait while it connects again.
    Waiting,
    /// Calls fail while it connects again.
    FailFast,
}

impl ClientPlan {
    pub(crate) fn new(random: &mut Rng, client: u32) -> Self {
        // Counted rather than drawn, so that few clients are of every sort too.
        let transport = if client.is_multiple_of(2) { Transport::Unix } else { Transport::Tcp };
        let kind = match client / 2 % 4 {
            0 | 1 => ClientKind::Plain,
            2 => ClientKind::Waiting,
            _ => ClientKind::FailFast,
        };
        let way = Way::ALL[(client / 2 + client / 8) as usize % Way::ALL.len()];
        Self { transport, way, kind, pings: random.u32(..3) == 0, tight: random.u32(..5) == 0 }
    }
}

/// One call: what it asks for, and how its caller waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallPlan {
    pub(crate) kind: Kind,
    pub(crate) fate: Fate,
    /// Bytes of the call, and of its answer.
    pub(crate) load: usize,
    pub(crate) want: usize,
    /// The end of its stream that is dropped half way, where it has one.
    pub(crate) dropped: Option<End>,
    /// Milliseconds that the responder takes.
    pub(crate) pause: u64,
    /// What the caller waits before it makes the call.
    pub(crate) think: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Act,
    Look,
    Refuse,
    Panic,
    Misread,
    Misanswer,
    Missing,
    Tell,
    CallBack,
    Pass,
    Turn,
    Upload,
    Download,
    Store,
    Fetch,
    PassAll,
}

/// An end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Sink,
    Stream,
}

/// How the caller waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Await,
    Timeout(Duration),
    /// The call is dropped after so many polls, if it is not over.
    DropAfterPolls(u32),
    DropAfter(Duration),
}

impl CallPlan {
    pub(crate) fn new(random: &mut Rng) -> Self {
        let kind = match random.u32(..100) {
            0..15 => Kind::Act,
            15..17 => Kind::Store,
            17..19 => Kind::Fetch,
            19..23 => Kind::PassAll,
            23..26 => Kind::Upload,
            26..29 => Kind::Download,
            29..35 => Kind::Turn,
            35..50 => Kind::Look,
            50..55 => Kind::Refuse,
            55..57 => Kind::Panic,
            57..60 => Kind::Misread,
            60..63 => Kind::Misanswer,
            63..66 => Kind::Missing,
            66..74 => Kind::Tell,
            74..84 => Kind::CallBack,
            _ => Kind::Pass,
        };
        let fate = match random.u32(..100) {
            0..70 => Fate::Await,
            70..82 => Fate::Timeout(Duration::from_millis(random.u64(..50))),
            82..92 => Fate::DropAfterPolls(random.u32(..20)),
            _ => Fate::DropAfter(Duration::from_millis(random.u64(..30))),
        };
        let dropped = match random.u32(..4) {
            0 => Some(End::Sink),
            1 => Some(End::Stream),
            _ => None,
        };
        let pause = if random.u32(..10) == 0 { random.u64(..100) } else { 0 };
        let think = Duration::from_millis(if random.bool() { random.u64(..20) } else { 0 });
        Self { kind, fate, load: size(random), want: size(random), dropped, pause, think }
    }

    /// Whether this end of its stream is dropped half way.
    pub(crate) fn drops(self, end: End) -> bool {
        self.dropped == Some(end)
    }
}

/// Mostly a few bytes, at times more than one value holds.
fn size(random: &mut Rng) -> usize {
    match random.u32(..50) {
        0 => random.usize(..300_000),
        1..8 => random.usize(..10_000),
        _ => random.usize(..100),
    }
}

/// What becomes of one connection between a client and the server.
#[derive(Clone, Debug)]
pub(crate) struct LinkPlan {
    /// From the client to the server, and back.
    pub(crate) directions: [DirectionPlan; 2],
}

#[derive(Clone, Debug)]
pub(crate) struct DirectionPlan {
    /// How many bytes are passed on at once, before byte `fine_until`.
    pub(crate) grain: usize,
    pub(crate) fine_until: u64,
    /// By the byte ahead of which they happen.
    pub(crate) faults: Vec<(u64, Fault)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing is passed on for so long, so the one side reads slowly and the other has to wait.
    Stall(Duration),
    /// Both sides see the end.
    Close,
    /// Both sides see a reset, where the transport has one.
    Reset,
    /// The receiver sees the end; the other direction goes on.
    HalfClose,
    /// Nothing is passed on for so long, and then both sides see the end.
    Vanish(Duration),
}

impl LinkPlan {
    pub(crate) fn new(random: &mut Rng) -> Self {
        let mut directions = [(); 2].map(|()| DirectionPlan::new(random));
        if random.u32(..10) != 0 {
            let end = match random.u32(..10) {
                0..4 => Fault::Close,
                4..7 => Fault::Reset,
                7..9 => Fault::HalfClose,
                _ => Fault::Vanish(Duration::from_millis(random.u64(..2000))),
            };
            let faults = &mut directions[random.usize(..2)].faults;
            faults.push((offset(random), end));
        }
        for direction in &mut directions {
            direction.faults.sort_by_key(|(at, _)| *at);
        }
        Self { directions }
    }

    pub(crate) fn without_faults() -> Self {
        let direction = DirectionPlan { grain: usize::MAX, fine_until: 0, faults: Vec::new() };
        Self { directions: [direction.clone(), direction] }
    }
}

impl DirectionPlan {
    fn new(random: &mut Rng) -> Self {
        let (grain, fine_until) = match random.u32(..4) {
            0 => (1, random.u64(..3000)),
            1 => (random.usize(1..20), random.u64(..20_000)),
            _ => (usize::MAX, 0),
        };
        let stalls = if random.bool() { random.u32(..4) } else { 0 };
        let stall = |random: &mut Rng| {
            let most = if random.u32(..10) == 0 { 1000 } else { 50 };
            (offset(random), Fault::Stall(Duration::from_millis(random.u64(..most))))
        };
        Self { grain, fine_until, faults: (0..stalls).map(|_| stall(random)).collect() }
    }
}

/// Any byte, of every order of magnitude alike.
fn offset(random: &mut Rng) -> u64 {
    let magnitude = random.u32(..23);
    random.u64(..1 << magnitude)
}

/// How long the server lives, how it goes, and how long it is away.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LifePlan {
    pub(crate) up: Duration,
    pub(crate) graceful: bool,
    pub(crate) down: Duration,
}

impl LifePlan {
    pub(crate) fn new(random: &mut Rng) -> Self {
        let up = if random.bool() { 200..1000 } else { 1000..8000 };
        Self {
            up: Duration::from_millis(random.u64(up)),
            graceful: random.bool(),
            down: Duration::from_millis(random.u64(..300)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(seed: u64, round: u32, part: For) -> u64 {
        random(seed, round, part).u64(..)
    }

    #[test]
    fn a_seed_gives_the_same_plan_and_another_one_another() {
        let plan = |seed| {
            let mut random = random(seed, 1, For::Link(3, 4));
            let links: Vec<_> = (0..10).map(|_| LinkPlan::new(&mut random)).collect();
            let calls: Vec<_> = (0..10).map(|_| CallPlan::new(&mut random)).collect();
            format!("{links:?} {calls:?}")
        };
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }

    #[test]
    fn every_part_has_numbers_of_its_own() {
        let mut seen = vec![first(1, 1, For::Server), first(1, 2, For::Server)];
        for a in 0..20 {
            seen.extend([For::Client(a), For::Hooligan(a)].map(|part| first(1, 1, part)));
            for b in 0..20 {
                seen.extend([For::Worker(a, b), For::Link(a, b)].map(|part| first(1, 1, part)));
            }
        }
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count);
    }
}
