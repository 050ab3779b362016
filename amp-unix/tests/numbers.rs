//! Any number of descriptors in one box, wherever an argument may stand, and in many boxes at once.

mod support;

use amp_core::{Arguments, Command, Limits, Peer, Responders};
use amp_unix::Descriptor;
use std::ops::Range;
use support::DEADLINE;
use support::numbered::{number, numbered};
use tokio::net::UnixStream;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// What fits beside one message, what just does not, and what takes several.
const COUNTS: [u64; 5] = [1, 16, 253, 254, 1000];

/// All places for descriptors, in the order in which they are written.
#[derive(Arguments, Debug)]
struct Places {
    first: Descriptor,
    list: Vec<Descriptor>,
    elements: Vec<Element>,
    nested: Vec<Vec<Descriptor>>,
    end: Option<Descriptor>,
}

/// An element of an `AmpList`.
#[derive(Arguments, Debug)]
struct Element {
    one: Descriptor,
    other: Option<Descriptor>,
    several: Vec<Descriptor>,
}

impl Places {
    /// Descriptors with these numbers in all places.
    fn fill(numbers: Range<u64>) -> Self {
        let all = usize::try_from(numbers.end - numbers.start).unwrap();
        let mut left = numbers.map(numbered);
        let mut next = || left.next().unwrap();
        let first = next();
        let list: Vec<_> = (0..all / 3).map(|_| next()).collect();
        let elements: Vec<_> = (0..all / 12)
            .map(|n| Element {
                one: next(),
                other: (n % 2 == 0).then(&mut next),
                several: (0..n % 3).map(|_| next()).collect(),
            })
            .collect();
        let mut nested: Vec<Vec<_>> = Vec::new();
        loop {
            let some: Vec<_> = left.by_ref().take(7).collect();
            if some.is_empty() {
                break;
            }
            nested.push(some);
        }
        let end = nested.last_mut().and_then(Vec::pop);
        Self { first, list, elements, nested, end }
    }

    /// The numbers in all places.
    fn numbers(self) -> Vec<u64> {
        let Self { first, list, elements, nested, end } = self;
        let elements = elements.into_iter().flat_map(|Element { one, other, several }| {
            std::iter::once(one).chain(other).chain(several)
        });
        let all = std::iter::once(first).chain(list).chain(elements);
        all.chain(nested.into_iter().flatten()).chain(end).map(number).collect()
    }
}

/// Passes descriptors with the numbers from `start`, and gets as many, with the numbers that
/// follow.
#[derive(Command, Debug)]
#[amp(response = Places)]
struct Pass {
    start: u64,
    count: u64,
    // Whole structs stand in lists only.
    places: Vec<Places>,
}

async fn pass(peer: &Peer, start: u64, count: u64) {
    let places = vec![Places::fill(start..start + count)];
    let answer = peer.call_remote(Pass { start, count, places }).await.unwrap();
    let start = start + count;
    assert_eq!(answer.numbers(), (start..start + count).collect::<Vec<_>>());
}

fn responders() -> Responders {
    Responders::new(()).respond(|_, Pass { start, count, mut places }| async move {
        assert_eq!(places.len(), 1);
        let middle = start + count;
        assert_eq!(places.remove(0).numbers(), (start..middle).collect::<Vec<_>>());
        Ok(Places::fill(middle..middle + count))
    })
}

fn peers(limits: Limits) -> [Peer; 2] {
    let (here, there) = UnixStream::pair().unwrap();
    [here, there].map(|stream| {
        let connection = amp_unix::connection(stream).unwrap().limits(limits);
        connection.responders(responders()).spawn()
    })
}

#[test]
fn any_number_in_any_place_keeps_its_order_and_none_stays_open() {
    let name = "any_number_in_any_place_keeps_its_order_and_none_stays_open";
    support::in_own_process(name, || {
        support::limit_open_files(8192);
        support::block_on(async {
            let before = support::open_descriptors();
            let peers =
                peers(Limits::default().unclaimed_attachments(1024).attachments_in_all(2048));
            for count in COUNTS {
                for peer in &peers {
                    pass(peer, 1_000_000 * count, count).await;
                    assert_eq!(support::open_descriptors(), before + 2, "{count}");
                }
            }
            drop(peers);
        });
    });
}

/// Small and large boxes from many callers, in both directions at once: ordinals have the order of
/// the wire whoever is first.
#[test]
fn boxes_of_many_callers_keep_their_own() {
    support::in_own_process("boxes_of_many_callers_keep_their_own", || {
        support::limit_open_files(20_000);
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let all = async {
            // Both ends are in this process, whatever it may have.
            let peers = peers(Limits::default().attachments_in_all(4096));
            let mut calls = JoinSet::new();
            for n in 0..64 {
                let peer = peers[n % 2].clone();
                calls.spawn(async move {
                    for round in 0..8 {
                        let n = n as u64;
                        pass(&peer, n << 32 | round << 24, 1 + (n * 7 + round * 5) % 30).await;
                    }
                });
            }
            calls.join_all().await;
        };
        runtime.block_on(async { timeout(DEADLINE, all).await.unwrap() });
    });
}
