//! How routes end, and the connection that they share.

use amp_core::router::{RouteError, Router, RouterLimits};
use amp_core::{AmpBox, CallError, CloseReason, Connection, Report, Responders, Transport};
use futures_util::FutureExt;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{SECOND, echo_over, expect_echo, pair, route, scripted, send};
use crate::support::{gated, numbered};

#[tokio::test]
async fn closing_ends_every_route_with_the_same_reason() {
    let (near, far) = pair(1 << 16, RouterLimits::default());
    let (near, far) = (near.spawn(), far.spawn());
    let gate = Arc::new(Semaphore::new(0));
    let waiting = |name| {
        let responders = Responders::new(()).respond_by_name("Echo", gated(Arc::clone(&gate)));
        Connection::with_transport(route(&far, name)).responders(responders).spawn()
    };
    let far_peers = ["a", "b"].map(waiting);
    let peers = ["a", "b"].map(|name| echo_over(&near, name));
    let calls = peers
        .clone()
        .map(|peer| tokio::spawn(async move { peer.call_by_name("Echo", numbered(1)).await }));
    for peer in &far_peers {
        expect_echo(peer, 1).await;
    }
    let bound = near.bind("not connected").unwrap();
    near.close().await;
    assert!(matches!(near.closed().await, CloseReason::Local));
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error, CallError::Closed(CloseReason::Local)), "{error}");
    }
    for (peer, far_peer) in peers.iter().zip(&far_peers) {
        assert!(matches!(peer.closed().await, CloseReason::Local));
        assert!(matches!(far_peer.closed().await, CloseReason::Peer));
    }
    assert!(matches!(far.closed().await, CloseReason::Peer));
    let error = near.bind("late").unwrap_err();
    assert_eq!(
        Report::new(&error).to_string(),
        "the connection that the routes share is closed: closed by this side"
    );
    // What was bound before hears of it as well.
    let late = Connection::with_transport(bound.connect_to("x").unwrap()).spawn();
    assert!(matches!(late.closed().await, CloseReason::Local));
}

/// What the peer sends until it closes its side is still read, or it might lose what was sent to it last.
#[tokio::test(start_paused = true)]
async fn a_route_that_connects_once_the_peer_was_told_of_the_end_does_not_cut_that_short() {
    let (routes, mut script) = scripted();
    let bound = routes.bind("late").unwrap();
    let mut closed = Box::pin(routes.close());
    assert!((&mut closed).now_or_never().is_none());
    assert_eq!(script.receive().await, None);
    let mut late = Box::pin(bound.connect_to("x").unwrap());
    let slices = [IoSlice::new(b"\0\x01a\0\0\0\0")];
    let sent = poll_fn(|cx| late.as_mut().poll_send(cx, &slices, &mut VecDeque::new())).await;
    assert!(matches!(CloseReason::from(sent.unwrap_err()), CloseReason::Local));
    script.send_box([("_route", "late"), ("_command", "Note")]).await;
    assert!((&mut closed).now_or_never().is_none(), "the peer has not closed its side");
    drop(script);
    closed.await;
}

#[tokio::test(start_paused = true)]
async fn a_graceful_end_waits_for_the_routes() {
    let (routes, mut script) = scripted();
    let peer = echo_over(&routes, "echo");
    let spare = routes.bind("spare").unwrap();
    script.send_box([("_route", "echo"), ("_ask", "1"), ("_command", "Echo")]).await;
    assert_eq!(script.receive().await.unwrap().get("_answer"), Some(&b"1"[..]));

    let mut ending = Box::pin(routes.close_gracefully(SECOND));
    assert!((&mut ending).now_or_never().is_none());
    assert!(routes.is_closed());
    assert!(matches!(routes.bind("late"), Err(RouteError::Closed(CloseReason::Local))));
    // Those that are there go on.
    script.send_box([("_route", "echo"), ("_ask", "2"), ("_command", "Echo")]).await;
    assert_eq!(script.receive().await.unwrap().get("_answer"), Some(&b"2"[..]));
    drop(spare);
    peer.close_gracefully(SECOND).await;
    let begun = Instant::now();
    assert!(script.receive().await.is_none());
    drop(script);
    assert_eq!(ending.await.cut_off, 0);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert!(matches!(routes.closed().await, CloseReason::Local));
}

