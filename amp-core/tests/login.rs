//! Logins: what is answered before one and after it, and what becomes of a peer that makes none.

use amp_core::login::{Login, same_secret};
use amp_core::{
    CallError, CloseReason, Command, CommandError, Connection, Context, NoError, Peer, Responders,
    tcp,
};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

const WITHIN: Duration = Duration::from_secs(5);

#[derive(Command, Debug)]
#[amp(error = Refused)]
struct Authenticate {
    password: String,
}

#[derive(CommandError, Debug, thiserror::Error)]
enum Refused {
    #[error("the password is wrong")]
    WrongPassword,
    #[error("too many passwords were wrong")]
    TooManyAttempts,
    #[error("the login came before TLS")]
    CameBeforeTls,
}

#[derive(Command, Debug)]
struct Work {}

async fn authenticate(context: Context<Login>, call: Authenticate) -> Result<(), Refused> {
    let attempt = context.state().attempt(context.peer()).await;
    let attempt = attempt.map_err(|_| Refused::TooManyAttempts)?;
    if !same_secret(call.password.as_bytes(), b"xyzzy") {
        return Err(Refused::WrongPassword);
    }
    let after = Responders::new(()).respond(|_, _: Work| async { Ok::<_, NoError>(()) });
    attempt.succeed(after).map_err(|_| Refused::CameBeforeTls)
}

fn start() -> (Peer, Peer, Login) {
    let login = Login::within(WITHIN);
    let (near, far) = tokio::io::duplex(1000);
    let before = Responders::new(login.clone()).respond(authenticate);
    let server = Connection::new(far).responders(before).login(login.clone()).spawn();
    (Connection::new(near).spawn(), server, login)
}

