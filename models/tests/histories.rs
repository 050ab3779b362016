//! Long histories of several callers, a driver and the stream between them: what each caller does, and the
//! order in which they lock the state and look at its atomics, are random, and the same each time.
//!
//! `SHUTTLE_RANDOM_SEED=7 cargo test --features shuttle --test histories` takes those of another seed. One that
//! fails says its schedule, by which `shuttle::replay` takes it again.

mod sides;

use amp_core::{CallError, CloseReason, Limits, Peer};
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};
use sides::{
    Driver, Far, RUNTIME, block_on, call, note, note_with_attachment, poll_once, sides, thread,
};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

const CALLERS: usize = 4;
/// How much each of them does at most.
const STEPS: usize = 8;

/// How the connection comes to its end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// All have done what they do, and the last peer goes.
    LastPeer,
    /// Somebody closes it meanwhile.
    Closed,
    /// Its driver is dropped when it has been polled so often.
    Dropped(usize),
}

/// What the other side has to have received at least, and at most.
#[derive(Default)]
struct Sent {
    answered: AtomicUsize,
    called: AtomicUsize,
    notes: AtomicUsize,
}

/// The first `polls` polls of a future are on this task, and the others on one of their own.
fn moved<T: Send + 'static>(
    polls: usize,
    mut future: Pin<Box<dyn Future<Output = T> + Send>>,
) -> T {
    let mut polled = 0;
    let first = block_on(poll_fn(|cx| {
        polled += 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending if polled >= polls => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }));
    match first {
        Some(answer) => answer,
        None => thread::spawn(|| block_on(future)).join().unwrap(),
    }
}

/// One step of a caller; whether the connection goes on.
fn step(peer: &Peer, n: usize, sent: &Sent) -> Result<(), CallError> {
    let mut rng = thread_rng();
    let owned = peer.clone();
    let called = || _ = sent.called.fetch_add(1, Ordering::Relaxed);
    let answered = |answer: Result<(), CallError>| {
        answer.inspect(|()| _ = sent.answered.fetch_add(1, Ordering::Relaxed))
    };
    match rng.gen_range(0..8) {
        0..3 => {
            called();
            answered(block_on(call(peer, n)))
        }
        3 => {
            called();
            let polls = rng.gen_range(1..3);
            answered(moved(polls, Box::pin(async move { call(&owned, n).await })))
        }
        4 => {
            called();
            let mut dropped = Box::pin(call(peer, n));
            for _ in 0..rng.gen_range(1..4) {
                if let Poll::Ready(answer) = poll_once(dropped.as_mut()) {
                    return answered(answer);
                }
                thread::yield_now();
            }
            Ok(())
        }
        5 => {
            let noted = block_on(note(peer));
            noted.inspect(|()| _ = sent.notes.fetch_add(1, Ordering::Relaxed))
        }
        6 => block_on(note_with_attachment(peer)),
        _ => {
            thread::yield_now();
            Ok(())
        }
    }
}

fn drive(mut driver: Driver, end: End) {
    let End::Dropped(polls) = end else {
        block_on(driver);
        return;
    };
    for _ in 0..polls {
        if poll_once(driver.as_mut()).is_ready() {
            return;
        }
        thread::yield_now();
    }
}

fn history() {
    let mut rng = thread_rng();
    let end = match rng.gen_range(0..6) {
        0 => End::Closed,
        1 => End::Dropped(rng.gen_range(0..20)),
        _ => End::LastPeer,
    };
    let (bytes, boxes) = ([1, 60, 1 << 20][rng.gen_range(0..3)], [1, 3, 1000][rng.gen_range(0..3)]);
    let limits = Limits::default().send_queue(bytes).send_queue_boxes(boxes);
    let (peer, driver, far) = sides(rng.gen_range(0..2) == 0, limits);
    let driver = thread::spawn(move || drive(driver, end));
    let sent = Arc::<Sent>::default();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (peer, sent) = (peer.clone(), Arc::clone(&sent));
            let steps = rng.gen_range(0..=STEPS);
            thread::spawn(move || {
                for at in 0..steps {
                    match step(&peer, caller * STEPS + at, &sent) {
                        Ok(()) => {}
                        Err(CallError::Closed(CloseReason::Local)) if end != End::LastPeer => {
                            return;
                        }
                        Err(error) => panic!("{end:?}: {error}"),
                    }
                }
            })
        })
        .collect();
    if end == End::Closed {
        for _ in 0..rng.gen_range(0..20) {
            thread::yield_now();
        }
        block_on(peer.close());
    }
    for caller in callers {
        caller.join().unwrap();
    }
    drop(peer);
    driver.join().unwrap();
    check(&far, &sent, end);
}

fn check(far: &Far, sent: &Sent, end: End) {
    let [answered, called, notes] =
        [&sent.answered, &sent.called, &sent.notes].map(|count| count.load(Ordering::Relaxed));
    if let End::Dropped(_) = end {
        // It may have been writing a box.
        return;
    }
    let counts = far.counts();
    assert!((answered..=called).contains(&counts.0), "{answered} to {called} calls, {counts:?}");
    if end == End::LastPeer {
        assert_eq!(counts.1, notes, "nothing is left unsent");
    } else {
        assert!(counts.1 <= notes, "{notes} notes, {counts:?}");
    }
}

fn run(scheduler: impl Scheduler + 'static) {
    let mut config = Config::new();
    config.stack_size = 256 << 10;
    // All atomics are taken in one order here. Others are what `interleavings` takes.
    config.silence_warnings = true;
    let _entered = RUNTIME.enter();
    Runner::new(scheduler, config).run(history);
}

/// A lot decides which of those that can go on does.
#[test]
fn nothing_is_lost_whoever_goes_on() {
    run(RandomScheduler::new_from_seed(1, 10_000));
}

/// The task that comes first in some order goes on, and that order changes a few times: so some stand
/// still for long.
#[test]
fn nothing_is_lost_while_some_stand_still() {
    for changes in [2, 5] {
        run(PctScheduler::new_from_seed(1, changes, 5000));
    }
}
