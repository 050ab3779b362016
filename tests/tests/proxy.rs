//! A proxy between Twisted on both sides, which knows no command but that one of them switches the
//! protocol.

mod support;

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use amp_core::{FailurePolicy, Peer, ReceivedCall, Responders, Switched, tcp};
use amp_tests::{Address, DEADLINE, Process, Transport};
use support::{ours, python, twisted};
use tokio::io::copy_bidirectional;
use tokio::net::TcpListener;
use tokio::time::timeout;

/// Scenarios in which the peer closes the connection, or that are about where the peer is.
const NOT_OF_A_PROXY: &str = "deadly-error,undeclared-error,bad-response,who-am-i";

#[tokio::test]
async fn twisted_calls_twisted_through_a_proxy() {
    twisted_calls_through_a_proxy(&twisted(Transport::Tcp)).await;
}

#[tokio::test]
async fn twisted_calls_ours_through_a_proxy() {
    twisted_calls_through_a_proxy(&ours(Transport::Unix, FailurePolicy::Stay)).await;
}

/// Holds the scenarios of `client.py` with a proxy of this peer.
async fn twisted_calls_through_a_proxy(backend: &amp_tests::Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::Tcp(listener.local_addr().unwrap().to_string());
    let proxy = tokio::spawn(serve(listener, backend.address().clone()));
    let client = tokio::task::spawn_blocking(move || {
        let mut client = python().program("client.py");
        client.arg(address.to_string()).args(["--policy", "stay", "--skip", NOT_OF_A_PROXY]);
        Process::start(client).finish(Instant::now() + 3 * DEADLINE)
    });
    let finished = timeout(3 * DEADLINE, client).await.unwrap().unwrap();
    proxy.abort();
    let lines = finished.stdout.join("\n");
    assert_eq!(finished.code, Some(0), "{lines}\n{}", finished.stderr);
    for scenario in ["sum", "one-way", "unhandled", "call-back", "switch-to-echo", "switch-refused"]
    {
        assert!(finished.stdout.contains(&format!("ok {scenario}")), "{scenario}: {lines}");
    }
}

/// Connects each client to the backend by a connection of its own, since that may switch.
async fn serve(listener: TcpListener, backend: Address) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        // The backend calls only once it was called.
        let client = Arc::new(OnceLock::new());
        let connection = backend.connect().await.unwrap().responders(proxy_of(Arc::clone(&client)));
        let backend = Arc::new(OnceLock::from(connection.spawn()));
        let connection = tcp::connection(stream).unwrap().responders(proxy_of(backend));
        client.get_or_init(|| connection.spawn());
    }
}

/// Passes on everything to the peer, once there is one.
fn proxy_of(to: Arc<OnceLock<Peer>>) -> Responders {
    let asked = Arc::clone(&to);
    Responders::new(())
        .fallback(move |call: ReceivedCall| {
            let to = Arc::clone(&to);
            async move { call.pass_on(peer(&to)).await }
        })
        .fallback_switch(
            |command| command.starts_with(b"SwitchTo"),
            move |call: ReceivedCall| {
                let asked = Arc::clone(&asked);
                async move {
                    let arguments = call.arguments.iter();
                    let switch = peer(&asked).switch_protocol_by_name(&call.command, arguments);
                    let mut there = switch.await.map_err(|error| call.handed_on(error))?;
                    Ok(move |mut here: Switched| async move {
                        let _ = copy_bidirectional(&mut here, &mut there).await;
                    })
                }
            },
        )
}

fn peer(of: &OnceLock<Peer>) -> &Peer {
    of.get().expect("both are connected")
}
