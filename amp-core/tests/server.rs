//! Servers: they accept, serve, survive what `accept` fails with, and stop when told to.

mod support;

use amp_core::{CloseReason, Connection, Drained, Limits, Responders, serve, serve_with, tcp};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use support::scripted::scripted;
use support::{echoing, gated, numbered, settled};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A server on a free port, where it is, how to stop it, and when it has stopped.
async fn start(responders: Responders) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<Drained>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = serve(listener, responders).shutdown_on(stopped);
    (address, stop, tokio::spawn(server))
}

#[tokio::test]
async fn many_clients_are_served_over_tcp() {
    let (address, _stop, _server) = start(echoing()).await;
    let clients = (0..20).map(|client| {
        tokio::spawn(async move {
            let peer = tcp::connect(address).await.unwrap().spawn();
            assert_eq!(peer.peer_address().to_string(), address.to_string());
            for n in 0..20 {
                let n = client * 100 + n;
                let answer = peer.call_by_name("Echo", numbered(n)).await.unwrap();
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
    let slow = Responders::new(()).respond_by_name("Slow", gated(Arc::clone(&gate)));
    let (address, stop, server) = start(slow.merge(echoing()).unwrap()).await;
    let peer = tcp::connect(address).await.unwrap().spawn();
    let call = tokio::spawn({
        let peer = peer.clone();
        async move { peer.call_by_name("Slow", numbered(7)).await }
    });
    while peer.counters().calls_sent == 0 {
        tokio::task::yield_now().await;
    }
    // Answered after the slow call was received: it runs by now.
    peer.call_by_name("Echo", numbered(1)).await.unwrap();
    stop.send(()).unwrap();
    while tcp::connect(address).await.is_ok() {
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
    let server = tokio::spawn(server.shutdown_on(stopped));
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
    let server = tokio::spawn(server);
    let peer = Connection::new(near).spawn();
    peer.call_by_name("Echo", numbered(1)).await.unwrap();
    drop(retire);
    streams.closed().await;
    for n in 0..10 {
        peer.call_by_name("Echo", numbered(n)).await.unwrap();
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
    let server = tokio::spawn(server);
    let peer = Connection::new(near).spawn();
    peer.call_by_name("Echo", numbered(1)).await.unwrap();
    let before = Instant::now();
    drop(retire);
    assert!(matches!(peer.closed().await, CloseReason::Peer));
    server.await.unwrap();
    assert_eq!(before.elapsed(), patience, "of virtual time");
}

#[tokio::test(start_paused = true)]
async fn responders_of_a_server_have_so_long_to_answer() {
    let gate = Arc::new(Semaphore::new(0));
    let slow = Responders::new(()).respond_by_name("Slow", gated(gate));
    let (streams, listener) = scripted();
    let (near, far) = tokio::io::duplex(1000);
    streams.send(Ok(far)).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let timeout = Duration::from_secs(77);
    let server = serve(listener, slow).shutdown_on(stopped).drain_timeout(timeout);
    let server = tokio::spawn(server);
    let peer = Connection::new(near).spawn();
    let call = tokio::spawn(async move { peer.call_by_name("Slow", numbered(1)).await });
    settled().await;
    let before = Instant::now();
    drop(stop);
    assert!(call.await.unwrap().unwrap_err().is_closed());
    assert_eq!(server.await.unwrap().cut_off, 1);
    assert_eq!(before.elapsed(), timeout, "of virtual time");
}

#[tokio::test(start_paused = true)]
async fn a_full_server_accepts_again_when_a_connection_has_ended() {
    let (streams, listener) = scripted();
    let (near_ends, far_ends): (Vec<_>, Vec<_>) = (0..3).map(|_| tokio::io::duplex(1000)).unzip();
    for far in far_ends {
        streams.send(Ok(far)).unwrap();
    }
    let accepted = Arc::clone(&listener.accepted);
    tokio::spawn(serve(listener, echoing()).max_connections(2));
    let mut peers: Vec<_> =
        near_ends.into_iter().map(|near| Connection::new(near).spawn()).collect();
    for peer in &peers[..2] {
        peer.call_by_name("Echo", numbered(1)).await.unwrap();
    }
    let third = peers.pop().unwrap();
    let mut call = std::pin::pin!(third.call_by_name("Echo", numbered(3)));
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
    tokio::spawn(serve(listener, echoing()));
    let peer = Connection::new(near).spawn();
    assert!(peer.call_by_name("Echo", numbered(1)).await.is_ok());
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
    assert!(peer.call_by_name("Echo", numbered(1)).await.is_ok());
    assert_eq!(before.elapsed(), Duration::ZERO, "of virtual time");
}

#[tokio::test]
async fn a_server_can_call_clients_that_have_not_called() {
    let (streams, listener) = scripted();
    let (peers, mut connected) = mpsc::unbounded_channel();
    let server = serve(listener, Responders::new(())).on_connect(move |peer| {
        peers.send(peer).unwrap();
    });
    tokio::spawn(server);
    for n in 0..3 {
        let (near, far) = tokio::io::duplex(1000);
        streams.send(Ok(far)).unwrap();
        let client = Connection::new(near).responders(echoing()).spawn();
        let peer = connected.recv().await.unwrap();
        let answer = peer.call_by_name("Echo", numbered(n)).await.unwrap();
        assert_eq!(answer.get("n"), Some(n.to_string().as_bytes()));
        // Code that keeps the peer hears of the end, and does not put it off.
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
    let number = Responders::new(()).respond_by_name("Number", |call: amp_core::ReceivedCall| {
        let number = call.peer.get::<Number>().map_or(0, |number| number.0);
        async move { Ok(amp_core::AmpBox::from_pairs(numbered(number)).unwrap()) }
    });
    let server = serve_with(listener, move |connection| {
        accepted += 1;
        connection.responders(number.clone()).data(Number(accepted))
    });
    tokio::spawn(server);
    for n in 1..4 {
        let peer = tcp::connect(address).await.unwrap().spawn();
        let answer = peer.call_by_name("Number", numbered(0)).await.unwrap();
        assert_eq!(answer, amp_core::AmpBox::from_pairs(numbered(n)).unwrap());
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
    let server = tokio::spawn(server);
    for _ in 0..2 {
        let error = connect().call_by_name("Echo", numbered(1)).await.unwrap_err();
        assert!(error.is_closed(), "{error:?}");
    }
    // The listener panics before it gives the next.
    for peer in [connect(), connect()] {
        peer.call_by_name("Echo", numbered(1)).await.unwrap();
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
    let connected = tokio::time::timeout(Duration::from_secs(15), tcp::connect(&addresses[..]));
    let peer = connected.await.expect("no hang").unwrap().spawn();
    peer.call_by_name("Echo", numbered(1)).await.unwrap();
    drop(clients);
}

#[tokio::test(start_paused = true)]
async fn a_box_that_is_never_finished_ends_the_connection_in_time() {
    let second = Duration::from_secs(1);
    let (mut near, far) = tokio::io::duplex(1000);
    let peer = Connection::new(far).responders(echoing()).spawn();
    let start = Instant::now();
    let call = [("_ask", "1"), ("_command", "Echo")];
    let call = amp_core::AmpBox::from_pairs(call).unwrap().to_bytes();
    // What is finished in time may come in any number of pieces, for any time.
    for _ in 0..10 {
        for byte in &call {
            near.write_all(&[*byte]).await.unwrap();
            tokio::time::sleep(second).await;
        }
    }
    assert!(!peer.is_closed());
    let begun = Instant::now();
    while !peer.is_closed() && begun.elapsed() < 200 * second {
        // A byte now and then does not help.
        let _ = near.write_all(&[0, 1, b'a', 0xff, 0xff][..1]).await;
        let _ = near.write_all(&[1, b'a', 0xff, 0xff]).await;
        tokio::time::sleep(10 * second).await;
        let _ = near.write_all(&[b'x'; 10]).await;
    }
    let reason = peer.closed().await;
    assert!(
        matches!(reason, CloseReason::BoxTimeout { after } if after == 60 * second),
        "{reason}"
    );
    assert!(begun.elapsed() <= 131 * second, "{:?}", begun.elapsed());
    assert!(start.elapsed() > 200 * second);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_is_left_where_that_is_asked_for() {
    let second = Duration::from_secs(1);
    let connect = || {
        let (near, far) = tokio::io::duplex(1000);
        (near, Connection::new(far).responders(echoing()).first_box_timeout(5 * second).spawn())
    };
    let (mut silent, peer) = connect();
    silent.write_all(&[0]).await.unwrap();
    let start = Instant::now();
    let reason = peer.closed().await;
    assert_eq!(reason.to_string(), "no box was finished within 5s");
    assert!(start.elapsed() < 7 * second);
    let (near, peer) = connect();
    Connection::new(near).spawn().call_by_name("Echo", numbered(1)).await.unwrap();
    let (near, kept) = connect();
    let client = Connection::new(near).spawn();
    client.call_by_name("Echo", numbered(1)).await.unwrap();
    tokio::time::sleep(100 * second).await;
    assert!(peer.is_closed() && !kept.is_closed(), "one was closed by its client");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_may_be_anybody_is_held_to_less() {
    let second = Duration::from_secs(1);
    let connect = || {
        let (near, far) = tokio::io::duplex(1 << 16);
        (near, Connection::new(far).responders(echoing()).untrusted_peer().spawn())
    };
    let (_silent, peer) = connect();
    assert_eq!(peer.closed().await.to_string(), "no box was finished within 15s");

    let (near, peer) = connect();
    let client = Connection::new(near).spawn();
    client.call_by_name("Echo", numbered(1)).await.unwrap();
    let start = Instant::now();
    assert_eq!(peer.closed().await.to_string(), "nothing was received for 120s");
    assert!(start.elapsed() >= 100 * second);

    let (near, peer) = connect();
    let client = Connection::new(near).spawn();
    let value = vec![b'v'; 60_000];
    let large = (0..18).map(|number| (format!("key{number}"), value.clone()));
    client.call_by_name("Echo", large).await.unwrap_err();
    let reason = peer.closed().await;
    assert!(matches!(reason, CloseReason::Protocol(_)), "{reason:?}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_breaks_the_protocol_is_not_read_from_for_long() {
    let (mut near, far) = tokio::io::duplex(64 << 10);
    let peer = Connection::new(far).spawn();
    near.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut sent = 0;
    let junk = vec![b'x'; 16 << 10];
    while let Ok(Ok(())) =
        tokio::time::timeout(Duration::from_secs(10), near.write_all(&junk)).await
    {
        sent += junk.len();
    }
    assert!(sent < 1 << 20, "{sent} bytes were read");
    assert!(matches!(peer.closed().await, CloseReason::Protocol(_)));
}

/// One that has sent a box does not give way, nor one that has just come.
#[tokio::test(start_paused = true)]
async fn whoever_has_been_silent_for_longest_gives_way_when_a_server_is_full() {
    let second = Duration::from_secs(1);
    let (streams, listener) = scripted();
    let (peers, mut connected) = mpsc::unbounded_channel();
    let server = serve(listener, echoing()).max_connections(3).on_connect(move |peer| {
        peers.send(peer).unwrap();
    });
    tokio::spawn(server);
    let connect = || {
        let (near, far) = tokio::io::duplex(1000);
        streams.send(Ok(far)).unwrap();
        near
    };
    let start = Instant::now();
    let speaks = Connection::new(connect()).spawn();
    speaks.call_by_name("Echo", numbered(1)).await.unwrap();
    let talkative = connected.recv().await.unwrap();
    let mut silent = connect();
    silent.write_all(&[0]).await.unwrap();
    let first = connected.recv().await.unwrap();
    tokio::time::sleep(4 * second).await;
    let _later = connect();
    let second_silent = connected.recv().await.unwrap();
    // Nobody else comes, so nobody has to go.
    tokio::time::sleep(4 * second).await;
    assert!(!first.is_closed());
    let mut clients = Vec::new();
    for (peer, at) in [(&first, 10), (&second_silent, 14)] {
        let client = Connection::new(connect()).spawn();
        client.call_by_name("Echo", numbered(2)).await.unwrap();
        assert_eq!(start.elapsed(), at * second, "of virtual time");
        assert_eq!(peer.closed().await.to_string(), "no box was finished within 10s");
        assert!(!connected.recv().await.unwrap().is_closed());
        clients.push(client);
    }
    // Now all have sent something, and one who comes waits.
    let client = Connection::new(connect()).spawn();
    let mut call = std::pin::pin!(client.call_by_name("Echo", numbered(3)));
    assert!(tokio::time::timeout(100 * second, &mut call).await.is_err());
    assert!(!talkative.is_closed());
    speaks.close().await;
    call.await.unwrap();
}

/// A client that was about to give way when another came may send something first. Then the next silent
/// client gives way, once it may.
#[tokio::test(start_paused = true)]
async fn another_gives_way_when_the_first_has_spoken_meanwhile() {
    let second = Duration::from_secs(1);
    let (streams, listener) = scripted();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = serve(listener, echoing()).max_connections(2).stop_accepting_on(stopped);
    tokio::spawn(server);
    let connect = || {
        let (near, far) = tokio::io::duplex(1000);
        streams.send(Ok(far)).unwrap();
        near
    };
    let start = Instant::now();
    let first = Connection::new(connect()).spawn();
    tokio::time::sleep(9 * second).await;
    let _silent = connect();
    // By now the server accepts somebody for the first.
    tokio::time::sleep(2 * second).await;
    first.call_by_name("Echo", numbered(1)).await.unwrap();
    let late = Connection::new(connect()).spawn();
    let call = late.call_by_name("Echo", numbered(2)).timeout(60 * second);
    call.await.expect("the silent one gives way");
    assert_eq!(start.elapsed(), 19 * second, "of virtual time");
    first.call_by_name("Echo", numbered(3)).await.unwrap();
    // A client that still waits when nobody is accepted any more does not wait for the others to leave.
    drop(late);
    let third = connect();
    tokio::time::sleep(11 * second).await;
    let third = Connection::new(third).spawn();
    let call = third.call_by_name("Echo", numbered(4)).timeout(60 * second);
    call.await.expect("somebody gives way");
    let waits = Connection::new(connect()).spawn();
    settled().await;
    assert!(!waits.is_closed());
    drop(stop);
    tokio::time::timeout(second, waits.closed()).await.unwrap();
    assert!(!first.is_closed() && !third.is_closed());
}
