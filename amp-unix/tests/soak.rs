//! Many descriptors through one connection, in both directions at once, while calls are dropped and
//! fail to decode: each that arrives is the one that was sent, and none stays open.

mod support;

use amp_core::{Arguments, CallError, Command, Peer, Responders};
use amp_unix::Descriptor;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;
use support::DEADLINE;
use support::numbered::{number, numbered};
use support::random::Random;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, spawn_blocking, yield_now};
use tokio::time::timeout;

/// How many calls are in flight in each direction.
const FEW: u64 = 32;

/// Passes two descriptors, and gets two back.
#[derive(Command, Debug)]
#[amp(response = Passed)]
struct Pass {
    before: Descriptor,
    call: u64,
    after: Descriptor,
}

#[derive(Arguments, Debug)]
struct Passed {
    before: Descriptor,
    call: u64,
    after: Descriptor,
}

/// A `Pass` that cannot be decoded.
#[derive(Command, Debug)]
#[amp(name = "Pass", response = Passed)]
struct Malformed {
    before: Descriptor,
    call: String,
    after: Descriptor,
}

/// A call whose answer cannot be decoded, as its caller sees it.
#[derive(Command, Debug)]
#[amp(response = Passed)]
struct Misanswer {
    before: Descriptor,
    call: u64,
    after: Descriptor,
}

/// The same as its responder sees it.
#[derive(Command, Debug)]
#[amp(name = "Misanswer", response = Misanswered)]
struct ToMisanswer {
    before: Descriptor,
    call: u64,
    after: Descriptor,
}

#[derive(Arguments, Debug)]
struct Misanswered {
    before: Descriptor,
    call: String,
    after: Descriptor,
}

/// What both sides count.
struct Tally {
    /// How many calls are made, most of which pass four descriptors.
    calls: u64,
    /// The number of the next call.
    next: AtomicU64,
    /// How many descriptors came to a responder or to a caller, and were the right ones.
    right: AtomicU64,
    /// How many were not.
    wrong: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

impl Tally {
    fn new(calls: u64) -> Self {
        let [next, right, wrong, dropped, failed] = [(); 5].map(|()| AtomicU64::new(0));
        Self { calls, next, right, wrong, dropped, failed }
    }

