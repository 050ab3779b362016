//! Servers: they accept, serve, survive what `accept` fails with, and stop when told to.

mod support;

use amp_core::{
    CloseReason, Connection, Limits, Listener, Responders, connect_tcp, serve, serve_with,
};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{echoing, gated, numbered, settled};
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

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
    let (streams, listener) = scripted();
    streams.send(Ok(far)).unwrap();
    let server = serve(listener, echoing());
    let server = tokio::spawn(server.shutdown_on(stopped).into_future());
    tokio::task::yield_now().await;
    stop.send(()).unwrap();
    let before = tokio::time::Instant::now();
    server.await.unwrap();
    assert!(before.elapsed() <= limits.close_timeout, "of virtual time");
    drop(near);
}

#[tokio::test]
async fn a_server_that_accepts_no_more_serves_its_clients_until_they_leave() {
    let (streams, listener) = scripted();
    let (near, far) = tokio::io::duplex(1000);
    streams.send(Ok(far)).unwrap();
    let (retire, retired) = oneshot::channel::<()>();
    let server = serve(listener, echoing()).stop_accepting_on(retired);
    let server = tokio::spawn(server.into_future());
    let peer = Connection::new(near).spawn();
    peer.call_remote_string("Echo", numbered(1)).await.unwrap();
    drop(retire);
    streams.closed().await;
    for n in 0..10 {
        peer.call_remote_string("Echo", numbered(n)).await.unwrap();
    }
    assert!(!server.is_finished());
    peer.close().await;
    server.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn clients_that_do_not_leave_are_closed_when_the_server_is_told_to() {
    let patience = Duration::from_secs(20);
    let (streams, listener) = scripted();
    let (near, far) = tokio::io::duplex(1000);
    streams.send(Ok(far)).unwrap();
    let (retire, retired) = oneshot::channel::<()>();
    let server = serve(listener, echoing())
        .stop_accepting_on(retired)
        .shutdown_on(tokio::time::sleep(patience));
    let server = tokio::spawn(server.into_future());
    let peer = Connection::new(near).spawn();
    peer.call_remote_string("Echo", numbered(1)).await.unwrap();
    let before = Instant::now();
    drop(retire);
    assert!(matches!(peer.closed().await, CloseReason::Peer));
    server.await.unwrap();
    assert_eq!(before.elapsed(), patience, "of virtual time");
}

#[tokio::test(start_paused = true)]
async fn responders_of_a_server_have_so_long_to_answer() {
    let gate = Arc::new(Semaphore::new(0));
    let slow = Responders::new(()).respond_string("Slow", gated(gate));
    let (streams, listener) = scripted();
    let (near, far) = tokio::io::duplex(1000);
    streams.send(Ok(far)).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let timeout = Duration::from_secs(77);
    let server = serve(listener, slow).shutdown_on(stopped).drain_timeout(timeout);
    let server = tokio::spawn(server.into_future());
    let peer = Connection::new(near).spawn();
    let call = tokio::spawn(async move { peer.call_remote_string("Slow", numbered(1)).await });
    settled().await;
    let before = Instant::now();
    drop(stop);
    assert!(call.await.unwrap().unwrap_err().is_closed());
    server.await.unwrap();
    assert_eq!(before.elapsed(), timeout, "of virtual time");
}

#[tokio::test]
async fn a_full_server_accepts_again_when_a_connection_has_ended() {
    let (streams, listener) = scripted();
    let (near_ends, far_ends): (Vec<_>, Vec<_>) = (0..3).map(|_| tokio::io::duplex(1000)).unzip();
    for far in far_ends {
        streams.send(Ok(far)).unwrap();
    }
    let accepted = Arc::clone(&listener.accepted);
    tokio::spawn(serve(listener, echoing()).max_connections(2).into_future());
    let mut peers: Vec<_> =
        near_ends.into_iter().map(|near| Connection::new(near).spawn()).collect();
    for peer in &peers[..2] {
        peer.call_remote_string("Echo", numbered(1)).await.unwrap();
    }
    let third = peers.pop().unwrap();
    let mut call = std::pin::pin!(third.call_remote_string("Echo", numbered(3)));
    tokio::select! {
        biased;
        _ = &mut call => panic!("there are three connections"),
        () = settled() => {}
    }
    assert_eq!(accepted.lock().unwrap().len(), 2);
    peers.pop().unwrap().close().await;
    assert!(call.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn errors_of_accept_are_survived() {
    let (streams, listener) = scripted();
    let accepted = Arc::clone(&listener.accepted);
    streams.send(Err(io::ErrorKind::ConnectionAborted.into())).unwrap();
    // EMFILE and ENFILE: no more descriptors.
    for errno in [24, 23].into_iter().cycle().take(9) {
        streams.send(Err(io::Error::from_raw_os_error(errno))).unwrap();
    }
    let (near, far) = tokio::io::duplex(100);
    streams.send(Ok(far)).unwrap();
    streams.send(Err(io::Error::other("anything"))).unwrap();
    let start = Instant::now();
    tokio::spawn(serve(listener, echoing()).into_future());
    let peer = Connection::new(near).spawn();
    assert!(peer.call_remote_string("Echo", numbered(1)).await.is_ok());
    settled().await;
    let pauses: Vec<_> = {
        let accepted = accepted.lock().unwrap();
        let times = std::iter::once(start).chain(accepted.iter().copied());
        times.zip(accepted.iter()).map(|(before, after)| (*after - before).as_millis()).collect()
    };
    // An aborted connection says nothing of the next one. A success ends the backoff.
    assert_eq!(pauses, [0, 0, 10, 20, 40, 80, 160, 320, 640, 1000, 1000, 0]);
    let (near, far) = tokio::io::duplex(100);
    streams.send(Ok(far)).unwrap();
    // The pause is over at once when a connection ends: what was missing may be there.
    peer.close().await;
    let before = Instant::now();
    let peer = Connection::new(near).spawn();
    assert!(peer.call_remote_string("Echo", numbered(1)).await.is_ok());
    assert_eq!(before.elapsed(), Duration::ZERO, "of virtual time");
}

#[tokio::test]
async fn a_server_can_call_clients_that_have_not_called() {
    let (streams, listener) = scripted();
    let (peers, mut connected) = mpsc::unbounded_channel();
    let server = serve(listener, Responders::new(())).on_connect(move |peer| {
        peers.send(peer).unwrap();
    });
    tokio::spawn(server.into_future());
    for n in 0..3 {
        let (near, far) = tokio::io::duplex(1000);
        streams.send(Ok(far)).unwrap();
        let client = Connection::new(near).responders(echoing()).spawn();
        let peer = connected.recv().await.unwrap();
        let answer = peer.call_remote_string("Echo", numbered(n)).await.unwrap();
        assert_eq!(answer.get("n"), Some(n.to_string().as_bytes()));
        // Whoever keeps the peer hears of the end, and does not put it off.
        client.close().await;
        assert!(matches!(peer.closed().await, CloseReason::Peer));
    }
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

/// Accepts what is sent to it, and notes when it did.
struct Scripted {
    streams: mpsc::UnboundedReceiver<io::Result<DuplexStream>>,
    accepted: Arc<Mutex<Vec<Instant>>>,
    /// Before which connection it panics once, counted from 1.
    panics_at: Option<usize>,
}

fn scripted() -> (mpsc::UnboundedSender<io::Result<DuplexStream>>, Scripted) {
    let (sender, streams) = mpsc::unbounded_channel();
    (sender, Scripted { streams, accepted: Arc::default(), panics_at: None })
}

impl Listener for Scripted {
    async fn accept(&mut self) -> io::Result<Connection> {
        if self.panics_at == Some(self.accepted.lock().unwrap().len() + 1) {
            self.panics_at = None;
            panic!("the listener");
        }
        let Some(accepted) = self.streams.recv().await else {
            return std::future::pending().await;
        };
        self.accepted.lock().unwrap().push(Instant::now());
        accepted.map(Connection::new)
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_before_a_connection_is_served_costs_that_one() {
    let (streams, mut listener) = scripted();
    listener.panics_at = Some(3);
    let mut ends = (0..4).map(|_| tokio::io::duplex(1000));
    let mut connect = || {
        let (near, far) = ends.next().unwrap();
        streams.send(Ok(far)).unwrap();
        Connection::new(near).spawn()
    };
    let mut prepared = 0;
    let mut connected = 0;
    let server = serve_with(listener, move |connection| {
        prepared += 1;
        assert!(prepared != 1, "the first cannot be prepared");
        connection.responders(echoing())
    });
    let server = server.on_connect(move |_| {
        connected += 1;
        assert!(connected != 1, "the second cannot be kept");
    });
    let (stop, stopped) = oneshot::channel::<()>();
    let server = server.shutdown_on(async move {
        let _ = stopped.await;
        panic!("the signal");
    });
    let server = tokio::spawn(server.into_future());
    for _ in 0..2 {
        let error = connect().call_remote_string("Echo", numbered(1)).await.unwrap_err();
        assert!(error.is_closed(), "{error:?}");
    }
    // The listener panics before it gives the next.
    for peer in [connect(), connect()] {
        peer.call_remote_string("Echo", numbered(1)).await.unwrap();
    }
    drop(stop);
    server.await.unwrap();
}

/// A listening socket with no room for further clients: what they send is as lost as what is sent to
/// a machine that is gone.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_dead_address_does_not_hold_up_the_next() {
    use socket2::{Domain, Socket, Type};

    let (live, _stop, _server) = start(echoing()).await;
    let dead = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    dead.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    dead.listen(0).unwrap();
    let at = dead.local_addr().unwrap();
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            client.set_nonblocking(true).unwrap();
            let _ = client.connect(&at);
            client
        })
        .collect();
    let addresses = [at.as_socket().unwrap(), live];
    let connected = tokio::time::timeout(Duration::from_secs(15), connect_tcp(&addresses[..]));
    let peer = connected.await.expect("no hang").unwrap();
    peer.call_remote_string("Echo", numbered(1)).await.unwrap();
    drop(clients);
}
