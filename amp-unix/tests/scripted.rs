//! Connections over a transport that cuts, waits and gives descriptors early, at every place where
//! a transport may.

mod support;

use amp_core::{Arguments, Command, Peer, Responders};
use amp_unix::{Descriptor, connection_over};
use bytes::Bytes;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use support::numbered::{number, numbered};
use support::random::Random;
use support::script::{Script, Scripted};
use tokio::task::{JoinSet, LocalSet};

/// How many callers each side has, and how many calls each makes.
const CALLERS: u64 = 8;
const CALLS: u64 = 6;

/// How many calls both sides make.
const ALL_CALLS: u64 = 2 * CALLERS * CALLS;

/// Passes descriptors with the numbers from `start`, and gets as many that follow.
#[derive(Command, Debug)]
#[amp(response = Passed)]
struct Pass {
    start: u64,
    filler: Bytes,
    files: Vec<Descriptor>,
    end: Option<Descriptor>,
}

#[derive(Arguments, Debug)]
struct Passed {
    filler: Bytes,
    files: Vec<Descriptor>,
}

fn filler(start: u64, len: usize) -> Bytes {
    vec![start.to_ne_bytes()[0]; len].into()
}

/// `wrong` counts the descriptors that are not what the box says that they are.
fn responders(wrong: &Arc<AtomicU64>) -> Responders<Arc<AtomicU64>> {
    Responders::new(Arc::clone(wrong)).respond(|context, pass| {
        let wrong = Arc::clone(context.state());
        async move {
            let Pass { start, filler: received, files, end } = pass;
            let len = received.len();
            let count = files.len() as u64;
            let numbers: Vec<_> = files.into_iter().chain(end).map(number).collect();
            let right = received == filler(start, len)
                && (start..).zip(&numbers).all(|(expected, number)| expected == *number);
            wrong.fetch_add(u64::from(!right), Ordering::Relaxed);
            let files = (start + 1000..start + 1000 + count).map(numbered).collect();
            Ok(Passed { filler: filler(start, len / 2), files })
        }
    })
}

/// Passes up to six descriptors among up to 6000 bytes; whether an answer came.
async fn pass(peer: &Peer, start: u64, random: &mut Random) -> bool {
    let most = random.choose([1, 50, 6000]);
    let len = random.below(most);
    let count = random.below(6) as u64;
    let files = (start..start + count).map(numbered).collect();
    let end = (random.below(2) == 0).then(|| numbered(start + count));
    let call = peer.call_remote(Pass { start, filler: filler(start, len), files, end });
    let Passed { filler: received, files } = match call.await {
        Ok(passed) => passed,
        Err(error) => {
            assert!(error.is_closed(), "{error}");
            return false;
        }
    };
    assert_eq!(received, filler(start, len / 2));
    let numbers: Vec<_> = files.into_iter().map(number).collect();
    assert_eq!(numbers, (start + 1000..start + 1000 + count).collect::<Vec<_>>());
    true
}

/// Holds the conversation of both sides. How many calls were answered, and in how many steps.
async fn converse(scripts: [Script; 2]) -> (u64, usize) {
    let wrong = Arc::<AtomicU64>::default();
    let (sides, steps) = Scripted::pair(scripts);
    let peers = sides.map(|side| connection_over(side).responders(responders(&wrong)).spawn());
    let answered = Rc::new(Cell::new(0));
    let mut callers = JoinSet::new();
    let local = LocalSet::new();
    for caller in 0..2 * CALLERS {
        let peer = peers[usize::from(caller < CALLERS)].clone();
        let answered = Rc::clone(&answered);
        let mut random = Random::new(scripts[0].seed << 8 | caller);
        let calling = async move {
            for call in 0..CALLS {
                if pass(&peer, caller << 32 | call << 16, &mut random).await {
                    answered.set(answered.get() + 1);
                }
            }
        };
        callers.spawn_local_on(calling, &local);
    }
    local.run_until(callers.join_all()).await;
    for peer in peers {
        peer.close().await;
    }
    assert_eq!(wrong.load(Ordering::Relaxed), 0);
    let steps = *steps.lock().unwrap();
    (answered.get(), steps)
}

/// Holds conversations in a process of their own, each of which leaves nothing open.
fn converse_all(
    name: &str,
    seeds: std::ops::Range<u64>,
    scripts: impl Fn(u64) -> [Script; 2],
    check: impl Fn(u64, usize),
) {
    support::in_own_process(name, || {
        for seed in seeds {
            let before = support::open_descriptors();
            support::block_on(async {
                // A side that can send no more reads on for a while.
                tokio::time::pause();
                let (answered, steps) = converse(scripts(seed)).await;
                check(answered, steps);
            });
            assert_eq!(support::open_descriptors(), before, "seed {seed}");
        }
    });
}

/// One at a time is what Twisted sends.
const MAX_DESCRIPTORS: [usize; 3] = [1, 2, 253];

fn scripts(seed: u64) -> [Script; 2] {
    let max_descriptors = Random::new(seed).choose(MAX_DESCRIPTORS);
    [seed, !seed].map(|seed| Script::new(seed, max_descriptors))
}

#[test]
fn cuts_and_waits_at_all_places_mix_nothing_up() {
    let name = "cuts_and_waits_at_all_places_mix_nothing_up";
    converse_all(name, 0..30, scripts, |answered, steps| {
        assert_eq!(answered, ALL_CALLS);
        assert!(steps > 1000, "only {steps} steps");
    });
}

/// Wherever a stream breaks, what was under way is closed, and what has arrived is right.
#[test]
fn a_send_that_fails_midway_leaves_nothing_open() {
    let broken = |seed: u64| {
        let [mut one, other] = scripts(seed);
        one.sends = usize::try_from(seed).unwrap();
        [one, other]
    };
    let name = "a_send_that_fails_midway_leaves_nothing_open";
    converse_all(name, 0..100, broken, |answered, _| assert!(answered < ALL_CALLS));
}

#[test]
fn a_receive_that_fails_midway_leaves_nothing_open() {
    let broken = |seed: u64| {
        let [mut one, other] = scripts(seed);
        one.receives = usize::try_from(seed).unwrap();
        [one, other]
    };
    let name = "a_receive_that_fails_midway_leaves_nothing_open";
    converse_all(name, 0..100, broken, |answered, _| assert!(answered < ALL_CALLS));
}
