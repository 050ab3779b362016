//! Mistakes that were made once: one test for each.

mod support;

use amp_core::{AmpBox, ReceivedCall, RemoteError};
use amp_core::{Connection, Limits, Responders};
use bytes::Bytes;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use support::double::Double;
use support::{Script, echoing, gated, numbered, settled};
use tokio::sync::Semaphore;

/// Polls once, with nobody to be woken.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// With several calls outstanding, the driver lets other tasks run before it writes. It took that
/// moment, when nothing was being written, for the end of what there was to write.
#[tokio::test]
async fn what_is_queued_is_sent_before_the_end_while_calls_are_outstanding() {
    let (peer, mut script) = Script::start(|connection| connection);
    let mut first = pin!(peer.call_by_name("A", numbered(1)));
    let mut second = pin!(peer.call_by_name("A", numbered(2)));
    assert!(poll_once(first.as_mut()).is_pending());
    assert!(poll_once(second.as_mut()).is_pending());
    assert!(poll_once(pin!(peer.close())).is_pending());
    script.expect_call("A").await;
    script.expect_call("A").await;
    assert_eq!(script.receive().await, None);
}

/// The answer was written to a stream that had been shut down. That failed, and the connection
/// ended at once, with the peer's bytes unread: a socket is reset by that.
#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_after_the_shutdown_does_not_break_the_end() {
    let gate = Arc::new(Semaphore::new(0));
    let slow = Responders::new(()).respond_by_name("Slow", gated(Arc::clone(&gate)));
    let (peer, mut script) = Script::start(|connection| connection.responders(slow));
    script.send_box([("_ask", "1"), ("_command", "Slow")]).await;
    settled().await;
    assert!(poll_once(pin!(peer.close())).is_pending());
    assert_eq!(script.receive().await, None, "the connection sends nothing more");
    gate.add_permits(1);
    settled().await;
    script.send_box([("_ask", "2"), ("_command", "Slow")]).await;
    drop(script);
    assert_eq!(peer.closed().await.to_string(), "closed by this side");
}

/// Callers that waited for room were woken with the state locked.
#[tokio::test]
async fn a_waker_that_uses_the_connection_can_wait_for_room() {
    struct Looks(amp_core::Peer, Mutex<usize>);

    impl Wake for Looks {
        fn wake(self: Arc<Self>) {
            assert!(!self.0.is_closed());
            *self.1.lock().unwrap() += 1;
        }
    }

    let limits = Limits::default().send_queue(1);
    let (peer, mut script) = Script::start(|connection| connection.limits(limits));
    peer.notify_by_name("A", numbered(1)).await.unwrap();
    let looks = Arc::new(Looks(peer.clone(), Mutex::new(0)));
    let mut waiting = pin!(peer.notify_by_name("A", numbered(2)));
    let waker = Waker::from(Arc::clone(&looks));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    script.expect([("_command", "A"), ("n", "1")]).await;
    assert_eq!(*looks.1.lock().unwrap(), 1);
    assert!(poll_once(waiting).is_ready());
}

/// A limit of no bytes and no responders is one that nothing ever fits.
#[tokio::test(start_paused = true)]
async fn limits_of_zero_let_one_thing_pass_at_a_time() {
    let limits = Limits::default().send_queue(0).running_responders(0);
    let prepare = |connection: Connection| connection.limits(limits).responders(echoing());
    let (peer, mut script) = Script::start(prepare);
    let mut note = pin!(peer.notify_by_name("A", numbered(1)));
    assert!(poll_once(note.as_mut()).is_ready());
    script.expect([("_command", "A"), ("n", "1")]).await;
    script.send_box([("_ask", "1"), ("_command", "Echo")]).await;
    tokio::select! {
        biased;
        () = script.expect([("_answer", "1")]) => {}
        () = settled() => panic!("nothing is read"),
    }
}

/// All calls of one read were answered before the first answer was written: small calls with large
/// answers filled the memory, and cut off a peer that did read.
#[tokio::test]
async fn answers_to_calls_that_come_together_are_sent_as_they_are_made() {
    async fn large(_: ReceivedCall) -> Result<AmpBox, RemoteError> {
        Ok(AmpBox::from_pairs([("text", "x".repeat(10_000))]).unwrap())
    }
    let large = Responders::new(()).respond_by_name("Large", large);
    let limits = Limits::default().send_queue(10_000).send_queue_max(50_000);
    let prepare = |connection: Connection| connection.limits(limits).responders(large);
    let (_peer, mut script) = Script::with_room(10_000, prepare);
    let call = |tag: usize| {
        let pairs = [("_ask", tag.to_string()), ("_command", "Large".into())];
        AmpBox::from_pairs(pairs).unwrap().to_bytes()
    };
    let calls: Vec<u8> = (0..100).flat_map(call).collect();
    script.send(&calls).await;
    for tag in 0..100 {
        let answer = script.receive().await.expect("an answer");
        assert_eq!(answer.get("_answer"), Some(tag.to_string().as_bytes()));
    }
}

/// A peer that always had more to say kept all other tasks waiting until 7 MB were dealt with.
#[tokio::test]
async fn a_peer_that_floods_leaves_other_tasks_their_turn() {
    let note = AmpBox::from_pairs([("_command", "Note")]).unwrap().to_bytes();
    let note_len = note.len() as u64;
    let flood = Double::flood(Bytes::from(note.repeat(10_000)), |_| ());
    let peer = Connection::with_transport(flood).spawn();
    let other = peer.clone();
    let turns = async move {
        for _ in 0..3 {
            let before = other.counters().calls_received;
            // Unlike tokio's `yield_now`, to the end of the queue and no further.
            let mut queued = false;
            poll_fn(|cx| {
                cx.waker().wake_by_ref();
                if std::mem::replace(&mut queued, true) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            let calls = other.counters().calls_received - before;
            assert!(calls * note_len <= 1 << 20, "{calls} calls in one turn");
        }
    };
    tokio::spawn(turns).await.unwrap();
}

/// The connection went on trying for ever.
#[tokio::test]
async fn a_transport_that_takes_nothing_ends_the_connection() {
    let full = Double::new().takes(|_, _, _| Poll::Ready(Ok(0)));
    let limits = Limits::default().close_timeout(Duration::ZERO);
    let peer = Connection::with_transport(full).limits(limits).spawn();
    let error = peer.call_by_name("A", numbered(1)).await.unwrap_err();
    assert_eq!(amp_core::Report::new(&error).to_string(), "the connection is closed: write zero");
}
