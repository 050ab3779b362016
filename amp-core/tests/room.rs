//! Whose room in the queue it is: first that of answers to calls that were received, then that of those who wait to
//! call, in the order in which they came, then that of whoever comes new.

mod support;

use amp_core::{AmpBox, CallError, Connection, Limits, NamedCall, Peer, ReceivedCall, Responders};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use support::double::Double;
use support::{Script, echoing, numbered, settled};

const TEXT: usize = 1000;

fn limits() -> Limits {
    Limits::default().send_queue(20 * TEXT)
}

/// Notifies whenever it is polled, until there is no room.
fn notify_without_end(peer: &Peer) -> tokio::task::JoinHandle<CallError> {
    let peer = peer.clone();
    tokio::spawn(async move {
        loop {
            let note = peer.notify_by_name("Note", [("text", "x".repeat(TEXT))]);
            if let Err(error) = note.await {
                return error;
            }
        }
    })
}

/// Reads boxes until there is one with this key, and says how many came before.
async fn until(script: &mut Script, key: &str, most: usize) -> (usize, AmpBox) {
    for before in 0..most {
        let ampbox = script.receive().await.expect("a box");
        if ampbox.get(key).is_some() {
            return (before, ampbox);
        }
    }
    panic!("none of {most} boxes has {key}");
}

#[tokio::test]
async fn a_call_is_answered_by_a_side_that_notifies_without_end() {
    let prepare = |connection: Connection| connection.limits(limits()).responders(echoing());
    let (peer, mut script) = Script::with_room(1 << 16, prepare);
    let notes = notify_without_end(&peer);
    until(&mut script, "text", 1).await;
    for tag in ["1", "2", "3"] {
        script.send_box([("_ask", tag), ("_command", "Echo")]).await;
        // What is on its way, in the buffers of both, and one filling of the queue.
        let (before, answer) = until(&mut script, "_answer", 400).await;
        assert_eq!(answer.get("_answer"), Some(tag.as_bytes()));
        assert!(before <= 200, "{before} notes came before the answer");
    }
    drop(script);
    notes.await.unwrap();
}

#[tokio::test]
async fn whoever_calls_beside_one_that_notifies_without_end_has_a_turn() {
    let (peer, mut script) =
        Script::with_room(TEXT, |connection: Connection| connection.limits(limits()));
    let notes = notify_without_end(&peer);
    until(&mut script, "text", 1).await;
    for n in 0..3 {
        let call = tokio::spawn(peer.call_by_name("Call", numbered(n)));
        let (before, call_box) = until(&mut script, "_ask", 400).await;
        assert!(before <= 200, "{before} notes came before the call");
        let tag = String::from_utf8(call_box.get("_ask").unwrap().to_vec()).unwrap();
        script.send_box([("_answer", &*tag)]).await;
        while !call.is_finished() {
            script.receive().await.expect("a box");
        }
        call.await.unwrap().unwrap();
    }
    drop(script);
    notes.await.unwrap();
}

/// The queue is full of answers whenever somebody looks, and more of them wait for room.
#[tokio::test]
async fn whoever_calls_has_a_turn_while_answers_fill_the_queue_without_end() {
    const ANSWERS: usize = 5000;
    let (near, far) = tokio::io::duplex(1 << 16);
    let near = Connection::new(near).limits(limits()).responders(echoing()).spawn();
    let responders =
        Responders::new(()).respond_by_name("Note", |_: ReceivedCall| async { Ok(AmpBox::new()) });
    let far = Connection::new(far).responders(responders).spawn();
    let answers = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..64)
        .map(|_| {
            let (far, answers) = (far.clone(), Arc::clone(&answers));
            tokio::spawn(async move {
                while answers.fetch_add(1, Ordering::Relaxed) < ANSWERS {
                    let text = "x".repeat(4 * TEXT);
                    far.call_by_name("Echo", [("text", text)]).await.unwrap();
                }
            })
        })
        .collect();
    while answers.load(Ordering::Relaxed) < 200 {
        tokio::task::yield_now().await;
    }
    for n in 0..3 {
        near.notify_by_name("Note", numbered(n)).await.unwrap();
    }
    let before = answers.load(Ordering::Relaxed);
    assert!(before < 1000, "{before} answers came first");
    for caller in callers {
        caller.await.unwrap();
    }
}

/// Calls that are polled whenever somebody says so.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<NamedCall>>>);

impl Calls {
    /// Drops those that are answered, and says how many are left.
    fn poll(&self) -> usize {
        let mut cx = Context::from_waker(Waker::noop());
        let mut calls = self.0.lock().unwrap();
        calls.retain_mut(|call| match Pin::new(call).poll(&mut cx) {
            Poll::Pending => true,
            Poll::Ready(answer) => answer.map(|_| false).expect("no side reaches a limit"),
        });
        calls.len()
    }
}

/// Each has more calls in flight than either may queue, and reads all that comes. Those who wait to call look while
/// their driver writes, as they do on threads of their own.
#[tokio::test]
async fn two_sides_that_call_each_other_answer_before_they_ask_for_more() {
    const CALLS: usize = 150;
    let (near, far) = tokio::io::duplex(1 << 20);
    let start = |stream| {
        let calls = Calls::default();
        let meanwhile = calls.clone();
        let stream = Double::over(stream).before_sending(move || _ = meanwhile.poll());
        let connection = Connection::with_transport(stream).responders(echoing());
        let peer = connection.untrusted_peer().spawn();
        let text = "x".repeat(60_000);
        let call = |_| peer.call_by_name("Echo", [("text", &text)]);
        calls.0.lock().unwrap().extend((0..CALLS).map(call));
        (peer, calls)
    };
    let sides = [start(near), start(far)];
    while sides.iter().map(|(_, calls)| calls.poll()).sum::<usize>() > 0 {
        tokio::task::yield_now().await;
    }
}

/// It was told of room, and goes away before it looks: whoever comes next is told.
#[tokio::test(start_paused = true)]
async fn whoever_is_told_and_goes_away_passes_the_room_on() {
    let limits = Limits::default().send_queue(1);
    let (peer, mut script) =
        Script::with_room(100, |connection: Connection| connection.limits(limits));
    let large = "x".repeat(5000);
    let mut cx = Context::from_waker(Waker::noop());
    let mut kept = Vec::new();
    for (command, value) in [("First", &*large), ("Second", &*large), ("Dropped", "b")] {
        let mut note = Box::pin(peer.notify_by_name(command, [("a", value)]));
        kept.push((note.as_mut().poll(&mut cx).is_pending(), note));
        settled().await;
    }
    let (waits, dropped) = kept.pop().unwrap();
    assert!(waits);
    let behind = tokio::spawn(peer.notify_by_name("Behind", [("a", "b")]));
    settled().await;
    let begun = tokio::time::Instant::now();
    assert_eq!(script.receive().await.unwrap().get("_command"), Some(&b"First"[..]));
    // The second is being written, so there is room.
    drop(dropped);
    for command in ["Second", "Behind"] {
        let ampbox = script.receive().await.unwrap();
        assert_eq!(ampbox.get("_command"), Some(command.as_bytes()));
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    behind.await.unwrap().unwrap();
    drop(peer);
}
