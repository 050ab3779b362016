//! Calls and responders as services of tower.

mod support;

use amp_core::argument::{DecodeErrorKind, Numbered};
use amp_core::boxes::BoxLimits;
use amp_core::reconnect::{Backoff, Connector, Jitter};
use amp_core::tower::{
    ClientService, LayeredAnswer, LayeredCall, NamedRequest, PeerService, TypedCalls,
};
use amp_core::{
    AmpBox, Arguments, CallError, CloseReason, Command, CommandError, Connection, Context, Limits,
    NoError, ReceivedCall, RemoteError, Responders, Switched, testing,
};
use std::future::{pending, poll_fn, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;
use support::{Script, echoing, gated, settled};
use tokio::sync::Semaphore;
use tower::limit::ConcurrencyLimitLayer;
use tower::timeout::TimeoutLayer;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Command, Clone)]
#[amp(response = Value, error = ValueError, idempotent)]
struct Double {
    n: i64,
}

#[derive(Arguments, Debug, PartialEq)]
struct Value {
    n: i64,
}

#[derive(CommandError, Debug, PartialEq, thiserror::Error)]
enum ValueError {
    #[error("too large")]
    TooLarge,
}

async fn double(_: Context, Double { n }: Double) -> Result<Value, ValueError> {
    n.checked_mul(2).map(|n| Value { n }).ok_or(ValueError::TooLarge)
}

fn doubling() -> Responders {
    Responders::new(()).respond(double)
}

/// A peer whose calls these responders answer, which have a connection of their own.
fn peer_of(responders: Responders) -> (amp_core::Peer, amp_core::Peer) {
    testing::pair(Responders::new(()), responders)
}

async fn is_ready<S: Service<NamedRequest>>(service: &mut S) -> Option<Result<(), S::Error>> {
    poll_fn(|cx| {
        Poll::Ready(match service.poll_ready(cx) {
            Poll::Ready(ready) => Some(ready),
            Poll::Pending => None,
        })
    })
    .await
}

fn named(command: &'static str, n: &str) -> NamedRequest {
    NamedRequest::new(command, AmpBox::from_pairs([("n", n)]).unwrap())
}

#[tokio::test]
async fn a_peer_is_a_service_of_typed_calls_and_of_calls_by_name() {
    let (peer, _there) = peer_of(doubling());
    let calls = ServiceBuilder::new().concurrency_limit(1).service(PeerService::new(peer));
    assert_eq!(calls.clone().oneshot(Double { n: 4 }).await.unwrap(), Value { n: 8 });
    let error = calls.clone().oneshot(Double { n: i64::MAX }).await.unwrap_err();
    assert!(matches!(error, CallError::Command(ValueError::TooLarge)), "{error:?}");
    let answer = calls.clone().oneshot(named("Double", "5")).await.unwrap();
    assert_eq!(answer.get("n"), Some(&b"10"[..]));
    let error = calls.oneshot(named("Treble", "5")).await.unwrap_err();
    assert!(error.is_unhandled());
}

