//! What errors say, and how they are said.

use amp_core::ResponderClash;
use amp_core::argument::{
    DateTime, DateTimeError, Decimal, DecimalError, DecodeErrorKind, EncodeErrorKind, Shortened,
};
use amp_core::boxes::BoxError;
use amp_core::dynamic::{Integer, IntegerError, JsonError, Values};
use amp_core::proto::{
    Body, NotQueued, Protocol, ProtocolError, ProtocolLimits, SwitchRefused, TooManyCalls,
};
use amp_core::reconnect::{self, ConnectError, NotConnected, NotConnectedKind};
use amp_core::router::{RouteError, RouteName};
use amp_core::schema::{BoxSchema, Schema, SchemaClash, SchemaError};
use amp_core::streams::{SinkError, StreamError};
use amp_core::tls::{TlsConfigError, TlsError};
use amp_core::{
    CallError, CloseReason, CommandError, Connection, DecodeError, EncodeError, LimitKind, Limits,
    LimitsError, NoError, PeerAddress, ReceivedCall, RefusedAttachment, RemoteError, Report,
    Responders,
};
use std::error::Error;
use std::io;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem;

/// An error of a user's, which has a cause of its own.
#[derive(Debug, thiserror::Error)]
#[error("the shelf is empty")]
struct Outer(#[source] Inner);

#[derive(Debug, thiserror::Error)]
#[error("the van broke down")]
struct Inner;

#[derive(CommandError, Debug, thiserror::Error)]
enum Declared {
    #[error("out of stock")]
    #[amp(code = "STOCK")]
    OutOfStock(#[source] Missing),
}

#[derive(Debug, thiserror::Error)]
#[error("nobody has ordered any")]
struct Missing(String);

impl From<String> for Missing {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl AsRef<str> for Missing {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// What a peer writes that would do something to a terminal.
const SAID: &str = "\u{1b}[2Jsaid\r\n";

const AFTER: Duration = Duration::from_secs(3);

fn of_io() -> Arc<io::Error> {
    Arc::new(io::Error::other(Outer(Inner)))
}

fn box_errors() -> Vec<BoxError> {
    let key = Shortened::new(SAID);
    vec![
        BoxError::NotAmp { beginning: key.clone(), protocol: Some("HTTP") },
        BoxError::KeyTooLong { len: 256 },
        BoxError::EmptyKey,
        BoxError::ReservedKey { key: key.clone() },
        BoxError::ValueTooLong { key: key.clone(), len: 70_000 },
        BoxError::DuplicateKey { key },
        BoxError::BoxTooLong { seen: 5, limit: 4 },
        BoxError::TooManyPairs { seen: 5, limit: 4 },
        BoxError::Truncated { seen: 3 },
    ]
}

fn protocol_errors() -> Vec<ProtocolError> {
    let of_boxes = box_errors().into_iter().map(ProtocolError::Box);
    of_boxes.chain([ProtocolError::NoKind { pairs: 2 }, ProtocolError::SwitchesCross]).collect()
}

fn encode_errors() -> Vec<EncodeError> {
    let what = "a thing";
    let of_boxes = box_errors().into_iter().map(EncodeErrorKind::Box);
    let kinds = of_boxes.chain([
        EncodeErrorKind::ElementTooLong { index: 1, len: 70_000 },
        EncodeErrorKind::Absent,
        EncodeErrorKind::SomeAbsent,
        EncodeErrorKind::TooDeep { limit: 5 },
        EncodeErrorKind::TooMuchStack { limit: 5 },
        EncodeErrorKind::NotCarried { what },
        EncodeErrorKind::Unwritable { what, seen: Shortened::new(SAID) },
        EncodeErrorKind::NoForm { what },
        EncodeErrorKind::Custom(Arc::new(Outer(Inner))),
    ]);
    kinds.map(|kind| EncodeError::from(kind).at("name")).collect()
}

fn decode_errors() -> Vec<DecodeError> {
    let (what, seen) = ("a thing", Shortened::new(SAID));
    let of_boxes = box_errors().into_iter().map(DecodeErrorKind::Box);
    let kinds = of_boxes.chain([
        DecodeErrorKind::Missing,
        DecodeErrorKind::UnknownKey { key: seen.clone() },
        DecodeErrorKind::Malformed { expected: what.into(), seen: seen.clone() },
        DecodeErrorKind::OutOfRange { expected: what, seen: seen.clone() },
        DecodeErrorKind::Truncated { index: 1 },
        DecodeErrorKind::WrongLength { expected: 1, seen: 2 },
        DecodeErrorKind::DuplicateKey { seen },
        DecodeErrorKind::Trailing { len: 1 },
        DecodeErrorKind::TooDeep { limit: 5 },
        DecodeErrorKind::TooMuchStack { limit: 5 },
        DecodeErrorKind::TooMuchMemory { limit: 5 },
        DecodeErrorKind::NoData { expected: what },
        DecodeErrorKind::NotCarried { what },
        DecodeErrorKind::Unclaimable { ordinal: 1, received: 0 },
        DecodeErrorKind::TooManyUnclaimed { ordinal: 1, limit: 5 },
        DecodeErrorKind::TooManyInAll { ordinal: 1, limit: 5 },
        DecodeErrorKind::NoForm { what },
        DecodeErrorKind::Custom(Arc::new(Outer(Inner))),
    ]);
    kinds.map(|kind| DecodeError::from(kind).at("name")).collect()
}

fn tls_errors() -> Vec<TlsError> {
    vec![
        TlsError::Connect(of_io()),
        TlsError::ServerName { name: "a b".into() },
        TlsError::Handshake(rustls::Error::DecryptError),
        TlsError::Io(of_io()),
        TlsError::Timeout { after: AFTER },
    ]
}

fn close_reasons() -> Vec<CloseReason> {
    let of_tls = tls_errors().into_iter().map(|error| CloseReason::Tls(Arc::new(error)));
    let of_protocol = protocol_errors().into_iter().map(CloseReason::Protocol);
    let of_routes = route_errors(CloseReason::Local).into_iter().map(io::Error::from);
    of_tls
        .chain(of_protocol)
        .chain(of_routes.map(CloseReason::from))
        .chain([
            CloseReason::Local,
            CloseReason::Peer,
            CloseReason::Truncated { received: 3 },
            CloseReason::Io(of_io()),
            CloseReason::Failed { command: Some(SAID.into()), code: SAID.into() },
            CloseReason::Failed { command: None, code: "UNKNOWN".into() },
            CloseReason::Switched,
            CloseReason::Idle { after: AFTER },
            CloseReason::NoLogin { within: AFTER },
            CloseReason::PingTimeout { after: AFTER },
            limit_reached(),
        ])
        .collect()
}

/// It has no constructor, so a peer goes over a limit.
fn limit_reached() -> CloseReason {
    static REACHED: LazyLock<CloseReason> = LazyLock::new(|| {
        let reached = async {
            let (here, mut there) = tokio::io::duplex(1 << 10);
            let limits = Limits::default().running_responders(1).running_responders_max(1);
            let never = async |_: ReceivedCall| std::future::pending().await;
            let never = Responders::new(()).respond_by_name("A", never);
            let peer = Connection::new(here).limits(limits).responders(never).spawn();
            // While a call is outstanding, reading goes on.
            let _call = tokio::spawn(peer.call_by_name("A", [("a", "b")]));
            there.read_u8().await.expect("the call comes");
            there.write_all(&b"\0\x08_command\0\x01A\0\0".repeat(2)).await.expect("it is read");
            drop(there);
            peer.closed().await
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        // Tests have runtimes of their own, on their threads.
        let run = || runtime.expect("a runtime").block_on(reached);
        std::thread::scope(|scope| scope.spawn(run).join().expect("it is reached"))
    });
    let reason = REACHED.clone();
    assert!(
        matches!(reason, CloseReason::Limit { what: LimitKind::RunningResponders, limit: 1, .. }),
        "{reason:?}"
    );
    reason
}

fn route_errors(reason: CloseReason) -> Vec<RouteError> {
    let name = RouteName::from(SAID);
    let stalled = RouteError::Stalled { name: name.clone(), waiting: 1, limit: 2, after: AFTER };
    let mut errors = vec![
        RouteError::Bound { name },
        RouteError::NameTooLong { len: 70_000 },
        RouteError::TooMany { limit: 3 },
        RouteError::Closed(reason),
        stalled,
    ];
    errors.extend(box_errors().into_iter().map(RouteError::NotBoxes));
    errors
}

fn connect_errors() -> Vec<ConnectError> {
    let mut errors = vec![
        ConnectError::Connect(Arc::new(Outer(Inner))),
        ConnectError::Hook(Arc::new(Outer(Inner))),
        ConnectError::Timeout { after: AFTER },
        ConnectError::Panicked { text: SAID.into() },
    ];
    errors.extend(close_reasons().into_iter().map(ConnectError::Lost));
    errors
}

async fn not_connected() -> CallError {
    let client = reconnect::Connector::new(async || Err::<Connection, _>(Outer(Inner))).spawn();
    loop {
        let calling = client.call_by_name("A", [("a", "b")]);
        let Err(error @ CallError::NotConnected(_)) = calling.await else { panic!("connected") };
        if error.source().is_some() {
            return error;
        }
        tokio::task::yield_now().await;
    }
}

fn too_many_calls() -> TooManyCalls {
    let mut protocol = Protocol::new(ProtocolLimits::default().outstanding_calls(1));
    let mut call = || protocol.call(b"A", &mut Body::default(), ());
    call().unwrap();
    match call() {
        Err(NotQueued::TooManyCalls(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// As a client that stands in for the real one in a test fails.
#[test]
fn errors_of_clients_can_be_made_without_one() {
    assert_eq!(TooManyCalls::new(1), too_many_calls());
    let kind = NotConnectedKind::TooManyWaiting { limit: 2 };
    let error = CallError::<NoError>::from(NotConnected::new(kind));
    assert_eq!(
        Report::new(&error).to_string(),
        "not connected, and 2 calls wait for it already, which is the limit"
    );
    assert!(!error.is_closed() && error.is_safe_to_retry());
    assert!(CallError::<NoError>::from(NotConnected::new(NotConnectedKind::Closed)).is_closed());
}

async fn call_errors() -> Vec<CallError<Declared>> {
    let missing = Declared::OutOfStock(Missing("Sunday".to_owned()));
    let CallError::NotConnected(not_connected) = not_connected().await else { panic!() };
    let mut errors = vec![
        CallError::Command(missing),
        CallError::Remote(RemoteError::new(SAID, SAID)),
        CallError::Timeout { after: AFTER },
        CallError::NotSent(of_io()),
        CallError::TooManyCalls(too_many_calls()),
        CallError::SwitchUnderWay,
        CallError::TlsStarted,
        CallError::NotConnected(not_connected),
    ];
    errors.extend(encode_errors().into_iter().map(CallError::Encode));
    errors.extend(decode_errors().into_iter().map(CallError::Decode));
    errors.extend(close_reasons().into_iter().map(CallError::Closed));
    errors
}

fn tls_config_errors() -> Vec<TlsConfigError> {
    let end_marker = b"END".to_vec();
    vec![
        TlsConfigError::Pem(pem::Error::MissingSectionEnd { end_marker }),
        TlsConfigError::Pem(pem::Error::NoItemsFound),
        TlsConfigError::Missing { what: "key" },
        TlsConfigError::Authority { number: 1, source: rustls::Error::DecryptError },
        TlsConfigError::Identity(rustls::Error::DecryptError),
        TlsConfigError::Provider(rustls::Error::DecryptError),
        TlsConfigError::NoProvider,
    ]
}

fn sink_errors() -> Vec<SinkError> {
    let failed = CallError::TooManyCalls(too_many_calls());
    let mut errors = vec![
        SinkError::Stopped,
        SinkError::NotSent,
        SinkError::NotTaken,
        SinkError::Refused(RemoteError::new(SAID, SAID)),
        SinkError::TooLarge { len: 5, limit: 4 },
        SinkError::Failed(Arc::new(failed)),
        SinkError::Ended,
    ];
    errors.extend(encode_errors().into_iter().map(|error| SinkError::Encode(Arc::new(error))));
    errors.extend(close_reasons().into_iter().map(SinkError::Closed));
    errors
}

fn stream_errors() -> Vec<StreamError> {
    let mut errors = vec![
        StreamError::Failed(RemoteError::new(SAID, SAID)),
        StreamError::Unfinished,
        StreamError::NotSent,
        StreamError::NotTaken,
        StreamError::Malformed { what: "a list".into() },
    ];
    errors.extend(decode_errors().into_iter().map(StreamError::Item));
    errors.extend(close_reasons().into_iter().map(StreamError::Closed));
    errors
}

fn clash() -> ResponderClash {
    let set =
        || Responders::new(()).respond_by_name("A", async |call: ReceivedCall| Ok(call.arguments));
    set().merge(set()).expect_err("two responders of one name")
}

fn schema_clash() -> SchemaClash {
    let schema = |requires_answer: &str| -> Schema {
        format!("command \"{}\"{requires_answer}\n", SAID.escape_unicode())
            .parse()
            .expect("it is a schema")
    };
    schema("").merge(schema(" one-way")).expect_err("two commands of one name")
}

async fn all() -> Vec<Box<dyn Error>> {
    fn boxed<E: Error + 'static>(errors: Vec<E>) -> impl Iterator<Item = Box<dyn Error>> {
        errors.into_iter().map(|error| Box::new(error) as _)
    }
    let switches = vec![
        SwitchRefused::UnderWay,
        SwitchRefused::NotQueued(NotQueued::TooManyCalls(too_many_calls())),
    ];
    // The connection that routes share is not itself a route.
    let reasons =
        close_reasons().into_iter().filter(|reason| !matches!(reason, CloseReason::Io(_)));
    boxed(box_errors())
        .chain(boxed(protocol_errors()))
        .chain(boxed(switches))
        .chain(boxed(box_errors().into_iter().map(NotQueued::TooLarge).collect()))
        .chain(boxed(encode_errors()))
        .chain(boxed(decode_errors()))
        .chain(boxed(tls_errors()))
        .chain(boxed(tls_config_errors()))
        .chain(boxed(close_reasons()))
        .chain(boxed(reasons.flat_map(route_errors).collect()))
        .chain(boxed(connect_errors()))
        .chain(boxed(call_errors().await))
        .chain(boxed(vec![clash()]))
        .chain(boxed(vec![schema_clash()]))
        .chain(boxed::<LimitsError>(vec![Limits::default().send_queue_max(0).check().unwrap_err()]))
        .chain(boxed(vec![SAID.parse::<Decimal>().unwrap_err(), DecimalError::ExponentOutOfRange]))
        .chain(boxed::<SchemaError>(vec![SAID.parse::<Schema>().unwrap_err()]))
        .chain(boxed(sink_errors()))
        .chain(boxed(stream_errors()))
        .chain(boxed::<IntegerError>(vec![SAID.parse::<Integer>().unwrap_err()]))
        .chain(boxed::<DateTimeError>(vec![SAID.parse::<DateTime>().unwrap_err()]))
        .chain(boxed::<JsonError>(vec![
            Values::from_json(&BoxSchema::default(), SAID).unwrap_err(),
        ]))
        .chain(boxed(vec![RefusedAttachment::all(io::Error::other(Outer(Inner)))]))
        .collect()
}

#[tokio::test]
async fn no_error_repeats_what_its_source_says() {
    for error in all().await {
        let mut error: &dyn Error = &*error;
        while let Some(source) = error.source() {
            let (text, of_source) = (error.to_string(), source.to_string());
            assert!(!text.contains(&of_source), "{text:?} has {of_source:?} in it: {error:?}");
            error = source;
        }
    }
}

#[tokio::test]
async fn a_report_says_everything_once_on_one_line() {
    for error in all().await {
        let report = Report::new(&*error).to_string();
        let mut error: Option<&dyn Error> = Some(&*error);
        while let Some(part) = error {
            assert_eq!(report.matches(&part.to_string()).count(), 1, "{report}: {part}");
            error = part.source();
        }
    }
    let lost = ConnectError::Hook(Arc::new(CallError::<Declared>::Closed(CloseReason::Tls(
        Arc::new(TlsError::Io(of_io())),
    ))));
    let expected = "the connection could not be made ready: the connection is closed: TLS could \
                    not be started: the stream broke during the TLS handshake: the shelf is empty: \
                    the van broke down";
    assert_eq!(Report::new(&lost).to_string(), expected);
}

#[test]
fn the_errors_of_a_call_and_of_a_stream_go_to_all_who_wait_for_them() {
    let encode = encode_errors().into_iter().map(CallError::<NoError>::Encode);
    let decode = decode_errors().into_iter().map(CallError::Decode);
    for error in encode.chain(decode) {
        let clone = error.clone();
        assert_eq!(Report::new(&clone).to_string(), Report::new(&error).to_string());
    }
    for error in decode_errors().into_iter().map(StreamError::Item) {
        let clone = error.clone();
        assert_eq!(Report::new(&clone).to_string(), Report::new(&error).to_string());
    }
}

#[tokio::test]
async fn no_error_says_what_a_peer_wrote_as_it_is() {
    for error in all().await {
        let report = Report::new(&*error).to_string();
        assert!(!report.contains(char::is_control), "{report:?}");
    }
}

#[test]
fn what_a_peer_wrote_is_escaped_where_it_is_displayed() {
    let text = "\u{1b}[2Jfirst\r\nsecond\u{202e}caf\u{e9}";
    let shown = r"\u{1b}[2Jfirst\r\nsecond\u{202e}caf\u{e9}".replace(r"\u{e9}", "\u{e9}");
    let remote = RemoteError::new(text, text);
    assert_eq!(remote.to_string(), format!("the peer answered {shown}: {shown}"));
    assert_eq!(remote.description, text);
    let call: CallError = CallError::Remote(remote);
    assert_eq!(Report::new(&call).to_string(), format!("the peer answered {shown}: {shown}"));
    let failed = CloseReason::Failed { command: Some("Sum".into()), code: text.into() };
    assert_eq!(failed.to_string(), format!("closed after Sum failed with {shown}"));
    let command = Some(format!("{text}{}", "x".repeat(1000)).into());
    let failed = CloseReason::Failed { command, code: "X".into() }.to_string();
    assert!(
        failed.starts_with(&format!("closed after {shown}xx")) && failed.len() < 200,
        "{failed}"
    );
    assert_eq!(PeerAddress::Name(text.into()).to_string(), shown);
    let of_user = DecodeError::custom(text);
    assert_eq!(Report::new(&of_user).to_string(), shown);
    let panicked = ConnectError::Panicked { text: text.into() };
    let expected = format!("the connection was not made ready: a panic: {shown}");
    assert_eq!(panicked.to_string(), expected);
    let route = RouteError::Bound { name: text.into() };
    assert!(!route.to_string().contains(char::is_control));
}

#[tokio::test]
async fn whoever_speaks_another_protocol_is_told_apart() {
    for (said, named) in [
        (&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], r#""GET / HTTP/1.1", as HTTP does"#),
        (b"SSH-2.0-OpenSSH_9.6\r\n", r#""SSH-2.0-OpenSSH_9.6", as SSH does"#),
        (b"\x16\x03\x01\0\xa5\x01\0", r#""\x16\x03\x01\x00\xa5\x01\x00", as TLS does"#),
    ] {
        let (here, mut there) = tokio::io::duplex(1 << 10);
        let peer = Connection::new(here).spawn();
        let call = tokio::spawn({
            let peer = peer.clone();
            async move { peer.call_by_name("A", [("a", "b")]).await }
        });
        there.write_all(said).await.unwrap();
        drop(there);
        let error = call.await.unwrap().unwrap_err();
        let expected = format!("the connection is closed: not AMP: it begins with {named}");
        assert_eq!(Report::new(&error).to_string(), expected);
    }
}
