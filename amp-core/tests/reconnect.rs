//! The client that connects again: what it sends, when, and what becomes of the rest.

mod support;

use amp_core::reconnect::{
    Backoff, Builder, Client, ConnectError, Jitter, NotConnected, NotConnectedKind, State,
};
use amp_core::{
    Arguments, CallError, CloseReason, Command, Connection, Failure, FailurePolicy, Limits,
    NoError, Ping, Responders,
};
use std::collections::VecDeque;
use std::error::Error;
use std::future::IntoFuture;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Script, settled};
use tokio::sync::mpsc;
use tokio::time::Instant;

#[derive(Command)]
#[amp(response = Value)]
struct Once {
    n: i64,
}

#[derive(Command)]
#[amp(response = Value, idempotent)]
struct Again {
    n: i64,
}

#[derive(Command)]
#[amp(one_way)]
struct Note {
    n: i64,
}

#[derive(Arguments, Debug, PartialEq)]
struct Value {
    n: i64,
}

#[derive(Command)]
struct Hello {}

const SECOND: Duration = Duration::from_secs(1);

/// What the network does with an attempt to connect.
#[derive(Clone, Copy)]
enum Does {
    Refuse,
    Accept,
    /// Accepts, with room for so many bytes in each direction.
    AcceptNarrow(usize),
    Hang,
    Panic,
}

/// A server and the network before it. What comes after the plan is refused.
struct Net {
    accepted: mpsc::UnboundedReceiver<Script>,
    attempts: Arc<AtomicUsize>,
}

impl Net {
    /// A client with waits of 1, 2, 4, 8 seconds, as `prepare` says.
    fn client(
        plan: impl IntoIterator<Item = Does>,
        prepare: impl FnOnce(Builder) -> Builder,
    ) -> (Client, Self) {
        Self::client_over(plan, |connection| connection, prepare)
    }

    /// One whose connections are as `settings` says.
    fn client_over(
        plan: impl IntoIterator<Item = Does>,
        settings: fn(Connection) -> Connection,
        prepare: impl FnOnce(Builder) -> Builder,
    ) -> (Client, Self) {
        let plan = Mutex::new(plan.into_iter().collect::<VecDeque<_>>());
        let plan = Arc::new(plan);
        let (accept, accepted) = mpsc::unbounded_channel();
        let attempts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&attempts);
        let connect = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let does = plan.lock().unwrap().pop_front().unwrap_or(Does::Refuse);
            let accept = accept.clone();
            async move {
                let room = match does {
                    Does::Refuse => return Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
                    Does::Hang => std::future::pending().await,
                    Does::Panic => panic!("the code that connects"),
                    Does::Accept => 1 << 16,
                    Does::AcceptNarrow(room) => room,
                };
                let (near, far) = tokio::io::duplex(room);
                let _ = accept.send(Script::of(far));
                Ok(settings(Connection::new(near)))
            }
        };
        let backoff = Backoff {
            base: SECOND,
            factor: 2.0,
            cap: 8 * SECOND,
            jitter: Jitter::None,
            reset_after: 10 * SECOND,
        };
        let client = prepare(Client::builder(connect).backoff(backoff).address("far:1")).spawn();
        (client, Self { accepted, attempts })
    }

    async fn accept(&mut self) -> Script {
        self.accepted.recv().await.expect("the client connects")
    }

    fn attempts(&self) -> usize {
        self.attempts.load(Ordering::SeqCst)
    }
}

/// Runs a call on a task of its own, as far as it gets.
async fn started<T: Send + 'static>(
    call: impl IntoFuture<Output = T, IntoFuture: Send + 'static>,
) -> tokio::task::JoinHandle<T> {
    let call = tokio::spawn(call.into_future());
    settled().await;
    call
}

/// Answers the next call with what it was called with.
async fn answer(script: &mut Script, command: &str) {
    let call = script.receive().await.expect("a call");
    let text = |key| std::str::from_utf8(call.get(key).expect("a value")).expect("text");
    assert_eq!(text("_command"), command);
    script.send_box([("_answer", text("_ask")), ("n", text("n"))]).await;
}

