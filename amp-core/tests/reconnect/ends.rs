//! How a client ends, and what with it.

use amp_core::reconnect::{Client, Connector, NotConnectedKind, State};
use amp_core::router::{Router, Routes};
use amp_core::{
    AmpBox, CallError, CloseReason, Connection, Context, Drained, NoError, Peer, Responders,
};
use futures_util::FutureExt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, timeout};

use crate::net::{
    Again, Does, Hello, Net, Once, SECOND, Value, answer, gone, not_connected, refuse, started,
};
use crate::support::turns_taken;

#[tokio::test(start_paused = true)]
async fn a_closed_client_closes_what_it_has_left_too() {
    let (client, mut net) =
        Net::client([Does::Accept, Does::Accept], Connector::wait_for_connection);
    let before = started(client.call_remote(Once { n: 0 })).await;
    let again = started(client.call_remote(Once { n: 1 })).await;
    let mut first = net.accept().await;
    first.expect_call("Once").await;
    let tag = first.expect_call("Once").await;
    refuse(&mut first, &tag).await;
    let mut second = net.accept().await;
    second.expect_call("Once").await;

    let closing = started({
        let client = client.clone();
        async move { client.close().await }
    })
    .await;
    for call in [before, again] {
        assert!(matches!(call.await.unwrap(), Err(CallError::Closed(CloseReason::Local))));
    }
    assert_eq!(first.receive().await, None);
    assert_eq!(second.receive().await, None);
    drop((first, second));
    closing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_client_stops_wherever_it_is() {
    // While it connects.
    let (client, _net) = Net::client([Does::Hang], |builder| builder);
    turns_taken().await;
    let watch = client.watch();
    drop(client);
    gone(watch).await;

    // While it makes the connection ready.
    let (client, mut net) = Net::client([Does::Accept], |builder| {
        builder.make_ready(|_| std::future::pending::<Result<(), NoError>>())
    });
    let mut script = net.accept().await;
    turns_taken().await;
    let watch = client.watch();
    drop(client);
    assert_eq!(script.receive().await, None);
    script.finish().await;
    gone(watch).await;

    // While it is connected, whoever else has a handle of the connection.
    let (client, mut net) = Net::client([Does::Accept], |builder| builder);
    let mut script = net.accept().await;
    let peer = client.connected().await.unwrap();
    let watch = client.watch();
    drop(client);
    assert_eq!(script.receive().await, None);
    script.finish().await;
    assert!(matches!(peer.closed().await, CloseReason::Local));
    gone(watch).await;

    // While it waits.
    let (client, net) = Net::client([Does::Refuse], |builder| builder);
    turns_taken().await;
    let watch = client.watch();
    let start = Instant::now();
    drop(client);
    gone(watch).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(net.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_keeps_its_client() {
    let (client, mut net) =
        Net::client([Does::Refuse, Does::Accept], Connector::wait_for_connection);
    let watch = client.watch();
    let call = started(client.call_remote(Once { n: 1 })).await;
    drop(client);
    let mut script = net.accept().await;
    answer(&mut script, "Once").await;
    call.await.unwrap().unwrap();
    assert_eq!(script.receive().await, None);
    script.finish().await;
    gone(watch).await;
}

#[tokio::test(start_paused = true)]
async fn a_closed_client_fails_every_call() {
    let (client, mut net) =
        Net::client([Does::Accept, Does::Accept], Connector::wait_for_connection);
    let mut script = net.accept().await;
    let once = started(client.call_remote(Once { n: 1 })).await;
    let again = started(client.call_remote(Again { n: 2 })).await;
    script.expect_call("Once").await;
    script.expect_call("Again").await;
    let closing = started({
        let client = client.clone();
        async move { client.close().await }
    })
    .await;
    for call in [once.await.unwrap(), again.await.unwrap()] {
        assert!(matches!(call, Err(CallError::Closed(CloseReason::Local))), "{call:?}");
    }
    let error = client.call_remote(Once { n: 3 }).fail_fast().await.unwrap_err();
    assert!(error.is_closed() && !error.is_timeout(), "{error}");
    let error = not_connected::<(), _>(Err(error));
    assert_eq!(error.kind(), NotConnectedKind::Closed);
    let error = not_connected(client.call_remote(Once { n: 3 }).await);
    assert_eq!(error.kind(), NotConnectedKind::Closed);
    assert_eq!(error.to_string(), "not connected to far:1: the client is closed");
    assert!(!closing.is_finished(), "the peer has not closed its side");
    drop(script);
    closing.await.unwrap();
    client.close().await;
    client.connected().await.unwrap_err();
    assert_eq!(net.attempts(), 1);

    let (client, _net) = Net::client([Does::Refuse], Connector::wait_for_connection);
    let waiting = started(client.call_remote(Once { n: 1 })).await;
    client.close().await;
    let error = not_connected(waiting.await.unwrap());
    assert_eq!(error.kind(), NotConnectedKind::Closed);
}

#[test]
fn a_runtime_that_ends_ends_the_client() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (client, _net) =
        runtime.block_on(async { Net::client([Does::Hang], Connector::wait_for_connection) });
    drop(runtime);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(async {
        client.close().await;
        not_connected(client.call_remote(Once { n: 1 }).await)
    });
    assert_eq!(error.kind(), NotConnectedKind::Closed);
}

/// What begins and what ends a responder.
#[derive(Default)]
struct Work {
    begun: Notify,
    done: Notify,
}

/// A client that answers `Hello` when its work is done, and the peers of its connections.
fn working() -> (Client, mpsc::UnboundedReceiver<Peer>, Arc<Work>) {
    let work = Arc::<Work>::default();
    let hello = async |context: Context<Arc<Work>>, Hello {}: Hello| {
        context.state().begun.notify_one();
        context.state().done.notified().await;
        Ok::<_, NoError>(())
    };
    let (accept, accepted) = mpsc::unbounded_channel();
    let connect = move || {
        let (near, far) = tokio::io::duplex(1 << 16);
        let once = async |_: Context, Once { n }: Once| Ok::<_, NoError>(Value { n });
        let there = Connection::new(far).responders(Responders::new(()).respond(once)).spawn();
        let _ = accept.send(there);
        std::future::ready(Ok::<_, io::Error>(Connection::new(near)))
    };
    let responders = Responders::new(Arc::clone(&work)).respond(hello);
    (Connector::new(connect).responders(responders).spawn(), accepted, work)
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_gracefully_answers_first() {
    let (client, mut accepted, work) = working();
    let there = accepted.recv().await.unwrap();
    let answer = started(there.call_remote(Hello {})).await;
    work.begun.notified().await;
    let closing = started({
        let client = client.clone();
        async move { client.close_gracefully(10 * SECOND).await }
    })
    .await;
    let refused = there.call_remote(Hello {}).await.unwrap_err();
    assert!(refused.is_safe_to_retry(), "{refused}");
    // The responder may need the client to answer.
    assert!(!client.is_closed() && !closing.is_finished());
    assert_eq!(client.call_remote(Once { n: 1 }).await.unwrap(), Value { n: 1 });

    work.done.notify_one();
    answer.await.unwrap().unwrap();
    assert!(matches!(there.closed().await, CloseReason::Peer));
    assert_eq!(timeout(SECOND, closing).await.unwrap().unwrap().cut_off, 0);
    assert!(client.is_closed() && matches!(client.state(), State::Closed));
    assert!(accepted.recv().await.is_none(), "there is no other connection");
}

#[tokio::test(start_paused = true)]
async fn a_graceful_end_of_a_client_has_its_time_and_can_be_cut_short() {
    let (client, mut accepted, work) = working();
    let there = accepted.recv().await.unwrap();
    let _answer = started(there.call_remote(Hello {})).await;
    work.begun.notified().await;
    let since = Instant::now();
    assert_eq!(client.close_gracefully(10 * SECOND).await.cut_off, 1);
    assert_eq!(since.elapsed(), 10 * SECOND);

    for drops in [false, true] {
        let (client, mut accepted, work) = working();
        let there = accepted.recv().await.unwrap();
        let _answer = started(there.call_remote(Hello {})).await;
        work.begun.notified().await;
        let since = Instant::now();
        // What is dropped leaves the client stopping.
        let _ = timeout(SECOND, client.close_gracefully(10 * SECOND)).await;
        if drops {
            drop(client);
        } else {
            client.close().await;
        }
        assert!(matches!(there.closed().await, CloseReason::Peer));
        assert_eq!(since.elapsed(), SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_without_a_connection_closes_gracefully_at_once() {
    let (client, net) = Net::client([Does::Refuse], Connector::wait_for_connection);
    let waiting = started(client.call_remote(Once { n: 1 })).await;
    assert!(!client.is_closed());
    let since = Instant::now();
    // Nothing can be called any more as soon as it is said.
    let _ = client.close_gracefully(10 * SECOND).now_or_never();
    assert!(client.is_closed());
    client.close_gracefully(10 * SECOND).await;
    assert_eq!(since.elapsed(), Duration::ZERO);
    assert_eq!(not_connected(waiting.await.unwrap()).kind(), NotConnectedKind::Closed);
    assert_eq!(net.attempts(), 1);
}

/// Answers `Hello` once it has closed the client that it is given, which takes as long as there are
/// responders.
fn closing() -> (watch::Sender<Option<Client>>, Responders<watch::Receiver<Option<Client>>>) {
    let (give, given) = watch::channel(None);
    let hello = async |context: Context<watch::Receiver<Option<Client>>>, Hello {}: Hello| {
        let mut given = context.state().clone();
        let client = given.wait_for(Option::is_some).await.expect("the client is there").clone();
        client.expect("the client").close_gracefully(Duration::MAX).await;
        Ok::<_, NoError>(())
    };
    (give, Responders::new(given).respond(hello))
}

#[tokio::test(start_paused = true)]
async fn a_responder_that_closes_its_client_gracefully_is_answered() {
    let (give, responders) = closing();
    let (client, mut net) = Net::client([Does::Accept], |client| client.responders(responders));
    let mut script = net.accept().await;
    script.send_box([("_ask", "1"), ("_command", "Hello")]).await;
    let since = Instant::now();
    give.send_replace(Some(client.clone()));
    assert_eq!(script.receive().await, Some(AmpBox::from_pairs([("_answer", "1")]).unwrap()));
    assert_eq!(script.receive().await, None);
    drop(script);
    timeout(SECOND, client.closed()).await.unwrap();
    assert_eq!(since.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_responder_on_a_connection_that_was_left_closes_its_client_gracefully_too() {
    // There is another connection, or none yet.
    for then in [Does::Accept, Does::Hang, Does::Refuse] {
        let (give, responders) = closing();
        let (client, mut net) = Net::client([Does::Accept, then], |client| {
            client.wait_for_connection().responders(responders)
        });
        let mut left = net.accept().await;
        left.send_box([("_ask", "1"), ("_command", "Hello")]).await;
        let call = started(client.call_remote(Once { n: 1 })).await;
        let tag = left.expect_call("Once").await;
        refuse(&mut left, &tag).await;
        // The attempt that fails is the first that is made.
        tokio::time::sleep(SECOND + SECOND / 2).await;
        let other = match then {
            Does::Accept => Some(net.accept().await),
            _ => None,
        };
        let since = Instant::now();
        give.send_replace(Some(client.clone()));
        let answer = timeout(SECOND, left.receive()).await.expect("an answer");
        assert_eq!(answer, Some(AmpBox::from_pairs([("_answer", "1")]).unwrap()));
        assert_eq!(left.receive().await, None);
        drop((left, other));
        timeout(SECOND, client.closed()).await.unwrap();
        call.await.unwrap().unwrap_err();
        assert_eq!(since.elapsed(), Duration::ZERO);
    }
}

/// What all handles have in common that something can be closed by.
trait Ends: Clone + Send + 'static {
    fn close(&self) -> impl Future<Output = ()> + Send;
    fn closed(&self) -> impl Future<Output = ()> + Send;
    fn close_gracefully(&self, within: Duration) -> impl Future<Output = Drained> + Send;
    fn is_closed(&self) -> bool;
}

macro_rules! ends {
    ($($handle:ty),*) => {$(
        impl Ends for $handle {
            async fn close(&self) {
                <$handle>::close(self).await
            }
            async fn closed(&self) {
                let _ = <$handle>::closed(self).await;
            }
            async fn close_gracefully(&self, within: Duration) -> Drained {
                <$handle>::close_gracefully(self, within).await
            }
            fn is_closed(&self) -> bool {
                <$handle>::is_closed(self)
            }
        }
    )*};
}

ends!(Peer, Routes, Client);

async fn ends_alike(handle: impl Ends) {
    let closed = started({
        let handle = handle.clone();
        async move { handle.closed().await }
    })
    .await;
    assert!(!handle.is_closed() && !closed.is_finished());
    // Dropped at its first await, it leaves what it closes closing.
    let _ = handle.close().now_or_never();
    assert!(handle.is_closed());
    timeout(10 * SECOND, closed).await.unwrap().unwrap();
    handle.close().await;
    handle.closed().await;
    assert!(handle.is_closed());
}

async fn ends_gracefully_alike(handle: impl Ends) {
    let closed = started({
        let handle = handle.clone();
        async move { handle.closed().await }
    })
    .await;
    let drained = timeout(10 * SECOND, handle.close_gracefully(Duration::MAX)).await.unwrap();
    assert_eq!(drained.cut_off, 0);
    assert!(handle.is_closed());
    timeout(SECOND, closed).await.unwrap().unwrap();
    // What has ended does so at once.
    assert_eq!(handle.close_gracefully(Duration::MAX).now_or_never(), Some(drained));
    assert_eq!(handle.close().now_or_never(), Some(()));
}

#[tokio::test(start_paused = true)]
async fn all_handles_end_alike() {
    let connection = || {
        let (near, far) = tokio::io::duplex(1 << 16);
        (Connection::new(near).spawn(), far)
    };
    let router = || {
        let (near, far) = tokio::io::duplex(1 << 16);
        (Router::new(near).spawn(), far)
    };
    let client = || Net::client([Does::Hang], Connector::wait_for_connection);
    let (handle, _far) = connection();
    ends_alike(handle).await;
    let (handle, _far) = router();
    ends_alike(handle).await;
    let (handle, _net) = client();
    ends_alike(handle).await;

    let (handle, _far) = connection();
    ends_gracefully_alike(handle).await;
    let (handle, _far) = router();
    ends_gracefully_alike(handle).await;
    let (handle, _net) = client();
    ends_gracefully_alike(handle).await;
}
