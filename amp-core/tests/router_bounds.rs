//! What a peer can make a router hold, and that it notices when that peer has gone.

use amp_core::router::{Route, RouteError, Router, RouterLimits, Routes};
use amp_core::{
    AmpBox, CloseReason, Connection, Limits, ReceivedCall, RemoteError, Responders, Transport, tcp,
};
use bytes::BytesMut;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

fn route(routes: &Routes, name: &str) -> Pin<Box<Route>> {
    Box::pin(routes.bind(name).unwrap().connect_to(name).unwrap())
}

/// A call of 1000 bytes and some.
fn call(route: &str) -> Vec<u8> {
    let text = "x".repeat(1000);
    let pairs = [("_route", route), ("_command", "Wait"), ("_ask", "1"), ("text", &*text)];
    AmpBox::from_pairs(pairs).unwrap().to_bytes().to_vec()
}

/// What a route was given at most once, or why it has ended.
async fn received(route: &mut Pin<Box<Route>>) -> io::Result<usize> {
    let mut buffer = BytesMut::with_capacity(1 << 16);
    poll_fn(|cx| route.as_mut().poll_receive(cx, &mut buffer, &mut Vec::new())).await
}

/// Each has less than it may, and nobody reads: it is all of them together that have too much, and
/// whoever has most ends for the others.
#[tokio::test(start_paused = true)]
async fn all_routes_together_hold_no_more_than_they_may() {
    let limits = RouterLimits::default().receive_queue_in_all(10_000);
    let (near, mut far) = tokio::io::duplex(1 << 20);
    let router = Router::new(near).limits(limits);
    let mut all: Vec<_> = ["a", "b", "c"].map(|name| route(&router.routes(), name)).into();
    let _routes = router.spawn();
    for (name, count) in [("a", 2), ("b", 7), ("c", 1), ("a", 1), ("c", 3)] {
        far.write_all(&call(name).repeat(count)).await.unwrap();
    }
    tokio::time::sleep(limits.stall_timeout * 2).await;
    let [a, b, c] = &mut all[..] else { panic!("three") };
    // Nine calls were held, and one more after that of the hoarder's went.
    assert!((3000..4000).contains(&received(a).await.unwrap()));
    let error = received(b).await.unwrap_err();
    let inner = error.get_ref().and_then(|error| error.downcast_ref::<RouteError>());
    assert!(
        matches!(inner, Some(RouteError::Stalled { waiting: 10_000.., limit: 10_000, .. })),
        "{error}"
    );
    assert!((4000..5000).contains(&received(c).await.unwrap()));
}

/// A route that is read from makes room for all.
#[tokio::test(start_paused = true)]
async fn a_route_that_is_read_from_makes_room_for_the_others() {
    let limits = RouterLimits::default().receive_queue_in_all(5_000);
    let (near, mut far) = tokio::io::duplex(1 << 20);
    let router = Router::new(near).limits(limits);
    let (mut a, mut b) = (route(&router.routes(), "a"), route(&router.routes(), "b"));
    let _routes = router.spawn();
    far.write_all(&[call("a").repeat(6), call("b")].concat()).await.unwrap();
    let mut of_a = 0;
    while of_a < 6 * 1000 {
        of_a += received(&mut a).await.unwrap();
    }
    received(&mut b).await.unwrap();
}

async fn wait(call: ReceivedCall) -> Result<AmpBox, RemoteError> {
    call.peer.closed().await;
    Ok(AmpBox::new())
}

/// What keeps a route full may wait for just that the peer goes.
#[tokio::test]
async fn a_peer_that_goes_while_a_route_is_full_is_noticed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (near, _) = listener.accept().await.unwrap();
    let stall_timeout = Duration::from_secs(3600);
    let limits = RouterLimits::default().receive_queue(1000).stall_timeout(stall_timeout);
    let router = Router::from(tcp::connection(near).unwrap()).limits(limits);
    let peer = Connection::with_transport(route(&router.routes(), "a"))
        .limits(Limits::default().running_responders(1))
        .responders(Responders::new(()).respond_by_name("Wait", wait))
        .spawn();
    let _routes = router.spawn();
    far.write_all(&call("a").repeat(500)).await.unwrap();
    drop(far);
    let ended = tokio::time::timeout(Duration::from_secs(4), peer.closed()).await;
    assert!(matches!(ended.expect("it waits for ever"), CloseReason::Peer));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_breaks_the_protocol_is_not_read_from_for_long() {
    let (near, mut far) = tokio::io::duplex(1 << 16);
    let router = Router::new(near);
    let _route = route(&router.routes(), "a");
    let _routes = router.spawn();
    let nonsense = vec![0xff; 1 << 16];
    let mut taken = 0;
    while let Ok(Ok(some)) =
        tokio::time::timeout(Duration::from_secs(10), far.write(&nonsense)).await
    {
        taken += some;
        assert!(taken < 1 << 20, "more than {taken} bytes are read");
    }
}

/// How a router ends of whose peer nothing but `pieces` comes, each so many seconds after the last, and
/// after how many seconds.
async fn ends(router: fn(Router) -> Router, pieces: &[(u64, &[u8])]) -> (Option<CloseReason>, u64) {
    let (near, mut far) = tokio::io::duplex(1000);
    let router = router(Router::new(near));
    let _route = route(&router.routes(), "a");
    let before = Instant::now();
    let running = tokio::spawn(router.run());
    for (after, piece) in pieces {
        tokio::time::sleep(Duration::from_secs(*after)).await;
        far.write_all(piece).await.unwrap();
    }
    let ended = tokio::time::timeout(Duration::from_secs(3600), running).await;
    (ended.ok().map(|reason| reason.unwrap()), before.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn a_box_that_is_never_finished_ends_the_routes_in_time() {
    let call = call("a");
    let unfinished = &call[..call.len() - 1];
    let (reason, after) = ends(|router| router, &[(0, unfinished)]).await;
    assert!(matches!(reason, Some(CloseReason::BoxTimeout { .. })), "{reason:?}");
    assert!((60..=125).contains(&after), "{after}");
    // One that is finished late is as good as any.
    let pieces: [(u64, &[u8]); 2] = [(0, unfinished), (50, &[0])];
    assert!(ends(|router| router, &pieces).await.0.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_ends_the_routes_where_that_is_asked_for() {
    let idle: fn(Router) -> Router = |router| router.idle_timeout(Duration::from_secs(10));
    let (reason, after) = ends(idle, &[]).await;
    assert!(matches!(reason, Some(CloseReason::Idle { .. })), "{reason:?}");
    assert!((10..=16).contains(&after), "{after}");
    let call = call("a");
    let pieces: Vec<(u64, &[u8])> = call[..5].chunks(1).map(|piece| (9, piece)).collect();
    let (reason, after) = ends(idle, &pieces).await;
    assert!(matches!(reason, Some(CloseReason::Idle { .. })), "{reason:?}");
    assert!((55..=61).contains(&after), "{after}");
    assert!(ends(|router| router, &[]).await.0.is_none());
}
