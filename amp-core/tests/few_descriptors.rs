//! A process that may have few files open shares them out. This has a process of its own, whose limit
//! it lowers.
#![cfg(unix)]

mod support;

use amp_core::tls::{self, AcceptStream, ClientCertificates, Identity, TlsListener};
use amp_core::{Connection, Limits, Listener, PeerAddress, serve};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{echoing, settled};
use tokio::io::DuplexStream;

/// Accepts streams on which nothing ever comes.
#[derive(Default)]
struct Endless {
    accepted: Arc<AtomicUsize>,
    kept: Vec<DuplexStream>,
}

impl Endless {
    fn next(&mut self) -> DuplexStream {
        self.accepted.fetch_add(1, Ordering::SeqCst);
        let (near, far) = tokio::io::duplex(10);
        self.kept.push(near);
        far
    }
}

impl Listener for Endless {
    async fn accept(&mut self) -> io::Result<Connection> {
        Ok(Connection::new(self.next()))
    }
}

impl AcceptStream for Endless {
    type Stream = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, PeerAddress)> {
        Ok((self.next(), PeerAddress::Unknown))
    }
}

#[tokio::test(start_paused = true)]
async fn peers_leave_some_for_the_program() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 256, hard).unwrap();
    let limits = Limits::default();
    assert_eq!((limits.attachments_in_all, limits.unclaimed_attachments), (64, 64));
    let listener = Endless::default();
    let connections = Arc::clone(&listener.accepted);
    tokio::spawn(serve(listener, echoing()));
    let listener = Endless::default();
    let handshakes = Arc::clone(&listener.accepted);
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let pem = own.cert.pem() + &own.signing_key.serialize_pem();
    let identity = Identity::from_pem(pem).unwrap();
    let config = tls::server_config(identity, ClientCertificates::NotAsked).unwrap();
    let mut listener = TlsListener::new(listener, config);
    tokio::spawn(async move { listener.accept().await.map(drop) });
    settled().await;
    assert_eq!(connections.load(Ordering::SeqCst), 72);
    assert_eq!(handshakes.load(Ordering::SeqCst), 32);
}
