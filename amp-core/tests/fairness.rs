//! Whoever is never without work lets others have their turn. All of it is on one thread.
#![cfg(unix)]

mod support;

use amp_core::router::Router;
use amp_core::{AmpBox, Connection, ReceivedCall, RemoteError, Responders};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::double::Double;
use tokio::net::UnixStream;

#[tokio::test]
async fn a_socket_is_looked_at_while_one_peer_calls_without_end() {
    let answered = Arc::new(AtomicUsize::new(0));
    let flood = self::flood([("_ask", "1"), ("_command", "Count")], &Arc::default());
    tokio::spawn(Connection::with_transport(flood).responders(counting(&answered, None)).run());
    let calls = until_readable(&answered, 10_000).await;
    assert!(calls <= 4 * 512, "{calls} calls were answered before");
}

#[tokio::test]
async fn a_socket_is_looked_at_between_calls_that_take_long() {
    let answered = Arc::new(AtomicUsize::new(0));
    let text = "x".repeat(600);
    let call = [("_ask", "1"), ("_command", "Count"), ("text", &*text)];
    let flood = self::flood(call, &Arc::default());
    let responders = counting(&answered, Some(Duration::from_millis(3)));
    tokio::spawn(Connection::with_transport(flood).responders(responders).run());
    let calls = until_readable(&answered, 10).await;
    assert!(calls <= 4, "{calls} calls were answered before");
}

#[tokio::test]
async fn a_socket_is_looked_at_while_a_router_is_flooded() {
    let bytes = Arc::new(AtomicUsize::new(0));
    let flood = self::flood([("_command", "Count"), ("_route", "nowhere")], &bytes);
    let router = Router::with_transport(flood);
    let _routes = router.spawn();
    let bytes = until_readable(&bytes, 1 << 20).await;
    assert!(bytes <= 2 << 20, "{bytes} bytes were read before");
}

/// How far `count` gets, once it is past `warm`, until a socket that has something to be read is
/// seen to have it.
async fn until_readable(count: &AtomicUsize, warm: usize) -> usize {
    let (here, there) = UnixStream::pair().unwrap();
    here.writable().await.unwrap();
    while count.load(Ordering::Relaxed) < warm {
        tokio::task::yield_now().await;
    }
    here.try_write(b"x").unwrap();
    let before = count.load(Ordering::Relaxed);
    there.readable().await.unwrap();
    count.load(Ordering::Relaxed) - before
}

/// Counts the calls, each of which takes the thread for so long.
fn counting(answered: &Arc<AtomicUsize>, work: Option<Duration>) -> Responders {
    let answered = Arc::clone(answered);
    Responders::new(()).respond_by_name("Count", move |_: ReceivedCall| {
        work.into_iter().for_each(std::thread::sleep);
        answered.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok::<_, RemoteError>(AmpBox::new()))
    })
}

/// A stream on which the same call comes again and again, and that takes all that is sent.
fn flood<const N: usize>(call: [(&str, &str); N], received: &Arc<AtomicUsize>) -> Double {
    let received = Arc::clone(received);
    let call = AmpBox::from_pairs(call).unwrap().to_bytes();
    Double::flood(call, move |count| {
        received.fetch_add(count, Ordering::Relaxed);
    })
}
