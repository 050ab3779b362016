//! Callers, a driver and the stream between them, in every order in which the state can be locked and its
//! atomics looked at, with as many preemptions as `LOOM_MAX_PREEMPTIONS` says, one by default: two take
//! very long.
//!
//! Each task is a thread of the checker's. A task that nobody wakes makes it fail, since then no thread can go
//! on. Tokio's own parts are taken for one step each, with others in between, and no time passes.

#![cfg(not(feature = "shuttle"))]

mod sides;

use amp_core::modelled::{Lane, closing};
use amp_core::{CallError, CloseReason, Limits};
use loom::model::Builder;
use sides::{RUNTIME, block_on, call, note, note_with_attachment, poll_once, sides, thread};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

/// Tries all orders, and says how many there were.
fn check(name: &str, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(1));
    builder.max_branches = 20_000;
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    // All threads of the checker's are on this one.
    let _entered = RUNTIME.enter();
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!("{name}: {} interleavings", count.load(Ordering::Relaxed));
}

fn one_caller(lends: bool) {
    let (peer, driver, far) = sides(lends, Limits::default());
    let driver = thread::spawn(|| block_on(driver));
    block_on(call(&peer, 1)).unwrap();
    drop(peer);
    let reason = driver.join().unwrap();
    assert!(matches!(reason, CloseReason::Local), "{reason}");
    assert_eq!(far.counts(), (1, 0));
}

#[test]
fn one_caller_is_answered() {
    check("one caller", || one_caller(false));
    check("one caller, who may write", || one_caller(true));
}

fn two_callers(lends: bool, limits: Limits) {
    let (peer, driver, far) = sides(lends, limits);
    let driver = thread::spawn(|| block_on(driver));
    let other = peer.clone();
    let other = thread::spawn(move || block_on(call(&other, 2)));
    block_on(call(&peer, 1)).unwrap();
    other.join().unwrap().unwrap();
    drop(peer);
    driver.join().unwrap();
    assert_eq!(far.counts(), (2, 0));
}

#[test]
fn two_callers_are_answered() {
    check("two callers", || two_callers(false, Limits::default()));
    check("two callers, who may write", || two_callers(true, Limits::default()));
}

/// As much waits to be sent as may, so whoever comes next waits for room.
#[test]
fn callers_that_wait_for_room_are_told_of_it() {
    check("room", || two_callers(false, Limits::default().send_queue(1)));
}

/// Somebody waits for room already, and may have been told of it when another comes.
#[test]
fn whoever_comes_new_while_others_wait_for_room_is_told_of_it_too() {
    check("room, and one that comes new", || {
        let (peer, driver, far) = sides(false, Limits::default().send_queue(1));
        block_on(note(&peer)).unwrap();
        let mut waits = Box::pin({
            let peer = peer.clone();
            async move { note(&peer).await }
        });
        assert!(poll_once(waits.as_mut()).is_pending());
        let driver = thread::spawn(|| block_on(driver));
        let other = peer.clone();
        let other = thread::spawn(move || block_on(note(&other)));
        block_on(waits).unwrap();
        other.join().unwrap().unwrap();
        drop(peer);
        driver.join().unwrap();
        assert_eq!(far.counts(), (0, 3));
    });
}

/// Whoever goes away may have been told of room just then.
#[test]
fn whoever_waits_for_room_and_goes_away_leaves_it_to_the_next() {
    check("room that nobody takes", || {
        let (peer, mut driver, far) = sides(false, Limits::default().send_queue(1));
        block_on(note(&peer)).unwrap();
        let mut dropped = Box::pin({
            let peer = peer.clone();
            async move { note(&peer).await }
        });
        assert!(poll_once(dropped.as_mut()).is_pending());
        let mut behind = Box::pin({
            let peer = peer.clone();
            async move { note(&peer).await }
        });
        assert!(poll_once(behind.as_mut()).is_pending());
        let drops = thread::spawn(move || drop(dropped));
        let waits = thread::spawn(move || block_on(behind));
        while poll_once(driver.as_mut()).is_pending() && far.counts().1 < 1 {}
        let driver = thread::spawn(|| block_on(driver));
        drops.join().unwrap();
        waits.join().unwrap().unwrap();
        drop(peer);
        driver.join().unwrap();
        assert_eq!(far.counts(), (0, 2));
    });
}

