//! Whether the peer is alive: idle limits, pings, heartbeats. All times are virtual.

mod support;

use amp_core::streams::StreamOf;
use amp_core::testing::pair;
use amp_core::{AmpBox, CallError, CloseReason, Command, Connection, Limits, Peer, Ping};
use amp_core::{NoError, Responders, Switched};
use std::sync::Arc;
use std::time::Duration;
use support::{Script, echoing, gated, numbered, settled, turns_taken};
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Command)]
#[amp(one_way)]
struct NoOp {}

#[derive(Command)]
struct WithStream {
    stream: StreamOf<u64>,
}

#[derive(Command)]
#[amp(switch)]
struct SwitchToNothing {}

fn idle(connection: Connection) -> Connection {
    connection.idle_timeout(10 * SECOND)
}

fn pinging(connection: Connection) -> Connection {
    connection.ping(Ping, 30 * SECOND, 10 * SECOND)
}

fn slow(gate: &Arc<Semaphore>) -> Responders {
    Responders::new(()).respond_by_name("Slow", gated(Arc::clone(gate)))
}

/// Whether the connection is there for so long, and no longer.
async fn lasts(peer: &Peer, seconds: u32) -> CloseReason {
    let almost = seconds * SECOND * 9 / 10;
    assert!(timeout(almost, until_closing(peer)).await.is_err(), "the end comes too early");
    let rest = timeout(seconds * SECOND / 5, until_closing(peer)).await;
    rest.expect("the end comes too late")
}

