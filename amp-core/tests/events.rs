//! What is logged, and how much of it.

mod support;

use amp_core::argument::AttachmentKind;
use amp_core::boxes::BoxLimits;
use amp_core::router::{Router, RouterLimits};
use amp_core::testing::pair;
use amp_core::{
    AmpBox, Argument, Arguments, CallError, Command, Connection, Context, DecodeError, EncodeError,
    Failure, Limits, Listener, NoError, Peer, Proto, ReceivedCall, RefusedAttachment, RemoteError,
    Responders, Transport, Value, ValueWriter, serve,
};
use bytes::BytesMut;
use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;
use support::double::{self, Double};
use support::subscribing::subscribe;
use support::{Script, echoing, settled};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::sync::{mpsc, oneshot};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Metadata, Subscriber};

/// An event: its level, its message, and its fields.
type Said = (Level, String, BTreeMap<&'static str, String>);

/// Keeps the events of this crate.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Said>>>);

impl Log {
    fn subscribe() -> (Self, DefaultGuard) {
        let log = Self::default();
        let guard = subscribe(log.clone());
        (log, guard)
    }

    /// Those of a level, with their fields.
    fn at(&self, level: Level) -> Vec<(String, BTreeMap<&'static str, String>)> {
        let said = self.0.lock().unwrap();
        let those = said.iter().filter(|(of, ..)| *of == level);
        those.map(|(_, message, fields)| (message.clone(), fields.clone())).collect()
    }

    fn count(&self, message: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|(_, said, _)| said == message).count()
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with("amp_core")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let message = fields.0.remove("message").unwrap_or_default();
        self.0.lock().unwrap().push((*event.metadata().level(), message, fields.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

#[derive(Command)]
#[amp(response = Done)]
struct Work {}

#[derive(Arguments)]
struct Done {
    result: Fragile,
}

/// An argument that panics where it is told to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fragile {
    Plain,
    PanicsWhenRead,
    PanicsWhenWritten,
}

impl Argument for Fragile {
    fn to_string_proto(
        &self,
        _: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        assert!(*self != Fragile::PanicsWhenWritten, "broken when written");
        out.put_slice(if *self == Fragile::Plain { b"plain" } else { b"read" });
        Ok(())
    }

    fn from_string_proto(value: Value<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
        assert!(value.as_slice() != b"read", "broken when read");
        Ok(Fragile::Plain)
    }
}

#[derive(Command)]
struct Take {
    #[allow(dead_code, reason = "it is never read")]
    value: Fragile,
}

#[derive(Command)]
#[amp(switch)]
struct Change {}

/// A value that travels beside the bytes.
struct Beside;

impl Beside {
    fn kind() -> AttachmentKind {
        AttachmentKind::of::<u64>("a number")
    }
}

impl Argument for Beside {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        let ordinal = proto.attach(Self::kind(), Arc::new(1_u64))?;
        ordinal.to_string_proto(proto, out)
    }

    fn from_string_proto(_: Value<'_>, _: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Ok(Self)
    }
}

#[derive(Command)]
struct Pass {
    beside: Beside,
}

#[derive(Debug, thiserror::Error)]
#[error("no\nsuch thing is passed")]
struct NotPassed(#[source] NoRoom);

#[derive(Debug, thiserror::Error)]
#[error("no\rroom")]
struct NoRoom;

const PLAIN: Result<Done, NoError> = Ok(Done { result: Fragile::Plain });

/// Calls over a connection in memory, and gives what was said as a warning.
async fn warned(responders: Responders, command: &str, value: &str) -> Vec<String> {
    let (log, _guard) = Log::subscribe();
    let (here, there) = tokio::io::duplex(1 << 16);
    let _answering = Connection::new(there).responders(responders).spawn();
    let peer = Connection::new(here).spawn();
    let error = peer.call_by_name(command, [("value", value)]).await.unwrap_err();
    let amp_core::CallError::Remote(error) = error else { panic!("{error:?}") };
    assert!(error.is_unknown());
    let warnings = log.at(Level::WARN);
    for (message, fields) in &warnings {
        assert_eq!(message, "a call failed");
        assert!(error.description.contains(fields["reference"].trim_matches('"')), "{fields:?}");
    }
    warnings.into_iter().map(|(_, mut fields)| fields.remove("error").unwrap()).collect()
}

async fn string(_: ReceivedCall) -> Result<AmpBox, RemoteError> {
    tokio::task::yield_now().await;
    panic!("broken\nstring")
}

#[tokio::test]
async fn what_a_responder_panicked_with_is_said_in_the_event_of_its_call() {
    let at_once = |_: Context, _: Work| -> std::future::Ready<Result<Done, NoError>> {
        panic!("broken at {}", "once")
    };
    let first = |_: Context, _: Work| async { if true { panic!("broken first") } else { PLAIN } };
    let later = |_: Context, _: Work| async {
        tokio::task::yield_now().await;
        if true { panic!("broken later") } else { PLAIN }
    };
    let written = |_: Context, _: Work| async {
        Ok::<_, NoError>(Done { result: Fragile::PanicsWhenWritten })
    };
    let then = |_: Context, _: Work| async {
        assert!(std::hint::black_box(false), "broken, then");
        Ok::<_, NoError>((Done { result: Fragile::PanicsWhenRead }, async {}))
    };
    let taken = |_: Context, _: Take| async { Ok::<_, NoError>(()) };
    let switched = |_: Context, _: Change| async {
        assert!(std::hint::black_box(false), "broken switch");
        Ok(|_: amp_core::Switched| async {})
    };
    let set = || Responders::new(());
    for (responders, command, value, expected) in [
        (set().respond(at_once), "Work", "", "a panic: broken at once"),
        (set().respond(first), "Work", "", "a panic: broken first"),
        (set().respond(later), "Work", "", "a panic: broken later"),
        (set().respond(written), "Work", "", "a panic: broken when written"),
        (set().respond_then(then), "Work", "", "a panic: broken, then"),
        (set().respond(taken), "Take", "read", "a panic: broken when read"),
        (set().respond_switch(switched), "Change", "", "a panic: broken switch"),
        (set().respond_by_name("S", string), "S", "", r"a panic: broken\nstring"),
        (set().respond(later).one_at_a_time(), "Work", "", "a panic: broken later"),
    ] {
        assert_eq!(warned(responders, command, value).await, [expected]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_failing_calls_says_a_few_lines_and_how_many_there_were() {
    let (log, _guard) = Log::subscribe();
    let fail =
        |_: Context, _: Work| async { Err::<Done, Failure<NoError>>(Failure::other("no luck")) };
    let responders = Responders::new(()).try_respond(fail);
    let (peer, mut script) = Script::start(|connection| connection.responders(responders));
    for round in 0..20_u32 {
        for number in 0..100 {
            let tag = (round * 100 + number).to_string();
            script.send_box([("_ask", tag.as_str()), ("_command", "Work")]).await;
            script.receive().await.expect("an answer");
        }
    }
    let warnings = log.at(Level::WARN);
    assert!((1..=10).contains(&warnings.len()), "{} warnings", warnings.len());
    tokio::time::advance(Duration::from_secs(1)).await;
    script.send_box([("_ask", "a"), ("_command", "Work")]).await;
    script.receive().await.expect("an answer");
    let unsaid = (2000 - warnings.len()).to_string();
    assert_eq!(log.at(Level::WARN).last().unwrap().1["unsaid"], unsaid);
    for tag in ["b", "c"] {
        script.send_box([("_ask", tag), ("_command", "Work")]).await;
        script.receive().await.expect("an answer");
    }
    drop(script);
    peer.closed().await;
    assert_eq!(log.count("more calls failed"), 1);
    assert_eq!(log.at(Level::WARN).last().unwrap().1["unsaid"], "2");
}

/// One-way commands that come faster than they are dealt with, while this side waits for an answer of its
/// own and so has to read on: they keep their order, as many are begun as may be, and the end is said
/// once.
#[tokio::test(start_paused = true)]
async fn a_flood_of_one_way_commands_ends_in_order_and_says_so_once() {
    #[derive(Command)]
    #[amp(one_way)]
    struct Push {
        n: usize,
    }

    let (log, _guard) = Log::subscribe();
    let begun = Arc::new(Mutex::new(Vec::new()));
    let push = |context: Context<Arc<Mutex<Vec<usize>>>>, Push { n }: Push| async move {
        context.state().lock().unwrap().push(n);
        std::future::pending::<Result<(), NoError>>().await
    };
    let limits = Limits::default().running_responders(10).running_responders_max(100);
    let pushed = Responders::new(Arc::clone(&begun)).respond(push);
    let (peer, mut script) =
        Script::start(|connection| connection.limits(limits).responders(pushed));
    let call = tokio::spawn(peer.call_by_name("Wait", [("", ""); 0]));
    script.expect_call("Wait").await;
    for n in 0..1000 {
        script.send_box([("_command", "Push"), ("n", n.to_string().as_str())]).await;
    }
    while script.receive().await.is_some() {}
    drop(script);
    let reason = peer.closed().await.to_string();
    assert_eq!(reason, "the connection went over the limit of 100 running responders");
    assert!(call.await.unwrap().unwrap_err().is_closed());
    assert!(begun.lock().unwrap().iter().copied().eq(0..100));
    assert_eq!(log.at(Level::WARN).len(), 1, "{:?}", log.at(Level::WARN));
}

/// Accepts what a test sends it.
struct Streams(mpsc::UnboundedReceiver<DuplexStream>);

impl Listener for Streams {
    async fn accept(&mut self) -> io::Result<Connection> {
        match self.0.recv().await {
            Some(stream) => Ok(Connection::new(stream)),
            None => std::future::pending().await,
        }
    }
}

/// A peer that connects again and again is one peer.
#[tokio::test(start_paused = true)]
async fn the_connections_of_a_server_say_a_few_lines_together() {
    let (log, _guard) = Log::subscribe();
    let fail =
        |_: Context, _: Work| async { Err::<Done, Failure<NoError>>(Failure::other("no luck")) };
    let responders = Responders::new(()).try_respond(fail);
    let (connect, streams) = mpsc::unbounded_channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async { drop(stopped.await) };
    let server = tokio::spawn(serve(Streams(streams), responders).shutdown_on(shutdown));
    for _ in 0..100 {
        let (near, far) = tokio::io::duplex(1 << 10);
        connect.send(far).unwrap();
        let mut script = Script::of(near);
        for tag in ["1", "2", "3"] {
            script.send_box([("_ask", tag), ("_command", "Work")]).await;
            script.receive().await.expect("an answer");
        }
    }
    settled().await;
    let said = log.at(Level::WARN).len();
    assert!((1..=10).contains(&said), "{said} warnings");
    drop(stop);
    server.await.unwrap();
    let warnings = log.at(Level::WARN);
    assert_eq!(warnings.len(), said + 1);
    assert_eq!(warnings[said].0, "more calls failed");
    assert_eq!(warnings[said].1["unsaid"], (300 - said).to_string());
}

#[tokio::test]
async fn a_connection_ends_once() {
    let (log, _guard) = Log::subscribe();
    for dropped in [false, true] {
        let (here, there) = tokio::io::duplex(1 << 10);
        let running = tokio::spawn(Connection::new(here).responders(echoing()).run());
        tokio::task::yield_now().await;
        if dropped {
            running.abort();
        } else {
            drop(there);
        }
        let _ = running.await;
    }
    assert_eq!(log.count("the connection has ended"), 2);
    assert_eq!(log.at(Level::DEBUG).len(), 2, "and nothing else is said of the end");
}

#[test]
fn responders_that_run_when_the_program_ends_are_not_a_warning() {
    let (log, _guard) = Log::subscribe();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    let waiting = |_: Context, _: Work| std::future::pending::<Result<Done, NoError>>();
    let _peers: [Peer; 2] = runtime.block_on(async {
        let responders = Responders::new(()).respond(waiting);
        let (peer, mut script) = Script::start(|connection| connection.responders(responders));
        for tag in ["1", "2", "3"] {
            script.send_box([("_ask", tag), ("_command", "Work")]).await;
        }
        settled().await;
        assert_eq!(peer.counters().calls_received, 3);
        [peer.clone(), peer]
    });
    drop(runtime);
    assert_eq!(log.at(Level::WARN), []);
}

/// A ping that is over a limit.
#[derive(Command)]
struct HeavyPing {
    text: String,
}

#[tokio::test(start_paused = true)]
async fn that_a_ping_cannot_be_sent_is_said_once() {
    let (log, _guard) = Log::subscribe();
    let boxes = BoxLimits::default().max_bytes(100);
    let limits = Limits::default().boxes(boxes);
    let ping = HeavyPing { text: "x".repeat(1000) };
    let second = Duration::from_secs(1);
    let (peer, _script) =
        Script::start(|connection| connection.limits(limits).ping(ping, second, second));
    tokio::time::sleep(100 * second).await;
    assert!(!peer.is_closed());
    let warned = log.at(Level::WARN);
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(log.count("a ping cannot be sent") > 90);
}

/// A caller that waits for an answer sees the end, but nobody hears what became of a one-way command.
#[tokio::test(start_paused = true)]
async fn calls_that_were_never_begun_are_said_to_be_dropped() {
    for goes in [true, false] {
        let (log, _guard) = Log::subscribe();
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let limits = Limits::default().running_responders(1);
        let slow = Responders::new(()).respond_by_name("Slow", support::gated(gate));
        let (near, far) = tokio::io::duplex(1 << 20);
        let running = tokio::spawn(Connection::new(near).limits(limits).responders(slow).run());
        let mut script = Script::of(far);
        for ask in ["1", "2", "3"] {
            script.send_box([("_ask", ask), ("_command", "Slow")]).await;
        }
        if goes {
            drop(script);
            running.await.unwrap();
        } else {
            for _ in 0..3 {
                script.send_box([("_command", "Slow")]).await;
            }
            settled().await;
            running.abort();
            running.await.unwrap_err();
        }
        let dropped = |level| {
            let said = log.at(level).into_iter().filter(|(said, _)| said.starts_with("dropped"));
            said.map(|(said, fields)| (said, fields["dropped"].clone())).collect::<Vec<_>>()
        };
        let waited = "dropped calls that nobody waits for any more".to_owned();
        assert_eq!(dropped(Level::DEBUG), [(waited, "2".to_owned())]);
        let one_way = "dropped one-way commands that were not begun".to_owned();
        let expected = if goes { vec![] } else { vec![(one_way, "3".to_owned())] };
        assert_eq!(dropped(Level::WARN), expected);
    }
}

/// A peer has as many routers as it makes connections, and as many routes on each as it opens.
#[tokio::test(start_paused = true)]
async fn the_routers_of_one_peer_say_a_few_lines_together() {
    let (log, _guard) = Log::subscribe();
    let (astray, ended) = ("a box came for a route that is not bound", "a route has ended");
    let call = |route: &str| {
        let pairs = [("_route", route), ("_command", "Note"), ("text", &*"x".repeat(1000))];
        AmpBox::from_pairs(pairs).unwrap().to_bytes()
    };
    for _ in 0..30 {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let limits =
            RouterLimits::default().receive_queue(1000).stall_timeout(Duration::from_millis(1));
        let router = Router::new(near).limits(limits);
        let bound = router.routes().bind("stalled").unwrap();
        let mut stalled = Box::pin(bound.connect_to("there").unwrap());
        let driver = router.spawn();
        far.write_all(&call("nowhere").repeat(2)).await.unwrap();
        far.write_all(&call("stalled").repeat(3)).await.unwrap();
        let mut buffer = BytesMut::new();
        // It has what it was given, and then its end.
        tokio::time::sleep(limits.stall_timeout * 2).await;
        let received =
            poll_fn(|cx| stalled.as_mut().poll_receive(cx, &mut buffer, &mut Vec::new()));
        received.await.unwrap_err();
        drop(driver);
    }
    for message in [astray, ended] {
        let said = log.at(Level::WARN).iter().filter(|(said, _)| said == message).count();
        assert!((1..10).contains(&said), "{message}: {said}");
        assert!(log.count(message) >= 30, "{message}: {}", log.count(message));
    }
}

#[tokio::test]
async fn why_a_transport_refuses_is_on_one_line_with_its_cause() {
    let (log, _guard) = Log::subscribe();
    let double = Double::new().carries(Beside::kind());
    let peer = Connection::with_transport(double.takes(|_, bytes, attachments| {
        if attachments.is_empty() {
            return Poll::Ready(Ok(double::len(bytes)));
        }
        let error = io::Error::other(NotPassed(NoRoom));
        Poll::Ready(Err(RefusedAttachment::one(0, error, Arc::new(0_u64)).into()))
    }));
    let error = peer.spawn().call_remote(Pass { beside: Beside }).await.unwrap_err();
    assert!(matches!(error, CallError::NotSent(_)), "{error}");
    let said = log.at(Level::WARN);
    let [(message, fields)] = &said[..] else { panic!("{said:?}") };
    assert_eq!(message, "attachments were refused");
    assert_eq!(fields["error"], r"no\nsuch thing is passed: no\rroom");
}

/// Its client is told less: what limits it has, and how it reaches its backend, is its own affair.
#[tokio::test(start_paused = true)]
async fn a_proxy_says_why_it_has_no_answer() {
    let (log, _guard) = Log::subscribe();
    let limits = Limits::default().outstanding_calls(1);
    let (backend, there) =
        Script::start(|it| it.limits(limits).call_timeout(Duration::from_secs(1)));
    let proxy = Responders::new(()).fallback(move |call: ReceivedCall| call.pass_on(&backend));
    let (client, _proxy) = pair(Responders::new(()), proxy);
    let call = || client.call_by_name("A", [("a", "b")]);
    let (late, refused) = tokio::join!(call(), call());
    let answer = |text| Err(format!("the peer answered UNKNOWN: {text}"));
    let told = |ended: Result<AmpBox, CallError>| ended.map_err(|error| error.to_string());
    assert_eq!(told(late), answer("the call was passed on, and not answered in time"));
    assert_eq!(told(refused), answer("the call could not be passed on"));
    drop(there);
    assert_eq!(told(call().await), answer("the connection to the backend has ended"));
    // Nobody else hears of a command that wants no answer.
    client.notify_by_name("Note", [("a", "b")]).await.unwrap();
    settled().await;
    let said = log.at(Level::WARN);
    let causes = said.iter().map(|(message, fields)| {
        assert_eq!(message, "passing on a call failed");
        (&*fields["command"], &*fields["error"])
    });
    let ended = "the connection is closed: closed by the peer";
    let expected = [
        ("\"A\"", "1 calls are outstanding already, which is the limit"),
        ("\"A\"", "no answer within 1s"),
        ("\"A\"", ended),
        ("\"Note\"", ended),
    ];
    assert_eq!(causes.collect::<Vec<_>>(), expected);
}

/// As where a call is received that cannot be read.
#[tokio::test(start_paused = true)]
async fn a_proxy_does_not_say_what_an_answer_has_that_cannot_be_read() {
    let (log, _guard) = Log::subscribe();
    let read = || {
        Proto::detached(|proto| u8::from_string_proto(Value::from(&b"hunter2"[..]), proto))
            .unwrap_err()
    };
    assert!(amp_core::Report::new(&read()).to_string().contains("hunter2"));
    let proxy = Responders::new(()).fallback(move |call: ReceivedCall| async move {
        Err::<AmpBox, _>(call.handed_on(CallError::Decode(read())))
    });
    let (client, _proxy) = pair(Responders::new(()), proxy);
    client.call_by_name("A", [("a", "b")]).await.unwrap_err();
    let said = log.at(Level::WARN);
    let [(message, fields)] = &said[..] else { panic!("{said:?}") };
    assert_eq!(message, "passing on a call failed");
    assert!(
        fields["error"].starts_with("the answer") && !fields["error"].contains("hunter2"),
        "{fields:?}"
    );
}

#[derive(Command)]
struct Read {}

#[tokio::test]
async fn an_undeclared_failure_has_a_reference_to_the_log() {
    let (log, _guard) = Log::subscribe();
    let responders = Responders::new(()).try_respond(|_: Context, _: Read| async {
        Err::<(), Failure<NoError>>(Failure::other("the disk is full"))
    });
    let (_peer, mut script) = Script::start(|connection| connection.responders(responders));
    let mut references = Vec::new();
    for tag in ["1", "2"] {
        script.send_box([("_ask", tag), ("_command", "Read")]).await;
        let description = script.expect_unknown(tag).await;
        references.push(description["Unknown Error (reference ".len()..][..8].to_owned());
    }
    assert_ne!(references[0], references[1]);
    let said = log.at(Level::WARN);
    assert_eq!(said.len(), 2, "{said:?}");
    for ((message, fields), reference) in said.iter().zip(&references) {
        assert_eq!(message, "a call failed");
        let fields = ["command", "reference", "error"].map(|name| &*fields[name]);
        assert_eq!(fields, ["\"Read\"", reference, "the disk is full"]);
    }
}

#[tokio::test]
async fn the_log_of_a_call_that_cannot_be_decoded_does_not_show_the_value() {
    #[derive(Command)]
    struct Unlock {
        #[allow(dead_code, reason = "it is never decoded")]
        pin: u16,
    }

    let (log, _guard) = Log::subscribe();
    let responders =
        Responders::new(()).respond(|_: Context, _: Unlock| async { Ok::<_, NoError>(()) });
    let (_peer, mut script) = Script::start(|connection| connection.responders(responders));
    for (pin, error) in [
        ("sesame", "argument pin: \"...\" (6 bytes) is not an Integer"),
        ("1234567", "argument pin: \"...\" (7 bytes) does not fit into u16"),
    ] {
        script.send_box([("_ask", "1"), ("_command", "Unlock"), ("pin", pin)]).await;
        script.expect_unknown("1").await;
        let (_, fields) = log.at(Level::WARN).pop().unwrap();
        assert_eq!(fields["error"], error);
    }
}