/// Refuses a call, as a connection does that is about to end.
async fn refuse(script: &mut Script, tag: &str) {
    let code = ("_error_code", "CLOSING");
    script.send_box([("_error", tag), code, ("_not_acted_upon", "True")]).await;
}

fn not_connected<T: std::fmt::Debug, E: std::fmt::Debug>(
    ended: Result<T, CallError<E>>,
) -> NotConnected {
    match ended {
        Err(CallError::NotConnected(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// Waits until nothing of a client is left.
async fn gone(mut watch: tokio::sync::watch::Receiver<State>) {
    while watch.changed().await.is_ok() {}
    assert!(matches!(*watch.borrow(), State::Closed));
}

#[tokio::test(start_paused = true)]
async fn no_call_is_made_before_the_hook_has_succeeded() {
    let (client, mut net) = Net::client([Does::Accept], |builder| {
        builder.wait().on_connect(|peer| async move { peer.call_remote(Hello {}).await })
    });
    let call = started(client.call_remote(Once { n: 1 })).await;
    let mut script = net.accept().await;
    let tag = script.expect_call("Hello").await;
    settled().await;
    assert!(matches!(client.state(), State::Connecting { attempt: 1, cause: None }));
    script.send_box([("_answer", tag.as_str())]).await;
    answer(&mut script, "Once").await;
    assert_eq!(call.await.unwrap().unwrap(), Value { n: 1 });
    assert!(matches!(client.state(), State::Connected(_)));
}

#[tokio::test(start_paused = true)]
async fn without_a_connection_a_call_fails_at_once_and_says_why() {
    let (client, net) = Net::client([Does::Hang], |builder| builder.attempt_timeout(5 * SECOND));
    settled().await;
    let error = not_connected(client.call_remote(Once { n: 1 }).await);
    assert_eq!(error.kind(), NotConnectedKind::FailFast);
    assert_eq!(error.to_string(), "not connected to far:1: attempt 1 is under way");
    assert!(error.cause().is_none() && error.source().is_none());

    tokio::time::sleep(5 * SECOND + SECOND / 2).await;
    let error = not_connected(client.call_remote(Once { n: 1 }).await);
    let text = "not connected to far:1: attempt 2 is in 500.0ms: \
                the connection was not ready within 5s";
    assert_eq!(amp_core::Report(&error).to_string(), text);

    tokio::time::sleep(SECOND).await;
    assert_eq!(net.attempts(), 2);
    let error = not_connected(client.call_remote_string("Once", [("n", "1")]).await);
    let text = "not connected to far:1: attempt 3 is in 1.5s: cannot connect: connection refused";
    assert_eq!(amp_core::Report(&error).to_string(), text);
    let cause = error.source().expect("a cause");
    assert_eq!(cause.source().expect("its cause").to_string(), "connection refused");
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_while_connecting_fails() {
    let plan = [Does::Refuse, Does::Refuse, Does::Panic, Does::Accept];
    let (client, mut net) = Net::client(plan, Builder::wait);
    let start = Instant::now();
    let call = started(client.call_remote(Once { n: 1 })).await;
    let mut script = net.accept().await;
    assert_eq!(start.elapsed(), 7 * SECOND, "waits of 1, 2 and 4 seconds");
    answer(&mut script, "Once").await;
    assert_eq!(call.await.unwrap().unwrap(), Value { n: 1 });
    assert_eq!(net.attempts(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_closes_its_connection() {
    let (client, mut net) = Net::client([Does::Accept, Does::Accept, Does::Accept], |builder| {
        let mut count = 0;
        builder.attempt_timeout(3 * SECOND).wait().on_connect(move |peer| {
            count += 1;
            async move {
                match count {
                    1 => Err("no login"),
                    // A handle that is kept does not keep the connection.
                    2 => {
                        tokio::spawn(async move { peer.closed().await });
                        std::future::pending().await
                    }
                    _ => Ok(()),
                }
            }
        })
    });
    let call = started(client.call_remote(Once { n: 1 })).await;
    assert_eq!(net.accept().await.receive().await, None);
    settled().await;
    match client.state() {
        State::Waiting { attempt: 2, cause: error @ ConnectError::Hook(_), .. } => {
            assert_eq!(
                amp_core::Report(&error).to_string(),
                "the connection could not be made ready: no login"
            );
        }
        other => panic!("{other:?}"),
    }
    let start = Instant::now();
    let mut second = net.accept().await;
    assert_eq!(second.receive().await, None);
    assert_eq!(start.elapsed(), 4 * SECOND, "a wait of one second, and the time for an attempt");
    drop(second);
    settled().await;
    let State::Waiting { attempt: 3, cause: ConnectError::Timeout { after }, .. } = client.state()
    else {
        panic!("{:?}", client.state());
    };
    assert_eq!(after, 3 * SECOND);
    answer(&mut net.accept().await, "Once").await;
    call.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_panics_is_an_attempt_that_failed() {
    let (client, mut net) = Net::client([Does::Accept, Does::Accept], |builder| {
        let mut first = true;
        builder.on_connect(move |_| {
            let panics = std::mem::take(&mut first);
            async move {
                assert!(!panics, "the hook");
                Ok::<(), NoError>(())
            }
        })
    });
    assert_eq!(net.accept().await.receive().await, None);
    settled().await;
    let state = client.state();
    let State::Waiting { cause: ConnectError::Panicked { text }, .. } = &state else {
        panic!("{state:?}")
    };
    assert!(text.starts_with("the hook"), "{text}");
    client.connected().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_is_not_sent_twice_unless_it_may_be() {
    let (client, mut net) = Net::client([Does::Accept, Does::Accept], Builder::wait);
    let once = started(client.call_remote(Once { n: 1 })).await;
    let again = started(client.call_remote(Again { n: 2 })).await;
    let string = started(client.call_remote_string("Once", [("n", "3")])).await;
    let string_again = started(client.call_remote_string("Again", [("n", "4")]).idempotent()).await;
    let fast = started(client.call_remote(Again { n: 5 }).fail_fast()).await;
    let never = started(client.call_remote(Again { n: 6 }).max_repeats(0)).await;

    let mut first = net.accept().await;
    for command in ["Once", "Again", "Once", "Again", "Again", "Again"] {
        first.expect_call(command).await;
    }
    drop(first);
    let lost = |ended: Result<Value, CallError>| match ended {
        Err(CallError::Closed(CloseReason::Peer)) => {}
        other => panic!("{other:?}"),
    };
    lost(once.await.unwrap());
    lost(string.await.unwrap().map(|_| Value { n: 0 }));
    lost(never.await.unwrap());
    lost(fast.await.unwrap());

    let mut second = net.accept().await;
    answer(&mut second, "Again").await;
    answer(&mut second, "Again").await;
    assert_eq!(again.await.unwrap().unwrap(), Value { n: 2 });
    assert_eq!(string_again.await.unwrap().unwrap().get("n"), Some(&b"4"[..]));
    drop(client);
    assert_eq!(second.receive().await, None, "nothing else was sent again");
}

#[tokio::test(start_paused = true)]
async fn any_call_can_be_marked_as_one_that_may_be_sent_twice() {
    let (client, mut net) = Net::client([Does::Accept, Does::Accept], Builder::wait);
    let once = started(client.call_remote(Once { n: 1 }).idempotent()).await;
    net.accept().await.expect_call("Once").await;
    let mut second = net.accept().await;
    answer(&mut second, "Once").await;
    assert_eq!(once.await.unwrap().unwrap(), Value { n: 1 });
    client.notify(Note { n: 2 }).idempotent().await.unwrap();
    assert_eq!(second.receive().await.unwrap().get("n"), Some(&b"2"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_client_leaves_a_connection_that_the_peer_is_closing() {
    let (client, mut net) = Net::client([Does::Accept, Does::Accept], Builder::wait);
    let before = started(client.call_remote(Once { n: 0 })).await;
    let once = started(client.call_remote(Once { n: 1 })).await;
    let string = started(client.call_remote_string("Once", [("n", "2")])).await;
    let fast = started(client.call_remote(Once { n: 4 }).fail_fast()).await;
    let mut first = net.accept().await;
    let earlier = first.expect_call("Once").await;
    for _ in 0..3 {
        let tag = first.expect_call("Once").await;
        refuse(&mut first, &tag).await;
    }
    assert!(matches!(fast.await.unwrap(), Err(CallError::Remote(error)) if error.is_closing()));

    // The first connection is still open. The two come in any order.
    let mut second = net.accept().await;
    for _ in 0..2 {
        let call = second.receive().await.expect("a call");
        let text = |key| std::str::from_utf8(call.get(key).expect("a value")).expect("text");
        if text("n") == "1" {
            second.send_box([("_answer", text("_ask")), ("n", "1")]).await;
        }
    }
    assert_eq!(once.await.unwrap().unwrap(), Value { n: 1 });
    first.send_box([("_answer", earlier.as_str()), ("n", "0")]).await;
    assert_eq!(before.await.unwrap().unwrap(), Value { n: 0 });
    assert_eq!(first.receive().await, None, "nothing came again, and nobody needs it any more");
    first.finish().await;
    drop(second);
    // This time nobody says that it was not acted upon.
    assert!(matches!(string.await.unwrap(), Err(CallError::Closed(CloseReason::Peer))));
}

#[tokio::test(start_paused = true)]
async fn a_closed_client_closes_what_it_has_left_too() {
    let (client, mut net) = Net::client([Does::Accept, Does::Accept], Builder::wait);
    let before = started(client.call_remote(Once { n: 0 })).await;
    let again = started(client.call_remote(Once { n: 1 })).await;
    let mut first = net.accept().await;
    first.expect_call("Once").await;
    let tag = first.expect_call("Once").await;
    refuse(&mut first, &tag).await;
    let mut second = net.accept().await;
    second.expect_call("Once").await;

    let closing = started({
        let client = client.clone();
        async move { client.close().await }
    })
    .await;
    for call in [before, again] {
        assert!(matches!(call.await.unwrap(), Err(CallError::Closed(CloseReason::Local))));
    }
    assert_eq!(first.receive().await, None);
    assert_eq!(second.receive().await, None);
    drop((first, second));
    closing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_never_sent_is_sent_later() {
    let plan = [Does::AcceptNarrow(8), Does::Accept];
    let (near, mut accepted) = mpsc::unbounded_channel();
    let plan = Mutex::new(VecDeque::from(plan));
    let client = Client::builder(move || {
        let room = match plan.lock().unwrap().pop_front() {
            Some(Does::AcceptNarrow(room)) => room,
            _ => 1 << 16,
        };
        let (here, there) = tokio::io::duplex(room);
        near.send(Script::of(there)).unwrap();
        let limits = Limits { send_queue: 1, ..Limits::default() };
        async move { Ok::<_, NoError>(Connection::new(here).limits(limits)) }
    })
    .wait()
    .spawn();
    client.connected().await.unwrap();
    client.notify(Note { n: 1 }).await.unwrap();
    settled().await;
    client.notify(Note { n: 2 }).await.unwrap();
    let once = started(client.call_remote(Once { n: 3 })).await;
    let note = started(client.notify(Note { n: 4 })).await;
    drop(accepted.recv().await);

    let mut second = accepted.recv().await.expect("another connection");
    let mut received = Vec::new();
    for _ in 0..2 {
        let ampbox = second.receive().await.expect("a call");
        let text = |key| ampbox.get(key).map(|value| std::str::from_utf8(value).expect("text"));
        if let Some(tag) = text("_ask") {
            second.send_box([("_answer", tag), ("n", "3")]).await;
        }
        received.push(ampbox.get("n").unwrap().to_vec());
    }
    received.sort();
    assert_eq!(received, [b"3", b"4"]);
    assert_eq!(once.await.unwrap().unwrap(), Value { n: 3 });
    note.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_is_sent_again_a_few_times_only() {
    let plan = [Does::Accept; 5];
    let (client, mut net) = Net::client(plan, |builder| builder.wait().max_repeats(2));
    let call = started(client.call_remote(Again { n: 1 })).await;
    for _ in 0..3 {
        net.accept().await.expect_call("Again").await;
    }
    let ended = call.await.unwrap();
    assert!(matches!(ended, Err(CallError::Closed(CloseReason::Peer))), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_with_the_time_of_the_call() {
    let (client, mut net) = Net::client([Does::Refuse, Does::Refuse, Does::Accept], |builder| {
        builder.wait().call_timeout(2 * SECOND)
    });
    let start = Instant::now();
    let error = client.call_remote(Once { n: 1 }).await;
    assert!(error.as_ref().is_err_and(CallError::is_timeout));
    let error = not_connected(error);
    assert_eq!(start.elapsed(), 2 * SECOND);
    assert_eq!(error.kind(), NotConnectedKind::Waited { after: 2 * SECOND });
    let text = "not connected to far:1 within 2s: attempt 3 is in 1.0s: \
                cannot connect: connection refused";
    assert_eq!(amp_core::Report(&error).to_string(), text);

    // Of three seconds one goes by without a connection, and two without an answer.
    let call = client.call_remote(Once { n: 2 }).timeout(3 * SECOND);
    let ended = started(call).await.await.unwrap();
    assert!(matches!(ended, Err(CallError::Timeout { after }) if after == 3 * SECOND), "{ended:?}");
    assert_eq!(start.elapsed(), 5 * SECOND);
    net.accept().await.expect_call("Once").await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_lost_and_cannot_be_sent_again_in_time_says_that_it_was_sent() {
    let (client, mut net) = Net::client([Does::Accept], Builder::wait);
    let call = started(client.call_remote(Again { n: 1 }).timeout(20 * SECOND)).await;
    net.accept().await.expect_call("Again").await;
    let start = Instant::now();
    let ended = call.await.unwrap();
    assert!(matches!(ended, Err(CallError::Closed(CloseReason::Peer))), "{ended:?}");
    assert_eq!(start.elapsed(), 20 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_lost_and_finds_no_place_again_says_that_it_was_sent() {
    let (near, mut accepted) = mpsc::unbounded_channel();
    let mut places = [2, 1].into_iter();
    let client = Client::builder(move || {
        let (here, there) = tokio::io::duplex(1 << 16);
        near.send(Script::of(there)).unwrap();
        let outstanding_calls = places.next().unwrap();
        let limits = Limits { outstanding_calls, ..Limits::default() };
        async move { Ok::<_, NoError>(Connection::new(here).limits(limits)) }
    })
    .wait()
    .spawn();
    let one = started(client.call_remote(Again { n: 1 })).await;
    let other = started(client.call_remote(Again { n: 2 })).await;
    let mut first = accepted.recv().await.unwrap();
    first.expect_call("Again").await;
    first.expect_call("Again").await;
    drop(first);

    let mut second = accepted.recv().await.unwrap();
    answer(&mut second, "Again").await;
    let mut ended = [one.await.unwrap(), other.await.unwrap()];
    ended.sort_by_key(Result::is_err);
    assert!(matches!(&ended, [Ok(_), Err(CallError::Closed(CloseReason::Peer))]), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn so_many_calls_wait_and_no_more() {
    let (client, mut net) =
        Net::client([Does::Refuse, Does::Accept], |builder| builder.wait().max_waiting(2));
    let first = started(client.call_remote(Once { n: 1 })).await;
    let second = started(client.call_remote(Once { n: 2 })).await;
    let error = not_connected(client.call_remote(Once { n: 3 }).await);
    assert_eq!(error.kind(), NotConnectedKind::TooManyWaiting { limit: 2 });
    let text = "not connected to far:1, and 2 calls wait for it already, which is the limit: \
                attempt 2 is in 1.0s: cannot connect: connection refused";
    assert_eq!(amp_core::Report(&error).to_string(), text);

    // One that gives up leaves its place.
    second.abort();
    settled().await;
    let third = started(client.call_remote(Once { n: 3 })).await;
    let mut script = net.accept().await;
    answer(&mut script, "Once").await;
    answer(&mut script, "Once").await;
    first.await.unwrap().unwrap();
    third.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn waits_begin_again_after_a_connection_that_lasted() {
    let (client, mut net) = Net::client([Does::Accept; 4], |builder| builder);
    let mut waits = Vec::new();
    for lasts in [0, 9, 10] {
        let script = net.accept().await;
        client.connected().await.unwrap();
        tokio::time::sleep(lasts * SECOND).await;
        drop(script);
        settled().await;
        let State::Waiting { attempt, until, cause: ConnectError::Lost(_) } = client.state() else {
            panic!("{:?}", client.state());
        };
        waits.push((attempt, until - Instant::now()));
    }
    assert_eq!(waits, [(2, SECOND), (3, 2 * SECOND), (1, SECOND)]);
}

#[tokio::test(start_paused = true)]
async fn the_peer_is_answered_on_every_connection() {
    let responders = Responders::new(()).respond_string("Echo", support::echo);
    let (_client, mut net) =
        Net::client([Does::Accept; 2], |builder| builder.responders(responders));
    for _ in 0..2 {
        let mut script = net.accept().await;
        script.send_box([("_command", "Echo"), ("_ask", "1"), ("a", "b")]).await;
        script.expect([("_answer", "1"), ("a", "b")]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_client_stops_wherever_it_is() {
    // While it connects.
    let (client, _net) = Net::client([Does::Hang], |builder| builder);
    settled().await;
    let watch = client.watch();
    drop(client);
    gone(watch).await;

    // While it makes the connection ready.
    let (client, mut net) = Net::client([Does::Accept], |builder| {
        builder.on_connect(|_| std::future::pending::<Result<(), NoError>>())
    });
    let mut script = net.accept().await;
    settled().await;
    let watch = client.watch();
    drop(client);
    assert_eq!(script.receive().await, None);
    script.finish().await;
    gone(watch).await;

    // While it is connected, whoever else has a handle of the connection.
    let (client, mut net) = Net::client([Does::Accept], |builder| builder);
    let mut script = net.accept().await;
    let peer = client.connected().await.unwrap();
    let watch = client.watch();
    drop(client);
    assert_eq!(script.receive().await, None);
    script.finish().await;
    assert!(matches!(peer.closed().await, CloseReason::Local));
    gone(watch).await;

    // While it waits.
    let (client, net) = Net::client([Does::Refuse], |builder| builder);
    settled().await;
    let watch = client.watch();
    let start = Instant::now();
    drop(client);
    gone(watch).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(net.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_keeps_its_client() {
    let (client, mut net) = Net::client([Does::Refuse, Does::Accept], Builder::wait);
    let watch = client.watch();
    let call = started(client.call_remote(Once { n: 1 })).await;
    drop(client);
    let mut script = net.accept().await;
    answer(&mut script, "Once").await;
    call.await.unwrap().unwrap();
    assert_eq!(script.receive().await, None);
    script.finish().await;
    gone(watch).await;
}

#[tokio::test(start_paused = true)]
async fn a_closed_client_fails_every_call() {
    let (client, mut net) = Net::client([Does::Accept, Does::Accept], Builder::wait);
    let mut script = net.accept().await;
    let once = started(client.call_remote(Once { n: 1 })).await;
    let again = started(client.call_remote(Again { n: 2 })).await;
    script.expect_call("Once").await;
    script.expect_call("Again").await;
    let closing = started({
        let client = client.clone();
        async move { client.close().await }
    })
    .await;
    for call in [once.await.unwrap(), again.await.unwrap()] {
        assert!(matches!(call, Err(CallError::Closed(CloseReason::Local))), "{call:?}");
    }
    let error = not_connected(client.call_remote(Once { n: 3 }).fail_fast().await);
    assert_eq!(error.kind(), NotConnectedKind::Closed);
    let error = not_connected(client.call_remote(Once { n: 3 }).await);
    assert_eq!(error.kind(), NotConnectedKind::Closed);
    assert_eq!(error.to_string(), "not connected to far:1: the client is closed");
    assert!(!closing.is_finished(), "the peer has not closed its side");
    drop(script);
    closing.await.unwrap();
    client.close().await;
    client.connected().await.unwrap_err();
    assert_eq!(net.attempts(), 1);

    let (client, _net) = Net::client([Does::Refuse], Builder::wait);
    let waiting = started(client.call_remote(Once { n: 1 })).await;
    client.close().await;
    let error = not_connected(waiting.await.unwrap());
    assert_eq!(error.kind(), NotConnectedKind::Closed);
}

#[test]
fn a_runtime_that_ends_ends_the_client() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (client, _net) = runtime.block_on(async { Net::client([Does::Hang], Builder::wait) });
    drop(runtime);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(async {
        client.close().await;
        not_connected(client.call_remote(Once { n: 1 }).await)
    });
    assert_eq!(error.kind(), NotConnectedKind::Closed);
}

/// The last connection has a peer that does not close its side, so its end takes all of its time.
#[tokio::test(start_paused = true)]
async fn the_next_attempt_does_not_wait_for_the_end_of_the_last_connection() {
    type Settings = fn(Connection) -> Connection;
    let idle: Settings = |connection| connection.idle_timeout(30 * SECOND);
    let pinging: Settings = |connection| connection.ping(Ping, 20 * SECOND, 10 * SECOND);
    let strict: Settings = |connection| {
        let fails = |_, Hello {}| async { Err(Failure::<NoError>::other("it fails")) };
        let responders = Responders::new(()).try_respond(fails);
        connection.responders(responders).policy(FailurePolicy::Close)
    };
    let hello = [("_command", "Hello")];
    let hello = amp_core::AmpBox::from_pairs(hello).unwrap().to_bytes().to_vec();
    for (settings, sent, said) in [
        (idle, Vec::new(), "nothing was received for 30s"),
        (pinging, Vec::new(), "a ping was not answered within 10s"),
        (strict, vec![0xff; 4], "not AMP: it begins with"),
        (strict, hello, "closed after \"Hello\" failed with UNKNOWN"),
    ] {
        let (client, mut net) =
            Net::client_over([Does::Accept, Does::Accept], settings, Builder::wait);
        let mut first = net.accept().await;
        let last = client.connected().await.unwrap();
        if sent.is_empty() {
            tokio::time::sleep(30 * SECOND).await;
        } else {
            first.send(&sent).await;
        }
        settled().await;
        let began = Instant::now();
        let State::Waiting { until, cause: ConnectError::Lost(reason), .. } = client.state() else {
            panic!("{said}: {:?}", client.state());
        };
        assert!(reason.to_string().contains(said), "{reason}");
        assert_eq!(until, began + SECOND);
        last.call_remote(Once { n: 0 }).await.unwrap_err();

        let call = started(client.call_remote(Once { n: 1 })).await;
        let mut second = net.accept().await;
        assert_eq!(began.elapsed(), SECOND);
        answer(&mut second, "Once").await;
        assert_eq!(call.await.unwrap().unwrap(), Value { n: 1 });
        assert!(matches!(client.state(), State::Connected(_)));
        assert_eq!(last.closed().await.to_string(), reason.to_string());
        // A peer that does not keep to the protocol is not waited for as long as others.
        let at_fault = matches!(reason, amp_core::CloseReason::Protocol(_));
        let corpse = if at_fault { SECOND } else { Limits::default().close_timeout };
        assert_eq!(began.elapsed(), corpse);
        client.close().await;
    }
}

/// A hook that waits for something else than an answer.
#[tokio::test(start_paused = true)]
async fn a_hook_does_not_hold_up_a_client_whose_connection_is_lost() {
    let (client, mut net) = Net::client([Does::Accept], |builder| {
        builder.on_connect(|_| std::future::pending::<Result<(), io::Error>>())
    });
    let began = Instant::now();
    drop(net.accept().await);
    settled().await;
    let state = client.state();
    assert!(
        matches!(&state, State::Waiting { cause: ConnectError::Lost(CloseReason::Peer), .. }),
        "{state:?}"
    );
    assert_eq!(began.elapsed(), Duration::ZERO);
}
