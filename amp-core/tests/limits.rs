//! What is bounded, what happens at each bound, and that nothing comes to a stop there.

mod support;

use amp_core::{
    AmpBox, CallError, CloseReason, Connection, FailurePolicy, Limits, Peer, ReceivedCall,
    RemoteError, Report, Responders,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{Script, echo, echoing, gated, numbered, settled, three_are_read_at_once};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Calls back `Echo` on the peer that called, and answers with what it said.
async fn call_back(call: ReceivedCall) -> Result<AmpBox, RemoteError> {
    let pairs: Vec<_> =
        call.arguments.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
    let answer = call.peer.call_by_name("Echo", pairs).await;
    answer.map_err(|error| RemoteError::new("CALL_BACK", error.to_string()))
}

fn limited(limits: Limits) -> impl Fn(Connection) -> Connection {
    move |connection| connection.limits(limits)
}

#[tokio::test]
async fn both_sides_write_more_than_fits_between_them() {
    let (near, far) = tokio::io::duplex(64);
    let limits = Limits::default().send_queue(100);
    let start = |stream| Connection::new(stream).limits(limits).responders(echoing()).spawn();
    let (near, far) = (start(near), start(far));
    let payload = "x".repeat(10_000);
    let calls = (0..60).map(|n| {
        let peer = if n % 2 == 0 { near.clone() } else { far.clone() };
        let payload = payload.clone();
        tokio::spawn(async move {
            let answer = peer.call_by_name("Echo", [("text", &payload)]).await.unwrap();
            assert_eq!(answer.get("text"), Some(payload.as_bytes()));
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
}

#[tokio::test]
async fn both_sides_call_back_with_all_responders_busy() {
    let responders =
        || Responders::new(()).respond_by_name("Back", call_back).respond_by_name("Echo", echo);
    let limits = Limits::default().running_responders(1);
    let (near, far) = tokio::io::duplex(100);
    let start = |stream| Connection::new(stream).limits(limits).responders(responders()).spawn();
    let (near, far) = (start(near), start(far));
    let calls = (0..100).map(|n| {
        let peer = if n % 2 == 0 { near.clone() } else { far.clone() };
        tokio::spawn(async move {
            let answer = peer.call_by_name("Back", numbered(n)).await.unwrap();
            assert_eq!(answer, AmpBox::from_pairs(numbered(n)).unwrap());
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_calls_too_much_is_not_read_from() {
    let gate = Arc::new(Semaphore::new(0));
    let responders = Responders::new(()).respond_by_name("Slow", gated(Arc::clone(&gate)));
    let limits = Limits::default().running_responders(3);
    let prepare = |connection: Connection| connection.limits(limits).responders(responders);
    // So little room that each call is read on its own.
    let (peer, mut script) = Script::with_room(40, prepare);
    let call = |tag: usize| {
        let pairs = [("_ask", tag.to_string()), ("_command", "Slow".into())];
        AmpBox::from_pairs(pairs).unwrap().to_bytes()
    };
    for tag in 0..3 {
        script.send(&call(tag)).await;
    }
    // Reading stops once three run; what is sent after that stays in the pipe until it is full.
    let rest: Vec<u8> = (3..20).flat_map(call).collect();
    tokio::select! {
        biased;
        () = script.send(&rest) => panic!("the connection read on"),
        () = settled() => {}
    }
    assert!(peer.counters().calls_received < 20);
    gate.add_permits(20);
    assert!(script.receive().await.is_some());
}

/// Counts the calls that are begun, each of which then waits for the gate.
fn counted(begun: &Arc<AtomicUsize>, gate: &Arc<Semaphore>) -> Responders {
    let (begun, gate) = (Arc::clone(begun), Arc::clone(gate));
    Responders::new(()).respond_by_name("Slow", move |call: ReceivedCall| {
        begun.fetch_add(1, Ordering::SeqCst);
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(call.arguments)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn the_calls_of_one_read_wait_too() {
    let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let responders = counted(&begun, &gate);
    let limits = Limits::default().running_responders(4);
    let prepare = |connection: Connection| connection.limits(limits).responders(responders);
    let (_peer, mut script) = Script::with_room(1 << 16, prepare);
    let call = |tag: usize| {
        let pairs = [("_ask", tag.to_string()), ("_command", "Slow".into())];
        AmpBox::from_pairs(pairs).unwrap().to_bytes()
    };
    script.send(&(0..100).flat_map(call).collect::<Vec<u8>>()).await;
    for done in 0..96 {
        settled().await;
        assert_eq!(begun.load(Ordering::SeqCst), done + 4);
        gate.add_permits(1);
        script.receive().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_are_not_all_begun_at_the_end() {
    let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let responders = counted(&begun, &gate);
    let limits = Limits::default().running_responders(4);
    let prepare = |connection: Connection| {
        let idle = std::time::Duration::from_secs(2);
        connection.limits(limits).responders(responders).idle_timeout(idle)
    };
    let (peer, mut script) = Script::with_room(1 << 16, prepare);
    let call = |tag: usize| {
        let ask = tag.is_multiple_of(2).then(|| ("_ask", tag.to_string()));
        let pairs = ask.into_iter().chain([("_command", "Slow".into())]);
        AmpBox::from_pairs(pairs).unwrap().to_bytes()
    };
    script.send(&(0..100).flat_map(call).collect::<Vec<u8>>()).await;
    let reason = peer.closed().await;
    assert!(matches!(reason, CloseReason::Idle { .. }), "{reason:?}");
    assert_eq!(begun.load(Ordering::SeqCst), 4);
    // One-way commands were received, and are begun as others are done; who asked has gone.
    gate.add_permits(100);
    settled().await;
    assert_eq!(begun.load(Ordering::SeqCst), 4 + 48);
}

/// Makes a call that is not answered. While it is outstanding, reading has to go on.
async fn wait_for_an_answer(
    peer: &Peer,
    script: &mut Script,
) -> JoinHandle<Result<AmpBox, CallError>> {
    let peer = peer.clone();
    let call = tokio::spawn(async move { peer.call_by_name("Wait", numbered(1)).await });
    script.expect_call("Wait").await;
    call
}

#[tokio::test]
async fn beyond_the_last_limit_a_call_is_refused_and_a_one_way_call_ends_the_connection() {
    let gate = Arc::new(Semaphore::new(0));
    let slow = Responders::new(()).respond_by_name("Slow", gated(Arc::clone(&gate)));
    let limits = Limits::default().running_responders(1).running_responders_max(2);
    let prepare = |connection: Connection| connection.limits(limits).responders(slow);
    let (peer, mut script) = Script::start(prepare);
    let _call = wait_for_an_answer(&peer, &mut script).await;
    for tag in ["1", "2", "3"] {
        script.send_box([("_ask", tag), ("_command", "Slow")]).await;
    }
    script.expect_unknown("3").await;
    script.send_box([("_command", "Slow")]).await;
    assert_eq!(script.receive().await, None);
    drop(script);
    let reason = peer.closed().await;
    assert_eq!(reason.to_string(), "the connection went over the limit of 2 running responders");
}

#[tokio::test(start_paused = true)]
async fn the_bytes_of_running_calls_stop_the_reading_too() {
    let gate = Arc::new(Semaphore::new(0));
    let responders = Responders::new(()).respond_by_name("Slow", gated(Arc::clone(&gate)));
    let limits = Limits::default().running_bytes(5000);
    let prepare = |connection: Connection| connection.limits(limits).responders(responders);
    // So little room that each call is read on its own.
    let (peer, mut script) = Script::with_room(40, prepare);
    let text = "x".repeat(2000);
    let call = [("_ask", "1"), ("_command", "Slow"), ("text", &*text)];
    let call = AmpBox::from_pairs(call).unwrap().to_bytes();
    three_are_read_at_once(&call, &gate, &peer, &mut script).await;
}

#[tokio::test]
async fn both_sides_call_back_with_large_calls() {
    let responders =
        || Responders::new(()).respond_by_name("Back", call_back).respond_by_name("Echo", echo);
    let limits = Limits::default().running_bytes(1);
    let (near, far) = tokio::io::duplex(100);
    let start = |stream| Connection::new(stream).limits(limits).responders(responders()).spawn();
    let (near, far) = (start(near), start(far));
    let calls = (0..40).map(|n| {
        let peer = if n % 2 == 0 { near.clone() } else { far.clone() };
        tokio::spawn(async move {
            let text = "x".repeat(1000);
            let answer = peer.call_by_name("Back", [("text", &text)]).await.unwrap();
            assert_eq!(answer.get("text"), Some(text.as_bytes()));
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
}

#[tokio::test]
async fn beyond_the_last_limit_of_bytes_a_call_is_refused_and_a_one_way_call_ends_the_connection() {
    let gate = Arc::new(Semaphore::new(0));
    let slow = Responders::new(()).respond_by_name("Slow", gated(Arc::clone(&gate)));
    let limits = Limits::default().running_bytes(1).running_bytes_max(1000);
    let prepare = |connection: Connection| connection.limits(limits).responders(slow);
    let (peer, mut script) = Script::start(prepare);
    let _call = wait_for_an_answer(&peer, &mut script).await;
    let text = "x".repeat(600);
    for tag in ["1", "2", "3"] {
        script.send_box([("_ask", tag), ("_command", "Slow"), ("text", &text)]).await;
    }
    script.expect_unknown("3").await;
    script.send_box([("_command", "Slow")]).await;
    assert_eq!(script.receive().await, None);
    drop(script);
    let reason = peer.closed().await.to_string();
    assert_eq!(reason, "the connection went over the limit of 1000 bytes of calls being answered");
}

#[tokio::test]
async fn a_box_over_a_limit_ends_the_connection_with_its_name() {
    let mut limits = Limits::default();
    limits.boxes.max_bytes = 100;
    limits.boxes.max_pairs = 3;
    for (bytes, message) in [
        (&b"\0\x01a\0\x80"[..], "a box of at least 135 bytes is over the limit of 100"),
        (
            b"\0\x01a\0\0\0\x01b\0\0\0\x01c\0\0\0\x01d",
            "a box of at least 4 pairs is over the limit of 3",
        ),
        (b"GET / HTTP/1.1", "not AMP: it begins with \"GET / HTTP/1.1\", as HTTP does"),
        (b"\0\0", "a box of 0 pairs has none of the keys _answer, _error and _command"),
        (
            b"\0\x01a\0\x01b\0\0",
            "a box of 1 pairs has none of the keys _answer, _error and _command",
        ),
    ] {
        let (peer, mut script) = Script::start(limited(limits));
        let call = tokio::spawn({
            let peer = peer.clone();
            async move { peer.call_by_name("A", numbered(1)).await.unwrap_err() }
        });
        script.expect_call("A").await;
        // What came before the mistake is still answered.
        script.send_box([("_ask", "1"), ("_command", "A")]).await;
        script.send(bytes).await;
        assert_eq!(script.receive().await.unwrap().get("_error"), Some(&b"1"[..]));
        assert_eq!(script.receive().await, None);
        drop(script);
        assert_eq!(peer.closed().await.to_string(), message);
        let error = call.await.unwrap();
        let expected = format!("the connection is closed: {message}");
        assert_eq!(Report::new(&error).to_string(), expected);
    }
}

#[tokio::test]
async fn policies_differ_in_what_follows_a_failure() {
    async fn panics(_: ReceivedCall) -> Result<AmpBox, RemoteError> {
        panic!("a bug in a responder")
    }
    for policy in [FailurePolicy::Stay, FailurePolicy::Close] {
        let responders = echoing().respond_by_name("Bug", panics);
        let prepare =
            |connection: Connection| connection.failure_policy(policy).responders(responders);
        let (peer, mut script) = Script::start(prepare);
        // One write: the second call is in the buffer when the first one fails.
        let calls = [
            AmpBox::from_pairs([("_ask", "1"), ("_command", "Bug")]).unwrap().to_bytes(),
            AmpBox::from_pairs([("_ask", "2"), ("_command", "Echo")]).unwrap().to_bytes(),
        ];
        script.send(&calls.concat()).await;
        if policy == FailurePolicy::Stay {
            script.expect_unknown("1").await;
        } else {
            let description = ("_error_description", "Unknown Error");
            script.expect([("_error", "1"), ("_error_code", "UNKNOWN"), description]).await;
        }
        script.expect([("_answer", "2")]).await;
        if policy == FailurePolicy::Stay {
            // A one-way call that fails is no reason either.
            script.send_box([("_command", "Bug")]).await;
            script.send_box([("_command", "Nope")]).await;
            script.send_box([("_ask", "3"), ("_command", "Echo")]).await;
            script.expect([("_answer", "3")]).await;
        } else {
            assert_eq!(script.receive().await, None);
            drop(script);
            let reason = peer.closed().await.to_string();
            assert_eq!(reason, "closed after Bug failed with UNKNOWN");
        }
    }
    for command in ["Bug", "Nope"] {
        let responders = echoing().respond_by_name("Bug", panics);
        let prepare = |connection: Connection| {
            connection.failure_policy(FailurePolicy::Close).responders(responders)
        };
        let (_peer, mut script) = Script::start(prepare);
        script.send_box([("_command", command)]).await;
        assert_eq!(script.receive().await, None, "one way, {command}");
    }
}

/// The table in the documentation of `Limits`.
#[test]
fn the_table_of_limits_has_the_defaults() {
    let count = |n: usize| match n {
        0..10_000 => n.to_string(),
        _ => format!("{} {:03}", n / 1000, n % 1000),
    };
    let bytes = |n: usize| match n % (1 << 20) {
        0 => format!("{} MiB", n >> 20),
        _ => format!("{} KiB", n >> 10),
    };
    let seconds = |time: Duration| format!("{} seconds", time.as_secs_f64());
    let limits = Limits::default();
    let decoded = bytes(limits.decoded_bytes);
    let decoded = format!("{decoded}, or 18 for each byte of the box if that is more");
    // It is looked at so often, so it may be twice as long.
    let box_timeout =
        format!("{} to {}", limits.box_timeout.as_secs_f64(), seconds(2 * limits.box_timeout));
    // These two are of how many files may be open.
    let (unclaimed, in_all) = (limits.unclaimed_attachments, limits.attachments_in_all);
    assert!(in_all <= 1 << 16 && unclaimed == in_all, "{limits:?}");
    let unclaimed = "as `attachments_in_all`".to_owned();
    let in_all = "a quarter of `RLIMIT_NOFILE`, 65 536 at most".to_owned();
    let expected = [
        ("boxes", bytes(limits.boxes.max_bytes)),
        ("boxes", count(limits.boxes.max_pairs)),
        ("decoded_bytes", decoded),
        ("outstanding_calls", count(limits.outstanding_calls)),
        ("running_responders", count(limits.running_responders)),
        ("running_responders_max", count(limits.running_responders_max)),
        ("running_bytes", bytes(limits.running_bytes)),
        ("running_bytes_max", bytes(limits.running_bytes_max)),
        ("send_queue", bytes(limits.send_queue)),
        ("send_queue_boxes", count(limits.send_queue_boxes)),
        ("send_queue_max", bytes(limits.send_queue_max)),
        ("unclaimed_attachments", unclaimed),
        ("attachments_in_all", in_all),
        ("unclaimed_timeout", seconds(limits.unclaimed_timeout)),
        ("streams", count(limits.streams)),
        ("stream_items", count(limits.stream_items)),
        ("stream_bytes", bytes(limits.stream_bytes)),
        ("box_timeout", box_timeout),
        ("close_timeout", seconds(limits.close_timeout)),
    ];
    let rows = include_str!("../src/proto/limits.rs").lines().filter_map(|line| {
        let (name, row) = line.strip_prefix("/// | [`")?.split_once('`')?;
        Some((name, row.split('|').nth(1)?.trim().to_owned()))
    });
    assert_eq!(rows.collect::<Vec<_>>(), expected);
}
