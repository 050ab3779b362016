//! A client that connects again to a host of several addresses, of which the first accepts and is of
//! no use.

use amp_core::reconnect::{Backoff, Client, Connector, Jitter};
use amp_core::tls::{self, Authorities, ClientCertificates, Identity, TlsListener};
use amp_core::{Command, Context, NoError, Responders, serve, tcp};
use rcgen::{CertificateParams, KeyPair};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

#[derive(Command)]
struct Login {}

fn responders() -> Responders {
    Responders::new(()).respond(|_: Context, _: Login| async { Ok::<_, NoError>(()) })
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An address whose connections say this and end; and each of them.
async fn ending(says: &'static [u8]) -> (mpsc::UnboundedReceiver<()>, SocketAddr) {
    let (listener, address) = listen().await;
    let (accept, accepted) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(says).await;
            let _ = accept.send(());
        }
    });
    (accepted, address)
}

/// An address that serves.
async fn serving() -> SocketAddr {
    let (listener, address) = listen().await;
    tokio::spawn(serve(listener, responders()));
    address
}

fn client(hosts: [SocketAddr; 2], reset_after: Duration) -> Connector {
    let connect = move || async move { tcp::connect(&hosts[..]).await };
    with_short_waits(Connector::new(connect), reset_after)
}

fn with_short_waits(builder: Connector, reset_after: Duration) -> Connector {
    let base = Duration::from_millis(1);
    builder.backoff(
        Backoff::default()
            .base(base)
            .factor(1.0)
            .cap(base)
            .jitter(Jitter::None)
            .reset_after(reset_after),
    )
}

const LONG: Duration = Duration::from_secs(3600);

/// Each attempt is over before the next begins, and connections that come to the first address
/// once more would come before any at the second.
async fn assert_goes_on(
    client: &Client,
    first: &mut mpsc::UnboundedReceiver<()>,
    second: SocketAddr,
) {
    first.recv().await.unwrap();
    loop {
        let peer = tokio::select! {
            biased;
            Some(()) = first.recv() => panic!("the first address was taken again"),
            peer = client.connected() => peer.unwrap(),
        };
        if peer.peer_address().to_string() == second.to_string() {
            return;
        }
        // It is about to be lost.
        peer.closed().await;
    }
}

#[tokio::test]
async fn a_login_that_fails_is_tried_at_the_next_address() {
    let (listener, first) = listen().await;
    let (accept, mut accepted) = mpsc::unbounded_channel();
    // It does not know how to log in.
    let refuses = serve(listener, Responders::new(())).on_connect(move |_| {
        let _ = accept.send(());
    });
    tokio::spawn(refuses);
    let second = serving().await;
    let login = |peer: amp_core::Peer| async move { peer.call_remote(Login {}).await };
    let client = client([first, second], LONG).make_ready(login).spawn();
    assert_goes_on(&client, &mut accepted, second).await;
}

#[tokio::test]
async fn a_connection_that_is_lost_before_it_has_lasted_is_made_to_the_next_address() {
    let (mut accepted, first) = ending(b"").await;
    let second = serving().await;
    let client = client([first, second], LONG).spawn();
    assert_goes_on(&client, &mut accepted, second).await;
}

#[tokio::test]
async fn a_tls_handshake_that_fails_is_tried_at_the_next_address() {
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(["far".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    let trusted = Authorities::from_pem(&own).unwrap();
    let identity = Identity::from_pem(own + &key.serialize_pem()).unwrap();
    let server = tls::server_config(identity, ClientCertificates::NotAsked).unwrap();
    let config = tls::client_config(&trusted, None).unwrap();

    let (mut accepted, first) = ending(b"not TLS").await;
    let (listener, second) = listen().await;
    tokio::spawn(serve(TlsListener::new(listener, server), responders()));
    let hosts = [first, second];
    let connect = move || {
        let config = Arc::clone(&config);
        async move { tls::connect(&hosts[..], "far", config).await }
    };
    let client = with_short_waits(Connector::new(connect), LONG).spawn();
    assert_goes_on(&client, &mut accepted, second).await;
}

#[tokio::test]
async fn after_a_connection_that_has_lasted_the_first_address_comes_first() {
    let (mut accepted, first) = ending(b"").await;
    let second = serving().await;
    // It is enough that a connection was there.
    let _client = client([first, second], Duration::ZERO).spawn();
    for _ in 0..3 {
        accepted.recv().await.unwrap();
    }
}
