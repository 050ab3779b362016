//! The example of Twisted's documentation, sums and quotients over TCP, in both directions.

use amp_core::{AmpBox, CallError, Responders, serve};
use amp_tests::commands::{Divide, DivideError, Quotient, Sum, Total};
use amp_tests::{DEADLINE, Peer, Process, Python, Transport};
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::time::timeout;

fn server() -> Peer {
    Peer::start(python().program("sums_server.py"), Transport::Tcp)
}

/// What the client prints when it has called what listens at `address`.
fn client(address: &str) -> Vec<String> {
    let mut client = python().program("sums_client.py");
    client.arg(address);
    let finished = Process::start(client).finish(Instant::now() + DEADLINE);
    assert_eq!(finished.code, Some(0), "{:?}\n{}", finished.stdout, finished.stderr);
    finished.stdout
}

#[tokio::test]
async fn ours_calls_the_server() {
    let server = server();
    let calls = async {
        let peer = server.address().connect().await.unwrap().spawn();
        let total = peer.call_remote(Sum { a: 13.into(), b: 81.into() });
        let quotient = peer.call_remote(Divide { numerator: 1234, denominator: 0 });
        let (total, quotient) = tokio::join!(total, quotient);
        assert_eq!(total.unwrap(), Total { total: 94.into() });
        let error = quotient.unwrap_err();
        assert!(matches!(error, CallError::Command(DivideError::ZeroDivision)), "{error}");
        // It is a declared error, after which the connection goes on.
        let quotient = peer.call_remote(Divide { numerator: 1234, denominator: 8 }).await;
        assert_eq!(quotient.unwrap(), Quotient { result: 154.25 });

        let answer = peer.call_by_name("Sum", [("a", "13"), ("b", "81")]).await.unwrap();
        assert_eq!(answer, AmpBox::from_pairs([("total", "94")]).unwrap());
    };
    timeout(DEADLINE, calls).await.unwrap();
}

#[tokio::test]
async fn the_client_calls_ours() {
    let responders = Responders::new(())
        .respond(|_, Sum { a, b }: Sum| async move { Ok(Total { total: a + b }) })
        .respond(|_, Divide { numerator, denominator }: Divide| async move {
            // Only sums come out: the client divides by zero.
            assert_eq!((numerator, denominator), (1234, 0));
            Err(DivideError::ZeroDivision)
        });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp:{}", listener.local_addr().unwrap());
    let server = tokio::spawn(serve(listener, responders));
    // The client's process is waited for on a thread of its own, so that ours can answer it.
    let printed = tokio::task::spawn_blocking(move || client(&address)).await.unwrap();
    assert_eq!(printed, ["94", "impossible: division by zero"]);
    server.abort();
}

#[test]
fn the_client_calls_the_server() {
    let printed = client(&server().address().to_string());
    assert_eq!(printed, ["94", "impossible: division by zero"]);
}

fn python() -> Python {
    Python::with_twisted(env!("CARGO_TARGET_TMPDIR"))
}
