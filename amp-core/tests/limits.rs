//! What is bounded, what happens at each bound, and that nothing comes to a stop there.

mod support;

use amp_core::argument::{Continued, Numbered};
use amp_core::{
    AmpBox, Argument, Arguments, BoxLimits, BoxReader, BoxWriter, CallError, CloseReason, Command,
    Connection, DecodeError, EncodeError, FailurePolicy, Limits, NoError, OneWay, Peer, Proto,
    ReceivedCall, RemoteError, Report, Responders, Value, ValueWriter,
};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{Script, echo, echoing, gated, numbered, settled};
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
    for _ in 0..3 {
        script.send(&call).await;
    }
    tokio::select! {
        biased;
        () = script.send(&call) => panic!("the connection read on"),
        () = settled() => {}
    }
    assert_eq!(peer.counters().calls_received, 3);
    gate.add_permits(1);
    assert!(script.receive().await.is_some());
    settled().await;
    // Less than the limit is being answered: it has read on, and stands within the next call.
    gate.add_permits(2);
    assert!(script.receive().await.is_some() && script.receive().await.is_some());
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
        assert_eq!(Report(&error).to_string(), expected);
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

/// Answers with as many bytes as it is asked for.
async fn bytes(call: ReceivedCall) -> Result<AmpBox, RemoteError> {
    let len = call.arguments.get("len").unwrap_or_default();
    let len: usize = str::from_utf8(len).unwrap().parse().unwrap();
    Ok(AmpBox::from_pairs([("x", vec![b'x'; len])]).unwrap())
}

/// Of a call with the tag 1 to 9 of a command with a name of one byte, one pair with a key and a
/// value of `len` bytes, on the wire.
fn call_len(len: usize) -> usize {
    "\0\x04_ask\0\x011\0\x08_command\0\x01A\0\x01x\0\0\0\0".len() + len
}

#[tokio::test]
async fn a_call_over_the_limits_is_never_sent() {
    let boxes = BoxLimits::default().max_bytes(200).max_pairs(4);
    let (near, far) = tokio::io::duplex(1 << 16);
    // So tags are short.
    let limits = Limits::default().boxes(boxes).outstanding_calls(1).streams(0);
    let near = Connection::new(near).limits(limits).spawn();
    let responders = Responders::new(()).respond_by_name("A", echo);
    let _far = Connection::new(far).responders(responders).spawn();
    let most = 200 - call_len(0);
    let call = |len| near.call_by_name("A", [("x", "x".repeat(len))]);
    assert_eq!(call(most - 1).await.unwrap().get("x").unwrap().len(), most - 1);

    let refused = |error: CallError, message: &str| {
        assert!(matches!(error, CallError::Encode(_)), "{error}");
        let error = amp_core::Report(&error).to_string();
        assert!(error.contains(message), "{error}");
    };
    let message = "a box of at least 201 bytes is over the limit of 200";
    refused(call(most + 1).await.unwrap_err(), message);
    // Without a tag and its key there is room for as much more.
    let more = most + "\0\x04_ask\0\x011".len();
    near.notify_by_name("A", [("x", "x".repeat(more))]).await.unwrap();
    let error = near.notify_by_name("A", [("x", "x".repeat(more + 1))]).await.unwrap_err();
    refused(error, message);

    let pairs = |count: usize| (0..count).map(|n| (n.to_string(), "")).collect::<Vec<_>>();
    assert_eq!(near.call_by_name("A", pairs(2)).await.unwrap().len(), 2);
    let message = "a box of at least 5 pairs is over the limit of 4";
    refused(near.call_by_name("A", pairs(3)).await.unwrap_err(), message);
    near.notify_by_name("A", pairs(3)).await.unwrap();
    refused(near.notify_by_name("A", pairs(4)).await.unwrap_err(), message);
    assert_eq!(near.counters().calls_sent, 4);
    call(1).await.unwrap();
}

#[tokio::test]
async fn an_answer_over_the_limits_is_an_error_answer() {
    let boxes = BoxLimits::default().max_bytes(200).max_pairs(4);
    let (near, far) = tokio::io::duplex(1 << 16);
    let responders = Responders::new(()).respond_by_name("Bytes", bytes);
    let far = Connection::new(far).limits(Limits::default().boxes(boxes));
    let _far = far.responders(responders).spawn();
    let near = Connection::new(near).spawn();
    let most = 200 - "\0\x07_answer\0\x011\0\x01x\0\0\0\0".len();
    for (len, fits) in [(most, true), (most + 1, false), (60_000, false), (1, true)] {
        let answer = near.call_by_name("Bytes", [("len", len.to_string())]).await;
        if fits {
            assert_eq!(answer.unwrap().get("x").unwrap().len(), len);
        } else {
            let CallError::Remote(error) = answer.unwrap_err() else { panic!() };
            assert!(error.is_unknown(), "{error}");
        }
    }
}

#[tokio::test]
async fn an_error_is_cut_to_the_limits() {
    let boxes = BoxLimits::default().max_bytes(200).max_pairs(4);
    let (near, far) = tokio::io::duplex(1 << 16);
    let fail = |_| async { Err(RemoteError::new("CODE", "x".repeat(1000))) };
    let responders = Responders::new(()).respond_by_name("Fail", fail);
    let far = Connection::new(far).limits(Limits::default().boxes(boxes));
    let _far = far.responders(responders).spawn();
    let near = Connection::new(near).limits(Limits::default().boxes(boxes)).spawn();
    let error = near.call_by_name("Fail", [("", ""); 0]).await.unwrap_err();
    let CallError::Remote(error) = error else { panic!("{error}") };
    assert!((100..200).contains(&error.description.len()), "{error}");
}

