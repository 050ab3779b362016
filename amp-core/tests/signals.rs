//! Writing to sockets whose other end is gone, where `SIGPIPE` is not ignored.
//!
//! While the signal is blocked, one that was raised is pending for the thread that wrote, whatever
//! the program does with it.

#![cfg(target_os = "linux")]

use amp_core::tls::{self, Authorities, ClientCertificates, Identity};
use amp_core::{CallError, Connection, Limits};
use nix::sys::signal::{SigSet, Signal};
use rcgen::{CertificateParams, KeyPair};
use std::io::IoSlice;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UnixStream};

fn is_raised() -> bool {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let pending = status.lines().find_map(|line| line.strip_prefix("SigPnd:")).unwrap();
    let pending = u64::from_str_radix(pending.trim(), 16).unwrap();
    pending & 1 << (Signal::SIGPIPE as u64 - 1) != 0
}

fn unix() -> UnixStream {
    UnixStream::pair().unwrap().0
}

async fn tcp() -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    drop(listener.accept().await.unwrap());
    // The first is answered with a reset.
    while stream.try_write(b"x").is_ok() {}
    stream
}

/// A connection over TLS and its other side, which is there and takes no more bytes: a connection
/// that reads the end may write nothing.
async fn over_tls() -> (Connection, Connection) {
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(["far".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    let trusted = Authorities::from_pem(&own).unwrap();
    let identity = Identity::from_pem(own + &key.serialize_pem()).unwrap();
    let server = tls::server_config(identity, ClientCertificates::NotAsked).unwrap();
    let client = tls::client_config(&trusted, None).unwrap();
    let (near, far) = UnixStream::pair().unwrap();
    let ended = socket2::SockRef::from(&far).try_clone().unwrap();
    let client = tls::client(near, "far", client);
    let (near, far) = tokio::join!(client, tls::server(far, server));
    ended.shutdown(std::net::Shutdown::Read).unwrap();
    (near.unwrap(), far.unwrap())
}

#[tokio::test]
async fn no_signal_is_raised_by_what_a_connection_writes_to_a_socket() {
    SigSet::from(Signal::SIGPIPE).thread_block().unwrap();
    // What is written in one slice, and in several.
    for len in [1, 50_000] {
        let (tcp_reader, tcp_writer) = tcp().await.into_split();
        let (unix_reader, unix_writer) = unix().into_split();
        let (over_tls, _far) = over_tls().await;
        for (name, connection) in [
            ("a TCP socket", Connection::new(tcp().await)),
            ("a Unix socket", Connection::new(unix())),
            ("the halves of a TCP socket", Connection::from_halves(tcp_reader, tcp_writer)),
            ("the halves of a Unix socket", Connection::from_halves(unix_reader, unix_writer)),
            ("TLS", over_tls),
        ] {
            // The far side of TLS does not end.
            let limits = Limits::default().close_timeout(Duration::ZERO);
            let peer = connection.limits(limits).spawn();
            let call = peer.call_by_name("A", [("a", vec![0; len])]);
            let ended = call.await.unwrap_err();
            assert!(matches!(ended, CallError::Closed(_)), "{name}: {ended}");
            assert!(!is_raised(), "{name}");
        }
    }
    // The test would see one.
    unix().try_write_vectored(&[IoSlice::new(b"x"), IoSlice::new(b"y")]).unwrap_err();
    assert!(is_raised());
}
