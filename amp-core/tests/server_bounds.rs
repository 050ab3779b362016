//! What all connections of a server may hold and run together.

mod support;

use amp_core::argument::Zlib;
use amp_core::{
    CallError, Command, Connection, Context, Limits, Peer, Responders, serve, serve_with,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::scripted::scripted;
use support::{echoing, gated, numbered, settled};
use tokio::io::AsyncWriteExt;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

/// The beginning of a box: `len` bytes of it.
fn unfinished(len: usize) -> Vec<u8> {
    let mut bytes = vec![0, 1, b'a'];
    let mut number = 0_u32;
    bytes.extend([0xff, 0xff]);
    while bytes.len() < len {
        bytes.extend(vec![b'x'; 0xffff]);
        number += 1;
        bytes.extend([0, 4]);
        bytes.extend(number.to_be_bytes());
        bytes.extend([0xff, 0xff]);
    }
    bytes.truncate(len);
    bytes
}

#[tokio::test(start_paused = true)]
async fn all_connections_together_hold_no_more_than_the_server_may() {
    const EACH: usize = 300 << 10;
    let (streams, listener) = scripted();
    let (peers, mut connected) = mpsc::unbounded_channel();
    let server = serve(listener, echoing()).bytes_in_all(1 << 20).on_connect(move |peer| {
        peers.send(peer).unwrap();
    });
    tokio::spawn(server);
    let mut held = Vec::new();
    for _ in 0..10 {
        let (mut near, far) = tokio::io::duplex(1 << 20);
        streams.send(Ok(far)).unwrap();
        near.write_all(&unfinished(EACH)).await.unwrap();
        held.push((near, connected.recv().await.unwrap()));
    }
    settled().await;
    let open = held.iter().filter(|(_, peer)| !peer.is_closed()).count();
    assert!((1..=3).contains(&open), "{open} hold {EACH} bytes each");
    for (_, peer) in held.iter().filter(|(_, peer)| peer.is_closed()) {
        let expected =
            "the connection went over the limit of 1048576 bytes held for all connections";
        assert_eq!(peer.closed().await.to_string(), expected);
    }
    // Somebody who holds little gets on beside them, and there is room again when they have gone.
    let (near, far) = tokio::io::duplex(1 << 20);
    streams.send(Ok(far)).unwrap();
    let peer = Connection::new(near).spawn();
    peer.call_by_name("Echo", numbered(1)).await.unwrap();
    drop(held);
    settled().await;
    let large = [("n", "x".repeat(60_000)), ("m", "x".repeat(60_000)), ("o", "x".repeat(60_000))];
    peer.call_by_name("Echo", large).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_connection_leaves_responders_for_the_others() {
    let gate = Arc::new(Semaphore::new(0));
    let slow = Responders::new(()).respond_by_name("Slow", gated(Arc::clone(&gate)));
    let (streams, listener) = scripted();
    let server = serve(listener, slow.merge(echoing()).unwrap()).running_responders_in_all(8);
    tokio::spawn(server);
    let connect = || {
        let (near, far) = tokio::io::duplex(1 << 20);
        streams.send(Ok(far)).unwrap();
        Connection::new(near).spawn()
    };
    let (greedy, other) = (connect(), connect());
    let calls: Vec<_> = (0..20)
        .map(|n| {
            let greedy = greedy.clone();
            tokio::spawn(async move { greedy.call_by_name("Slow", numbered(n)).await })
        })
        .collect();
    settled().await;
    let call = tokio::spawn(async move { other.call_by_name("Slow", numbered(1)).await });
    settled().await;
    assert!(!call.is_finished(), "it is being answered");
    gate.add_permits(21);
    call.await.unwrap().unwrap();
    let answers = futures_all(calls).await;
    assert!(answers.iter().all(|ok| *ok), "the others waited: {answers:?}");
}

/// Holds what it was given until it may go on.
#[derive(Command)]
struct Unpack {
    data: Zlib<Vec<u8>>,
}

/// What calls take once they are decoded counts, not only what they were on the wire, and for others
/// than whoever made them.
#[tokio::test(start_paused = true)]
async fn what_calls_are_decoded_to_counts_over_all_connections() {
    const MAX: usize = 4 << 20;
    const EACH: usize = 300_000;
    let gate = Arc::new(Semaphore::new(0));
    let unpack = |context: Context<Arc<Semaphore>>, Unpack { data }: Unpack| async move {
        context.state().acquire().await.unwrap().forget();
        drop(data);
        Ok(())
    };
    let (streams, listener) = scripted();
    let responders = Responders::new(Arc::clone(&gate)).respond(unpack);
    let server = serve_with(listener, move |connection| {
        let limits = Limits::default().decoded_bytes(8 << 20);
        connection.limits(limits).responders(responders.clone())
    });
    let (peers, mut connected) = mpsc::unbounded_channel();
    let server = server.bytes_in_all(MAX).on_connect(move |peer| peers.send(peer).unwrap());
    tokio::spawn(server);
    let mut connect = async || {
        let (near, far) = tokio::io::duplex(1 << 20);
        streams.send(Ok(far)).unwrap();
        (Connection::new(near).spawn(), connected.recv().await.unwrap())
    };
    let unpack =
        |peer: &Peer, len| tokio::spawn(peer.call_remote(Unpack { data: Zlib(vec![0; len]) }));
    let mut calls = Vec::new();
    let mut running = Vec::new();
    for _ in 0..2 {
        let (peer, server) = connect().await;
        calls.extend((0..20).map(|_| unpack(&peer, EACH)));
        settled().await;
        running.push(server.running_responders());
    }
    assert!((4..=7).contains(&running[0]), "{running:?} run");
    assert!((1..running[0]).contains(&running[1]), "{running:?} run");
    assert!((running[0] + running[1]) * EACH <= MAX, "{running:?} run");
    // A connection that runs nothing may not begin with more than is left, but with little.
    let (peer, _server) = connect().await;
    let error = unpack(&peer, MAX / 2).await.unwrap().unwrap_err();
    assert!(matches!(&error, CallError::Remote(error) if error.code == "UNKNOWN"), "{error}");
    calls.push(unpack(&peer, 1000));
    settled().await;
    assert!(!calls.last().unwrap().is_finished(), "it is being answered");
    gate.add_permits(calls.len());
    let answers = futures_all(calls).await;
    assert!(answers.iter().all(|ok| *ok), "the others waited: {answers:?}");
}

/// A peer that goes leaves one-way commands behind that wait until fewer responders run, and may come again.
#[tokio::test(start_paused = true)]
async fn what_peers_leave_behind_counts_over_all_connections() {
    const MAX: usize = 1 << 20;
    const EACH: usize = 1000;
    let (gate, begun) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let slow = {
        let (gate, begun) = (Arc::clone(&gate), Arc::clone(&begun));
        move |call: amp_core::ReceivedCall| {
            begun.fetch_add(1, Ordering::SeqCst);
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.unwrap().forget();
                Ok(call.arguments)
            }
        }
    };
    let responders = Responders::new(()).respond_by_name("Slow", slow);
    let (streams, listener) = scripted();
    let (peers, mut connected) = mpsc::unbounded_channel();
    let server = serve_with(listener, move |connection| {
        let limits = Limits::default().running_responders(1);
        connection.limits(limits).responders(responders.clone())
    });
    let server = server.bytes_in_all(MAX).on_connect(move |peer| peers.send(peer).unwrap());
    tokio::spawn(server);
    let call = [("_command", "Slow".to_owned()), ("data", "x".repeat(EACH))];
    let call = amp_core::AmpBox::from_pairs(call).unwrap().to_bytes();
    for visit in 1..=60 {
        let (mut near, far) = tokio::io::duplex(1 << 20);
        streams.send(Ok(far)).unwrap();
        near.write_all(&call.repeat(40)).await.unwrap();
        drop(near);
        connected.recv().await.unwrap().closed().await;
        assert_eq!(begun.load(Ordering::SeqCst), visit, "one of each visit");
    }
    gate.add_permits(10_000);
    settled().await;
    let left = begun.load(Ordering::SeqCst) - 60;
    assert!(left > 100 && left * EACH < MAX, "{left} commands of {EACH} bytes were kept");
}

async fn futures_all<T, E>(calls: Vec<JoinHandle<Result<T, E>>>) -> Vec<bool> {
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap().is_ok());
    }
    answers
}

