//! How long calls may take, and what their responders hear of it.

mod support;

use amp_core::testing::pair;
use amp_core::{CallError, CloseReason, Command, Connection, Context, NoError, Responders};
use std::sync::Arc;
use std::time::Duration;
use support::{Script, echoing, gated, numbered, settled};
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

#[tokio::test(start_paused = true)]
async fn a_responder_learns_when_the_connection_is_gone() {
    let (ended, mut reasons) = mpsc::unbounded_channel();
    let responders = Responders::new(ended).respond(|context: Context<_>, _: Wait| async move {
        assert!(!context.is_closed());
        let reason = context.closed().await;
        assert!(context.is_closed());
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
