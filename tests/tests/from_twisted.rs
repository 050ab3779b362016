//! What the guide "From Twisted" says: how failures look from the other side, and that commands can move
//! over one at a time.

use amp_core::{
    Arguments, CallError, Command, CommandError, Context, Failure, FailurePolicy, NoError, Peer,
    ReceivedCall, Report, Responders,
};
use amp_tests::commands::{Concatenate, CountNotes, Divide, DivideError, Note, Sum, Total};
use amp_tests::{Address, DEADLINE, Process, Python, Transport};
use std::fmt;
use std::future::pending;
use std::time::{Duration, Instant};
use tokio::net::UnixListener;
use tokio::time::timeout;

const GUIDE: &str = include_str!("../../amp-core/src/cookbook/from_twisted.rs");

#[derive(Command)]
#[amp(error = SoldOut)]
struct Declared;

#[derive(CommandError, Debug, thiserror::Error)]
enum SoldOut {
    #[error("none left")]
    SoldOut,
}

#[derive(Command)]
#[amp(error = OnFire)]
struct Fatal;

#[derive(CommandError, Debug, thiserror::Error)]
enum OnFire {
    #[error("it burns")]
    #[amp(fatal)]
    OnFire,
}

#[derive(Command)]
struct Undeclared;

#[derive(Command)]
struct Panics;

/// For the side that answers.
#[derive(Command)]
#[amp(name = "Missing")]
struct MissingWanted {
    #[allow(dead_code)]
    n: i64,
}

#[derive(Command)]
struct Missing;

#[derive(Command)]
#[amp(name = "Malformed")]
struct MalformedWanted {
    #[allow(dead_code)]
    n: i64,
}

#[derive(Command)]
struct Malformed {
    n: String,
}

#[derive(Command)]
#[amp(name = "Response", response = Text)]
struct ResponseGiven;

#[derive(Arguments)]
struct Text {
    n: String,
}

#[derive(Command)]
#[amp(response = Number)]
struct Response;

#[derive(Arguments, Debug)]
struct Number {
    #[allow(dead_code)]
    n: i64,
}

#[derive(Command)]
struct Unhandled;

#[derive(Command)]
#[amp(one_way, error = SoldOut)]
struct Silent;

#[derive(Command)]
#[amp(one_way, error = OnFire)]
struct SilentFatal;

#[derive(Command)]
#[amp(one_way)]
struct SilentUnhandled;

#[derive(Command)]
#[amp(response = Number)]
struct TooLong;

#[derive(Command)]
#[amp(error = SoldOut)]
struct TooLongError;

#[derive(Command)]
struct PassedOn;

#[derive(Command)]
struct Gone;

#[derive(Command)]
struct Alive;

fn responders() -> Responders {
    Responders::new(())
        .respond(async |_, _: Declared| Err(SoldOut::SoldOut))
        .respond(async |_, _: Fatal| Err(OnFire::OnFire))
        .try_respond(async |_, _: Undeclared| Err(Failure::from("a secret")))
        .respond(async |_, _: Panics| -> Result<(), NoError> { panic!("on purpose") })
        .respond(async |_, _: MissingWanted| Ok(()))
        .respond(async |_, _: MalformedWanted| Ok(()))
        .respond(async |_, _: ResponseGiven| Ok(Text { n: "no number".to_owned() }))
        .respond(async |_, _: Silent| Err(SoldOut::SoldOut))
        .respond(async |_, _: SilentFatal| Err(OnFire::OnFire))
        .respond(async |context: Context, _: Gone| {
            context.peer().close().await;
            pending().await
        })
        .respond(async |_, _: Alive| Ok(()))
}