    /// Looks at the descriptors `index` and `index + 1` of a call.
    fn check(&self, call: u64, index: u64, before: Descriptor, after: Descriptor) {
        for (descriptor, index) in [(before, index), (after, index + 1)] {
            let is_right = number(descriptor) == 4 * call + index;
            let count = if is_right { &self.right } else { &self.wrong };
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn check_answer(&self, call: u64, passed: Passed) {
        assert_eq!(passed.call, call);
        self.check(call, 2, passed.before, passed.after);
    }
}

fn responders(tally: &Arc<Tally>) -> Responders<Arc<Tally>> {
    Responders::new(Arc::clone(tally))
        .respond(|context, Pass { before, call, after }| {
            let tally = Arc::clone(context.state());
            async move {
                match call % 3 {
                    0 => yield_now().await,
                    // Several are done between two turns of the driver.
                    1 => spawn_blocking(|| ()).await.unwrap(),
                    _ => {}
                }
                tally.check(call, 0, before, after);
                let [before, after] = [2, 3].map(|index| numbered(4 * call + index));
                Ok(Passed { before, call, after })
            }
        })
        .respond(|context, ToMisanswer { before, call, after }| {
            context.state().check(call, 0, before, after);
            let [before, after] = [2, 3].map(|index| numbered(4 * call + index));
            async move { Ok(Misanswered { before, call: "none".into(), after }) }
        })
}

/// Calls until all calls are made.
async fn call_on(peer: Peer, tally: Arc<Tally>, seed: u64) {
    let mut random = Random::new(seed);
    loop {
        let call = tally.next.fetch_add(1, Ordering::Relaxed);
        if call >= tally.calls {
            return;
        }
        let [before, after] = [0, 1].map(|index| numbered(4 * call + index));
        match random.below(20) {
            0 => {
                let malformed = Malformed { before, call: "none".into(), after };
                let error = peer.call_remote(malformed).await.unwrap_err();
                assert!(matches!(error, CallError::Remote(_)), "{error:?}");
                tally.failed.fetch_add(1, Ordering::Relaxed);
            }
            1 => {
                let misanswer = Misanswer { before, call, after };
                let error = peer.call_remote(misanswer).await.unwrap_err();
                assert!(matches!(error, CallError::Decode(_)), "{error:?}");
                tally.failed.fetch_add(1, Ordering::Relaxed);
            }
            2..=4 => {
                let pass = Pass { before, call, after };
                if let Some(passed) = begin(&peer, pass, &mut random).await {
                    tally.check_answer(call, passed);
                } else {
                    tally.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
            _ => {
                let passed = peer.call_remote(Pass { before, call, after }).await.unwrap();
                tally.check_answer(call, passed);
            }
        }
    }
}

/// Begins a call and drops it before it is polled, after the first poll, or later, which may be
/// too late; or lets it time out.
async fn begin(peer: &Peer, pass: Pass, random: &mut Random) -> Option<Passed> {
    let mut call = peer.call_remote(pass);
    let polls = match random.below(4) {
        0 => 0,
        1 => 1,
        2 => 2 + random.below(20),
        _ => match call.timeout(Duration::ZERO).await {
            Err(error) if error.is_timeout() => return None,
            answer => return Some(answer.unwrap()),
        },
    };
    for _ in 0..polls {
        let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut call).poll(cx))).await;
        if let Poll::Ready(answer) = polled {
            return Some(answer.unwrap());
        }
        yield_now().await;
    }
    None
}

/// Calls once in each direction, with descriptors. What nobody could still claim is closed by then.
async fn barrier(peers: &[Peer; 2], tally: &Tally) {
    for (peer, call) in peers.iter().zip(tally.calls..) {
        let [before, after] = [0, 1].map(|index| numbered(4 * call + index));
        let passed = peer.call_remote(Pass { before, call, after }).await.unwrap();
        tally.check_answer(call, passed);
    }
    // A side answers once it is done with what it has sent before.
    for peer in peers {
        peer.call_by_name("Nothing", [("", ""); 0]).await.unwrap_err();
    }
}

/// Waits until so many descriptors are open. The responder of a call that was dropped may still run
/// on another thread, and so may what is left of a connection that has ended.
async fn only_open(expected: usize, when: &str) {
    let settled = async {
        while support::open_descriptors() != expected {
            yield_now().await;
        }
    };
    if timeout(DEADLINE / 2, settled).await.is_err() {
        let open = support::open_descriptors();
        panic!("{when}: {open} descriptors are open, and not {expected}");
    }
}

async fn soak(calls: u64, in_flight: u64) {
    let before = support::open_descriptors();
    let tally = Arc::new(Tally::new(calls));
    let (here, there) = UnixStream::pair().unwrap();
    let peers = [here, there]
        .map(|stream| amp_unix::connection(stream).unwrap().responders(responders(&tally)).spawn());
    let connected = support::open_descriptors();
    assert_eq!(connected, before + 2);

    let mut callers = JoinSet::new();
    for seed in 0..in_flight {
        for (peer, seed) in peers.iter().zip([seed, !seed]) {
            callers.spawn(call_on(peer.clone(), Arc::clone(&tally), seed));
        }
    }
    callers.join_all().await;
    barrier(&peers, &tally).await;
    only_open(connected, "while the connection is open").await;

    for peer in &peers {
        peer.close().await;
    }
    drop(peers);
    only_open(before, "after it is closed").await;

    let Tally { right, wrong, dropped, failed, .. } = &*tally;
    let [right, wrong, dropped, failed] =
        [right, wrong, dropped, failed].map(|count| count.load(Ordering::Relaxed));
    assert_eq!(wrong, 0);
    assert!(right >= 3 * calls, "only {right} descriptors arrived");
    assert!(dropped > calls / 11, "only {dropped} calls were dropped");
    assert!(failed > calls / 11, "only {failed} calls failed to decode");
}

fn on(runtime: &Runtime, calls: u64, in_flight: u64) {
    // Spawned, so that callers and drivers share the workers and nothing is on this thread.
    let soaked = async { tokio::spawn(timeout(DEADLINE, soak(calls, in_flight))).await.unwrap() };
    runtime.block_on(soaked).unwrap();
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn two_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn no_descriptor_is_lost_or_mixed_up_on_one_thread() {
    support::in_own_process("no_descriptor_is_lost_or_mixed_up_on_one_thread", || {
        on(&one_thread(), 34_000, FEW);
    });
}

#[test]
fn no_descriptor_is_lost_or_mixed_up_on_two_threads() {
    support::in_own_process("no_descriptor_is_lost_or_mixed_up_on_two_threads", || {
        on(&two_threads(), 10_000, FEW);
    });
}

/// More than may be on their way to a peer, or wait there unclaimed, and more than may be queued. Each call in
/// flight has up to four descriptors open on either side.
fn many(name: &str, in_flight: u64, runtime: fn() -> Runtime) {
    let files = 16 * in_flight;
    if !support::may_open(files) {
        support::leave_out(format_args!("no process here may have {files} files open"));
        return;
    }
    support::in_own_process(name, || {
        support::limit_open_files(files);
        on(&runtime(), 20 * in_flight, in_flight);
    });
}

#[test]
fn three_hundred_calls_each_way_have_their_descriptors_on_one_thread() {
    let name = "three_hundred_calls_each_way_have_their_descriptors_on_one_thread";
    many(name, 300, one_thread);
}

#[test]
fn three_hundred_calls_each_way_have_their_descriptors_on_two_threads() {
    let name = "three_hundred_calls_each_way_have_their_descriptors_on_two_threads";
    many(name, 300, two_threads);
}

#[test]
fn a_thousand_calls_each_way_have_their_descriptors_on_one_thread() {
    let name = "a_thousand_calls_each_way_have_their_descriptors_on_one_thread";
    many(name, 1000, one_thread);
}

#[test]
fn a_thousand_calls_each_way_have_their_descriptors_on_two_threads() {
    let name = "a_thousand_calls_each_way_have_their_descriptors_on_two_threads";
    many(name, 1000, two_threads);
}
