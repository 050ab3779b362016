//! Many conversations on one connection.

mod ends;
mod limits;
#[path = "../support/mod.rs"]
mod support;

use amp_core::argument::{Attachment, AttachmentKind};
use amp_core::router::{Route, RouteError, RouteName, Router, RouterLimits, Routes};
use amp_core::{
    AmpBox, CallError, CloseReason, Connection, Peer, PeerAddress, Report, Responders, Transport,
    keys,
};
use bytes::BytesMut;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;
use support::double::Double;
use support::{Script, echo, echoing, numbered};
use tokio::io::AsyncReadExt;

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
async fn a_route_carries_boxes_and_nothing_else() {
    let (routes, _script) = scripted();
    let mut route = Box::pin(route(&routes, "a"));
    assert!(route.attachment_kind().is_none());
    let slices = [IoSlice::new(b"\x16\x03\x01")];
    let sent = poll_fn(|cx| route.as_mut().poll_send(cx, &slices, &mut VecDeque::new())).await;
    let expected = "a route carries boxes and nothing else: not AMP: it begins with \
                    \"\\x16\\x03\\x01\", as TLS does";
    assert_eq!(Report::new(&sent.unwrap_err()).to_string(), expected);
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
async fn the_address_of_the_peer_is_that_of_each_route() {
    let (near, _far) = tokio::io::duplex(64);
    let address: std::net::SocketAddr = "192.0.2.1:7805".parse().unwrap();
    let routes = Router::new(near).peer_address(address).spawn();
    assert_eq!(echo_over(&routes, "a").peer_address(), &address.into());
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