/// What a Twisted client has printed that calls each command.
async fn seen_by_twisted(policy: FailurePolicy) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let connection = amp_unix::connection(stream).unwrap();
            tokio::spawn(connection.failure_policy(policy).responders(responders()).run());
        }
    });
    let python = Python::with_twisted(env!("CARGO_TARGET_TMPDIR"));
    let mut command = python.program("failures.py");
    command.arg("--connect").arg(format!("unix:{}", path.display()));
    let mut process = Process::start(command);
    let lines = tokio::task::spawn_blocking(move || {
        let deadline = Instant::now() + DEADLINE;
        std::iter::from_fn(|| process.line(deadline)).collect()
    });
    let lines = lines.await.unwrap();
    server.abort();
    lines
}

const UNKNOWN: &str = "Code<UNKNOWN>: Unknown Error (reference REFERENCE)";
const UNHANDLED: &str = r#"(b'UNHANDLED', "Unhandled Command: b'Unhandled'")"#;

/// Each way to fail: as the guide has it in Rust, what Twisted's client raises, what becomes of the
/// connection, and the text of the exception.
const FROM_RUST: [(&str, &str, &str, &str, &str); 11] = [
    ("Declared", "a declared error", "SoldOut", "goes on", "none left"),
    ("Fatal", "a declared error that is `fatal`", "OnFire", "is closed", "it burns"),
    ("Undeclared", "any other failure, or a panic", "UnknownRemoteError", "goes on", UNKNOWN),
    ("Panics", "any other failure, or a panic", "UnknownRemoteError", "goes on", UNKNOWN),
    ("Missing", "an argument is missing", "UnknownRemoteError", "goes on", UNKNOWN),
    ("Malformed", "an argument does not decode", "UnknownRemoteError", "goes on", UNKNOWN),
    (
        "Response",
        "the response is not what the client reads",
        "ValueError",
        "goes on",
        "invalid literal for int() with base 10: b'no number'",
    ),
    ("Unhandled", "there is no responder", "UnhandledCommand", "goes on", UNHANDLED),
    ("Silent", "a one-way call fails, by a declared error too", "nothing", "goes on", ""),
    ("SilentFatal", "a one-way call fails by an error that is `fatal`", "nothing", "is closed", ""),
    (
        "Gone",
        "the connection ends",
        "ConnectionDone",
        "is closed",
        "Connection was closed cleanly.",
    ),
];

#[tokio::test]
async fn failures_look_to_twisted_as_the_guide_says() {
    let seen = seen_by_twisted(FailurePolicy::Stay).await;
    let expected = FROM_RUST
        .map(|(command, _, raised, then, text)| format!("{command}|{raised}|{then}|{text}"));
    assert_eq!(seen, expected);
    for (_, what, raised, then, _) in FROM_RUST {
        let row = row_of(what, 0);
        // The classes of this test have names of their own.
        let said = match raised {
            "SoldOut" => "`errors`",
            "OnFire" => "`fatalErrors`",
            "ValueError" => "whatever its argument raises",
            raised => raised,
        };
        assert!(row.contains(said) && row.ends_with(&format!("| {then} |")), "{row}");
    }
    let closes =
        ["Fatal", "Undeclared", "Panics", "Missing", "Malformed", "Silent", "SilentFatal", "Gone"];
    let seen = seen_by_twisted(FailurePolicy::Close).await;
    let expected = FROM_RUST.map(|(command, _, raised, _, text)| {
        let then = if closes.contains(&command) { "is closed" } else { "goes on" };
        // It is then as Twisted says it.
        let text = text.replace(" (reference REFERENCE)", "");
        format!("{command}|{raised}|{then}|{text}")
    });
    assert_eq!(seen, expected);
}

/// The row of a table of the guide, of the first or of the second.
fn row_of(what: &str, table: usize) -> &'static str {
    let (_, tables) = GUIDE.split_once("# What failures look like").unwrap();
    let table = tables.split("Where Twisted answers").nth(table).unwrap();
    let start = format!("//! | {what} |");
    table.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no {what}"))
}

