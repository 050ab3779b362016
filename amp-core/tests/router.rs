//! Many conversations on one connection.

mod support;

use amp_core::router::{Route, RouteError, RouteName, Router, RouterLimits, Routes};
use amp_core::{
    AmpBox, Attachment, AttachmentKind, BoxLimits, CallError, CloseReason, Connection, Limits,
    Peer, PeerAddress, Report, Responders, Transport, keys,
};
use bytes::BytesMut;
use futures_util::FutureExt;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use support::double::Double;
use support::{Script, echo, echoing, gated, numbered};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// Two routers on the ends of a stream with so much room, and what each has bound.
fn pair(room: usize, limits: RouterLimits) -> (Router, Router) {
    let (near, far) = tokio::io::duplex(room);
    (Router::new(near).limits(limits), Router::new(far).limits(limits))
}

fn route(routes: &Routes, name: &str) -> Route {
    routes.bind(name).unwrap().connect_to(name).unwrap()
}

fn echo_over(routes: &Routes, name: &str) -> Peer {
    Connection::with_transport(route(routes, name)).responders(echoing()).spawn()
}

async fn send(route: &mut Pin<Box<Route>>, bytes: &[u8]) {
    let slices = [IoSlice::new(bytes)];
    let sent = poll_fn(|cx| route.as_mut().poll_send(cx, &slices, &mut VecDeque::new())).await;
    assert_eq!(sent.unwrap(), bytes.len());
}

async fn expect_echo(peer: &Peer, n: usize) {
    let answer = peer.call_by_name("Echo", numbered(n)).await.unwrap();
    assert_eq!(answer, AmpBox::from_pairs(numbered(n)).unwrap());
}

/// A routed connection whose peer is written by hand.
fn scripted() -> (Routes, Script) {
    let (near, far) = tokio::io::duplex(1 << 20);
    (Router::new(near).spawn(), Script::of(far))
}

