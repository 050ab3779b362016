//! A connection and its peer, which is another one or speaks bytes, over a short stream or a route of one, and
//! in virtual time. However they go on, calls get their own answers or an error, streams their items in order and
//! all of them before the end, lanes keep their order, and when all have let go everything ends.

#![no_main]

mod calls;
mod commands;
mod raw;

use amp_core::boxes::{BoxLimits, Decoder};
use amp_core::router::{RouteName, Router, RouterLimits};
use amp_core::{Connection, Limits, Peer};
use amp_fuzz::Input;
use bytes::BytesMut;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::calls::Calls;
use crate::commands::{responders, turns};
use crate::raw::Raw;

/// Everything has ended after so long.
const FOR_EVER: Duration = Duration::from_secs(24 * 60 * 60);

/// How many steps are taken at most, so that no input takes long.
const STEPS: usize = 100;

/// A connection over the only route of a stream.
fn over_a_route(stream: DuplexStream) -> Connection {
    let limits = RouterLimits::default().receive_queue(1000).send_queue(1000);
    let router = Router::new(stream).limits(limits);
    let name = RouteName::from("r");
    let bound = router.routes().bind(name.clone()).expect("there is no other");
    let route = bound.connect_to(name).expect("it is short");
    tokio::spawn(router.run());
    Connection::with_transport(route)
}

/// A connection as a byte of an input says. When nothing is left of it, `ends` is dropped.
fn connect(connection: Connection, settings: u8, honest: bool, ends: Sender<()>) -> Peer {
    let limits = Limits::default()
        .outstanding_calls(if settings & 1 == 0 { 3 } else { 1000 })
        .running_responders(1 + usize::from(settings >> 1 & 3))
        .running_responders_max(1000)
        .send_queue(64)
        .send_queue_boxes(3)
        .streams(4)
        .stream_items(if settings & 0x80 == 0 { 2 } else { 100 })
        .stream_bytes(1000);
    let mut connection = connection.limits(limits).data(ends);
    connection = if settings & 8 == 0 {
        connection.responders(responders(honest))
    } else {
        connection.responders(responders(honest).on_own_tasks())
    };
    if settings & 0x10 != 0 {
        let (every, timeout) = (Duration::from_secs(5), Duration::from_secs(60));
        connection = connection.ping(amp_core::Ping {}, every, timeout);
    }
    if settings & 0x20 != 0 {
        connection = connection.call_timeout(Duration::from_secs(7));
    }
    connection.spawn()
}

/// Lets others run, or time pass.
async fn wait(input: &mut Input<'_>) -> Option<()> {
    let how_long = input.byte()?;
    if how_long < 0x80 {
        turns(how_long).await;
    } else {
        sleep(Duration::from_millis(1 << (how_long % 16))).await;
    }
    Some(())
}

/// Nothing is left of the connections.
async fn end(mut ended: Receiver<()>) {
    timeout(FOR_EVER, ended.recv()).await.expect("connections end that nobody holds");
}

/// Two connections.
async fn converse(input: &mut Input<'_>) -> Option<()> {
    let (near, far, room) = (input.byte()?, input.byte()?, input.number()?);
    let (stream, other) = tokio::io::duplex(room + 1);
    let (ends, ended) = channel(1);
    // What stands still for long ends a route.
    let routed = near & 0x40 != 0;
    let over = |stream| if routed { over_a_route(stream) } else { Connection::new(stream) };
    let mut peers = [
        Some(connect(over(stream), near, true, ends.clone())),
        Some(connect(over(other), far, true, ends)),
    ];
    let mut calls = Calls {
        tasks: JoinSet::new(),
        aborts: Vec::new(),
        calm: !routed,
        honest: true,
        closed: Arc::default(),
    };
    for _ in 0..STEPS {
        let Some(what) = input.byte() else { break };
        let peer = &mut peers[usize::from(what & 1)];
        let went = match (peer, what >> 1) {
            (_, 100..) => wait(input).await,
            (peer, 99) => {
                // Calls that are outstanding hold it.
                *peer = None;
                calls.calm = false;
                Some(())
            }
            (Some(peer), what) => calls.step(peer, what, input),
            (None, _) => Some(()),
        };
        if went.is_none() {
            break;
        }
    }
    if calls.calm {
        // Nothing has ended them.
        let closed = Arc::clone(&calls.closed);
        timeout(FOR_EVER, calls.end()).await.expect("calls end");
        assert!(!closed.load(Relaxed), "a call has failed by the end of its connection");
        assert!(peers.iter().flatten().all(|peer| !peer.is_closed()), "a connection has ended");
        drop(peers);
    } else {
        drop(peers);
        timeout(FOR_EVER, calls.end()).await.expect("calls end when their connection does");
    }
    end(ended).await;
    Some(())
}

/// A connection, and a peer that speaks bytes.
async fn endure(input: &mut Input<'_>) -> Option<()> {
    let (near, room) = (input.byte()?, input.number()?);
    let (stream, other) = tokio::io::duplex(room + 1);
    let (ends, ended) = channel(1);
    let mut peer = Some(connect(Connection::new(stream), near, false, ends));
    let mut raw = Raw {
        stream: other,
        read: BytesMut::new(),
        decoder: Decoder::new(BoxLimits::default()),
        asked: HashMap::new(),
        switches: false,
    };
    let mut calls = Calls {
        tasks: JoinSet::new(),
        aborts: Vec::new(),
        calm: false,
        honest: false,
        closed: Arc::default(),
    };
    for _ in 0..STEPS {
        let Some(what) = input.byte() else { break };
        let went = match what {
            200.. => wait(input).await,
            199 => {
                peer = None;
                Some(())
            }
            100.. => raw.step(what, input).await,
            _ => match &peer {
                Some(peer) => {
                    raw.switches |= what < 84 && what % 12 == 7;
                    calls.step(peer, what, input)
                }
                None => Some(()),
            },
        };
        if went.is_none() {
            break;
        }
    }
    drop(peer);
    // It reads what there is, and goes.
    while raw.receive(1 << 16).await {}
    drop(raw);
    timeout(FOR_EVER, calls.end()).await.expect("calls end when their connection does");
    end(ended).await;
    Some(())
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let Some(first) = input.byte() else { return };
    amp_fuzz::in_virtual_time(async {
        if first % 2 == 0 { converse(&mut input).await } else { endure(&mut input).await }
    });
});