/// The kind of an error, as the guide has it, and what it says.
fn shown<T: fmt::Debug, E: std::error::Error + 'static>(
    result: Result<T, CallError<E>>,
) -> (&'static str, String) {
    let error = result.unwrap_err();
    let said = Report::new(&error).to_string();
    let kind = match error {
        CallError::Command(_) => "`CallError::Command`",
        CallError::Remote(error) if error.is_unknown() => "`CallError::Remote`, `is_unknown`",
        CallError::Remote(error) if error.is_unhandled() => "`CallError::Remote`, `is_unhandled`",
        CallError::Remote(_) => "`CallError::Remote`, with its code",
        CallError::Decode(_) => "`CallError::Decode`",
        CallError::Closed(_) => "`CallError::Closed`",
        other => panic!("{other:?}"),
    };
    (kind, said)
}

#[tokio::test]
async fn failures_of_twisted_look_as_the_guide_says() {
    let python = Python::with_twisted(env!("CARGO_TARGET_TMPDIR"));
    let program = amp_tests::Peer::start(python.program("failures.py"), Transport::Unix);
    let Address::Unix(path) = program.address() else { unreachable!("it is a Unix socket") };
    let connect = async || amp_unix::connect(path).await.unwrap().spawn();
    macro_rules! check {
        ($command:expr, $what:literal, $text:expr) => {{
            let peer = connect().await;
            let (seen, said) = shown(timeout(DEADLINE, peer.call_remote($command)).await.unwrap());
            let alive = timeout(DEADLINE, peer.call_remote(Alive)).await.unwrap();
            let then = if alive.is_ok() { "goes on" } else { "is closed" };
            assert_eq!(row_of($what, 1), format!("//! | {} | {seen} | {then} |", $what));
            assert_eq!(said, $text);
        }};
    }
    check!(Declared, "an exception of `errors`", "none left");
    check!(Fatal, "an exception of `fatalErrors`", "it burns");
    check!(Undeclared, "any other exception", "the peer answered UNKNOWN: Unknown Error");
    check!(Missing, "an argument is missing", "the peer answered UNKNOWN: Unknown Error");
    check!(
        Malformed { n: "x".to_owned() },
        "an argument does not decode",
        "the peer answered UNKNOWN: Unknown Error"
    );
    check!(
        Response,
        "the response is not what the client reads",
        r#"the answer cannot be read: argument n: "no number" is not an Integer"#
    );
    check!(
        Unhandled,
        "there is no responder",
        "the peer answered UNHANDLED: Unhandled Command: b'Unhandled'"
    );
    check!(
        PassedOn,
        "`amp.RemoteAmpError`, as of a call that the responder has made",
        "the peer answered OWN: of its own"
    );
    let closed = "the connection is closed: closed by the peer";
    check!(TooLong, "a value of the response is over 65 535 bytes", closed);
    check!(TooLongError, "the text of an error is over 65 535 bytes", closed);
    check!(Gone, "the connection ends", closed);

    let row = row_of("a one-way call fails, by a declared error too, or has no responder", 1);
    assert!(row.ends_with("| nothing: `notify` has returned | is closed |"), "{row}");
    let peer = connect().await;
    peer.notify(Silent).await.unwrap();
    timeout(DEADLINE, peer.closed()).await.unwrap();
    let peer = connect().await;
    peer.notify(SilentUnhandled).await.unwrap();
    timeout(DEADLINE, peer.closed()).await.unwrap();
}

async fn end_with(old: Peer, client: Peer) {
    tokio::select! {
        // What it has answered last is handed on first.
        _ = old.closed() => {
            client.close_gracefully(Duration::from_secs(5)).await;
        }
        _ = client.closed() => old.close().await,
    }
}