async fn log_in(peer: &Peer, password: &str) -> Result<(), CallError<Refused>> {
    peer.call_remote(Authenticate { password: password.to_owned() }).await
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_logs_in_is_answered_other_calls_and_stays() {
    let (client, server, login) = start();
    assert!(client.call_remote(Work {}).await.unwrap_err().is_unhandled());
    assert!(matches!(
        log_in(&client, "plugh").await,
        Err(CallError::Command(Refused::WrongPassword))
    ));
    assert!(!login.has_succeeded());
    assert!(client.call_remote(Work {}).await.unwrap_err().is_unhandled());

    log_in(&client, "xyzzy").await.unwrap();
    assert!(login.has_succeeded());
    client.call_remote(Work {}).await.unwrap();
    assert!(log_in(&client, "xyzzy").await.unwrap_err().is_unhandled(), "that was before");
    sleep(2 * WITHIN).await;
    assert!(!server.is_closed());
    client.call_remote(Work {}).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_log_in_in_time_loses_the_connection() {
    let (client, server, _) = start();
    let since = Instant::now();
    sleep(WITHIN / 2).await;
    log_in(&client, "plugh").await.unwrap_err();
    let reason = timeout(10 * WITHIN, server.closed()).await.unwrap();
    assert!(matches!(reason, CloseReason::NoLogin { within: WITHIN }), "{reason}");
    assert_eq!(reason.to_string(), "the peer has not logged in within 5s");
    assert_eq!(since.elapsed(), WITHIN);
    assert!(matches!(client.closed().await, CloseReason::Peer));
}

#[tokio::test(start_paused = true)]
async fn a_server_whose_connections_have_a_login_needs_no_hook() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (started, mut logins) = mpsc::unbounded_channel();
    tokio::spawn(amp_core::serve_with(listener, move |connection| {
        let login = Login::within(WITHIN);
        started.send(login.clone()).unwrap();
        let before = Responders::new(login.clone()).respond(authenticate);
        connection.responders(before).login(login)
    }));
    let client = tcp::connect(address).await.unwrap().spawn();
    let closed = timeout(10 * WITHIN, client.closed()).await;
    assert!(matches!(closed, Ok(CloseReason::Peer)));
    assert!(!logins.recv().await.unwrap().has_succeeded());

    let client = tcp::connect(address).await.unwrap().spawn();
    log_in(&client, "xyzzy").await.unwrap();
    sleep(2 * WITHIN).await;
    client.call_remote(Work {}).await.unwrap();
}

/// The connection closes with its last handle, and not when the login is over.
#[tokio::test(start_paused = true)]
async fn a_login_does_not_keep_a_connection_open() {
    let (client, server, _) = start();
    let since = Instant::now();
    drop(server);
    assert!(matches!(client.closed().await, CloseReason::Peer));
    assert_eq!(since.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_watch_ends_with_the_connection() {
    let (client, server, _) = start();
    let tasks = tokio::runtime::Handle::current().metrics();
    client.close().await;
    server.closed().await;
    while tasks.num_alive_tasks() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_are_few_and_each_waits_longer_than_the_last() {
    let (client, server, login) = start();
    let start = Instant::now();
    let mut answered = Vec::new();
    for _ in 0..5 {
        let error = log_in(&client, "plugh").await.unwrap_err();
        assert!(matches!(error, CallError::Command(Refused::WrongPassword)), "{error:?}");
        answered.push(start.elapsed().as_millis());
    }
    assert_eq!(answered, [0, 250, 750, 1750, 3750]);
    assert!(matches!(server.closed().await, CloseReason::Local));
    assert!(log_in(&client, "xyzzy").await.is_err());
    assert!(!login.has_succeeded());
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_attempts_is_as_few_as_any() {
    let (client, server, login) = start();
    let attempts: Vec<_> = (0..1000)
        .map(|n| {
            let (client, password) = (client.clone(), if n < 990 { "plugh" } else { "xyzzy" });
            tokio::spawn(async move { log_in(&client, password).await })
        })
        .collect();
    let start = Instant::now();
    let (mut wrong, mut refused) = (0, 0);
    for attempt in attempts {
        match attempt.await.unwrap() {
            Err(CallError::Command(Refused::WrongPassword)) => wrong += 1,
            Err(CallError::Command(Refused::TooManyAttempts)) => refused += 1,
            Err(error) => assert!(error.is_closed() || error.is_safe_to_retry(), "{error:?}"),
            Ok(()) => panic!("none of those that were made has the password"),
        }
    }
    assert!((1..=5).contains(&wrong) && refused >= 1, "{wrong} were wrong, {refused} refused");
    // None of them waits for the pauses of the others: the first one too many ends the connection.
    server.closed().await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert!(!login.has_succeeded());
}

/// All clones belong to the same login.
#[tokio::test(start_paused = true)]
async fn clones_have_the_same_number_of_attempts() {
    let (client, server, login) = start();
    drop(login.clone().attempts(2));
    for _ in 0..2 {
        log_in(&client, "plugh").await.unwrap_err();
    }
    server.closed().await;
    assert_eq!(login.attempt(&server).await.err().unwrap().limit, 2);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_given_up_before_its_turn_is_none() {
    let (client, server, login) = start();
    log_in(&client, "plugh").await.unwrap_err();
    for _ in 0..10 {
        let attempt = login.attempt(&server);
        assert!(tokio::time::timeout(Duration::from_millis(10), attempt).await.is_err());
    }
    log_in(&client, "xyzzy").await.unwrap();
    client.call_remote(Work {}).await.unwrap();
    assert_eq!(login.attempt(&server).await.err().unwrap().limit, 5);
}

#[test]
fn secrets_are_the_same_or_not() {
    for (a, b) in [("", ""), ("xyzzy", "xyzzy")] {
        assert!(same_secret(a.as_bytes(), b.as_bytes()));
    }
    for (a, b) in [("", "x"), ("xyzzy", "xyzzx"), ("xyzzy", "xyzz"), ("ayzzy", "xyzzy")] {
        assert!(!same_secret(a.as_bytes(), b.as_bytes()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_is_that_of_one_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let login = Login::within(WITHIN);
    let shared = login.clone();
    tokio::spawn(amp_core::serve_with(listener, move |connection| {
        let before = Responders::new(shared.clone()).respond(authenticate);
        connection.responders(before).login(shared.clone())
    }));
    let first = tcp::connect(address).await.unwrap().spawn();
    log_in(&first, "xyzzy").await.unwrap();
    let second = tcp::connect(address).await.unwrap().spawn();
    let closed = timeout(WITHIN / 2, second.closed()).await.unwrap();
    assert!(matches!(closed, CloseReason::Peer | CloseReason::Io(_)), "{closed}");
    first.call_remote(Work {}).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nobody_logs_in_where_the_connection_has_no_login() {
    let login = Login::within(WITHIN);
    let (near, far) = tokio::io::duplex(1000);
    let before = Responders::new(login.clone()).respond(authenticate);
    let _server = Connection::new(far).responders(before).spawn();
    let client = Connection::new(near).spawn();
    let error = log_in(&client, "xyzzy").await.unwrap_err();
    assert!(matches!(&error, CallError::Remote(error) if error.is_unknown()), "{error}");
    assert!(!login.has_succeeded());
}