/// A typed command, which is as large as it is told to be.
struct Large(usize);

impl Arguments for Large {
    fn to_box(&self, out: &mut BoxWriter<'_>, proto: &mut Proto<'_>) -> Result<(), EncodeError> {
        let bytes = Bytes::from(vec![0; self.0]);
        Continued(bytes.clone()).to_box("a", out, proto)?;
        Numbered(bytes.slice(..1)).to_box("b", out, proto)
    }

    fn from_box(_: &mut BoxReader<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Ok(Self(0))
    }
}

impl Command for Large {
    const NAME: &'static str = "Large";
    const REQUIRES_ANSWER: bool = false;

    type Response = ();
    type Error = NoError;
}

impl OneWay for Large {}

#[tokio::test]
async fn a_value_over_the_default_limits_costs_one_call() {
    let (near, far) = tokio::io::duplex(1 << 16);
    let _far = Connection::new(far).responders(echoing()).spawn();
    let near = Connection::new(near).spawn();
    let error = near.notify(Large(18 << 20)).await.unwrap_err();
    assert!(matches!(error, CallError::Encode(_)), "{error}");
    let error = amp_core::Report(&error).to_string();
    assert!(error.ends_with("is over the limit of 17825792"), "{error}");
    near.notify(Large(1 << 20)).await.unwrap();
    near.call_by_name("Echo", numbered(1)).await.unwrap();

    let error = Large(18 << 20).encode().unwrap_err();
    let error = amp_core::Report(&error).to_string();
    assert!(error.ends_with("is over the limit of 17825792"), "{error}");
    assert!(Large(16 << 20).encode().is_ok());
}

/// An element of a list that is 2 bytes on the wire and 512 in memory.
struct Fat {
    _room: [u64; 64],
}

impl Argument for Fat {
    fn to_string_proto(
        &self,
        _: &mut Proto<'_>,
        _: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        Ok(())
    }

    fn from_string_proto(_: Value<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Ok(Self { _room: [0; 64] })
    }
}

struct Fats(Vec<Fat>);

impl Arguments for Fats {
    fn to_box(&self, out: &mut BoxWriter<'_>, proto: &mut Proto<'_>) -> Result<(), EncodeError> {
        self.0.to_box("fats", out, proto)
    }

    fn from_box(input: &mut BoxReader<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Vec::from_box("fats", input, proto).map(Self)
    }
}

impl Command for Fats {
    const NAME: &'static str = "Fats";

    type Response = ();
    type Error = NoError;
}

#[tokio::test(start_paused = true)]
async fn what_running_calls_take_once_they_are_decoded_stops_the_reading() {
    let gate = Arc::new(Semaphore::new(0));
    let slow = {
        let gate = Arc::clone(&gate);
        move |_: amp_core::Context, _: Fats| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.unwrap().forget();
                Ok::<_, NoError>(())
            }
        }
    };
    let limits = Limits::default().running_bytes(60_000);
    let responders = Responders::new(()).respond(slow);
    let prepare = |connection: Connection| connection.limits(limits).responders(responders);
    let (peer, mut script) = Script::with_room(40, prepare);
    let fats = [0; 100];
    let call = [("_ask", &b"1"[..]), ("_command", b"Fats"), ("fats", &fats)];
    let call = AmpBox::from_pairs(call).unwrap().to_bytes();
    for _ in 0..3 {
        script.send(&call).await;
    }
    tokio::select! {
        biased;
        () = script.send(&call) => panic!("the connection read on"),
        () = settled() => {}
    }
    assert_eq!(peer.counters().calls_received, 3);
    gate.add_permits(1);
    assert!(script.receive().await.is_some());
    settled().await;
    // What the first one took is free again, so the fourth is read.
    gate.add_permits(2);
    assert!(script.receive().await.is_some() && script.receive().await.is_some());
}

#[tokio::test]
async fn what_takes_too_much_once_it_is_decoded_costs_one_call() {
    let respond = |_: amp_core::Context, fats: Fats| async move {
        assert_eq!(fats.0.len(), 100);
        Ok::<_, NoError>(())
    };
    let limits = Limits::default().decoded_bytes(51_200);
    let responders = Responders::new(()).respond(respond);
    let prepare = |connection: Connection| connection.limits(limits).responders(responders);
    let (_peer, mut script) = Script::start(prepare);
    for (tag, count, fits) in [("1", 100, true), ("2", 101, false), ("3", 100, true)] {
        let fats = vec![0; count * 2];
        let call = [("_ask", tag.as_bytes()), ("_command", b"Fats"), ("fats", &fats)];
        script.send(&AmpBox::from_pairs(call).unwrap().to_bytes()).await;
        if fits {
            script.expect([("_answer", tag)]).await;
        } else {
            script.expect_unknown(tag).await;
        }
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
    assert!(in_all <= 1 << 16 && unclaimed <= in_all && unclaimed <= 256, "{limits:?}");
    assert!(unclaimed >= 128 || unclaimed == in_all, "{limits:?}");
    let unclaimed = "128, or 256 by `RLIMIT_NOFILE`".to_owned();
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