#[test]
fn the_guide_passes_on_as_this_does() {
    let here = include_str!("from_twisted.rs");
    let (_, rest) = here.split_once("\nasync fn end_with(").unwrap();
    let (body, _) = rest.split_once("\n}\n").unwrap();
    let lines = body.lines().map(|line| format!("//! {line}\n"));
    let lines = lines.collect::<String>();
    let shown = format!("//! async fn end_with({}", lines.trim_start_matches("//! "));
    assert!(GUIDE.contains(&shown), "{shown}");
    assert!(GUIDE.contains(PASSED_ON) && here.matches(PASSED_ON).count() == 2, "{PASSED_ON}");
}

const PASSED_ON: &str = "fallback(move |call: ReceivedCall| call.pass_on(&passed_on))";

/// A client of the new service, of which the old one is behind.
fn client_of(old: Peer, new: Responders) -> Peer {
    let passed_on = old.clone();
    let new = new.fallback(move |call: ReceivedCall| call.pass_on(&passed_on));
    let (client, server) = amp_core::testing::pair(Responders::new(()), new);
    tokio::spawn(end_with(old, server));
    client
}

/// A client that reconnects when it is cut off does so as before.
#[tokio::test]
async fn where_twisted_closes_the_client_is_closed_too() {
    let python = Python::with_twisted(env!("CARGO_TARGET_TMPDIR"));
    let program = amp_tests::Peer::start(python.program("failures.py"), Transport::Unix);
    let Address::Unix(path) = program.address() else { unreachable!("it is a Unix socket") };
    let connect = async || {
        let old = amp_unix::connect(path).await.unwrap().spawn();
        client_of(old, Responders::new(()))
    };
    let client = connect().await;
    let failed = timeout(DEADLINE, client.call_remote(Fatal)).await.unwrap().unwrap_err();
    assert!(matches!(failed, CallError::Command(OnFire::OnFire)), "{failed:?}");
    timeout(DEADLINE, client.closed()).await.unwrap();

    let client = connect().await;
    let failed = timeout(DEADLINE, client.call_remote(Undeclared)).await.unwrap().unwrap_err();
    assert!(matches!(&failed, CallError::Remote(error) if error.is_unknown()), "{failed:?}");
    timeout(DEADLINE, client.closed()).await.unwrap();

    let client = connect().await;
    let failed = timeout(DEADLINE, client.call_remote(Declared)).await.unwrap().unwrap_err();
    assert!(matches!(failed, CallError::Command(SoldOut::SoldOut)), "{failed:?}");
    timeout(DEADLINE, client.call_remote(Alive)).await.unwrap().unwrap();
}

/// Rust answers one command, and Twisted the others.
#[tokio::test]
async fn commands_move_over_one_at_a_time() {
    let python = Python::with_twisted(env!("CARGO_TARGET_TMPDIR"));
    let program = amp_tests::Peer::start(python.program("peer.py"), Transport::Unix);
    let Address::Unix(path) = program.address() else { unreachable!("it is a Unix socket") };
    let old = amp_unix::connect(path).await.unwrap().spawn();
    // What Twisted does not answer so.
    let sum = async |_: Context, Sum { a, b }: Sum| Ok(Total { total: a + b + 1000 });
    let client = client_of(old, Responders::new(()).respond(sum));

    let sum = Sum { a: 1.into(), b: 2.into() };
    assert_eq!(client.call_remote(sum).await.unwrap().total, 1003.into());
    let (left_hand, right_hand) = ("a".to_owned(), "b".to_owned());
    let both = client.call_remote(Concatenate { left_hand, right_hand }).await.unwrap().both;
    assert_eq!(both, "ab");
    // What wants no answer asks the old service for none either.
    client.notify(Note { text: "one".to_owned() }).await.unwrap();
    assert_eq!(client.call_remote(CountNotes).await.unwrap().count, 1);
    let error = client.call_remote(Divide { numerator: 1, denominator: 0 }).await.unwrap_err();
    assert!(matches!(error, CallError::Command(DivideError::ZeroDivision)), "{error}");
}
