//! How a client ends, and what with it.

use amp_core::reconnect::{Connector, NotConnectedKind};
use amp_core::{CallError, CloseReason, NoError};
use std::time::Duration;
use tokio::time::Instant;

use crate::net::{Again, Does, Net, Once, SECOND, answer, gone, not_connected, refuse, started};
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
        builder.on_connect(|_| std::future::pending::<Result<(), NoError>>())
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
    let error = not_connected(client.call_remote(Once { n: 3 }).fail_fast().await);
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