#[tokio::test(start_paused = true)]
async fn a_peer_is_ready_while_the_queue_has_room_and_fails_when_it_is_closed() {
    let limits = Limits::default().send_queue(100);
    let (peer, mut script) = Script::with_room(16, |connection| connection.limits(limits));
    let mut calls = PeerService::new(peer.clone());
    assert!(matches!(is_ready(&mut calls).await, Some(Ok(()))));
    // The driver has taken the first one and cannot write it; the second fills the queue.
    peer.notify_by_name("A", [("a", "x".repeat(100))]).await.unwrap();
    settled().await;
    peer.notify_by_name("A", [("a", "x".repeat(100))]).await.unwrap();
    assert!(is_ready(&mut calls).await.is_none());
    let waiting = tokio::spawn(async move {
        ServiceExt::<NamedRequest>::ready(&mut calls).await?;
        Ok::<_, CallError>(calls)
    });
    settled().await;
    assert!(!waiting.is_finished());
    script.receive().await.expect("the first box");
    let mut calls = waiting.await.unwrap().unwrap();

    drop(script);
    settled().await;
    match is_ready(&mut calls).await {
        Some(Err(CallError::Closed(
            CloseReason::Truncated { .. } | CloseReason::Peer | CloseReason::Io(_),
        ))) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_is_ready_while_it_is_connected() {
    let (accept, mut accepted) = tokio::sync::mpsc::unbounded_channel();
    let connect = move || {
        let (here, there) = tokio::io::duplex(1 << 16);
        accept.send(Script::of(there)).unwrap();
        async move { Ok::<_, NoError>(Connection::new(here)) }
    };
    let backoff = Backoff::default().base(SECOND).jitter(Jitter::None);
    let client = Connector::new(connect).backoff(backoff).spawn();
    let mut calls = ClientService::new(client.clone());
    assert!(is_ready(&mut calls).await.is_none());
    let mut script = accepted.recv().await.unwrap();
    ServiceExt::<NamedRequest>::ready(&mut calls).await.unwrap();
    let call = tokio::spawn(Service::call(&mut calls, Double { n: 1 }));
    script.expect_call("Double").await;
    drop(script);
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Closed(CloseReason::Peer)), "{error:?}");

    assert!(is_ready(&mut calls).await.is_none());
    let mut waiting = calls.clone();
    assert!(is_ready(&mut waiting).await.is_none());
    let error = Service::call(&mut calls, named("A", "1")).await.unwrap_err();
    assert!(matches!(error, CallError::NotConnected(_)), "{error:?}");
    ServiceExt::<NamedRequest>::ready(&mut calls).await.unwrap();
    ServiceExt::<NamedRequest>::ready(&mut waiting).await.unwrap();
    drop(accepted.recv().await.unwrap());
    settled().await;
    let waiting =
        tokio::spawn(
            async move { ServiceExt::<NamedRequest>::ready(&mut waiting).await.map(|_| ()) },
        );
    settled().await;
    assert!(!waiting.is_finished());
    client.close().await;
    for error in [waiting.await.unwrap(), is_ready(&mut calls).await.unwrap()] {
        assert!(matches!(error, Err(CallError::NotConnected(_))), "{error:?}");
    }
}

#[tokio::test]
async fn typed_calls_go_through_a_service_of_calls_by_name() {
    let (peer, _there) = peer_of(doubling());
    // A buffer is for one type of request.
    let buffer = tower::buffer::Buffer::new(PeerService::new(peer), 10);
    let calls = TypedCalls::new(buffer);
    assert_eq!(calls.clone().oneshot(Double { n: 4 }).await.unwrap(), Value { n: 8 });
    let error = calls.oneshot(Double { n: i64::MAX }).await.unwrap_err();
    let error = error.downcast::<CallError<ValueError>>().unwrap();
    assert!(matches!(*error, CallError::Command(ValueError::TooLarge)), "{error:?}");

    assert!(NamedRequest::of(&Double { n: 1 }).unwrap().is_idempotent);
    assert!(!named("Double", "1").is_idempotent);
    let failing =
        service_fn(|_: NamedRequest| async { Err::<AmpBox, BoxError>("overloaded".into()) });
    let error = TypedCalls::new(failing).oneshot(Double { n: 1 }).await.unwrap_err();
    assert_eq!(error.to_string(), "overloaded");
    let wrong = service_fn(|_: NamedRequest| async { Ok::<_, BoxError>(AmpBox::new()) });
    let error = TypedCalls::new(wrong).oneshot(Double { n: 1 }).await.unwrap_err();
    let error = error.downcast::<CallError<ValueError>>().unwrap();
    assert!(matches!(*error, CallError::Decode(_)), "{error:?}");
}

#[derive(Command)]
struct Store {
    data: Numbered<Vec<u8>>,
}

