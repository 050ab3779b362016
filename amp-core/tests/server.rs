//! Servers: they accept, serve, survive what `accept` fails with, and stop when told to.

mod support;

use amp_core::{Connection, Limits, Listener, Responders, connect_tcp, serve, serve_with};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use support::{echoing, gated, numbered};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

/// A server on a free port, where it is, how to stop it, and when it has stopped.
async fn start(responders: Responders) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = serve(listener, responders).shutdown_on(stopped);
    (address, stop, tokio::spawn(server.into_future()))
}

#[tokio::test]
async fn many_clients_are_served_over_tcp() {
    let (address, _stop, _server) = start(echoing()).await;
    let clients = (0..20).map(|client| {
        tokio::spawn(async move {
            let peer = connect_tcp(address).await.unwrap();
            assert_eq!(peer.peer_address().to_string(), address.to_string());
            for n in 0..20 {
                let n = client * 100 + n;
                let answer = peer.call_remote_string("Echo", numbered(n)).await.unwrap();
                assert_eq!(answer.get("n"), Some(n.to_string().as_bytes()));
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_stops_lets_running_responders_answer() {
    let gate = Arc::new(Semaphore::new(0));
    let slow = Responders::new(()).respond_string("Slow", gated(Arc::clone(&gate)));
    let (address, stop, server) = start(slow.merge(echoing()).unwrap()).await;
    let peer = connect_tcp(address).await.unwrap();
    let call = tokio::spawn({
        let peer = peer.clone();
        async move { peer.call_remote_string("Slow", numbered(7)).await }
    });
    while peer.counters().calls_sent == 0 {
        tokio::task::yield_now().await;
    }
    // Answered after the slow call was received: it runs by now.
    peer.call_remote_string("Echo", numbered(1)).await.unwrap();
    stop.send(()).unwrap();
    while connect_tcp(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    gate.add_permits(1);
    assert_eq!(call.await.unwrap().unwrap().get("n"), Some(&b"7"[..]));
    server.await.unwrap();
    assert_eq!(peer.closed().await.to_string(), "closed by the peer");
}

#[tokio::test(start_paused = true)]
async fn a_server_stops_in_spite_of_a_client_that_does_not_close() {
    let limits = Limits::default();
    let (near, far) = tokio::io::duplex(100);
    let (stop, stopped) = oneshot::channel::<()>();
    let server = serve(Prepared(vec![Ok(far)]), echoing());
    let server = tokio::spawn(server.shutdown_on(stopped).into_future());
    tokio::task::yield_now().await;
    stop.send(()).unwrap();
    let before = tokio::time::Instant::now();
    server.await.unwrap();
    assert!(before.elapsed() <= limits.close_timeout, "of virtual time");
    drop(near);
}

#[tokio::test(start_paused = true)]
async fn errors_of_accept_are_survived() {
    let (near, far) = tokio::io::duplex(100);
    let errors = [
        io::ErrorKind::ConnectionAborted.into(),
        // EMFILE: no more descriptors.
        io::Error::from_raw_os_error(24),
        io::Error::other("anything"),
    ];
    let mut accepted: Vec<_> = errors.into_iter().map(Err).collect();
    accepted.push(Ok(far));
    accepted.reverse();
    tokio::spawn(serve(Prepared(accepted), echoing()).into_future());
    let peer = Connection::new(near).spawn();
    assert!(peer.call_remote_string("Echo", numbered(1)).await.is_ok());
}

#[tokio::test]
async fn each_connection_can_be_prepared() {
    struct Number(usize);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut accepted = 0;
    let number =
        Responders::new(()).respond_string("Number", |call: amp_core::StringCallReceived| {
            let number = call.peer.get::<Number>().map_or(0, |number| number.0);
            async move { Ok(amp_core::AmpBox::from_pairs(numbered(number)).unwrap()) }
        });
    let server = serve_with(listener, move |connection| {
        accepted += 1;
        connection.responders(number.clone()).data(Number(accepted))
    });
    tokio::spawn(server.into_future());
    for n in 1..4 {
        let peer = connect_tcp(address).await.unwrap();
        let answer = peer.call_remote_string("Number", numbered(0)).await.unwrap();
        assert_eq!(answer, amp_core::AmpBox::from_pairs(numbered(n)).unwrap());
    }
}

/// Gives what it was made of, the last first, and then nothing more.
struct Prepared(Vec<io::Result<tokio::io::DuplexStream>>);

impl Listener for Prepared {
    async fn accept(&mut self) -> io::Result<Connection> {
        match self.0.pop() {
            Some(accepted) => accepted.map(Connection::new),
            None => std::future::pending().await,
        }
    }
}