/// Nobody tells a connection that others have become fewer, so it looks by itself.
#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_others_are_begun_when_those_have_gone() {
    let (first, second) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let responders = Responders::new(())
        .respond_by_name("First", gated(Arc::clone(&first)))
        .respond_by_name("Second", gated(Arc::clone(&second)));
    let (streams, listener) = scripted();
    let (peers, mut connected) = mpsc::unbounded_channel();
    let server = serve(listener, responders).running_responders_in_all(8);
    let server = server.on_connect(move |peer| peers.send(peer).unwrap());
    tokio::spawn(server);
    let mut connect = async |command: &'static str| {
        let (near, far) = tokio::io::duplex(1 << 20);
        streams.send(Ok(far)).unwrap();
        let peer = Connection::new(near).spawn();
        let call = |n| {
            let peer = peer.clone();
            tokio::spawn(async move { peer.call_by_name(command, numbered(n)).await })
        };
        let calls: Vec<_> = (0..4).map(call).collect();
        let there = connected.recv().await.unwrap();
        // What is read ahead is read by then.
        tokio::time::sleep(Duration::from_secs(1)).await;
        (calls, there)
    };
    let (first_calls, _first_there) = connect("First").await;
    let (second_calls, there) = connect("Second").await;
    assert_eq!(there.running_responders(), 2);
    first.add_permits(4);
    futures_all(first_calls).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(there.running_responders(), 4);
    second.add_permits(4);
    futures_all(second_calls).await;
}
