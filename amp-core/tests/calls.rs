//! Calls and answers: who gets which, in which bytes.

mod support;

use amp_core::testing::pair;
use amp_core::{AmpBox, CallError, FailurePolicy, ReceivedCall, RemoteError, Responders};
use std::sync::Arc;
use std::time::Duration;
use support::{Script, echo, echoing, gated, numbered};
use tokio::sync::Semaphore;

#[tokio::test]
async fn calls_go_both_ways_at_once() {
    let (near, far) = pair(echoing(), echoing());
    let calls = (0..200).map(|n| {
        let peer = if n % 2 == 0 { near.clone() } else { far.clone() };
        tokio::spawn(async move {
            let answer = peer.call_by_name("Echo", numbered(n)).await.unwrap();
            assert_eq!(answer, AmpBox::from_pairs(numbered(n)).unwrap());
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
}

#[tokio::test]
async fn a_call_is_these_bytes() {
    let (peer, mut script) = Script::start(|connection| connection);
    let call = tokio::spawn(async move {
        let answer = peer.call_by_name("Sum", [("b", "81"), ("a", "13")]).await;
        (peer, answer)
    });
    let wire = b"\0\x04_ask\0\x011\0\x08_command\0\x03Sum\0\x01a\0\x0213\0\x01b\0\x0281\0\0";
    assert_eq!(&script.receive().await.unwrap().to_bytes()[..], wire);
    script.send(b"\0\x07_answer\0\x011\0\x05total\0\x0294\0\0").await;
    let (peer, answer) = call.await.unwrap();
    assert_eq!(answer.unwrap(), AmpBox::from_pairs([("total", "94")]).unwrap());
    peer.notify_by_name("Note", [("text", "")]).await.unwrap();
    let wire = b"\0\x08_command\0\x04Note\0\x04text\0\0\0\0";
    assert_eq!(&script.receive().await.unwrap().to_bytes()[..], wire);
}

#[tokio::test]
async fn tags_of_the_peer_are_opaque_and_each_is_answered() {
    let (_peer, mut script) = Script::start(|connection| connection.responders(echoing()));
    let long = vec![b't'; 65_535];
    for tag in [&b""[..], b"\xff\0", b"1", b"1", &long] {
        let call = [("_ask", tag), ("_command", b"Echo"), ("x", b"y")];
        script.send(&AmpBox::from_pairs(call).unwrap().to_bytes()).await;
        let answer = AmpBox::from_pairs([("_answer", tag), ("x", b"y")]).unwrap();
        assert_eq!(script.receive().await.unwrap(), answer);
    }
}

#[tokio::test]
async fn answers_overtake_each_other() {
    let gate = Arc::new(Semaphore::new(0));
    let slow = Responders::new(())
        .respond_by_name("Slow", gated(Arc::clone(&gate)))
        .respond_by_name("Echo", echo);
    let (_peer, mut script) = Script::start(|connection| connection.responders(slow));
    script.send_box([("_ask", "1"), ("_command", "Slow")]).await;
    script.send_box([("_ask", "2"), ("_command", "Echo")]).await;
    script.expect([("_answer", "2")]).await;
    gate.add_permits(1);
    script.expect([("_answer", "1")]).await;
}

#[tokio::test]
async fn the_kinds_of_boxes_have_an_order() {
    let (peer, mut script) = Script::start(|connection| connection.responders(echoing()));
    let call = tokio::spawn(async move { peer.call_by_name("A", numbered(1)).await });
    let tag = script.expect_call("A").await;
    let all = [("_command", "Echo"), ("_ask", "7"), ("_error", &*tag), ("_answer", &*tag)];
    script.send_box(all).await;
    // It was the answer: neither an error, nor a call.
    assert!(call.await.unwrap().unwrap().is_empty());
    assert_eq!(script.receive().await, None, "nothing was answered before the end");
}

#[tokio::test]
async fn errors_are_typed_and_need_no_description() {
    let (peer, mut script) = Script::start(|connection| connection);
    let call = |peer: &amp_core::Peer| {
        let peer = peer.clone();
        tokio::spawn(async move { peer.call_by_name("A", numbered(1)).await.unwrap_err() })
    };
    let (first, tag) = (call(&peer), script.expect_call("A").await);
    script.send_box([("_error", &tag), ("_error_code", "NOPE")]).await;
    let error = first.await.unwrap();
    let CallError::Remote(error) = error else { panic!("{error}") };
    assert_eq!(error, RemoteError::new("NOPE", ""));

    let (second, tag) = (call(&peer), script.expect_call("A").await);
    let pairs = [("_error", &*tag), ("_error_code", "UNKNOWN"), ("_error_description", "why")];
    script.send_box(pairs).await;
    assert_eq!(second.await.unwrap().to_string(), "the peer answered UNKNOWN: why");
}

#[tokio::test]
async fn an_unhandled_command_is_answered_and_the_connection_stays() {
    for policy in [FailurePolicy::Stay, FailurePolicy::Close] {
        let prepare = |connection: amp_core::Connection| connection.responders(echoing());
        let (_peer, mut script) =
            Script::start(|connection| prepare(connection).failure_policy(policy));
        script.send_box([("_ask", "1"), ("_command", "Nope")]).await;
        let description = ("_error_description", "Unhandled Command: b'Nope'");
        script.expect([("_error", "1"), ("_error_code", "UNHANDLED"), description]).await;
        script.send_box([("_ask", "2"), ("_command", "Echo")]).await;
        script.expect([("_answer", "2")]).await;
    }
}

#[tokio::test]
async fn the_fallback_answers_what_no_other_responder_does() {
    async fn name(call: ReceivedCall) -> Result<AmpBox, RemoteError> {
        if call.command == "Bad" {
            return Err(RemoteError::new("BAD", "so it is"));
        }
        Ok(AmpBox::from_pairs([("name", call.command)]).unwrap())
    }
    let (near, _far) = pair(echoing(), echoing().fallback(name));
    let answer = near.call_by_name("Echo", numbered(1)).await.unwrap();
    assert_eq!(answer.get("n"), Some(&b"1"[..]));
    let answer = near.call_by_name("Other", numbered(1)).await.unwrap();
    assert_eq!(answer.get("name"), Some(&b"Other"[..]));
    let error = near.call_by_name("Bad", numbered(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "the peer answered BAD: so it is");
}

#[tokio::test]
async fn sets_of_responders_merge_unless_they_clash() {
    let other = || Responders::new(7).respond_by_name("Other", echo);
    let merged = echoing().merge(other()).unwrap();
    let (near, _far) = pair(echoing(), merged);
    assert!(near.call_by_name("Other", numbered(1)).await.is_ok());
    assert!(near.call_by_name("Echo", numbered(1)).await.is_ok());
    let clash = other().merge(other()).unwrap_err();
    assert_eq!(clash.to_string(), "both sets have a responder for the command \"Other\"");
    let clash = other().fallback(echo).merge(echoing().fallback(echo)).unwrap_err();
    assert_eq!(clash.to_string(), "both sets have a responder for all other commands");
}

#[tokio::test]
async fn an_argument_that_does_not_fit_fails_one_call_and_sends_nothing() {
    let (peer, mut script) = Script::start(|connection| connection);
    let long = "x".repeat(65_536);
    let error = peer.call_by_name("A", [("text", &long)]).await.unwrap_err();
    let message = "the call cannot be written: the value of \"text\" has 65536 bytes, over the \
                   limit of 65535: `Numbered` and `Continued` spread one over several keys";
    assert_eq!(amp_core::Report::new(&error).to_string(), message);
    for key in ["", "_ask", "_command", &"k".repeat(256)] {
        let error = peer.call_by_name("A", [(key, "")]).await.unwrap_err();
        assert!(matches!(error, CallError::Encode(_)), "{error}");
        let error = peer.notify_by_name("A", [(key, "")]).await.unwrap_err();
        assert!(matches!(error, CallError::Encode(_)), "{error}");
    }
    let error = peer.call_by_name(&long, [("a", "")]).await.unwrap_err();
    assert!(matches!(error, CallError::Encode(_)), "{error}");
    peer.notify_by_name("Next", numbered(1)).await.unwrap();
    script.expect([("_command", "Next"), ("n", "1")]).await;
}

#[tokio::test]
async fn answers_to_nothing_are_ignored_and_counted() {
    let (peer, mut script) = Script::start(|connection| connection);
    for tag in ["", "1", "zz", "10001"] {
        script.send_box([("_answer", tag)]).await;
        script.send_box([("_error", tag), ("_error_code", "X")]).await;
    }
    let call = tokio::spawn({
        let peer = peer.clone();
        async move { peer.call_by_name("A", numbered(1)).await }
    });
    let tag = script.expect_call("A").await;
    script.send_box([("_answer", &*tag), ("n", "first")]).await;
    script.send_box([("_answer", &*tag), ("n", "second")]).await;
    assert_eq!(call.await.unwrap().unwrap().get("n"), Some(&b"first"[..]));
    // Whether the call was over when its second answer came is a matter of scheduling.
    script.send_box([("_ask", "9"), ("_command", "Sync")]).await;
    script.receive().await;
    let counters = peer.counters();
    assert_eq!(counters.unknown_answers + counters.late_answers, 9);
    assert!(counters.unknown_answers >= 8);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_fails_and_its_late_answer_is_ignored() {
    let prepare =
        |connection: amp_core::Connection| connection.call_timeout(Duration::from_secs(60));
    let (peer, mut script) = Script::start(prepare);
    let call = peer.call_by_name("A", numbered(1)).timeout(Duration::from_secs(2));
    let error = call.await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(error.to_string(), "no answer within 2s");
    let error = peer.call_by_name("B", numbered(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "no answer within 60s");
    let (a, b) = (script.expect_call("A").await, script.expect_call("B").await);
    script.send_box([("_answer", &a)]).await;
    script.send_box([("_error", &b), ("_error_code", "LATE")]).await;
    script.send_box([("_ask", "9"), ("_command", "Sync")]).await;
    script.receive().await;
    assert_eq!(peer.counters().late_answers, 2);
    assert!(!peer.is_closed());
}

#[tokio::test]
async fn a_dropped_call_is_forgotten_at_every_stage() {
    let (peer, mut script) = Script::start(|connection| connection);
    // Before it was polled: nothing is sent.
    drop(peer.call_by_name("Never", numbered(1)));
    // After it was queued and before the driver had a chance to write it: it is sent.
    let mut call = by_hand(peer.call_by_name("Queued", numbered(2)));
    assert!(call.poll_once().is_none());
    drop(call);
    let queued = script.expect_call("Queued").await;
    // After it was written.
    let mut call = by_hand(peer.call_by_name("Written", numbered(3)));
    assert!(call.poll_once().is_none());
    let written = script.expect_call("Written").await;
    drop(call);
    // After its answer came.
    let mut call = by_hand(peer.call_by_name("Answered", numbered(4)));
    assert!(call.poll_once().is_none());
    let answered = script.expect_call("Answered").await;
    script.send_box([("_answer", &answered)]).await;
    script.send_box([("_ask", "9"), ("_command", "Sync")]).await;
    script.receive().await;
    drop(call);
    // Their late answers reach nobody, least of all the next call.
    let mut call = by_hand(peer.call_by_name("Next", numbered(5)));
    assert!(call.poll_once().is_none());
    for tag in [queued, written, answered] {
        script.send_box([("_answer", &*tag), ("n", "late")]).await;
    }
    let next = script.expect_call("Next").await;
    script.send_box([("_answer", &*next), ("n", "5")]).await;
    assert_eq!(call.finish().await.unwrap().get("n"), Some(&b"5"[..]));
    assert_eq!(peer.counters().late_answers, 3);
}

/// A future that is polled by hand.
struct ByHand<F>(std::pin::Pin<Box<F>>);

fn by_hand<F: Future>(future: F) -> ByHand<F> {
    ByHand(Box::pin(future))
}

impl<F: Future> ByHand<F> {
    fn poll_once(&mut self) -> Option<F::Output> {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        match self.0.as_mut().poll(&mut cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }

    async fn finish(self) -> F::Output {
        self.0.await
    }
}
