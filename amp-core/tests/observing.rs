//! The span of each call, on both sides, and the counters of a connection.

mod support;

use amp_core::router::Router;
use amp_core::{
    AmpBox, Arguments, CallError, Command, CommandError, Connection, Context, NoError, PeerAddress,
    Responders, testing,
};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::subscribing::subscribe;
use support::{Script, echoing, numbered, settled};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Metadata, Subscriber};

/// Keeps the spans of calls, and the events of this test with the span they are in.
#[derive(Clone)]
struct Seen {
    most: Level,
    /// Whether the spans of connections are kept too.
    connections: bool,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    spans: Vec<Span>,
    entered: Vec<u64>,
    /// What was said, and the place of the span that it was said in.
    events: Vec<(String, Option<usize>)>,
}

#[derive(Clone, Default)]
struct Span {
    fields: BTreeMap<&'static str, String>,
    parent: Option<usize>,
    handles: usize,
}

impl Seen {
    fn subscribe(most: Level) -> (Self, DefaultGuard) {
        let seen = Self { most, connections: false, kept: Arc::default() };
        let guard = subscribe(seen.clone());
        (seen, guard)
    }

    fn subscribe_to_connections() -> (Self, DefaultGuard) {
        let seen = Self { most: Level::DEBUG, connections: true, kept: Arc::default() };
        let guard = subscribe(seen.clone());
        (seen, guard)
    }

    /// The spans that are closed, each as its fields without the time.
    fn spans(&self) -> Vec<String> {
        let kept = self.kept.lock().unwrap();
        let closed = kept.spans.iter().filter(|span| span.handles == 0);
        let shown = closed.map(|span| {
            let mut fields = span.fields.clone();
            let duration = fields.remove("duration_us").expect("a duration");
            duration.parse::<u64>().expect("a number");
            assert_eq!(fields.remove("peer").as_deref(), Some("unknown"));
            let connection = fields.remove("connection").expect("a connection");
            connection.parse::<u64>().expect("a number");
            let side = fields.remove("side").expect("a side");
            let fields = fields.iter().map(|(name, value)| format!(" {name}={value}"));
            side + &fields.collect::<String>()
        });
        shown.collect()
    }
}

fn place(id: &Id) -> usize {
    usize::try_from(id.into_u64() - 1).unwrap()
}

impl Subscriber for Seen {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let connection = self.connections
            && matches!(metadata.target(), "amp_core::connection" | "amp_core::router");
        let ours = metadata.target().starts_with("amp_core::call")
            || metadata.target() == "test"
            || connection && metadata.is_span();
        ours && *metadata.level() <= self.most
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let name = attributes.metadata().name();
        let connection = self.connections && matches!(name, "connection" | "router");
        assert!(name == "call" || connection, "{name}");
        assert!(attributes.is_contextual());
        let mut kept = self.kept.lock().unwrap();
        let parent = kept.entered.last().map(|id| place(&Id::from_u64(*id)));
        let mut span = Span { parent, handles: 1, ..Span::default() };
        attributes.record(&mut Fields(&mut span.fields));
        kept.spans.push(span);
        Id::from_u64(kept.spans.len() as u64)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        values.record(&mut Fields(&mut self.kept.lock().unwrap().spans[place(id)].fields));
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = BTreeMap::new();
        event.record(&mut Fields(&mut fields));
        let mut kept = self.kept.lock().unwrap();
        let within = kept.entered.last().map(|id| place(&Id::from_u64(*id)));
        kept.events.push((fields.remove("message").unwrap(), within));
    }

    fn enter(&self, id: &Id) {
        self.kept.lock().unwrap().entered.push(id.into_u64());
    }

    fn exit(&self, id: &Id) {
        let left = self.kept.lock().unwrap().entered.pop();
        assert_eq!(left, Some(id.into_u64()));
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.kept.lock().unwrap().spans[place(id)].handles += 1;
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let handles = &mut self.kept.lock().unwrap().spans[place(&id)].handles;
        *handles -= 1;
        *handles == 0
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
}

struct Fields<'a>(&'a mut BTreeMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

#[derive(Command)]
#[amp(response = Length, error = TooLong)]
struct Measure {
    text: String,
}

#[derive(Arguments)]
struct Length {
    length: usize,
}

#[derive(CommandError, Debug, thiserror::Error)]
enum TooLong {
    #[error("too long")]
    TooLong,
}

async fn measure(_: Context, Measure { text }: Measure) -> Result<Length, TooLong> {
    tracing::info!(target: "test", "begun");
    tokio::task::yield_now().await;
    tracing::info!(target: "test", "waited");
    if text.len() > 20 { Err(TooLong::TooLong) } else { Ok(Length { length: text.len() }) }
}

#[derive(Command)]
#[amp(one_way)]
struct Note {
    text: String,
}

async fn note(_: Context, _: Note) -> Result<(), NoError> {
    Ok(())
}

/// Asks the caller to measure something.
#[derive(Command)]
struct CallBack {}

async fn call_back(context: Context, _: CallBack) -> Result<(), NoError> {
    let measure = Measure { text: "back".into() };
    context.peer().call_remote(measure).await.unwrap();
    Ok(())
}

