//! How connections end: for which reason, and that every call hears of it once.

mod support;

use amp_core::testing::pair;
use amp_core::{AmpBox, CallError, CloseReason, Connection, Limits, Peer, Responders};
use amp_core::{ReceivedCall, RemoteError};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use support::{Script, echoing, gated, numbered, settled, turns_taken};
use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;

#[tokio::test]
async fn thousands_of_outstanding_calls_fail_once_each_when_the_peer_goes() {
    let (peer, mut script) = Script::start(|connection| connection);
    let calls: Vec<_> = (0..5000)
        .map(|n| {
            let peer = peer.clone();
            tokio::spawn(async move { peer.call_by_name("A", numbered(n)).await })
        })
        .collect();
    for _ in 0..5000 {
        script.expect_call("A").await;
    }
    drop(script);
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error, CallError::Closed(CloseReason::Peer)), "{error}");
    }
    assert_eq!(peer.closed().await.to_string(), "closed by the peer");
    let error = peer.call_by_name("A", numbered(1)).await.unwrap_err();
    assert!(error.is_closed());
    assert!(peer.notify_by_name("A", numbered(1)).await.unwrap_err().is_closed());
}

#[tokio::test]
async fn an_end_within_a_box_says_so() {
    let (peer, mut script) = Script::start(|connection| connection);
    script.send(b"\0\x01a\0").await;
    drop(script);
    assert_eq!(peer.closed().await.to_string(), "closed by the peer, 4 bytes into a box");
}

#[tokio::test]
async fn answers_that_came_before_the_end_are_delivered() {
    let (peer, mut script) = Script::start(|connection| connection);
    let call = tokio::spawn(async move { peer.call_by_name("A", numbered(1)).await });
    let tag = script.expect_call("A").await;
    script.send_box([("_answer", &*tag), ("x", "y")]).await;
    drop(script);
    assert_eq!(call.await.unwrap().unwrap().get("x"), Some(&b"y"[..]));
}

#[tokio::test]
async fn dropping_the_last_peer_sends_what_is_queued_and_closes() {
    let (peer, mut script) = Script::start(|connection| connection);
    let other = peer.clone();
    drop(peer);
    other.notify_by_name("Last", numbered(1)).await.unwrap();
    drop(other);
    script.expect([("_command", "Last"), ("n", "1")]).await;
    assert_eq!(script.receive().await, None);
}

