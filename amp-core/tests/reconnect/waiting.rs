//! Calls while there is no connection.

use amp_core::CallError;
use amp_core::reconnect::{Connector, NotConnectedKind};
use std::error::Error;
use tokio::time::Instant;

use crate::net::{Does, Net, Once, SECOND, Value, answer, not_connected, started};
use crate::support::turns_taken;

#[tokio::test(start_paused = true)]
async fn without_a_connection_a_call_fails_at_once_and_says_why() {
    let (client, net) = Net::client([Does::Hang], |builder| builder.attempt_timeout(5 * SECOND));
    turns_taken().await;
    let error = not_connected(client.call_remote(Once { n: 1 }).await);
    assert_eq!(error.kind(), NotConnectedKind::FailFast);
    assert_eq!(error.to_string(), "not connected to far:1: attempt 1 is under way");
    assert!(error.cause().is_none() && error.source().is_none());

    tokio::time::sleep(5 * SECOND + SECOND / 2).await;
    let error = not_connected(client.call_remote(Once { n: 1 }).await);
    let text = "not connected to far:1: attempt 2 is in 500.0ms: \
                the connection was not ready within 5s";
    assert_eq!(amp_core::Report::new(&error).to_string(), text);

    tokio::time::sleep(SECOND).await;
    assert_eq!(net.attempts(), 2);
    let error = not_connected(client.call_by_name("Once", [("n", "1")]).await);
    let text = "not connected to far:1: attempt 3 is in 1.5s: cannot connect: connection refused";
    assert_eq!(amp_core::Report::new(&error).to_string(), text);
    let cause = error.source().expect("a cause");
    assert_eq!(cause.source().expect("its cause").to_string(), "connection refused");
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_while_connecting_fails() {
    let plan = [Does::Refuse, Does::Refuse, Does::Panic, Does::Accept];
    let (client, mut net) = Net::client(plan, Connector::wait_for_connection);
    let start = Instant::now();
    let call = started(client.call_remote(Once { n: 1 })).await;
    let mut script = net.accept().await;
    assert_eq!(start.elapsed(), 7 * SECOND, "waits of 1, 2 and 4 seconds");
    answer(&mut script, "Once").await;
    assert_eq!(call.await.unwrap().unwrap(), Value { n: 1 });
    assert_eq!(net.attempts(), 4);
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_with_the_time_of_the_call() {
    let (client, mut net) = Net::client([Does::Refuse, Does::Refuse, Does::Accept], |builder| {
        builder.wait_for_connection().call_timeout(2 * SECOND)
    });
    let start = Instant::now();
    let error = client.call_remote(Once { n: 1 }).await;
    assert!(error.as_ref().is_err_and(CallError::is_timeout));
    let error = not_connected(error);
    assert_eq!(start.elapsed(), 2 * SECOND);
    assert_eq!(error.kind(), NotConnectedKind::Waited { after: 2 * SECOND });
    let text = "not connected to far:1 within 2s: attempt 3 is in 1.0s: \
                cannot connect: connection refused";
    assert_eq!(amp_core::Report::new(&error).to_string(), text);

    // Of three seconds one goes by without a connection, and two without an answer.
    let call = client.call_remote(Once { n: 2 }).timeout(3 * SECOND);
    let ended = started(call).await.await.unwrap();
    assert!(matches!(ended, Err(CallError::Timeout { after }) if after == 3 * SECOND), "{ended:?}");
    assert_eq!(start.elapsed(), 5 * SECOND);
    net.accept().await.expect_call("Once").await;
}

#[tokio::test(start_paused = true)]
async fn so_many_calls_wait_and_no_more() {
    let (client, mut net) = Net::client([Does::Refuse, Does::Accept], |builder| {
        builder.wait_for_connection().max_waiting(2)
    });
    let first = started(client.call_remote(Once { n: 1 })).await;
    let second = started(client.call_remote(Once { n: 2 })).await;
    let error = not_connected(client.call_remote(Once { n: 3 }).await);
    assert_eq!(error.kind(), NotConnectedKind::TooManyWaiting { limit: 2 });
    let text = "not connected to far:1, and 2 calls wait for it already, which is the limit: \
                attempt 2 is in 1.0s: cannot connect: connection refused";
    assert_eq!(amp_core::Report::new(&error).to_string(), text);

    // One that gives up leaves its place.
    second.abort();
    turns_taken().await;
    let third = started(client.call_remote(Once { n: 3 })).await;
    let mut script = net.accept().await;
    answer(&mut script, "Once").await;
    answer(&mut script, "Once").await;
    first.await.unwrap().unwrap();
    third.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_are_made_in_the_order_in_which_they_began_to() {
    let plan = [Does::Refuse, Does::Accept];
    let (client, mut net) = Net::client(plan, Connector::wait_for_connection);
    for n in 0..16 {
        drop(started(client.call_remote(Once { n })).await);
    }
    let mut script = net.accept().await;
    for n in 0..16 {
        let call = script.receive().await.expect("a call");
        assert_eq!(call.get("n"), Some(n.to_string().as_bytes()));
    }
}
