//! The login of the example, with itself, with impostors, and with a Twisted peer that does it as
//! MAAS does.

#[path = "../../examples/login/login.rs"]
mod login;

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use amp_core::{
    AmpBox, CallError, CloseReason, Connection, Context, NoError, Peer, ReceivedCall, RemoteError,
    Responders, tcp,
};
use amp_tests::commands::{Sum, Total};
use amp_tests::{DEADLINE, Process, Python, Transport};
use tokio::net::TcpListener;
use tokio::time::timeout;

use login::{Authenticate, AuthenticateError, LoginError, Proof, Secret, Side, log_in};

const SECRET: &str = "xyzzy";

fn none() -> Responders {
    Responders::new(())
}

async fn add(_: Context, Sum { a, b }: Sum) -> Result<Total, NoError> {
    Ok(Total { total: a + b })
}

fn adding() -> Responders {
    none().respond(add)
}

fn sum() -> Sum {
    Sum { a: 2.into(), b: 3.into() }
}

async fn start(side: Side, connection: Connection, secret: &str) -> Result<Peer, LoginError> {
    log_in(connection, side, &Secret::new(secret), DEADLINE, adding()).await
}

fn streams() -> (Connection, Connection) {
    let (here, there) = tokio::io::duplex(4096);
    (Connection::new(here), Connection::new(there))
}

#[tokio::test]
async fn both_sides_prove_themselves() {
    let (here, there) = streams();
    let (near, far) =
        tokio::join!(start(Side::Connecting, here, SECRET), start(Side::Listening, there, SECRET));
    let (near, far) = (near.unwrap(), far.unwrap());
    assert_eq!(near.call_remote(sum()).await.unwrap(), Total { total: 5.into() });
    assert_eq!(far.call_remote(sum()).await.unwrap(), Total { total: 5.into() });
}

