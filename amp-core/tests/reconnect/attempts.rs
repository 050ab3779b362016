//! What makes a connection, and makes it ready; and when the next attempt comes.

use amp_core::reconnect::{ConnectError, Connector, State};
use amp_core::{
    CloseReason, Connection, Failure, FailurePolicy, Limits, NoError, Ping, Responders,
};
use std::io;
use std::time::Duration;
use tokio::time::Instant;

use crate::net::{Does, Hello, Net, Once, SECOND, Value, answer, started};
use crate::support::{self, turns_taken};

#[tokio::test(start_paused = true)]
async fn no_call_is_made_before_the_hook_has_succeeded() {
    let (client, mut net) = Net::client([Does::Accept, Does::Accept], |builder| {
        builder
            .wait_for_connection()
            .make_ready(|peer| async move { peer.call_remote(Hello {}).await })
    });
    let call = started(client.call_remote(Once { n: 1 })).await;
    let mut script = net.accept().await;
    let tag = script.expect_call("Hello").await;
    turns_taken().await;
    assert!(matches!(client.state(), State::Connecting { attempt: 1, cause: None }));
    script.send_box([("_answer", tag.as_str())]).await;
    answer(&mut script, "Once").await;
    assert_eq!(call.await.unwrap().unwrap(), Value { n: 1 });
    assert!(matches!(client.state(), State::Connected(_)));

    // On the next connection, it comes ahead of a call that has waited for that.
    drop(script);
    while matches!(client.state(), State::Connected(_)) {
        turns_taken().await;
    }
    let call = started(client.call_remote(Once { n: 2 })).await;
    let mut script = net.accept().await;
    let tag = script.expect_call("Hello").await;
    script.send_box([("_answer", tag.as_str())]).await;
    answer(&mut script, "Once").await;
    assert_eq!(call.await.unwrap().unwrap(), Value { n: 2 });
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_closes_its_connection() {
    let (client, mut net) = Net::client([Does::Accept, Does::Accept, Does::Accept], |builder| {
        let mut count = 0;
        builder.attempt_timeout(3 * SECOND).wait_for_connection().make_ready(move |peer| {
            count += 1;
            async move {
                match count {
                    1 => Err("no login"),
                    // A handle that is kept does not keep the connection.
                    2 => {
                        tokio::spawn(async move { peer.closed().await });
                        std::future::pending().await
                    }
                    _ => Ok(()),
                }
            }
        })
    });
    let call = started(client.call_remote(Once { n: 1 })).await;
    assert_eq!(net.accept().await.receive().await, None);
    turns_taken().await;
    match client.state() {
        State::Waiting { attempt: 2, cause: error @ ConnectError::Hook(_), .. } => {
            assert_eq!(
                amp_core::Report::new(&error).to_string(),
                "the connection could not be made ready: no login"
            );
        }
        other => panic!("{other:?}"),
    }
    let start = Instant::now();
    let mut second = net.accept().await;
    assert_eq!(second.receive().await, None);
    assert_eq!(start.elapsed(), 4 * SECOND, "a wait of one second, and the time for an attempt");
    drop(second);
    turns_taken().await;
    let State::Waiting { attempt: 3, cause: ConnectError::Timeout { after }, .. } = client.state()
    else {
        panic!("{:?}", client.state());
    };
    assert_eq!(after, 3 * SECOND);
    answer(&mut net.accept().await, "Once").await;
    call.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_panics_is_an_attempt_that_failed() {
    let (client, mut net) = Net::client([Does::Accept, Does::Accept], |builder| {
        let mut first = true;
        builder.make_ready(move |_| {
            let panics = std::mem::take(&mut first);
            async move {
                assert!(!panics, "the hook");
                Ok::<(), NoError>(())
            }
        })
    });
    assert_eq!(net.accept().await.receive().await, None);
    turns_taken().await;
    let state = client.state();
    let State::Waiting { cause: ConnectError::Panicked { text }, .. } = &state else {
        panic!("{state:?}")
    };
    assert!(text.starts_with("the hook"), "{text}");
    client.connected().await.unwrap();
}

/// A hook that waits for something else than an answer.
#[tokio::test(start_paused = true)]
async fn a_hook_does_not_hold_up_a_client_whose_connection_is_lost() {
    let (client, mut net) = Net::client([Does::Accept], |builder| {
        builder.make_ready(|_| std::future::pending::<Result<(), io::Error>>())
    });
    let began = Instant::now();
    drop(net.accept().await);
    turns_taken().await;
    let state = client.state();
    assert!(
        matches!(&state, State::Waiting { cause: ConnectError::Lost(CloseReason::Peer), .. }),
        "{state:?}"
    );
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn waits_begin_again_after_a_connection_that_lasted() {
    let (client, mut net) = Net::client([Does::Accept; 4], |builder| builder);
    let mut waits = Vec::new();
    for lasts in [0, 9, 10] {
        let script = net.accept().await;
        client.connected().await.unwrap();
        tokio::time::sleep(lasts * SECOND).await;
        drop(script);
        turns_taken().await;
        let State::Waiting { attempt, until, cause: ConnectError::Lost(_) } = client.state() else {
            panic!("{:?}", client.state());
        };
        waits.push((attempt, until - Instant::now()));
    }
    assert_eq!(waits, [(2, SECOND), (3, 2 * SECOND), (1, SECOND)]);
}

/// The last connection has a peer that does not close its side, so its end takes all of its time.
#[tokio::test(start_paused = true)]
async fn the_next_attempt_does_not_wait_for_the_end_of_the_last_connection() {
    type Settings = fn(Connection) -> Connection;
    let idle: Settings = |connection| connection.idle_timeout(30 * SECOND);
    let pinging: Settings = |connection| connection.ping(Ping, 20 * SECOND, 10 * SECOND);
    let strict: Settings = |connection| {
        let fails = |_, Hello {}| async { Err(Failure::<NoError>::other("it fails")) };
        let responders = Responders::new(()).try_respond(fails);
        connection.responders(responders).failure_policy(FailurePolicy::Close)
    };
    let hello = [("_command", "Hello")];
    let hello = amp_core::AmpBox::from_pairs(hello).unwrap().to_bytes().to_vec();
    for (settings, sent, said) in [
        (idle, Vec::new(), "nothing was received for 30s"),
        (pinging, Vec::new(), "a ping was not answered within 10s"),
        (strict, vec![0xff; 4], "not AMP: it begins with"),
        (strict, hello, "closed after Hello failed with UNKNOWN"),
    ] {
        let (client, mut net) = Net::client_over(
            [Does::Accept, Does::Accept],
            settings,
            Connector::wait_for_connection,
        );
        let mut first = net.accept().await;
        let last = client.connected().await.unwrap();
        if sent.is_empty() {
            tokio::time::sleep(30 * SECOND).await;
        } else {
            first.send(&sent).await;
        }
        turns_taken().await;
        let began = Instant::now();
        let State::Waiting { until, cause: ConnectError::Lost(reason), .. } = client.state() else {
            panic!("{said}: {:?}", client.state());
        };
        assert!(reason.to_string().contains(said), "{reason}");
        assert_eq!(until, began + SECOND);
        last.call_remote(Once { n: 0 }).await.unwrap_err();

        let call = started(client.call_remote(Once { n: 1 })).await;
        let mut second = net.accept().await;
        assert_eq!(began.elapsed(), SECOND);
        answer(&mut second, "Once").await;
        assert_eq!(call.await.unwrap().unwrap(), Value { n: 1 });
        assert!(matches!(client.state(), State::Connected(_)));
        assert_eq!(last.closed().await.to_string(), reason.to_string());
        // A peer that does not keep to the protocol is not waited for as long as others.
        let at_fault = matches!(reason, amp_core::CloseReason::Protocol(_));
        let corpse = if at_fault { SECOND } else { Limits::default().close_timeout };
        assert_eq!(began.elapsed(), corpse);
        client.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_peer_is_answered_on_every_connection() {
    let responders = Responders::new(()).respond_by_name("Echo", support::echo);
    let (_client, mut net) =
        Net::client([Does::Accept; 2], |builder| builder.responders(responders));
    for _ in 0..2 {
        let mut script = net.accept().await;
        script.send_box([("_command", "Echo"), ("_ask", "1"), ("a", "b")]).await;
        script.expect([("_answer", "1"), ("a", "b")]).await;
    }
}
