//! Routes that hold as much as they may.

use amp_core::boxes::BoxLimits;
use amp_core::router::{RouteError, Router, RouterLimits};
use amp_core::{AmpBox, CloseReason, Connection, Limits, Responders, Transport};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::Semaphore;

use super::{echo_over, expect_echo, pair, route};
use crate::support::{echoing, gated, numbered};

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
    assert!(amp_core::Report::new(&error).to_string().ends_with(expected), "{error}");
    expect_echo(&peer, 1).await;
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