/// A pipe has no end but that its writer is dropped.
#[tokio::test]
async fn the_peer_of_routes_over_two_streams_sees_the_end() {
    let (near, mut there) = tokio::io::duplex(1 << 16);
    let (mut written, writer) = tokio::io::duplex(1 << 16);
    let routes = Router::from_halves(near, writer).spawn();
    let closing = tokio::spawn(async move { routes.close().await });
    assert_eq!(written.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    there.shutdown().await.unwrap();
    closing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_graceful_end_has_its_time() {
    let (routes, mut script) = scripted();
    let peer = echo_over(&routes, "echo");
    let begun = Instant::now();
    let ending = tokio::spawn({
        let routes = routes.clone();
        async move { routes.close_gracefully(SECOND).await }
    });
    assert!(matches!(peer.closed().await, CloseReason::Local));
    assert_eq!(begun.elapsed(), SECOND);
    assert!(script.receive().await.is_none());
    drop(script);
    assert_eq!(ending.await.unwrap().cut_off, 1);

    // Nothing is waited for where nothing is bound, and closing cuts a wait short.
    let (routes, script) = scripted();
    drop(script);
    routes.close_gracefully(Duration::MAX).await;
    let (routes, script) = scripted();
    let _echo = echo_over(&routes, "echo");
    let mut ending = Box::pin(routes.close_gracefully(Duration::MAX));
    assert!((&mut ending).now_or_never().is_none());
    drop(script);
    assert_eq!(tokio::join!(routes.close(), ending).1.cut_off, 1);
}

#[tokio::test]
async fn answers_go_out_after_the_peer_has_closed_its_side() {
    let (routes, mut script) = scripted();
    let _echo = echo_over(&routes, "echo");
    script.send_box([("_route", "echo"), ("_ask", "1"), ("_command", "Echo")]).await;
    script.finish().await;
    assert_eq!(script.receive().await.unwrap().get("_answer"), Some(&b"1"[..]));
    assert!(script.receive().await.is_none());
    assert!(matches!(routes.closed().await, CloseReason::Peer));
}

#[tokio::test]
async fn the_end_of_the_connection_is_that_of_each_route() {
    let ends: [(&[u8], &str); 3] = [
        (b"", "closed by the peer"),
        (b"\0\x01a\0", "closed by the peer, 4 bytes into a box"),
        (b"GET /", "not AMP: it begins with \"GET /\", as HTTP does"),
    ];
    for (last, expected) in ends {
        let (routes, mut script) = scripted();
        let peers = ["a", "b"].map(|name| echo_over(&routes, name));
        script.send(last).await;
        drop(script);
        for peer in peers {
            assert_eq!(peer.closed().await.to_string(), expected);
        }
        assert_eq!(routes.closed().await.to_string(), expected);
    }
}

#[tokio::test]
async fn a_stream_that_breaks_ends_the_routes() {
    let (near, far) = tokio::io::duplex(1 << 16);
    // Reading waits for ever, writing fails.
    let (reader, _writer) = tokio::io::simplex(64);
    let stream = tokio::io::join(reader, near);
    drop(far);
    let limits = RouterLimits::default().close_timeout(Duration::ZERO);
    let routes = Router::new(stream).limits(limits).spawn();
    let peer = echo_over(&routes, "a");
    let error = peer.call_by_name("A", numbered(1)).await.unwrap_err();
    assert!(matches!(error, CallError::Closed(CloseReason::Io(_))), "{error}");
    assert!(matches!(routes.closed().await, CloseReason::Io(_)));
}

#[tokio::test(start_paused = true)]
async fn what_waits_to_be_sent_fails_when_the_stream_breaks() {
    let (near, far) = tokio::io::duplex(1 << 16);
    let (reader, mut writer) = tokio::io::simplex(64);
    drop(far);
    let routes = Router::new(tokio::io::join(reader, near)).spawn();
    let mut route = Box::pin(route(&routes, "a"));
    let start = tokio::time::Instant::now();
    send(&mut route, b"\0\0").await;
    let flushed = poll_fn(|cx| route.as_mut().poll_flush(cx)).await;
    assert_eq!(flushed.unwrap_err().to_string(), "broken pipe");
    // As on any connection, the pipe broke because the peer has gone.
    writer.shutdown().await.unwrap();
    assert!(matches!(routes.closed().await, CloseReason::Peer));
    assert!(start.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn what_waits_to_be_sent_fails_when_its_route_ends() {
    let limits = RouterLimits::default().receive_queue(10);
    let (near, mut far) = tokio::io::duplex(64);
    let routes = Router::new(near).limits(limits).spawn();
    let mut route = Box::pin(route(&routes, "a"));
    let ampbox = AmpBox::from_pairs([("a", "x".repeat(100))]).unwrap();
    send(&mut route, &ampbox.to_bytes()).await;
    let flushed = tokio::spawn(poll_fn(move |cx| route.as_mut().poll_flush(cx)));
    let received = AmpBox::from_pairs([("_route", "a"), ("a", "1")]).unwrap().to_bytes();
    for _ in 0..3 {
        far.write_all(&received).await.unwrap();
    }
    let error = flushed.await.unwrap().unwrap_err();
    let expected =
        "the route \"a\" was not read from for 5s, with 35 bytes waiting and a limit of 10";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_router_that_is_never_started_ends_its_routes() {
    let (not_started, _) = pair(64, RouterLimits::default());
    let routes = not_started.routes();
    let peer = echo_over(&routes, "a");
    drop(not_started);
    assert!(matches!(peer.closed().await, CloseReason::Local));
    routes.close().await;
    assert!(matches!(routes.closed().await, CloseReason::Local));
}