fn one_way(lends: bool) {
    let (peer, driver, far) = sides(lends, Limits::default());
    let driver = thread::spawn(|| block_on(driver));
    let other = peer.clone();
    let other = thread::spawn(move || block_on(note(&other)));
    block_on(call(&peer, 1)).unwrap();
    other.join().unwrap().unwrap();
    drop(peer);
    driver.join().unwrap();
    assert_eq!(far.counts(), (1, 1));
}

#[test]
fn what_wants_no_answer_is_sent_beside_a_call() {
    check("one-way", || one_way(false));
    check("one-way, and callers may write", || one_way(true));
}

#[test]
fn the_last_peer_that_goes_leaves_nothing_unsent() {
    check("the last peer", || {
        let (peer, driver, far) = sides(true, Limits::default());
        let driver = thread::spawn(|| block_on(driver));
        block_on(note(&peer)).unwrap();
        drop(peer);
        driver.join().unwrap();
        assert_eq!(far.counts(), (0, 1));
    });
}

fn close_meanwhile(lends: bool) {
    let (peer, driver, far) = sides(lends, Limits::default());
    let driver = thread::spawn(|| block_on(driver));
    let other = peer.clone();
    let other = thread::spawn(move || block_on(other.close()));
    let answer = block_on(call(&peer, 1));
    other.join().unwrap();
    let reason = driver.join().unwrap();
    assert!(matches!(reason, CloseReason::Local), "{reason}");
    match answer {
        Ok(()) => assert_eq!(far.counts().0, 1),
        Err(CallError::Closed(CloseReason::Local)) => {}
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_call_is_told_of_an_end_that_begins_meanwhile() {
    check("the end", || close_meanwhile(false));
    check("the end, and callers may write", || close_meanwhile(true));
}

fn drop_meanwhile(lends: bool, polls: usize) {
    let (peer, mut driver, _far) = sides(lends, Limits::default());
    let driver = thread::spawn(move || {
        for _ in 0..polls {
            let _ = poll_once(driver.as_mut());
        }
        drop(driver);
    });
    match block_on(call(&peer, 1)) {
        Ok(()) | Err(CallError::Closed(CloseReason::Local)) => {}
        Err(error) => panic!("{error}"),
    }
    driver.join().unwrap();
    assert!(peer.is_closed());
}

#[test]
fn a_call_is_told_of_a_driver_that_is_dropped() {
    for polls in 0..3 {
        check("a dropped driver", move || drop_meanwhile(false, polls));
        check("a dropped driver, and callers may write", move || drop_meanwhile(true, polls));
    }
}

/// It ends while somebody looks whether it has, whether calls can be made, or whether there is room for one; and
/// nobody waits for ever.
#[test]
fn whoever_looks_meanwhile_is_told_of_the_end() {
    check("a look for the end", || {
        let (peer, driver, _far) = sides(false, Limits::default());
        let ends = thread::spawn(move || drop(driver));
        assert!(matches!(block_on(peer.closed()), CloseReason::Local));
        ends.join().unwrap();
    });
    check("a look whether calls can be made", || {
        let (peer, driver, _far) = sides(false, Limits::default());
        let ends = thread::spawn(move || drop(driver));
        assert!(matches!(block_on(closing(&peer)), CloseReason::Local));
        ends.join().unwrap();
    });
    check("a look for room, and the end", || {
        let (peer, driver, _far) = sides(false, Limits::default().send_queue(1));
        block_on(note(&peer)).unwrap();
        let ends = thread::spawn(move || drop(driver));
        let called = block_on(call(&peer, 1));
        assert!(matches!(called, Err(CallError::Closed(CloseReason::Local))), "{called:?}");
        ends.join().unwrap();
    });
}

/// The stream is handed over while the caller looks whether it was.
#[test]
fn whoever_has_asked_for_a_switch_is_given_the_stream() {
    check("a switch", || {
        let (peer, driver, _far) = sides(false, Limits::default());
        let driver = thread::spawn(|| block_on(driver));
        let no_arguments: [(&str, &str); 0] = [];
        drop(block_on(peer.switch_protocol_by_name("A", no_arguments)).unwrap());
        assert!(matches!(driver.join().unwrap(), CloseReason::Switched));
    });
}

fn other_task(lends: bool) {
    let (peer, driver, far) = sides(lends, Limits::default());
    let driver = thread::spawn(|| block_on(driver));
    let mut call = Box::pin({
        let peer = peer.clone();
        async move { call(&peer, 1).await }
    });
    let answer = match poll_once(call.as_mut()) {
        Poll::Ready(answer) => answer,
        Poll::Pending => thread::spawn(|| block_on(call)).join().unwrap(),
    };
    answer.unwrap();
    drop(peer);
    driver.join().unwrap();
    assert_eq!(far.counts(), (1, 0));
}

#[test]
fn a_call_that_changes_its_task_is_woken_there() {
    check("another task", || other_task(false));
    check("another task, and callers may write", || other_task(true));
}

/// A call that is dropped is nobody's, and another in its place gets its own answer.
#[test]
fn a_call_that_is_dropped_leaves_the_next_its_own_answer() {
    check("a dropped call", || {
        let (peer, driver, far) = sides(true, Limits::default());
        let driver = thread::spawn(|| block_on(driver));
        {
            let mut dropped = pin!(call(&peer, 2));
            let _ = poll_once(dropped.as_mut());
        }
        block_on(call(&peer, 1)).unwrap();
        drop(peer);
        driver.join().unwrap();
        assert!((1..=2).contains(&far.counts().0));
    });
}

/// The transport refuses every attachment. While another box with one is being encoded, the driver waits for
/// its ordinals.
#[test]
fn boxes_that_are_refused_and_encoded_at_once_hold_up_nobody() {
    check("refused", || {
        let (peer, driver, far) = sides(false, Limits::default());
        let driver = thread::spawn(|| block_on(driver));
        let other = peer.clone();
        let other = thread::spawn(move || block_on(note_with_attachment(&other)));
        block_on(note_with_attachment(&peer)).unwrap();
        other.join().unwrap().unwrap();
        block_on(call(&peer, 1)).unwrap();
        drop(peer);
        driver.join().unwrap();
        assert_eq!(far.counts(), (1, 0));
    });
}

#[test]
fn a_lane_has_one_turn_at_a_time_and_loses_none() {
    check("a lane", || {
        let (peer, driver, _far) = sides(false, Limits::default());
        let (lane, within) = (Lane::new(), Arc::new(AtomicUsize::new(0)));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let (peer, within) = (peer.clone(), Arc::clone(&within));
                thread::spawn(move || {
                    let mut turn = pin!(lane.enter(&peer));
                    assert!(block_on(turn.as_mut()), "the connection goes on");
                    assert_eq!(within.fetch_add(1, Ordering::Relaxed), 0, "one at a time");
                    thread::yield_now();
                    within.fetch_sub(1, Ordering::Relaxed);
                })
            })
            .collect();
        for other in others {
            other.join().unwrap();
        }
        drop((driver, peer));
    });
}

/// A call that waits in a lane is told of the end, and one that does not want its turn any more leaves it to the next.
#[test]
fn a_lane_ends_with_its_connection() {
    check("the end of a lane", || {
        let (peer, driver, _far) = sides(false, Limits::default());
        let lane = Lane::new();
        let first = lane.enter(&peer);
        let (second, third) = (lane.enter(&peer), lane.enter(&peer));
        let waits = thread::spawn(move || block_on(third));
        let ends = thread::spawn(move || drop(driver));
        drop(second);
        drop(first);
        let came = waits.join().unwrap();
        ends.join().unwrap();
        // Either was first.
        let _: bool = came;
        drop(peer);
    });
}