#[tokio::test]
async fn another_secret_is_refused_by_the_side_that_listens_which_proves_nothing() {
    let (here, there) = streams();
    let (near, far) =
        tokio::join!(start(Side::Connecting, here, "plugh"), start(Side::Listening, there, SECRET));
    assert!(matches!(far, Err(LoginError::WrongSecret)), "{far:?}");
    let Err(LoginError::Call(error)) = near else { panic!("{near:?}") };
    // Its responder was told to give up; whether that or the end of the connection comes first, is
    // not known.
    assert!(
        error.is_closed() || matches!(error, CallError::Command(AuthenticateError::Refused)),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_does_not_know_the_secret_is_refused() {
    let (here, there) = streams();
    // It proves itself at once, as the other side does; wrongly.
    let (near, far) = tokio::join!(
        start(Side::Connecting, here, SECRET),
        start(Side::Connecting, there, "plugh")
    );
    assert!(matches!(near, Err(LoginError::WrongSecret)), "{near:?}");
    assert!(far.is_err());
}

#[tokio::test]
async fn before_the_login_there_is_no_other_command() {
    for side in [Side::Connecting, Side::Listening] {
        let (here, there) = streams();
        let login = tokio::spawn(start(side, here, SECRET));
        // It leaves the challenge without an answer.
        let silent = none().respond(|_, _: Authenticate| std::future::pending());
        let peer = there.responders(silent).spawn();
        let error = peer.call_remote(sum()).await.unwrap_err();
        assert!(error.is_unhandled(), "{error}");
        login.abort();
    }
}

/// The limits on running responders do not help here: while this side waits for an answer it reads
/// on, and starts tens of thousands.
#[tokio::test]
async fn one_proof_is_asked_for_at_a_time() {
    let (here, there) = streams();
    let login = tokio::spawn(start(Side::Listening, here, SECRET));
    let silent = none().respond(|_, _: Authenticate| std::future::pending());
    let peer = there.responders(silent).spawn();
    let ask = || peer.call_remote(Authenticate { message: [1; 16] });
    tokio::select! {
        biased;
        _ = ask() => panic!("nobody has proved anything"),
        refused = ask() => {
            assert!(matches!(refused, Err(CallError::Command(AuthenticateError::Refused))));
        }
    }
    login.abort();
}

#[tokio::test(start_paused = true)]
async fn who_does_not_log_in_in_time_is_cut_off() {
    for side in [Side::Connecting, Side::Listening] {
        let (here, there) = streams();
        let silent = none().respond(|_, _: Authenticate| std::future::pending());
        let peer = there.responders(silent).spawn();
        let deadline = Duration::from_secs(3);
        let before = tokio::time::Instant::now();
        let login = log_in(here, side, &Secret::new(SECRET), deadline, none()).await;
        assert!(matches!(login, Err(LoginError::Timeout(after)) if after == deadline), "{login:?}");
        assert!(before.elapsed() >= deadline);
        assert!(matches!(peer.closed().await, CloseReason::Peer));
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_ask_for_a_proof_is_cut_off() {
    let (here, there) = streams();
    let secret = Secret::new(SECRET);
    let knowing = none().respond_by_name("Authenticate", proving(&secret));
    let _peer = there.responders(knowing).spawn();
    // Another process knows it too.
    let login = log_in(here, Side::Listening, &Secret::new(SECRET), DEADLINE, none()).await;
    assert!(matches!(login, Err(LoginError::Timeout(_))), "{login:?}");
}

type Proving = Pin<Box<dyn Future<Output = Result<AmpBox, RemoteError>> + Send>>;

/// Answers as who knows the secret, by asking somebody who does.
fn proving(secret: &Arc<Secret>) -> impl Fn(ReceivedCall) -> Proving + Send + Sync + 'static {
    let secret = Arc::clone(secret);
    move |call| {
        let (here, there) = streams();
        let secret = Arc::clone(&secret);
        Box::pin(async move {
            tokio::spawn(async move {
                log_in(there, Side::Connecting, &secret, DEADLINE, none()).await.map(drop)
            });
            let silent = none().respond(|_, _: Authenticate| std::future::pending());
            let oracle = here.responders(silent).spawn();
            let arguments: Vec<_> =
                call.arguments.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
            let answer = oracle.call_by_name("Authenticate", arguments).await;
            answer.map_err(|error| match error {
                CallError::Remote(error) => error,
                error => panic!("{error}"),
            })
        })
    }
}

#[tokio::test]
async fn a_challenge_that_comes_back_is_not_answered() {
    // The impostor knows nothing, and asks the side that challenges it for the answer.
    let (here, there) = streams();
    let reflect =
        none().respond(|context: Context, Authenticate { message }: Authenticate| async move {
            context.peer().call_remote(Authenticate { message }).await.map_err(|error| {
                assert!(matches!(error, CallError::Command(AuthenticateError::Refused)), "{error}");
                AuthenticateError::Refused
            })
        });
    let _impostor = there.responders(reflect).spawn();
    let login = start(Side::Connecting, here, SECRET).await;
    let Err(LoginError::Call(CallError::Command(AuthenticateError::Refused))) = login else {
        panic!("{login:?}")
    };
}

#[tokio::test]
async fn a_challenge_of_another_connection_is_not_answered() {
    // The impostor asks another connection of the same process for the answer.
    let secret = Secret::new(SECRET);
    let (here, there) = streams();
    let impostor = there.responders(none().respond_by_name("Authenticate", proving(&secret)));
    let _impostor = impostor.spawn();
    let login = log_in(here, Side::Connecting, &secret, DEADLINE, none()).await;
    let Err(LoginError::Call(CallError::Command(AuthenticateError::Refused))) = login else {
        panic!("{login:?}")
    };
}

#[tokio::test]
async fn challenges_of_other_lengths_are_refused() {
    let (here, there) = streams();
    let login = tokio::spawn(start(Side::Connecting, here, SECRET));
    let silent = none().respond(|_, _: Authenticate| std::future::pending());
    let peer = there.responders(silent).spawn();
    for len in [0, 15, 17, 32] {
        let call = peer.call_by_name("Authenticate", [("message", vec![7; len])]);
        let Err(CallError::Remote(error)) = call.await else { panic!() };
        assert!(error.is_unknown(), "{error}");
    }
    let Proof { digest, salt } = peer.call_remote(Authenticate { message: [7; 16] }).await.unwrap();
    assert_ne!((digest, salt), ([0; 32], [0; 16]));
    login.abort();
}

fn twisted_server(secret: &str) -> amp_tests::Peer {
    let mut server = python().program("login.py");
    server.arg(secret);
    amp_tests::Peer::start(server, Transport::Tcp)
}

#[tokio::test]
async fn we_log_in_to_twisted() {
    let server = twisted_server(SECRET);
    let connection = server.address().connect().await.unwrap();
    let peer = start(Side::Connecting, connection, SECRET).await.unwrap();
    assert_eq!(peer.call_remote(sum()).await.unwrap(), Total { total: 5.into() });

    let peer = server.address().connect().await.unwrap().spawn();
    assert!(peer.call_remote(sum()).await.unwrap_err().is_unhandled());
}

#[tokio::test]
async fn we_refuse_a_twisted_that_does_not_know_the_secret() {
    let server = twisted_server("plugh");
    let connection = server.address().connect().await.unwrap();
    let login = start(Side::Connecting, connection, SECRET).await;
    assert!(matches!(login, Err(LoginError::WrongSecret)), "{login:?}");
}

/// What a Twisted client prints that logs in to us with its secret, and how that ended here.
async fn twisted_client(secret: &'static str) -> (Vec<String>, Result<(), LoginError>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let peer = start(Side::Listening, tcp::connection(stream).unwrap(), SECRET).await?;
        peer.closed().await;
        Ok(())
    });
    let client = tokio::task::spawn_blocking(move || {
        let mut client = python().program("login.py");
        client.arg(secret).arg("--connect").arg(address.to_string());
        Process::start(client).finish(Instant::now() + DEADLINE).stdout
    });
    let printed = timeout(DEADLINE, client).await.unwrap().unwrap();
    (printed, timeout(DEADLINE, server).await.unwrap().unwrap())
}

#[tokio::test]
async fn twisted_logs_in_to_us() {
    let (printed, login) = twisted_client(SECRET).await;
    login.unwrap();
    assert_eq!(printed, ["5"]);
}

#[tokio::test]
async fn we_refuse_a_twisted_client_that_does_not_know_the_secret() {
    let (printed, login) = twisted_client("plugh").await;
    assert!(matches!(login, Err(LoginError::WrongSecret)), "{login:?}");
    let [error] = &printed[..] else { panic!("{printed:?}") };
    assert!(
        ["ConnectionDone", "ConnectionLost", "UnknownRemoteError", "RemoteAmpError"]
            .contains(&error.as_str()),
        "{error}"
    );
}

fn python() -> Python {
    Python::with_twisted(env!("CARGO_TARGET_TMPDIR"))
}
