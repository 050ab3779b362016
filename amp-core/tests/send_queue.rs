//! What happens at the limits of what this side sends: outstanding calls, and what waits in the queue.

mod support;

use amp_core::{AmpBox, CallError, Connection, Limits, Peer, Responders};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;
use support::{Script, echoing, gated, numbered, settled};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

fn limited(limits: Limits) -> impl Fn(Connection) -> Connection {
    move |connection| connection.limits(limits)
}

#[tokio::test]
async fn too_many_outstanding_calls_fail_on_their_own() {
    let limits = Limits::default().outstanding_calls(2);
    let (peer, mut script) = Script::start(limited(limits));
    let call = |peer: &Peer| {
        let peer = peer.clone();
        tokio::spawn(async move { peer.call_by_name("A", numbered(1)).await })
    };
    let first = call(&peer);
    let tag = script.expect_call("A").await;
    let _second = call(&peer);
    script.expect_call("A").await;
    let error = peer.call_by_name("A", numbered(1)).await.unwrap_err();
    assert!(matches!(error, CallError::TooManyCalls(_)));
    assert_eq!(error.to_string(), "2 calls are outstanding already, which is the limit");
    script.send_box([("_answer", &*tag)]).await;
    first.await.unwrap().unwrap();
    let _third = call(&peer);
    script.expect_call("A").await;
}