#[test]
fn how_large_a_typed_call_by_name_may_be_is_for_its_connection_to_say() {
    let len = BoxLimits::default().max_bytes + 1;
    let store = Store { data: Numbered(vec![0; len]) };
    assert!(store.encode().is_err());
    assert!(NamedRequest::of(&store).unwrap().arguments.encoded_len() > len);
}

#[derive(Command)]
#[amp(response = Rows)]
struct Read {}

#[derive(Arguments)]
struct Rows {
    rows: Vec<Row>,
}

/// Two bytes on the wire where it is empty, and some hundred in memory.
#[derive(Arguments, Clone, Default)]
struct Row {
    name: Option<String>,
    street: Option<String>,
    town: Option<String>,
    country: Option<String>,
    note: Option<String>,
}

#[tokio::test]
async fn what_an_answer_of_a_typed_call_by_name_is_decoded_to_has_a_bound_of_its_own() {
    let rows = Rows { rows: vec![Row::default(); 10_000] };
    let answer = AmpBox::parse(&mut rows.encode().unwrap(), BoxLimits::default()).unwrap();
    let service = service_fn(move |_: NamedRequest| ready(Ok::<_, BoxError>(answer.clone())));
    let calls = TypedCalls::new(service);
    let error = calls.clone().decoded_bytes(1 << 20).oneshot(Read {}).await.err().unwrap();
    let error = error.downcast::<CallError>().unwrap();
    let CallError::Decode(error) = *error else { panic!("{error:?}") };
    assert!(matches!(error.kind(), DecodeErrorKind::TooMuchMemory { .. }), "{error}");
    let decoded = calls.oneshot(Read {}).await.unwrap();
    assert_eq!(decoded.rows.len(), 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_service_is_a_responder() {
    let running = Arc::new(AtomicUsize::new(0));
    let service = service_fn(move |(context, command): (Context, Double)| {
        let running = Arc::clone(&running);
        async move {
            assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
            tokio::time::sleep(SECOND).await;
            running.fetch_sub(1, Ordering::SeqCst);
            match command.n {
                0 => pending().await,
                -1 => Err("undeclared".into()),
                // Declared, in a box.
                _ => Ok::<_, BoxError>(double(context, command).await?),
            }
        }
    });
    let service = ServiceBuilder::new().concurrency_limit(1).timeout(2 * SECOND).service(service);
    let responders = Responders::new(()).service::<Double, _>(service);
    let (peer, _there) = peer_of(responders);
    let calls = [1, i64::MAX, -1, 0].map(|n| tokio::spawn(peer.call_remote(Double { n })));
    let mut ended = Vec::new();
    for call in calls {
        ended.push(call.await.unwrap());
    }
    assert!(matches!(ended[0], Ok(Value { n: 2 })), "{ended:?}");
    assert!(matches!(ended[1], Err(CallError::Command(ValueError::TooLarge))), "{ended:?}");
    for unknown in &ended[2..] {
        let Err(CallError::Remote(error)) = unknown else { panic!("{ended:?}") };
        assert!(error.is_unknown());
    }
}

#[tokio::test(start_paused = true)]
async fn layers_limit_all_responders_together() {
    let gate = Arc::new(Semaphore::new(0));
    let responders = Responders::new(())
        .respond_by_name("A", gated(Arc::clone(&gate)))
        .fallback(gated(Arc::clone(&gate)))
        .layer(ServiceBuilder::new().load_shed().concurrency_limit(2))
        .respond_by_name("Free", support::echo);
    let (peer, _there) = peer_of(responders.clone());
    let (other, _there) = peer_of(responders);
    let first = tokio::spawn(peer.call_by_name("A", [("n", "1")]));
    let second = tokio::spawn(other.call_by_name("B", [("n", "2")]));
    settled().await;
    let error = peer.call_by_name("A", [("n", "3")]).await.unwrap_err();
    let CallError::Remote(error) = error else { panic!("{error:?}") };
    assert!(error.is_unknown());
    peer.call_by_name("Free", [("n", "4")]).await.unwrap();
    gate.add_permits(3);
    assert_eq!(first.await.unwrap().unwrap().get("n"), Some(&b"1"[..]));
    assert_eq!(second.await.unwrap().unwrap().get("n"), Some(&b"2"[..]));
    peer.call_by_name("A", [("n", "5")]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_gives_up_says_why_and_ends_the_responder() {
    struct Ends(Arc<AtomicUsize>);
    impl Drop for Ends {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let ended = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&ended);
    let slow = move |_: ReceivedCall| {
        let ends = Ends(Arc::clone(&counted));
        async move {
            tokio::time::sleep(5 * SECOND).await;
            drop(ends);
            Ok::<_, RemoteError>(AmpBox::new())
        }
    };
    let late = |error: BoxError| -> BoxError {
        match error.downcast::<tower::timeout::error::Elapsed>() {
            Ok(_) => RemoteError::new("LATE", "it took too long").into(),
            Err(error) => error,
        }
    };
    let responders = Responders::new(())
        .respond_by_name("Slow", slow)
        .layer(ServiceBuilder::new().map_err(late).timeout(2 * SECOND));
    let (_peer, mut script) = Script::start(|connection| connection.responders(responders));
    script.send_box([("_command", "Slow"), ("_ask", "1")]).await;
    let start = tokio::time::Instant::now();
    script
        .expect([
            ("_error", "1"),
            ("_error_code", "LATE"),
            ("_error_description", "it took too long"),
        ])
        .await;
    assert_eq!(start.elapsed(), 2 * SECOND);
    assert_eq!(ended.load(Ordering::SeqCst), 1);

    // One that wants no answer gets none.
    script.send_box([("_command", "Slow")]).await;
    tokio::time::sleep(3 * SECOND).await;
    assert_eq!(ended.load(Ordering::SeqCst), 2);
    script.send_box([("_command", "Other"), ("_ask", "2")]).await;
    let answer = script.receive().await.unwrap();
    assert_eq!(answer.get("_error"), Some(&b"2"[..]));
}

/// What a layer does instead of its responder, or around it.
#[derive(Clone, Default)]
struct Audit {
    seen: Arc<Mutex<Vec<String>>>,
}

impl<S> Layer<S> for Audit {
    type Service = Audited<S>;

    fn layer(&self, inner: S) -> Audited<S> {
        Audited { inner, seen: Arc::clone(&self.seen) }
    }
}

#[derive(Clone)]
struct Audited<S> {
    inner: S,
    seen: Arc<Mutex<Vec<String>>>,
}

impl<S> Service<LayeredCall> for Audited<S>
where
    S: Service<LayeredCall, Response = LayeredAnswer, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = LayeredAnswer;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<LayeredAnswer, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: LayeredCall) -> Self::Future {
        let command = String::from_utf8(call.command().to_vec()).unwrap();
        let asked = call.requires_answer();
        assert!(!call.arguments().contains_key("_command"));
        let value = |key| call.arguments().get(key).map(<[u8]>::to_vec);
        let answering: Self::Future = if value("refuse").is_some() {
            Box::pin(ready(Ok(call.fail(&RemoteError::new("REFUSED", "not you")))))
        } else if value("answer").is_some() {
            let ampbox = AmpBox::from_pairs([("by", "layer")]).unwrap();
            Box::pin(ready(Ok(call.answer(&ampbox))))
        } else if value("drop").is_some() {
            drop(call);
            Box::pin(ready(Err("dropped".into())))
        } else if value("panic").is_some() {
            panic!("a layer")
        } else {
            Box::pin(self.inner.call(call))
        };
        let seen = Arc::clone(&self.seen);
        Box::pin(async move {
            let ended = answering.await;
            let code = match &ended {
                Ok(answered) => answered.error_code().map(String::from_utf8_lossy),
                Err(error) => Some(error.to_string().into()),
            };
            let code = code.as_deref().unwrap_or("ok");
            seen.lock().unwrap().push(format!("{command} {asked} {code}"));
            ended
        })
    }
}

/// A responder that fails with a declared error, or panics.
async fn odd(_: Context, Double { n }: Double) -> Result<Value, ValueError> {
    match n {
        0 => panic!("a responder"),
        n if n % 2 == 0 => Err(ValueError::TooLarge),
        n => Ok(Value { n }),
    }
}

#[tokio::test]
async fn layers_see_names_and_outcomes_and_answer_themselves() {
    let audit = Audit::default();
    let responders = Responders::new(())
        .respond(odd)
        .respond_by_name("Echo", support::echo)
        .layer(audit.clone());
    let (_peer, mut script) = Script::start(|connection| connection.responders(responders));
    script.send_box([("_command", "Double"), ("_ask", "1"), ("n", "3")]).await;
    script.expect([("_answer", "1"), ("n", "3")]).await;
    script.send_box([("_command", "Double"), ("_ask", "2"), ("n", "2")]).await;
    let code = ("_error_code", "TOO_LARGE");
    script.expect([("_error", "2"), code, ("_error_description", "too large")]).await;
    script.send_box([("_command", "Double"), ("_ask", "3"), ("n", "x")]).await;
    script.expect_unknown("3").await;
    script.send_box([("_command", "Echo"), ("a", "b")]).await;
    script.send_box([("_command", "Echo"), ("_ask", "4"), ("refuse", "")]).await;
    let code = ("_error_code", "REFUSED");
    script.expect([("_error", "4"), code, ("_error_description", "not you")]).await;
    script.send_box([("_command", "Echo"), ("_ask", "5"), ("answer", "")]).await;
    script.expect([("_answer", "5"), ("by", "layer")]).await;
    script.send_box([("_command", "Echo"), ("_ask", "6"), ("drop", "")]).await;
    script.expect_unknown("6").await;
    // Nothing is wrapped that is not there.
    script.send_box([("_command", "Other"), ("_ask", "7")]).await;
    assert_eq!(script.receive().await.unwrap().get("_error_code"), Some(&b"UNHANDLED"[..]));
    let seen = [
        "Double true ok",
        "Double true TOO_LARGE",
        "Double true UNKNOWN",
        "Echo false ok",
        "Echo true REFUSED",
        "Echo true ok",
        "Echo true dropped",
    ];
    assert_eq!(*audit.seen.lock().unwrap(), seen);
}

#[tokio::test]
async fn a_panic_behind_or_in_layers_is_answered_once() {
    let responders = Responders::new(())
        .respond(odd)
        .respond_by_name("Echo", support::echo)
        .layer(TimeoutLayer::new(SECOND))
        .layer(Audit::default())
        .layer(ConcurrencyLimitLayer::new(1));
    let (_peer, mut script) = Script::start(|connection| connection.responders(responders));
    script.send_box([("_command", "Double"), ("_ask", "1"), ("n", "0")]).await;
    script.expect_unknown("1").await;
    script.send_box([("_command", "Echo"), ("_ask", "2"), ("panic", "")]).await;
    script.expect_unknown("2").await;
    script.send_box([("_command", "Echo"), ("_ask", "3"), ("a", "b")]).await;
    script.expect([("_answer", "3"), ("a", "b")]).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_an_inner_layer_gave_up_is_answered_there() {
    // The outer one sees the outcome of the inner one.
    let slow = |_: ReceivedCall| pending::<Result<AmpBox, RemoteError>>();
    let audit = Audit::default();
    let responders = Responders::new(())
        .respond_by_name("Slow", slow)
        .respond_by_name("Echo", support::echo)
        .layer(TimeoutLayer::new(SECOND))
        .layer(audit.clone());
    let (_peer, mut script) = Script::start(|connection| connection.responders(responders));
    script.send_box([("_command", "Slow"), ("_ask", "1")]).await;
    script.expect_unknown("1").await;
    script.send_box([("_command", "Echo"), ("_ask", "2")]).await;
    script.expect([("_answer", "2")]).await;
    assert_eq!(*audit.seen.lock().unwrap(), ["Slow true UNKNOWN", "Echo true ok"]);

    // And the outer one gives up both.
    let responders = Responders::new(())
        .respond_by_name("Slow", slow)
        .layer(TimeoutLayer::new(5 * SECOND))
        .layer(ServiceBuilder::new().map_err(|_| RemoteError::new("OUTER", "")).timeout(SECOND));
    let (_peer, mut script) = Script::start(|connection| connection.responders(responders));
    script.send_box([("_command", "Slow"), ("_ask", "1")]).await;
    script.expect([("_error", "1"), ("_error_code", "OUTER"), ("_error_description", "")]).await;
    tokio::time::sleep(10 * SECOND).await;
    script.finish().await;
    assert_eq!(script.receive().await, None, "nothing else was answered");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_to_be_ready_fails_the_call() {
    /// Fails before it has seen the call.
    #[derive(Clone)]
    struct Down;
    impl Service<LayeredCall> for Down {
        type Response = LayeredAnswer;
        type Error = RemoteError;
        type Future = std::future::Pending<Result<LayeredAnswer, RemoteError>>;

        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), RemoteError>> {
            Poll::Ready(Err(RemoteError::new("DOWN", "")))
        }

        fn call(&mut self, _: LayeredCall) -> Self::Future {
            unreachable!("it is not ready")
        }
    }
    let responders = echoing().layer(tower::layer::layer_fn(|_| Down)).layer(Audit::default());
    let (_peer, mut script) = Script::start(|connection| connection.responders(responders));
    script.send_box([("_command", "Echo"), ("_ask", "1")]).await;
    script.expect([("_error", "1"), ("_error_code", "DOWN"), ("_error_description", "")]).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_in_a_buffer_is_answered_when_the_buffer_lets_go_of_it() {
    let gate = Arc::new(Semaphore::new(0));
    let responders = Responders::new(())
        .respond_by_name("A", gated(Arc::clone(&gate)))
        .layer(ServiceBuilder::new().timeout(SECOND).buffer(10).concurrency_limit(1));
    let (_peer, mut script) = Script::start(|connection| connection.responders(responders));
    script.send_box([("_command", "A"), ("_ask", "1"), ("n", "1")]).await;
    script.send_box([("_command", "A"), ("_ask", "2"), ("n", "2")]).await;
    // The first is given up, and so ends; the second is given up where nobody can reach it, and
    // dropped by the buffer.
    script.expect_unknown("1").await;
    script.expect_unknown("2").await;
    script.finish().await;
    assert_eq!(script.receive().await, None, "each is answered once");
}

#[derive(Command)]
#[amp(switch)]
struct SwitchToEcho {}

#[tokio::test(start_paused = true)]
async fn a_switch_goes_through_layers() {
    let switching = || {
        Responders::new(()).respond_switch(|_, _: SwitchToEcho| async {
            Ok(|stream: Switched| async {
                let (mut reader, mut writer) = tokio::io::split(stream);
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
            })
        })
    };
    let responders = switching().layer(Audit::default());
    let (_peer, mut script) = Script::start(|connection| connection.responders(responders));
    // What a layer does itself refuses the switch.
    for (tag, what) in [("1", "drop"), ("2", "answer"), ("3", "panic")] {
        script.send_box([("_command", "SwitchToEcho"), ("_ask", tag), (what, "")]).await;
        script.expect_unknown(tag).await;
    }
    script.send_box([("_command", "SwitchToEcho"), ("_ask", "4")]).await;
    script.send(b"hello").await;
    script.expect([("_answer", "4")]).await;
    assert_eq!(script.receive_bytes(5).await, b"hello");
}