fn responders() -> Responders {
    Responders::new(()).respond(measure).respond(note).respond(call_back)
}

fn pair() -> (amp_core::Peer, amp_core::Peer) {
    testing::pair(responders(), responders())
}

/// What these tests look at depends on no other thread.
#[test]
fn what_a_thread_without_a_subscriber_has_met_first_is_seen() {
    let (seen, _guard) = Seen::subscribe(Level::DEBUG);
    let say = || tracing::debug!(target: "test", "said");
    std::thread::spawn(say).join().unwrap();
    say();
    assert_eq!(seen.kept.lock().unwrap().events.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_has_a_span_on_either_side_and_its_responder_runs_within() {
    let (seen, _guard) = Seen::subscribe(Level::DEBUG);
    let (near, _far) = pair();
    near.call_remote(Measure { text: "secret".into() }).await.unwrap();
    let error = near.call_remote(Measure { text: "secret".repeat(4) }).await;
    assert!(matches!(error, Err(CallError::Command(TooLong::TooLong))));
    near.notify(Note { text: "secret".into() }).await.unwrap();
    settled().await;
    let spans = seen.spans();
    let expected = [
        "asking command=Measure outcome=answered tag=1",
        "answering command=Measure outcome=answered tag=1",
        "asking code=TOO_LONG command=Measure outcome=failed tag=20001",
        "answering code=TOO_LONG command=Measure outcome=failed tag=20001",
        "asking command=Note outcome=sent",
        "answering command=Note outcome=done",
    ];
    assert_eq!(spans, expected);
    let kept = seen.kept.lock().unwrap();
    let within = [("begun", 1), ("waited", 1), ("begun", 3), ("waited", 3)];
    let within = within.map(|(event, span)| (event.to_owned(), Some(span)));
    assert_eq!(kept.events, within, "at first in place, and then on a task");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_a_responder_makes_is_within_its_span() {
    let (seen, _guard) = Seen::subscribe(Level::DEBUG);
    let (near, _far) = pair();
    near.call_remote(CallBack {}).await.unwrap();
    settled().await;
    let kept = seen.kept.lock().unwrap();
    let shown = |span: &Span| (span.fields["side"].clone(), span.fields["command"].clone());
    let spans: Vec<_> = kept.spans.iter().map(shown).collect();
    let expected = [
        ("asking", "CallBack"),
        ("answering", "CallBack"),
        ("asking", "Measure"),
        ("answering", "Measure"),
    ];
    assert_eq!(spans, expected.map(|(side, command)| (side.to_owned(), command.to_owned())));
    let parents: Vec<_> = kept.spans.iter().map(|span| span.parent).collect();
    assert_eq!(parents, [None, None, Some(1), None]);
    assert!(kept.spans.iter().all(|span| span.handles == 0), "all are closed");
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_a_span_around_the_calls_that_it_answers() {
    let (seen, _guard) = Seen::subscribe_to_connections();
    let (here, there) = pair();
    here.call_remote(Measure { text: "four".to_owned() }).await.unwrap();
    settled().await;
    let (near, far) = (here.id().to_string(), there.id().to_string());
    assert_ne!(near, far);
    let kept = seen.kept.lock().unwrap();
    let find = |field: &str, value: &str| {
        let has = |span: &Span| span.fields.get(field).is_some_and(|seen| seen == value);
        kept.spans.iter().position(has).unwrap_or_else(|| panic!("{field} {value}"))
    };
    assert_eq!(kept.spans[find("id", &near)].fields["peer"], "unknown");
    let asking = &kept.spans[find("side", "asking")];
    assert_eq!((&asking.fields["connection"], asking.parent), (&near, None));
    let answering = &kept.spans[find("side", "answering")];
    assert_eq!((&answering.fields["connection"], answering.parent), (&far, Some(find("id", &far))));
}

#[tokio::test(start_paused = true)]
async fn a_router_has_a_span_beside_those_of_the_connections_on_it() {
    let (seen, _guard) = Seen::subscribe_to_connections();
    let (near, far) = tokio::io::duplex(4096);
    let routers = [near, far].map(Router::new);
    let [near, far] = routers.map(Router::spawn);
    let [near, far] = [near, far].map(|routes| {
        let route = routes.bind("a").unwrap().connect_to("a").unwrap();
        Connection::with_transport(route).responders(responders()).spawn()
    });
    near.call_remote(Measure { text: "four".to_owned() }).await.unwrap();
    settled().await;
    let kept = seen.kept.lock().unwrap();
    let ids = kept.spans.iter().filter_map(|span| span.fields.get("id"));
    let ids: std::collections::BTreeSet<_> = ids.collect();
    assert_eq!(ids.len(), 4, "two routers, and a connection on each: {ids:?}");
    for peer in [&near, &far] {
        assert!(ids.contains(&peer.id().to_string()));
    }
}

#[tokio::test(start_paused = true)]
async fn each_way_a_call_can_end_has_its_word() {
    let (seen, _guard) = Seen::subscribe(Level::DEBUG);
    let (peer, mut script) = Script::start(|connection| connection.responders(responders()));
    let ask = |text: &str| peer.call_remote(Measure { text: text.to_owned() });

    drop(ask("never polled"));
    ask("secret").timeout(Duration::from_secs(1)).await.err().unwrap();
    ask(&"secret".repeat(20_000)).await.err().unwrap();
    tokio::select! {
        biased;
        _ = ask("secret") => panic!("nobody answers"),
        () = settled() => {}
    }
    peer.notify(Note { text: "secret".repeat(20_000) }).await.unwrap_err();
    let (answer, ()) = tokio::join!(ask("secret"), async {
        script.expect_call("Measure").await;
        script.expect_call("Measure").await;
        let tag = script.expect_call("Measure").await;
        script.send_box([("_answer", &*tag), ("length", "secret")]).await;
    });
    assert!(matches!(answer, Err(CallError::Decode(_))));

    script.send_box([("_ask", "\n"), ("_command", "Näh")]).await;
    script.receive().await.unwrap();
    let long = "x".repeat(60_000);
    script.send_box([("_ask", &*long), ("_command", "Measure"), ("text", "")]).await;
    script.receive().await.unwrap();
    script.send_box([("_ask", "9"), ("_command", "Measure"), ("text", "\u{0}")]).await;
    script.receive().await.unwrap();
    let (closed, ()) = tokio::join!(peer.call_by_name("Late", numbered(1)), async {
        script.expect_call("Late").await;
        drop(script);
    });
    closed.unwrap_err();
    let spans = seen.spans();
    let long = format!("answering command=Measure outcome=answered tag={}...", "x".repeat(80));
    let expected = [
        "asking command=Measure outcome=timed_out tag=1",
        "asking command=Measure outcome=not_sent",
        "asking command=Measure outcome=dropped tag=20001",
        "asking command=Note outcome=not_sent",
        "asking command=Measure outcome=unreadable tag=40001",
        "answering code=UNHANDLED command=N\\xc3\\xa4h outcome=failed tag=\\n",
        &long,
        "answering command=Measure outcome=answered tag=9",
        "asking command=Late outcome=closed tag=60001",
    ];
    assert_eq!(spans, expected);
}

#[tokio::test]
async fn a_level_that_is_not_enabled_has_no_spans() {
    let (seen, _guard) = Seen::subscribe(Level::INFO);
    let (near, _far) = pair();
    near.call_remote(Measure { text: "text".into() }).await.unwrap();
    let kept = seen.kept.lock().unwrap();
    assert!(kept.spans.is_empty());
    assert_eq!(kept.events.len(), 2, "those of the responder are as they were");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_in_a_lane_when_the_connection_ends_is_closed() {
    let (seen, _guard) = Seen::subscribe(Level::DEBUG);
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let slow =
        Responders::new(()).respond_by_name("Slow", support::gated(gate.clone())).one_at_a_time();
    let prepare = |connection: Connection| {
        connection.responders(slow).peer_address(PeerAddress::Name("unknown".into()))
    };
    let (peer, mut script) = Script::start(prepare);
    script.send_box([("_ask", "1"), ("_command", "Slow")]).await;
    script.send_box([("_ask", "2"), ("_command", "Slow")]).await;
    settled().await;
    drop(script);
    peer.closed().await;
    settled().await;
    gate.add_permits(1);
    settled().await;
    let mut spans = seen.spans();
    spans.sort();
    let expected = [
        "answering command=Slow outcome=answered tag=1",
        "answering command=Slow outcome=closed tag=2",
    ];
    assert_eq!(spans, expected);
}

#[tokio::test]
async fn boxes_bytes_and_answers_are_counted() {
    let (_, _guard) = Seen::subscribe(Level::INFO);
    let (peer, mut script) = Script::start(|connection| connection.responders(echoing()));
    let (mut sent, mut received) = (0, 0);
    for (tag, command) in [("1", "Echo"), ("2", "Nope"), ("3", "Echo")] {
        let pairs = [("_ask", tag), ("_command", command)];
        received += AmpBox::from_pairs(pairs).unwrap().encoded_len();
        script.send_box(pairs).await;
        sent += script.receive().await.unwrap().encoded_len();
    }
    for error in [false, true] {
        let (answer, ()) = tokio::join!(peer.call_by_name("A", numbered(1)), async {
            let call = script.receive().await.unwrap();
            sent += call.encoded_len();
            let tag = std::str::from_utf8(call.get("_ask").unwrap()).unwrap();
            let key = if error { "_error" } else { "_answer" };
            let pairs = [(key, tag)];
            received += AmpBox::from_pairs(pairs).unwrap().encoded_len();
            script.send_box(pairs).await;
        });
        assert_eq!(answer.is_err(), error);
    }
    let counters = peer.counters();
    assert_eq!((counters.calls_sent, counters.calls_received), (2, 3));
    assert_eq!((counters.answers_sent, counters.errors_sent), (2, 1));
    assert_eq!((counters.answers_received, counters.errors_received), (1, 1));
    assert_eq!((counters.boxes_sent, counters.boxes_received), (5, 5));
    assert_eq!((counters.bytes_sent, counters.bytes_received), (sent as u64, received as u64));
}
