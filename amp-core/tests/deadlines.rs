//! How long calls may take, and what their responders hear of it.

mod support;

use amp_core::boxes::BoxWriter;
use amp_core::reconnect::Connector;
use amp_core::testing::pair;
use amp_core::{
    CallError, CloseReason, Command, Connection, Context, EncodeError, NoError, Proto, Responders,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use support::{Script, echoing, gated, numbered, settled};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Command)]
struct Wait {}

#[tokio::test(start_paused = true)]
async fn a_responder_is_not_stopped_when_the_caller_gives_up() {
    let gate = Arc::new(Semaphore::new(0));
    let slow = Responders::new(()).respond_by_name("Slow", gated(Arc::clone(&gate)));
    let (near, _far) = pair(echoing(), slow.merge(echoing()).unwrap());
    let error = near.call_by_name("Slow", numbered(1)).timeout(SECOND).await.unwrap_err();
    assert!(error.is_timeout());
    gate.add_permits(1);
    while near.counters().late_answers == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(gate.available_permits(), 0);
    near.call_by_name("Nope", numbered(2)).await.unwrap_err();
    assert!(!near.is_closed());
}

/// They go to other tasks, as all calls may.
#[tokio::test(start_paused = true)]
async fn calls_that_closures_write_have_times_of_their_own() {
    fn write(out: &mut BoxWriter<'_>, _: &mut Proto<'_>) -> Result<(), EncodeError> {
        Ok(out.put(b"text", &[b'x'; 200])?)
    }
    let limits = amp_core::Limits::default().send_queue(100);
    let (peer, mut script) = Script::with_room(10, |connection| connection.limits(limits));
    let before = Instant::now();
    let call = tokio::spawn(peer.call_by_name_with("A", write, |_, _| Ok(())).timeout(SECOND));
    assert!(call.await.unwrap().unwrap_err().is_timeout());
    assert_eq!(before.elapsed(), SECOND, "of virtual time");
    // The queue is full of one that is being written, and one behind it.
    peer.notify_by_name_with("B", write).await.unwrap();
    let late = tokio::spawn(peer.notify_by_name_with("C", write).timeout(2 * SECOND));
    assert!(late.await.unwrap().unwrap_err().is_timeout());
    assert_eq!(before.elapsed(), 3 * SECOND, "of virtual time");
    script.expect_call("A").await;
    assert_eq!(script.receive().await.unwrap().get("_command"), Some(&b"B"[..]));
    let answered =
        tokio::spawn(peer.call_by_name_with("D", write, |input, _| {
            Ok(input.take("n").map(|value| value.to_vec()))
        }));
    let tag = script.expect_call("D").await;
    script.send_box([("_answer", &*tag), ("n", "1")]).await;
    assert_eq!(answered.await.unwrap().unwrap(), Some(b"1".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_finds_no_room_in_time_is_never_sent() {
    let limits = amp_core::Limits::default().send_queue(100);
    let (peer, mut script) =
        Script::with_room(10, |connection| connection.limits(limits).call_timeout(3 * SECOND));
    let note = || peer.notify_by_name("Note", [("text", "x".repeat(200))]);
    note().await.unwrap();
    settled().await;
    note().await.unwrap();
    let before = Instant::now();
    let error = peer.call_by_name("A", numbered(1)).await.unwrap_err();
    assert!(matches!(error, CallError::Timeout { after } if after == 3 * SECOND), "{error}");
    assert_eq!(before.elapsed(), 3 * SECOND, "of virtual time");
    for _ in 0..2 {
        assert_eq!(script.receive().await.unwrap().get("_command"), Some(&b"Note"[..]));
    }
    peer.notify_by_name("Last", numbered(1)).await.unwrap();
    script.expect([("_command", "Last"), ("n", "1")]).await;
    assert_eq!(peer.counters().calls_sent, 3);
}

#[tokio::test(start_paused = true)]
async fn the_time_of_one_call_goes_before_that_of_the_connection() {
    let (peer, _script) = Script::start(|connection| connection.call_timeout(SECOND));
    for (call, timeout) in [
        (peer.call_remote(Wait {}), SECOND),
        (peer.call_remote(Wait {}).timeout(5 * SECOND), 5 * SECOND),
    ] {
        let before = Instant::now();
        assert!(call.await.unwrap_err().is_timeout());
        assert_eq!(before.elapsed(), timeout, "of virtual time");
    }
}

#[derive(Clone, Command)]
#[amp(one_way)]
struct Note {
    text: String,
}

#[tokio::test(start_paused = true)]
async fn what_wants_no_answer_waits_for_room_as_long_as_a_call_may_take() {
    fn prepared(stream: DuplexStream) -> Connection {
        let limits = amp_core::Limits::default().send_queue(100);
        Connection::new(stream).limits(limits).call_timeout(3 * SECOND)
    }
    let note = Note { text: "x".repeat(200) };
    let named = || ("Note", [("text", "x".repeat(200))]);
    let (near, _far) = duplex(10);
    let peer = prepared(near).spawn();
    let mut far = Vec::new();
    let client = Connector::new(move || {
        let (near, kept) = duplex(10);
        far.push(kept);
        async { Ok::<_, io::Error>(prepared(near)) }
    })
    .wait_for_connection()
    .spawn();
    for _ in 0..2 {
        peer.notify(note.clone()).await.unwrap();
        client.notify(note.clone()).await.unwrap();
        settled().await;
    }
    let write = |out: &mut BoxWriter<'_>, _: &mut Proto<'_>| Ok(out.put(b"text", &[b'y'; 200])?);
    let (usual, own) = (3 * SECOND, 2 * SECOND);
    let waits: [(_, BoxFuture<'_, Result<(), CallError>>); 9] = [
        (usual, peer.notify(note.clone()).boxed()),
        (own, peer.notify(note.clone()).timeout(own).boxed()),
        (usual, peer.notify_by_name(named().0, named().1).boxed()),
        (own, peer.notify_by_name(named().0, named().1).timeout(own).boxed()),
        (usual, peer.notify_by_name_with("Note", write).boxed()),
        (usual, client.notify(note.clone()).boxed()),
        (own, client.notify(note.clone()).timeout(own).boxed()),
        (usual, client.notify_by_name(named().0, named().1).boxed()),
        (own, client.notify_by_name(named().0, named().1).timeout(own).boxed()),
    ];
    for (timeout, wait) in waits {
        let before = Instant::now();
        // Without a timeout of its own it would wait for ever.
        let error = tokio::time::timeout(60 * SECOND, wait).await.unwrap().unwrap_err();
        assert!(matches!(error, CallError::Timeout { after } if after == timeout), "{error}");
        assert_eq!(before.elapsed(), timeout, "of virtual time");
    }
    assert_eq!(peer.counters().calls_sent, 2);
}

#[tokio::test(start_paused = true)]
async fn a_responder_learns_when_the_connection_is_gone() {
    let (ended, mut reasons) = mpsc::unbounded_channel();
    let responders = Responders::new(ended).respond(|context: Context<_>, _: Wait| async move {
        assert!(!context.has_ended());
        let reason = context.closed().await;
        assert!(context.has_ended());
        context.state().send(reason).unwrap();
        Ok::<(), NoError>(())
    });
    let prepare = |connection: Connection| connection.responders(responders);
    let (_peer, mut script) = Script::start(prepare);
    script.send_box([("_ask", "1"), ("_command", "Wait")]).await;
    settled().await;
    assert!(reasons.try_recv().is_err(), "the connection is there");
    drop(script);
    assert!(matches!(reasons.recv().await, Some(CloseReason::Peer)));
}
