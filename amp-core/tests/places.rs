//! The places of a server's connections: also those that speak another protocol have one.

mod support;

use amp_core::{Command, Connection, NoError, Peer, Responders, Switched, serve, serve_with};
use std::sync::{Arc, Mutex};
use support::scripted::{Scripted, scripted};
use support::{echoing, numbered, settled};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

#[derive(Command, Clone, Default)]
#[amp(switch)]
struct SwitchToNothing {}

/// Responders that give away the streams that clients switch to.
fn giving_away() -> (Responders, mpsc::UnboundedReceiver<Switched>) {
    let (sender, switched) = mpsc::unbounded_channel();
    let responders = echoing().respond_switch(move |_, SwitchToNothing {}| {
        let sender = sender.clone();
        async move {
            Ok::<_, NoError>(move |stream: Switched| async move {
                let _ = sender.send(stream);
            })
        }
    });
    (responders, switched)
}

/// Connects so many clients, and returns how many have been accepted.
fn connect(
    streams: &mpsc::UnboundedSender<std::io::Result<DuplexStream>>,
    count: usize,
) -> Vec<Peer> {
    let connect = |_| {
        let (near, far) = tokio::io::duplex(1000);
        streams.send(Ok(far)).unwrap();
        Connection::new(near).spawn()
    };
    (0..count).map(connect).collect()
}

/// How many a listener has accepted.
struct Accepted(Arc<Mutex<Vec<Instant>>>);

impl Accepted {
    fn of(listener: &Scripted) -> Self {
        Self(Arc::clone(&listener.accepted))
    }

    /// How many they are once nothing happens any more.
    async fn count(&self) -> usize {
        settled().await;
        self.0.lock().unwrap().len()
    }
}

/// In whatever form the stream is kept.
#[tokio::test(start_paused = true)]
async fn clients_that_switch_keep_their_places_until_their_streams_are_dropped() {
    let (streams, listener) = scripted();
    let accepted = Accepted::of(&listener);
    let (responders, mut switched) = giving_away();
    tokio::spawn(serve(listener, responders).max_connections(3));
    let clients = connect(&streams, 6);
    let mut theirs = Vec::new();
    for client in &clients[..3] {
        theirs.push(client.switch_protocol(SwitchToNothing {}).await.unwrap());
    }
    assert_eq!(accepted.count().await, 3);
    let mut first = switched.recv().await.unwrap();
    theirs[0].write_all(b"works").await.unwrap();
    let mut text = [0; 5];
    first.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"works");
    drop(first);
    clients[3].call_by_name("Echo", numbered(1)).await.unwrap();
    assert_eq!(accepted.count().await, 4);
    let transport = switched.recv().await.unwrap().into_parts().transport;
    assert_eq!(accepted.count().await, 4);
    let over_it = Connection::with_transport(transport).spawn();
    assert_eq!(accepted.count().await, 4);
    drop(over_it);
    drop(theirs.remove(1));
    assert_eq!(accepted.count().await, 5);
    // Nobody has the last one.
    drop(switched);
    assert_eq!(accepted.count().await, 6);
}

/// The side that asks may be the server's.
#[tokio::test(start_paused = true)]
async fn a_server_that_switches_by_itself_counts_the_stream() {
    let (streams, listener) = scripted();
    let accepted = Accepted::of(&listener);
    let (peers, mut connected) = mpsc::unbounded_channel();
    let server = serve_with(listener, |connection| connection).max_connections(1);
    let server = server.on_connect(move |peer: Peer| peers.send(peer).unwrap());
    tokio::spawn(server);
    let (responders, mut switched) = giving_away();
    let (near, far) = tokio::io::duplex(1000);
    streams.send(Ok(far)).unwrap();
    let _client = Connection::new(near).responders(responders).spawn();
    let there = connected.recv().await.unwrap();
    let stream = there.switch_protocol(SwitchToNothing {}).await.unwrap();
    let _theirs = switched.recv().await.unwrap();
    drop(there);
    let _second = connect(&streams, 1);
    assert_eq!(accepted.count().await, 1);
    drop(stream);
    assert_eq!(accepted.count().await, 2);
}

/// The code that uses such a stream ends it.
#[tokio::test(start_paused = true)]
async fn a_server_that_stops_does_not_wait_for_streams_that_have_switched() {
    let (streams, listener) = scripted();
    let (responders, mut switched) = giving_away();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = serve(listener, responders).shutdown_on(stopped);
    let server = tokio::spawn(server);
    let clients = connect(&streams, 1);
    let mut theirs = clients[0].switch_protocol(SwitchToNothing {}).await.unwrap();
    let mut stream = switched.recv().await.unwrap();
    drop(stop);
    server.await.unwrap();
    stream.write_all(b"still").await.unwrap();
    let mut text = [0; 5];
    theirs.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"still");
}
