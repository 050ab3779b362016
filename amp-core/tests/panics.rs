//! Panics of a user's code that is called for one connection while others are there.

mod support;

use amp_core::tls::{self, AcceptStream, Authorities, ClientCertificates, Identity, TlsListener};
use amp_core::{
    CallError, CloseReason, Connection, Listener, PeerAddress, WireLog, serve, serve_with,
};
use rcgen::{CertificateParams, KeyPair};
use std::io;
use support::{echoing, numbered};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

/// Accepts what a test sends it, and panics at `None`.
struct Streams(mpsc::UnboundedReceiver<Option<DuplexStream>>);

impl AcceptStream for Streams {
    type Stream = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, PeerAddress)> {
        match self.0.recv().await {
            Some(stream) => Ok((stream.expect("a stream to accept"), PeerAddress::Unknown)),
            None => std::future::pending().await,
        }
    }
}

impl Listener for Streams {
    async fn accept(&mut self) -> io::Result<Connection> {
        AcceptStream::accept(self).await.map(|(stream, _)| Connection::new(stream))
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_below_tls_that_panics_costs_no_handshake_and_no_server() {
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(["far".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    let trusted = Authorities::from_pem(&own).unwrap();
    let identity = Identity::from_pem(own + &key.serialize_pem()).unwrap();
    let server = tls::server_config(identity, ClientCertificates::NotAsked).unwrap();
    let config = tls::client_config(&trusted, None).unwrap();

    let (connect, streams) = mpsc::unbounded_channel();
    let listener = TlsListener::new(Streams(streams), server);
    tokio::spawn(serve(listener, echoing()));
    let (near, far) = tokio::io::duplex(1 << 16);
    connect.send(Some(far)).unwrap();
    connect.send(None).unwrap();
    let (later, far) = tokio::io::duplex(1 << 16);
    connect.send(Some(far)).unwrap();
    // The first is in its handshake when the listener panics.
    for stream in [near, later] {
        let peer = tls::client(stream, "far", config.clone()).await.unwrap().spawn();
        let answer = peer.call_by_name("Echo", numbered(1)).await.unwrap();
        assert_eq!(answer.get("n"), Some(&b"1"[..]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wire_log_that_panics_costs_its_connection_alone() {
    let (connect, streams) = mpsc::unbounded_channel();
    let log = WireLog::new().to(|line| assert!(!line.text.contains("Broken"), "the log"));
    let prepare =
        move |connection: Connection| connection.wire_log(log.clone()).responders(echoing());
    tokio::spawn(serve_with(Streams(streams), prepare));
    let connected = || {
        let (near, far) = tokio::io::duplex(1 << 16);
        connect.send(Some(far)).unwrap();
        Connection::new(near).spawn()
    };
    let (one, other) = (connected(), connected());
    other.call_by_name("Echo", numbered(1)).await.unwrap();
    let error = one.call_by_name("Broken", numbered(2)).await.unwrap_err();
    assert!(matches!(error, CallError::Closed(CloseReason::Peer)), "{error:?}");
    for peer in [other, connected()] {
        peer.call_by_name("Echo", numbered(3)).await.unwrap();
    }

    // Its own calls fail, and do not wait for ever.
    let log = WireLog::new().to(|_| panic!("the log"));
    let (near, _far) = tokio::io::duplex(1 << 16);
    let peer = Connection::new(near).wire_log(log).spawn();
    let error = peer.call_by_name("Echo", numbered(4)).await.unwrap_err();
    assert!(error.is_closed(), "{error:?}");
}
