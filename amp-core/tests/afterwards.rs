//! What runs after an answer counts as what is being answered does, and holds up nobody's end.

mod support;

use amp_core::{Command, Context, Limits, NoError, Peer, Responders};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use support::{Script, settled};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Is answered at once, and keeps what it carries for a while.
#[derive(Command)]
struct Keep {
    data: Bytes,
}

fn keeping(gate: &Arc<Semaphore>) -> Responders<Arc<Semaphore>> {
    Responders::new(Arc::clone(gate)).respond_then(
        |context: Context<Arc<Semaphore>>, Keep { data }: Keep| async move {
            let keep = async move {
                context.state().acquire().await.unwrap().forget();
                drop(data);
            };
            Ok::<_, NoError>(((), keep))
        },
    )
}

fn start(limits: Limits, gate: &Arc<Semaphore>) -> (Peer, Script) {
    Script::start(|connection| connection.limits(limits).responders(keeping(gate)))
}

async fn call(script: &mut Script, tag: usize, len: usize) {
    let (tag, data) = (tag.to_string(), "d".repeat(len));
    script.send_box([("_ask", &*tag), ("_command", "Keep"), ("data", &*data)]).await;
}

/// The answers that have come.
async fn answers(script: &mut Script) -> usize {
    let mut count = 0;
    while let Ok(answer) = tokio::time::timeout(Duration::from_secs(1), script.receive()).await {
        assert!(answer.unwrap().contains_key("_answer"));
        count += 1;
    }
    count
}

#[tokio::test(start_paused = true)]
async fn what_runs_after_answers_counts_among_what_is_being_answered() {
    let gate = Arc::new(Semaphore::new(0));
    let limits = Limits::default().running_responders(3);
    let (_peer, mut script) = start(limits, &gate);
    for tag in 0..10 {
        call(&mut script, tag, 10).await;
    }
    assert_eq!(answers(&mut script).await, 3);
    gate.add_permits(2);
    assert_eq!(answers(&mut script).await, 2);
    gate.add_permits(10);
    assert_eq!(answers(&mut script).await, 5);
}

#[tokio::test(start_paused = true)]
async fn the_bytes_of_its_call_count() {
    let gate = Arc::new(Semaphore::new(0));
    let limits = Limits::default().running_bytes(100_000);
    let (_peer, mut script) = start(limits, &gate);
    for tag in 0..4 {
        call(&mut script, tag, 60_000).await;
    }
    assert_eq!(answers(&mut script).await, 2);
    gate.add_permits(4);
    assert_eq!(answers(&mut script).await, 2);
}

/// A call over the limit is refused while the peer has to be read from.
#[tokio::test(start_paused = true)]
async fn there_are_no_more_than_responders_may_run_at_all() {
    let gate = Arc::new(Semaphore::new(0));
    let limits = Limits::default().running_responders(1).running_responders_max(3);
    let (peer, mut script) = start(limits, &gate);
    let outstanding = tokio::spawn(peer.call_by_name("Never", [("", ""); 0]));
    script.expect_call("Never").await;
    for tag in 0..3 {
        call(&mut script, tag, 10).await;
        script.receive().await.unwrap();
    }
    call(&mut script, 3, 10).await;
    script.expect_unknown("3").await;
    gate.add_permits(1);
    settled().await;
    call(&mut script, 4, 10).await;
    script.expect([("_answer", "4")]).await;
    outstanding.abort();
}

#[derive(Command)]
struct Leave {}

/// It is not waited for, so it may wait for the end.
#[tokio::test(start_paused = true)]
async fn a_graceful_end_does_not_wait_for_it() {
    let leave = async |context: Context, Leave {}: Leave| {
        Ok(((), async move {
            context.peer().close_gracefully(Duration::from_secs(60)).await;
        }))
    };
    let responders = Responders::new(()).respond_then(leave);
    let (peer, mut script) = Script::start(|connection| connection.responders(responders));
    let before = Instant::now();
    script.send_box([("_ask", "1"), ("_command", "Leave")]).await;
    script.expect([("_answer", "1")]).await;
    assert_eq!(script.receive().await, None);
    drop(script);
    peer.closed().await;
    assert!(before.elapsed() < Duration::from_secs(1));
}