#[tokio::test]
async fn closing_fails_the_calls_of_this_side_and_ends_both() {
    let gate = Arc::new(Semaphore::new(0));
    let slow = Responders::new(()).respond_by_name("Slow", gated(gate));
    let (near, far) = pair(echoing(), slow);
    let call = tokio::spawn({
        let near = near.clone();
        async move { near.call_by_name("Slow", numbered(1)).await.unwrap_err() }
    });
    // The peer has it once it has answered something that was sent later.
    while near.counters().calls_sent == 0 {
        tokio::task::yield_now().await;
    }
    near.close().await;
    let error = call.await.unwrap();
    assert!(matches!(error, CallError::Closed(CloseReason::Local)), "{error}");
    assert!(matches!(far.closed().await, CloseReason::Peer));
    assert!(near.is_closed() && far.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_close_holds_the_end_up_for_the_close_timeout_only() {
    let limits = Limits::default().close_timeout(Duration::from_secs(3));
    let (peer, script) = Script::with_room(10, |connection| connection.limits(limits));
    // More than fits: it can never be flushed.
    peer.notify_by_name("Note", [("text", "x".repeat(1000))]).await.unwrap();
    let before = tokio::time::Instant::now();
    peer.close().await;
    assert_eq!(before.elapsed(), Duration::from_secs(3), "of virtual time");
    drop(script);
}

#[test]
fn a_driver_that_is_dropped_fails_the_calls() {
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let (of_the_driver, of_the_call) = (runtime().unwrap(), runtime().unwrap());
    let (stream, _other) = tokio::io::duplex(100);
    let peer = of_the_driver.block_on(async { Connection::new(stream).spawn() });
    let calls = [1, 2].map(|n| {
        let peer = peer.clone();
        of_the_call.spawn(async move { peer.call_by_name("A", numbered(n)).await.unwrap_err() })
    });
    while peer.counters().calls_sent < 2 {
        std::thread::yield_now();
    }
    drop(of_the_driver);
    let reason = of_the_call.block_on(peer.closed()).to_string();
    let late = peer.call_by_name("A", numbered(3));
    let errors = calls.map(|call| of_the_call.block_on(call).unwrap());
    let late = of_the_call.block_on(late).unwrap_err();
    for error in errors.into_iter().chain([late]) {
        assert!(matches!(&error, CallError::Closed(why) if why.to_string() == reason), "{error}");
    }
}

#[tokio::test]
async fn a_running_responder_that_outlives_its_connection_does_no_harm() {
    let gate = Arc::new(Semaphore::new(0));
    let slow = Responders::new(()).respond_by_name("Slow", gated(Arc::clone(&gate)));
    let (peer, mut script) = Script::start(|connection| connection.responders(slow));
    script.send_box([("_ask", "1"), ("_command", "Slow")]).await;
    script.send_box([("_ask", "2"), ("_command", "Sync")]).await;
    script.receive().await;
    drop(script);
    peer.closed().await;
    // It still runs to its end: the gate has no permit left afterwards.
    gate.add_permits(1);
    while gate.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
}

/// Echoes through the peer once the gate gives a permit.
fn calling_back(gate: &Arc<Semaphore>) -> Responders {
    let gate = Arc::clone(gate);
    Responders::new(()).respond_by_name("Back", move |call: ReceivedCall| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            let answer = call.peer.call_by_name("Asked", numbered(1)).await;
            answer.map_err(|error| RemoteError::new("FAILED", error.to_string()))
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_graceful_end_lets_responders_answer_and_refuses_further_calls() {
    let gate = Arc::new(Semaphore::new(0));
    let responders = calling_back(&gate).merge(echoing()).unwrap();
    let (peer, mut script) = Script::start(|connection| connection.responders(responders));
    script.send_box([("_ask", "1"), ("_command", "Back")]).await;
    settled().await;
    let closing = tokio::spawn(async move { peer.close_gracefully(Duration::from_secs(9)).await });
    settled().await;
    script.send_box([("_ask", "2"), ("_command", "Echo")]).await;
    let refused = script.receive().await.unwrap();
    assert_eq!(refused.get("_error"), Some(&b"2"[..]));
    assert_eq!(refused.get("_error_code"), Some(&b"CLOSING"[..]));
    script.send_box([("_command", "Echo")]).await;
    gate.add_permits(1);
    // A responder may need the peer to answer.
    let tag = script.expect_call("Asked").await;
    script.send_box([("_answer", &*tag), ("x", "y")]).await;
    script.expect([("_answer", "1"), ("x", "y")]).await;
    assert_eq!(script.receive().await, None);
    let before = tokio::time::Instant::now();
    drop(script);
    assert_eq!(closing.await.unwrap().cut_off, 0);
    assert_eq!(before.elapsed(), Duration::ZERO, "of virtual time");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_came_too_late_says_that_it_was_not_acted_upon() {
    let gate = Arc::new(Semaphore::new(0));
    let slow = Responders::new(()).respond_by_name("Slow", gated(Arc::clone(&gate)));
    let (near, far) = pair(Responders::new(()), slow);
    let mut call = std::pin::pin!(near.call_by_name("Slow", numbered(1)));
    tokio::select! {
        biased;
        _ = &mut call => unreachable!("nothing has opened the gate"),
        () = settled() => {}
    }
    let closing = tokio::spawn(async move { far.close_gracefully(Duration::MAX).await });
    settled().await;
    let error = near.call_by_name("Slow", numbered(2)).await.unwrap_err();
    assert!(error.is_safe_to_retry(), "{error}");
    gate.add_permits(1);
    assert_eq!(call.await.unwrap().get("n"), Some(&b"1"[..]));
    closing.await.unwrap();
    let error = near.closed().await;
    assert!(matches!(error, CloseReason::Peer), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_graceful_end_waits_so_long_and_no_longer() {
    let gate = Arc::new(Semaphore::new(0));
    let within = Duration::from_secs(7);
    for cut_short in [false, true] {
        let (peer, mut script) =
            Script::start(|connection| connection.responders(calling_back(&gate)));
        script.send_box([("_ask", "1"), ("_command", "Back")]).await;
        turns_taken().await;
        let before = tokio::time::Instant::now();
        let closing = tokio::spawn({
            let peer = peer.clone();
            async move { peer.close_gracefully(within).await }
        });
        turns_taken().await;
        if cut_short {
            tokio::spawn(async move { peer.close().await });
        }
        assert_eq!(script.receive().await, None);
        let expected = if cut_short { Duration::ZERO } else { within };
        assert_eq!(before.elapsed(), expected, "of virtual time");
        drop(script);
        assert_eq!(closing.await.unwrap().cut_off, 1);
    }
}

/// A set whose commands close their connection gracefully in ways of their own, and then answer.
fn ending_gracefully() -> Responders {
    async fn end<F: Future<Output = ()>>(
        call: ReceivedCall,
        end: impl FnOnce(Peer) -> F,
    ) -> Result<AmpBox, RemoteError> {
        end(call.peer).await;
        Ok(call.arguments)
    }
    async fn gracefully(peer: Peer) {
        peer.close_gracefully(WITHIN).await;
    }
    async fn later(peer: Peer) {
        tokio::task::yield_now().await;
        gracefully(peer).await;
    }
    let all = Responders::new(())
        .respond_by_name("AtOnce", |call| end(call, gracefully))
        .respond_by_name("Later", |call| end(call, later))
        .respond_by_name("BesideOthers", |call| {
            end(call, |peer| async {
                tokio::join!(later(peer.clone()), gracefully(peer), std::future::ready(()));
            })
        })
        .respond_by_name("OnATask", |call| {
            end(call, |peer| async { tokio::spawn(gracefully(peer)).await.unwrap() })
        });
    let own = Responders::new(())
        .respond_by_name("OnItsOwnTask", |call| end(call, gracefully))
        .on_own_tasks();
    let lane = Responders::new(())
        .respond_by_name("InALane", |call| end(call, gracefully))
        .one_at_a_time();
    let all = all.merge(own).unwrap().merge(lane).unwrap();
    #[cfg(feature = "tower")]
    let all = {
        let layered = Responders::new(())
            .respond_by_name("InMiddleware", |call| end(call, later))
            .layer(tower::buffer::BufferLayer::new(10));
        all.merge(layered).unwrap()
    };
    all
}

/// How long a graceful end may take here, at most.
const WITHIN: Duration = Duration::from_secs(100);

#[tokio::test(start_paused = true)]
async fn a_responder_that_ends_its_connection_gracefully_answers_first() {
    let mut commands =
        vec!["AtOnce", "Later", "BesideOthers", "OnItsOwnTask", "InALane", "OnATask"];
    if cfg!(feature = "tower") {
        commands.push("InMiddleware");
    }
    for command in commands {
        let (near, _far) = pair(Responders::new(()), ending_gracefully());
        let before = tokio::time::Instant::now();
        // Two of them wait for neither themselves nor each other.
        let call = || near.call_by_name(command, numbered(1));
        let (first, second) = tokio::join!(call(), call());
        assert!(matches!(near.closed().await, CloseReason::Peer));
        if command == "OnATask" {
            // Whose task that is, nothing can tell.
            assert_eq!(before.elapsed(), WITHIN);
            continue;
        }
        assert_eq!(before.elapsed(), Duration::ZERO, "{command}: of virtual time");
        assert_eq!(first.unwrap(), AmpBox::from_pairs(numbered(1)).unwrap());
        match second {
            Ok(_) => {}
            Err(CallError::Remote(error)) => assert!(error.is_closing(), "{command}: {error}"),
            Err(error) => panic!("{command}: {error}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_responder_waits_for_the_graceful_end_of_another_connection() {
    let gate = Arc::new(Semaphore::new(0));
    let slow = Responders::new(()).respond_by_name("Slow", gated(Arc::clone(&gate)));
    let (asking, other) = pair(Responders::new(()), slow);
    let call = tokio::spawn(async move { asking.call_by_name("Slow", numbered(1)).await });
    let responders = Responders::new(()).respond_by_name("End", move |call: ReceivedCall| {
        let other = other.clone();
        async move {
            other.close_gracefully(WITHIN).await;
            Ok::<_, RemoteError>(call.arguments)
        }
    });
    let (near, _far) = pair(Responders::new(()), responders);
    let ended = tokio::spawn(async move { near.call_by_name("End", numbered(2)).await });
    settled().await;
    assert!(!ended.is_finished());
    gate.add_permits(1);
    call.await.unwrap().unwrap();
    ended.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_over_two_pipes_ends_both() {
    let (reader, other_writer) = tokio::io::duplex(1000);
    let (mut other_reader, writer) = tokio::io::duplex(1000);
    let peer = Connection::from_halves(reader, Unending(writer)).spawn();
    let closing = tokio::spawn(async move { peer.close().await });
    // What is written ends although the pipe's own shutdown does nothing, as that of a child's
    // standard input does.
    let mut rest = Vec::new();
    other_reader.read_to_end(&mut rest).await.unwrap();
    drop(other_writer);
    let before = tokio::time::Instant::now();
    closing.await.unwrap();
    assert_eq!(before.elapsed(), Duration::ZERO, "of virtual time");
}

/// Ends only when it is dropped.
struct Unending<W>(W);

impl<W: tokio::io::AsyncWrite + Unpin> tokio::io::AsyncWrite for Unending<W> {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}