/// Why the peer cannot be called any more.
async fn until_closing(peer: &Peer) -> CloseReason {
    match peer.call_by_name("Never", numbered(1)).await {
        Err(CallError::Closed(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_given_up_and_every_call_fails_for_that_reason() {
    let (peer, mut script) = Script::start(idle);
    for byte in b"\0\x01a" {
        sleep(9 * SECOND).await;
        // A part of a box will do.
        script.send(&[*byte]).await;
    }
    let calls: Vec<_> = (0..3)
        .map(|n| {
            let peer = peer.clone();
            tokio::spawn(async move { peer.call_by_name("A", numbered(n)).await.unwrap_err() })
        })
        .collect();
    let reason = lasts(&peer, 10).await;
    assert!(matches!(reason, CloseReason::Idle { after } if after == 10 * SECOND), "{reason}");
    for call in calls {
        let message = "the connection is closed: nothing was received for 10s";
        assert_eq!(amp_core::Report::new(&call.await.unwrap()).to_string(), message);
    }
    drop(script);
    assert_eq!(peer.closed().await.to_string(), "nothing was received for 10s");
}

#[tokio::test(start_paused = true)]
async fn time_passes_while_as_many_responders_run_as_may() {
    let gate = Arc::new(Semaphore::new(0));
    let limits = Limits::default().running_responders(1);
    let (peer, mut script) =
        Script::start(|connection| idle(connection).limits(limits).responders(slow(&gate)));
    for ask in ["1", "2", "3"] {
        script.send_box([("_ask", ask), ("_command", "Slow")]).await;
        settled().await;
    }
    sleep(9 * SECOND).await;
    assert_eq!((peer.counters().calls_received, peer.running_responders()), (3, 1));
    gate.add_permits(1);
    script.expect([("_answer", "1")]).await;
    assert_eq!(peer.running_responders(), 1);
    // That was no sign of life of the peer's.
    sleep(2 * SECOND).await;
    assert!(matches!(until_closing(&peer).await, CloseReason::Idle { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_there_is_not_given_up_for_what_was_not_read() {
    let gate = Arc::new(Semaphore::new(0));
    let limits = Limits::default().running_responders(1);
    // More than is read ahead of itself.
    let text = "x".repeat(60_000);
    for (prepare, pings) in [(idle as fn(Connection) -> Connection, false), (pinging, true)] {
        let responders = slow(&gate);
        let (peer, mut script) = Script::with_room(16 << 20, |connection| {
            prepare(connection).limits(limits).responders(responders)
        });
        for _ in 0..150 {
            script.send_box([("_command", "Slow"), ("text", &*text)]).await;
        }
        if pings {
            let tag = script.expect_call("Ping").await;
            script.send_box([("_answer", &*tag)]).await;
            // The answer is found in time, far behind, and the next ping goes out.
            script.expect_call("Ping").await;
        } else {
            // What is read is later than its last byte was sent.
            sleep(20 * SECOND).await;
        }
        assert!(!peer.is_closed());
        assert!(peer.running_responders() < 10, "those of the first read");
        until_closing(&peer).await;
        assert_eq!(peer.counters().calls_received, 150);
    }
}

/// However much there is to be read, only a few looks are taken at it: whether it was sent just now,
/// nobody can tell.
#[tokio::test(start_paused = true)]
async fn a_peer_that_has_sent_without_end_is_given_up_in_a_few_times_the_timeout() {
    for prepare in [
        (|connection| connection.idle_timeout(2 * SECOND)) as fn(Connection) -> Connection,
        |connection| connection.ping(Ping, SECOND, SECOND),
    ] {
        let gate = Arc::new(Semaphore::new(0));
        let close_timeout = Duration::from_millis(1);
        let limits = Limits::default().running_responders(1).close_timeout(close_timeout);
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let connection = prepare(Connection::new(near)).limits(limits);
        let peer = connection.responders(slow(&gate)).spawn();
        let text = "x".repeat(60_000);
        let call = AmpBox::from_pairs([("_command", "Slow"), ("text", &*text)]).unwrap();
        let bytes = call.to_bytes().repeat(1000);
        let before = Instant::now();
        let sending = tokio::spawn(async move { far.write_all(&bytes).await });
        let reason = peer.closed().await;
        assert!(
            matches!(reason, CloseReason::Idle { .. } | CloseReason::PingTimeout { .. }),
            "{reason}"
        );
        let taken = before.elapsed();
        assert!(taken < 9 * SECOND, "{taken:?}");
        sending.await.unwrap().expect_err("it never gets to the end");
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_goes_while_as_many_responders_run_as_may_is_noticed_within_a_second() {
    let gate = Arc::new(Semaphore::new(0));
    let limits = Limits::default().running_responders(1);
    let (peer, mut script) =
        Script::start(|connection| connection.limits(limits).responders(slow(&gate)));
    for ask in ["1", "2", "3"] {
        script.send_box([("_ask", ask), ("_command", "Slow")]).await;
        settled().await;
    }
    sleep(10 * SECOND).await;
    let before = Instant::now();
    drop(script);
    assert!(matches!(peer.closed().await, CloseReason::Peer));
    assert!(before.elapsed() < SECOND);
    assert_eq!(peer.running_responders(), 1, "nobody hears the answers to the others");
}

#[tokio::test(start_paused = true)]
async fn pings_go_out_and_any_answer_will_do() {
    let (peer, mut script) = Script::start(pinging);
    for round in 0..3 {
        let before = Instant::now();
        let tag = script.expect_call("Ping").await;
        assert_eq!(before.elapsed(), 30 * SECOND);
        sleep(9 * SECOND).await;
        match round {
            0 => script.send_box([("_answer", &*tag)]).await,
            _ => script.send_box([("_error", &*tag), ("_error_code", "UNHANDLED")]).await,
        }
        turns_taken().await;
    }
    script.expect_call("Ping").await;
    let before = Instant::now();
    assert_eq!(script.receive().await, None);
    assert_eq!(before.elapsed(), 10 * SECOND);
    drop(script);
    let reason = peer.closed().await;
    assert!(matches!(reason, CloseReason::PingTimeout { .. }));
    assert_eq!(reason.to_string(), "a ping was not answered within 10s");
}

#[tokio::test(start_paused = true)]
async fn two_sides_that_ping_each_other_go_on() {
    let (near, far) = tokio::io::duplex(1000);
    let start = |stream| {
        let responders = Responders::new(()).respond_ping();
        idle(Connection::new(stream)).ping(Ping, 5 * SECOND, SECOND).responders(responders).spawn()
    };
    let (near, far) = (start(near), start(far));
    sleep(1000 * SECOND).await;
    assert!(!near.is_closed() && !far.is_closed());
    assert!(near.counters().calls_received > 100);
    // A ping does not keep a connection open that nobody wants.
    drop(near);
    assert!(matches!(far.closed().await, CloseReason::Peer));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_sends_something_else_is_alive() {
    let (peer, mut script) = Script::start(pinging);
    let tag = script.expect_call("Ping").await;
    for _ in 0..10 {
        sleep(9 * SECOND).await;
        script.send_box([("_command", "Busy")]).await;
    }
    sleep(9 * SECOND).await;
    assert!(!peer.is_closed());
    script.send_box([("_answer", &*tag)]).await;
    // Answered: the next one is due.
    let before = Instant::now();
    script.expect_call("Ping").await;
    assert_eq!(before.elapsed(), 30 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_ping_has_its_time_from_when_it_is_on_its_way() {
    for slowly in [true, false] {
        let (peer, mut script) = Script::with_room(10, pinging);
        peer.notify_by_name("Note", [("text", "x".repeat(100))]).await.unwrap();
        sleep(30 * SECOND).await;
        if slowly {
            for _ in 0..11 {
                sleep(9 * SECOND).await;
                script.receive_bytes(10).await;
            }
            sleep(5 * SECOND).await;
            assert!(!peer.is_closed());
        } else {
            let reason = lasts(&peer, 10).await;
            assert!(matches!(reason, CloseReason::PingTimeout { .. }), "{reason}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_answered_while_as_many_responders_run_as_may_and_begins_no_more() {
    let gate = Arc::new(Semaphore::new(0));
    let limits = Limits::default().running_responders(1);
    let (peer, mut script) =
        Script::start(|connection| pinging(connection).limits(limits).responders(slow(&gate)));
    let tag = script.expect_call("Ping").await;
    for ask in ["1", "2", "3"] {
        script.send_box([("_ask", ask), ("_command", "Slow")]).await;
        settled().await;
    }
    script.send_box([("_answer", &*tag)]).await;
    // Its answer was behind the calls.
    let tag = script.expect_call("Ping").await;
    assert_eq!((peer.counters().calls_received, peer.running_responders()), (3, 1));
    script.send_box([("_answer", &*tag)]).await;
    gate.add_permits(3);
    for ask in ["1", "2", "3"] {
        script.expect([("_answer", ask)]).await;
    }
    // And without an answer the peer is given up, though no responder is done.
    script.send_box([("_ask", "4"), ("_command", "Slow")]).await;
    script.expect_call("Ping").await;
    assert_eq!(peer.running_responders(), 1);
    assert!(matches!(lasts(&peer, 10).await, CloseReason::PingTimeout { .. }));
}

#[tokio::test(start_paused = true)]
async fn heartbeats_want_no_answer() {
    let (peer, mut script) = Script::start(|connection| connection.heartbeat(NoOp {}, SECOND));
    let before = Instant::now();
    for _ in 0..100 {
        script.expect([("_command", "NoOp")]).await;
    }
    assert_eq!(before.elapsed(), 100 * SECOND);
    assert!(!peer.is_closed());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_or_ended_once_another_protocol_is_spoken() {
    let responders = Responders::new(()).respond_switch(|_, _: SwitchToNothing| async {
        Ok::<_, NoError>(|mut stream: Switched| async move {
            let mut bytes = Vec::new();
            let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut bytes).await;
        })
    });
    let (peer, mut script) =
        Script::start(|connection| idle(pinging(connection)).responders(responders));
    script.send_box([("_ask", "1"), ("_command", "SwitchToNothing")]).await;
    script.expect([("_answer", "1")]).await;
    assert!(matches!(peer.closed().await, CloseReason::Switched));
    assert!(timeout(100 * SECOND, script.receive()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn without_being_asked_a_connection_waits_for_ever() {
    let (near, far) = pair(echoing(), echoing());
    sleep(1_000_000 * SECOND).await;
    let answer = near.call_by_name("Echo", numbered(1)).await.unwrap();
    assert_eq!(answer, AmpBox::from_pairs(numbered(1)).unwrap());
    assert_eq!(far.counters().calls_received, 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stops_reading_before_its_switch_is_made_is_given_up() {
    let responders = echoing()
        .respond_switch(|_, SwitchToNothing {}| async { Ok::<_, NoError>(|_: Switched| async {}) });
    for prepare in [idle, pinging] {
        let responders = responders.clone();
        let (peer, mut script) =
            Script::with_room(500, |connection| prepare(connection).responders(responders));
        let text = "x".repeat(1000);
        script.send_box([("_ask", "1"), ("_command", "Echo"), ("text", &*text)]).await;
        script.send_box([("_ask", "2"), ("_command", "SwitchToNothing")]).await;
        let ended = timeout(100 * SECOND, until_closing(&peer)).await;
        let reason = ended.expect("it waits for ever");
        assert!(
            matches!(reason, CloseReason::Idle { .. } | CloseReason::PingTimeout { .. }),
            "{reason}"
        );
    }
}

/// It could be sent but once.
#[tokio::test(start_paused = true)]
async fn a_ping_with_a_stream_is_not_sent() {
    let (_sink, stream) = StreamOf::<u64>::pair();
    let ping = WithStream { stream };
    let (peer, _script) = Script::start(|connection| connection.ping(ping, SECOND, SECOND));
    sleep(100 * SECOND).await;
    assert!(!peer.is_closed());
    assert_eq!(peer.counters().calls_sent, 0);
}