/// The route and the tag of the next box, which is a call.
async fn expect_call(script: &mut Script) -> (Option<String>, String) {
    let ampbox = script.receive().await.expect("a call");
    let text = |key| ampbox.get(key).map(|value| String::from_utf8(value.to_vec()).unwrap());
    (text(keys::ROUTE), text(keys::ASK).expect("a tag"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_call_in_both_directions_at_once() {
    let (near, far) = pair(300, RouterLimits::default().send_queue(50));
    let names: Vec<_> = (0..8).map(|n| format!("route {n}")).collect();
    let (near, far) = (near.spawn(), far.spawn());
    // Both ends are bound before either calls.
    let routes = names.iter().map(|name| [route(&near, name), route(&far, name)]);
    let peers: Vec<_> = routes.collect::<Vec<_>>().into_iter().flatten().collect();
    // Kept until all is answered: a route that closes does not tell the other end.
    let peers: Vec<_> = peers
        .into_iter()
        .map(|route| Connection::with_transport(route).responders(echoing()).spawn())
        .collect();
    let calls: Vec<_> = peers
        .iter()
        .cloned()
        .flat_map(|peer| (0..100).map(move |n| (peer.clone(), n)))
        .map(|(peer, n)| tokio::spawn(async move { expect_echo(&peer, n).await }))
        .collect();
    assert_eq!(calls.len(), 1600);
    for call in calls {
        call.await.unwrap();
    }
}

#[tokio::test]
async fn the_names_of_both_directions_differ_and_the_default_route_has_none() {
    let (routes, mut script) = scripted();
    let here = routes.bind("here").unwrap().connect_to("there").unwrap();
    assert_eq!((here.name().as_str(), here.remote_name().as_str()), (Some("here"), Some("there")));
    let named = Connection::with_transport(here).spawn();
    let default = routes.bind(RouteName::DEFAULT).unwrap().connect_to(RouteName::DEFAULT).unwrap();
    let default = Connection::with_transport(default).spawn();

    let call = tokio::spawn(async move { named.call_by_name("A", numbered(1)).await });
    assert_eq!(expect_call(&mut script).await, (Some("there".to_owned()), "1".to_owned()));
    let other = tokio::spawn(async move { default.call_by_name("A", numbered(1)).await });
    assert_eq!(expect_call(&mut script).await, (None, "1".to_owned()));
    script.send_box([("_answer", "1"), ("of", "default")]).await;
    assert_eq!(other.await.unwrap().unwrap().get("of"), Some(&b"default"[..]));
    // The key may stand anywhere.
    script.send(b"\0\x07_answer\0\x011\0\x06_route\0\x04here\0\0").await;
    assert!(call.await.unwrap().unwrap().is_empty(), "the route is not among the arguments");
}

#[tokio::test]
async fn what_comes_before_a_route_is_connected_is_kept() {
    let (routes, mut script) = scripted();
    let bound = routes.bind_unused().unwrap();
    assert_eq!(bound.name().as_str(), Some("0"));
    script.send_box([("_route", "0"), ("_ask", "x"), ("_command", "Echo"), ("n", "1")]).await;
    // It has been read when what comes behind it has been answered.
    let _echo = echo_over(&routes, "echo");
    script.send_box([("_route", "echo"), ("_ask", "y"), ("_command", "Echo")]).await;
    assert_eq!(script.receive().await.unwrap().get("_answer"), Some(&b"y"[..]));
    let route = bound.connect_to("theirs").unwrap();
    let _peer = Connection::with_transport(route).responders(echoing()).spawn();
    let answer = script.receive().await.unwrap();
    let expected = [("_answer", "x"), ("_route", "theirs"), ("n", "1")];
    assert_eq!(answer, AmpBox::from_pairs(expected).unwrap());
}

#[tokio::test]
async fn boxes_for_unknown_routes_are_dropped_and_the_others_go_on() {
    let (routes, mut script) = scripted();
    let _echo = echo_over(&routes, "echo");
    for _ in 0..3 {
        script.send_box([("_route", "unknown"), ("_ask", "1"), ("_command", "Echo")]).await;
        script.send_box([("_ask", "1"), ("_command", "Echo")]).await;
        script.send_box([("_route", "echo"), ("_ask", "2"), ("_command", "Echo")]).await;
        assert_eq!(script.receive().await.unwrap().get("_answer"), Some(&b"2"[..]));
    }
}

#[tokio::test]
async fn a_route_closes_alone_and_its_name_can_be_used_again() {
    let (routes, mut script) = scripted();
    let (one, other) = (echo_over(&routes, "one"), echo_over(&routes, "other"));
    let call = tokio::spawn({
        let one = one.clone();
        async move { one.call_by_name("A", numbered(1)).await }
    });
    expect_call(&mut script).await;
    let error = routes.bind("one").unwrap_err();
    assert!(matches!(&error, RouteError::Bound { name } if name.as_str() == Some("one")));
    one.close().await;
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Closed(CloseReason::Local)), "{error}");

    let again = echo_over(&routes, "one");
    script.send_box([("_route", "one"), ("_ask", "1"), ("_command", "Echo"), ("n", "1")]).await;
    assert_eq!(script.receive().await.unwrap().get("n"), Some(&b"1"[..]));
    assert!(!again.is_closed() && !other.is_closed());
}

#[tokio::test]
async fn what_a_route_has_queued_is_sent_before_it_closes() {
    let (near, far) = tokio::io::duplex(64);
    let routes = Router::new(near).spawn();
    let peer = echo_over(&routes, "jobs");
    for n in 0..50 {
        peer.notify_by_name("Job", numbered(n)).await.unwrap();
    }
    drop(peer);
    drop(routes);
    let mut script = Script::of(far);
    for n in 0..50 {
        let ampbox = script.receive().await.unwrap();
        assert_eq!(ampbox.get("n"), Some(n.to_string().as_bytes()));
    }
    // With the last route the connection ends.
    assert!(script.receive().await.is_none());
}

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
        Report(&error).to_string(),
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

#[tokio::test]
async fn connections_over_routes_begin_with_what_was_known_of_the_peer() {
    let (near, far) = tokio::io::duplex(1 << 16);
    let connection =
        Connection::new(near).peer_address(PeerAddress::Name("far".into())).data(7_u32);
    let routes = Router::from(connection).data("two").spawn();
    let _far = Script::of(far);
    let route = routes.bind("a").unwrap().connect_to("b").unwrap();
    let peer = Connection::with_transport(route).data(1_u8).spawn();
    assert_eq!(peer.peer_address().to_string(), "far");
    let known = (peer.get::<u32>(), peer.get::<&str>(), peer.get::<u8>(), peer.get::<u64>());
    assert_eq!(known, (Some(&7), Some(&"two"), Some(&1), None));
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

#[tokio::test(start_paused = true)]
async fn a_route_that_reads_nothing_ends_and_the_others_go_on() {
    let limits = RouterLimits::default().receive_queue(1000);
    let (near, far) = pair(1 << 10, limits);
    let (near, far) = (near.spawn(), far.spawn());
    let stuck = route(&far, "stuck");
    let _echo = echo_over(&far, "echo");
    let (flood, peer) = (echo_over(&near, "stuck"), echo_over(&near, "echo"));
    let start = tokio::time::Instant::now();
    for n in 0..100 {
        flood.notify_by_name("Flood", numbered(n)).await.unwrap();
    }
    expect_echo(&peer, 1).await;
    assert_eq!(start.elapsed().as_secs(), limits.stall_timeout.as_secs());
    expect_echo(&peer, 2).await;

    let ended = Connection::with_transport(stuck).responders(echoing()).spawn().closed().await;
    let CloseReason::Io(error) = ended else { panic!("{ended}") };
    let inner = error.get_ref().and_then(|error| error.downcast_ref::<RouteError>());
    assert!(
        matches!(inner, Some(RouteError::Stalled { waiting: 1001.., limit: 1000, .. })),
        "{error}"
    );
    assert!(!flood.is_closed(), "the peer does not hear of it");
}

#[tokio::test(start_paused = true)]
async fn a_slow_route_slows_its_peer_down_and_loses_nothing() {
    let limits = RouterLimits::default().receive_queue(100);
    let (near, far) = pair(1 << 10, limits);
    let (near, far) = (near.spawn(), far.spawn());
    let gate = Arc::new(Semaphore::new(0));
    let slow = Connection::with_transport(route(&far, "slow"))
        .responders(Responders::new(()).respond_by_name("Echo", gated(Arc::clone(&gate))))
        .limits(Limits::default().running_responders(1))
        .spawn();
    let peer = echo_over(&near, "slow");
    let calls: Vec<_> = (0..200)
        .map(|n| {
            let peer = peer.clone();
            tokio::spawn(async move { expect_echo(&peer, n).await })
        })
        .collect();
    for call in calls {
        // Less than the time after which the route would end, and much more in all.
        tokio::time::sleep(Duration::from_secs(1)).await;
        gate.add_permits(1);
        call.await.unwrap();
    }
    assert!(!slow.is_closed());
}

#[tokio::test]
async fn a_large_box_goes_through_little_room() {
    let limits = RouterLimits::default().send_queue(10).receive_queue(10);
    let (near, far) = pair(100, limits);
    let (near, far) = (near.spawn(), far.spawn());
    let _far = ["large", "small"].map(|name| echo_over(&far, name));
    let [large, small] = ["large", "small"].map(|name| echo_over(&near, name));
    let value = "v".repeat(60_000);
    let pairs: Vec<_> = (0..20).map(|n| (format!("value.{n}"), value.clone())).collect();
    let expected = AmpBox::from_pairs(pairs.clone()).unwrap();
    let (answer, ()) = tokio::join!(large.call_by_name("Echo", pairs), expect_echo(&small, 1));
    assert_eq!(answer.unwrap(), expected);
}

#[tokio::test]
async fn a_box_over_the_limit_of_one_route_ends_that_one() {
    let (near, far) = pair(1 << 16, RouterLimits::default());
    let (near, far) = (near.spawn(), far.spawn());
    let boxes = BoxLimits::default().max_bytes(100).max_pairs(9);
    let strict = Connection::with_transport(route(&far, "strict"))
        .limits(Limits::default().boxes(boxes))
        .spawn();
    let _echo = echo_over(&far, "echo");
    let [peer, other] = ["strict", "echo"].map(|name| echo_over(&near, name));
    peer.notify_by_name("A", [("a", "x".repeat(101))]).await.unwrap();
    let expected = "a box of at least 121 bytes is over the limit of 100";
    assert_eq!(strict.closed().await.to_string(), expected);
    expect_echo(&other, 1).await;
}

#[tokio::test]
async fn a_connection_over_a_route_sends_no_box_over_the_limit_of_the_router() {
    let boxes = BoxLimits::default().max_bytes(100).max_pairs(9);
    let limits = RouterLimits::default().boxes(boxes);
    let (near, far) = pair(1 << 16, limits);
    let (near, far) = (near.spawn(), far.spawn());
    let _echo = echo_over(&far, "echo");
    let peer = echo_over(&near, "echo");
    let error = peer.notify_by_name("A", [("a", "x".repeat(101))]).await.unwrap_err();
    let expected = "a box of at least 121 bytes is over the limit of 100";
    assert!(amp_core::Report(&error).to_string().ends_with(expected), "{error}");
    expect_echo(&peer, 1).await;
}

#[tokio::test]
async fn a_route_carries_boxes_and_nothing_else() {
    let (routes, _script) = scripted();
    let mut route = Box::pin(route(&routes, "a"));
    assert!(route.attachment_kind().is_none());
    let slices = [IoSlice::new(b"\x16\x03\x01")];
    let sent = poll_fn(|cx| route.as_mut().poll_send(cx, &slices, &mut VecDeque::new())).await;
    let expected = "a route carries boxes and nothing else: not AMP: it begins with \
                    \"\\x16\\x03\\x01\", as TLS does";
    assert_eq!(Report(&sent.unwrap_err()).to_string(), expected);
}

/// Counts itself until it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn attachments_that_a_peer_sends_are_dropped() {
    let (stream, far) = tokio::io::duplex(1 << 10);
    let sent = Arc::new(AtomicUsize::new(0));
    let attachment = {
        let sent = Arc::clone(&sent);
        move || {
            sent.fetch_add(1, Ordering::SeqCst);
            Arc::new(Counted(Arc::clone(&sent))) as Attachment
        }
    };
    let kind = AttachmentKind::of::<Counted>("a count");
    let transport = Double::attaching(stream, attachment).carries(kind);
    let routes = Router::with_transport(transport).spawn();
    let far = Router::new(far).spawn();
    let _echo = echo_over(&far, "a");
    let peer = echo_over(&routes, "a");
    expect_echo(&peer, 1).await;
    assert_eq!(sent.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn flushed_is_written_to_the_stream_and_shut_down_is_over() {
    let (near, mut far) = tokio::io::duplex(4);
    let routes = Router::new(near).spawn();
    let mut route = Box::pin(route(&routes, "a"));
    let slices = [IoSlice::new(b"\0\x01"), IoSlice::new(b"x\0\0\0\0\0")];
    let sent = poll_fn(|cx| route.as_mut().poll_send(cx, &slices, &mut VecDeque::new())).await;
    assert_eq!(sent.unwrap(), 8, "the beginning of a box is taken too");
    tokio::task::yield_now().await;
    assert!(!is_flushed(&mut route), "four bytes fit into the stream");
    let mut cx = Context::from_waker(Waker::noop());
    assert!(route.as_mut().poll_shutdown(&mut cx).is_pending());
    assert!(routes.bind("a").is_err(), "the route is not over yet");
    let mut read = [0; 18];
    far.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"\0\x06_route\0\x01a\0\x01x\0\0\0\0");
    poll_fn(|cx| route.as_mut().poll_shutdown(cx)).await.unwrap();
    assert!(routes.bind("a").is_ok(), "the name was given back");
    let received = poll_fn(|cx| {
        route.as_mut().poll_receive(cx, &mut BytesMut::with_capacity(9), &mut Vec::new())
    });
    assert_eq!(received.await.unwrap(), 0);
}

fn is_flushed(route: &mut Pin<Box<Route>>) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    route.as_mut().poll_flush(&mut cx).is_ready()
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

#[tokio::test]
async fn the_address_of_the_peer_is_that_of_each_route() {
    let (near, _far) = tokio::io::duplex(64);
    let address: std::net::SocketAddr = "192.0.2.1:7805".parse().unwrap();
    let routes = Router::new(near).peer_address(address).spawn();
    assert_eq!(echo_over(&routes, "a").peer_address(), &address.into());
}

#[tokio::test]
async fn calls_by_name_reach_responders_of_their_own_route() {
    let (near, far) = pair(1 << 16, RouterLimits::default());
    let (near, far) = (near.spawn(), far.spawn());
    let responders = Responders::new(()).respond_by_name("Other", echo);
    let _far = Connection::with_transport(route(&far, "a")).responders(responders).spawn();
    let _echo = echo_over(&far, "b");
    let [a, b] = ["a", "b"].map(|name| echo_over(&near, name));
    assert!(a.call_by_name("Echo", numbered(1)).await.unwrap_err().is_unhandled());
    expect_echo(&b, 1).await;
}

#[tokio::test(start_paused = true)]
async fn limits_of_zero_let_one_box_after_the_other_through() {
    let mut limits = RouterLimits::default();
    (limits.receive_queue, limits.send_queue) = (0, 0);
    let (near, far) = tokio::io::duplex(1 << 16);
    let near = Router::new(near).limits(limits).spawn();
    let far = Router::new(far).limits(limits).spawn();
    let _echoing = echo_over(&far, "a");
    let peer = echo_over(&near, "a");
    for n in 0..3 {
        expect_echo(&peer, n).await;
    }
    // Nobody reads this one: the second box that comes is over its limit.
    let mut unread = Box::pin(route(&near, "b"));
    let sending = echo_over(&far, "b");
    for _ in 0..2 {
        sending.notify_by_name("A", [("a", "b")]).await.unwrap();
    }
    let ended = poll_fn(|cx| {
        let sent = unread.as_mut().poll_flush(cx);
        cx.waker().wake_by_ref();
        match sent {
            Poll::Ready(Err(error)) => Poll::Ready(error),
            _ => Poll::Pending,
        }
    });
    tokio::time::sleep(Duration::from_secs(6)).await;
    let error = ended.await.to_string();
    assert!(error.ends_with("and a limit of 0"), "{error}");
    expect_echo(&peer, 4).await;

    limits.routes = 0;
    let routes = Router::new(tokio::io::duplex(1).0).limits(limits).spawn();
    assert!(matches!(routes.bind("a"), Err(RouteError::TooMany { limit: 0 })));
}