#[tokio::test(start_paused = true)]
async fn a_full_send_queue_stops_the_callers() {
    let limits = Limits::default().send_queue(1000);
    let (peer, mut script) = Script::with_room(10, limited(limits));
    let note = || {
        let peer = peer.clone();
        async move { peer.notify_by_name("Note", [("text", "x".repeat(500))]).await.unwrap() }
    };
    let mut queued = 0;
    // The peer reads nothing: sooner or later there is no more room.
    loop {
        tokio::select! {
            biased;
            () = note() => queued += 1,
            () = settled() => break,
        }
    }
    assert!((2..10).contains(&queued), "{queued} boxes of 500 bytes were queued");
    let waiting = tokio::spawn(note());
    for _ in 0..=queued {
        assert!(script.receive().await.is_some());
    }
    waiting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_send_queue_of_many_small_boxes_stops_the_callers() {
    let limits = Limits::default().send_queue_boxes(3);
    let (peer, mut script) = Script::with_room(10, limited(limits));
    let note = || peer.notify_by_name("Note", numbered(1));
    // The first is being written: it waits for the peer, and no longer in the queue.
    note().await.unwrap();
    settled().await;
    for _ in 0..3 {
        note().await.unwrap();
    }
    tokio::select! {
        biased;
        _ = note() => panic!("there is no room"),
        () = settled() => {}
    }
    assert!(script.receive().await.is_some());
    note().await.unwrap();
    for _ in 0..4 {
        assert!(script.receive().await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_does_not_wait_for_room_behind_calls() {
    let limits = Limits::default().send_queue(100).send_queue_boxes(1);
    let gate = Arc::new(Semaphore::new(0));
    let slow = Responders::new(()).respond_by_name("Slow", gated(Arc::clone(&gate)));
    let prepare = |connection: Connection| connection.limits(limits).responders(slow);
    let (peer, mut script) = Script::with_room(20, prepare);
    script.send_box([("_ask", "1"), ("_command", "Slow")]).await;
    settled().await;
    let notes = tokio::spawn({
        let peer = peer.clone();
        async move {
            for n in 0..100 {
                peer.notify_by_name("Note", numbered(n)).await.unwrap();
            }
        }
    });
    settled().await;
    // The queue is full, and most of the notes wait for room. The answer goes before them.
    gate.add_permits(1);
    settled().await;
    let mut before = 0;
    while script.receive().await.unwrap().get("_answer").is_none() {
        before += 1;
    }
    assert!(before < 5, "{before} notes came before the answer");
    drop(script);
    notes.abort();
}

#[tokio::test]
async fn a_peer_that_never_reads_its_answers_is_cut_off() {
    let limits = Limits::default().send_queue(50_000).send_queue_max(50_000);
    let prepare = |connection: Connection| connection.limits(limits).responders(echoing());
    let (peer, mut script) = Script::with_room(100, prepare);
    let text = "x".repeat(10_000);
    let call = [("_ask", "1"), ("_command", "Echo"), ("text", &*text)];
    let call = AmpBox::from_pairs(call).unwrap().to_bytes();
    // In this order: once the connection has ended, sending fails.
    let reason = tokio::select! {
        biased;
        reason = peer.closed() => reason,
        () = async { loop { script.send(&call).await } } => unreachable!(),
    };
    let message = "the connection went over the limit of 50000 bytes waiting to be sent";
    assert_eq!(reason.to_string(), message);
}

#[test]
#[should_panic(expected = "a send_queue of 11 is over the send_queue_max of 10")]
fn a_queue_that_is_larger_than_the_connection_bears_is_refused() {
    let mut limits = Limits::default();
    (limits.send_queue, limits.send_queue_max) = (11, 10);
    let _ = Connection::new(tokio::io::empty()).limits(limits);
}

/// A call that waits looks again when it is its turn, and not whenever it is another's.
#[tokio::test(start_paused = true)]
async fn thousands_that_wait_for_room_are_told_one_after_the_other() {
    const CALLERS: usize = 2000;
    let limits = Limits::default().send_queue_boxes(4);
    let (peer, mut script) = Script::start(limited(limits));
    let polls = Arc::new(AtomicUsize::new(0));
    let calls: Vec<_> = (0..CALLERS)
        .map(|n| {
            let (peer, polls) = (peer.clone(), Arc::clone(&polls));
            tokio::spawn(async move {
                let mut call = std::pin::pin!(peer.call_by_name("A", numbered(n)));
                std::future::poll_fn(|cx| {
                    polls.fetch_add(1, Ordering::Relaxed);
                    call.as_mut().poll(cx)
                })
                .await
            })
        })
        .collect();
    // Some that give up in between do not hold up the others.
    settled().await;
    calls.iter().step_by(3).for_each(JoinHandle::abort);
    let mut answered = 0;
    while !calls.iter().all(JoinHandle::is_finished) {
        let call = script.receive().await.expect("a call");
        let Some(tag) = call.get("_ask") else { panic!("{call:?}") };
        let tag = String::from_utf8(tag.to_vec()).unwrap();
        script.send_box([("_answer", tag.as_str())]).await;
        answered += 1;
        if answered % 2 == 0 {
            settled().await;
        }
    }
    let polls = polls.load(Ordering::Relaxed);
    assert!(polls <= 5 * CALLERS, "{polls} polls for {CALLERS} calls");
}

/// It was told of the room, and does not look.
#[tokio::test(start_paused = true)]
async fn who_is_kept_and_not_polled_does_not_hold_up_those_behind_it() {
    let limits = Limits::default().send_queue(1);
    let (peer, mut script) = Script::with_room(100, limited(limits));
    let large = "x".repeat(5000);
    let mut kept = Vec::new();
    // The second one fills the queue behind what is being written.
    for (command, value) in [("First", &*large), ("Second", &*large), ("Kept", "b")] {
        let mut call = Box::pin(peer.call_by_name(command, [("a", value)]));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(call.as_mut().poll(&mut cx).is_pending());
        kept.push(call);
        settled().await;
    }
    let behind = tokio::spawn({
        let peer = peer.clone();
        async move { peer.call_by_name("Behind", [("a", "b")]).await }
    });
    for command in ["First", "Second", "Behind"] {
        let call = tokio::time::timeout(Duration::from_secs(60), script.receive()).await;
        let call = call.expect("no wait for who does not look").expect("a call");
        assert_eq!(call.get("_command"), Some(command.as_bytes()));
    }
    behind.abort();
}

/// Its future is kept although it is over. Nobody waits until all are told, which takes a while.
#[tokio::test(start_paused = true)]
async fn a_call_whose_time_is_over_keeps_no_room_from_those_behind_it() {
    let limits = Limits::default().send_queue(1);
    let (peer, mut script) = Script::with_room(100, limited(limits));
    let large = "x".repeat(5000);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let mut kept = Vec::new();
    for (command, value) in [("First", &*large), ("Second", &*large), ("Late", "b")] {
        let second = Duration::from_secs(1);
        let mut call = Box::pin(peer.call_by_name(command, [("a", value)]).timeout(second));
        assert!(call.as_mut().poll(&mut cx).is_pending());
        kept.push(call);
        settled().await;
    }
    let behind = tokio::spawn(peer.call_by_name("Behind", [("a", "b")]));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let late = kept.last_mut().expect("it waits for room").as_mut().poll(&mut cx);
    assert!(matches!(late, Poll::Ready(Err(CallError::Timeout { .. }))), "{late:?}");
    let begun = tokio::time::Instant::now();
    for command in ["First", "Second", "Behind"] {
        let call = script.receive().await.expect("a call");
        assert_eq!(call.get("_command"), Some(command.as_bytes()));
    }
    assert_eq!(begun.elapsed(), Duration::ZERO, "another is told in its place");
    behind.abort();
}

/// There will be no room any more, so nobody waits for it.
#[tokio::test(start_paused = true)]
async fn all_who_wait_for_room_are_told_of_the_end() {
    let limits = Limits::default().send_queue(1000);
    let (peer, _script) = Script::with_room(10, limited(limits));
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let peer = peer.clone();
            let text = "x".repeat(500);
            tokio::spawn(async move { peer.notify_by_name("Note", [("text", text)]).await })
        })
        .collect();
    settled().await;
    let waiting = calls.iter().filter(|call| !call.is_finished()).count();
    assert!(waiting > 2, "{waiting} wait");
    let begun = tokio::time::Instant::now();
    let closing = tokio::spawn(async move { peer.close().await });
    for call in calls.into_iter().rev().take(waiting) {
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error, CallError::Closed(_)), "{error}");
    }
    assert_eq!(begun.elapsed(), Duration::ZERO, "they wait for nothing else");
    closing.await.unwrap();
}
