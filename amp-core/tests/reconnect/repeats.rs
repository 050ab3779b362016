//! Calls whose connection is lost: what is sent again, and what is not.

use amp_core::argument::DecodeErrorKind;
use amp_core::boxes::BoxWriter;
use amp_core::reconnect::Connector;
use amp_core::{AmpBox, CallError, CloseReason, Connection, Limits, NoError, Proto};
use std::collections::VecDeque;
use std::sync::Mutex;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::net::{Again, Does, Net, Note, Once, SECOND, Value, answer, refuse, started};
use crate::support::{Script, turns_taken};

#[tokio::test(start_paused = true)]
async fn a_call_is_not_sent_twice_unless_it_may_be() {
    let (client, mut net) =
        Net::client([Does::Accept, Does::Accept], Connector::wait_for_connection);
    let once = started(client.call_remote(Once { n: 1 })).await;
    let again = started(client.call_remote(Again { n: 2 })).await;
    let string = started(client.call_by_name("Once", [("n", "3")])).await;
    let string_again = started(client.call_by_name("Again", [("n", "4")]).idempotent()).await;
    let fast = started(client.call_remote(Again { n: 5 }).fail_fast()).await;
    let never = started(client.call_remote(Again { n: 6 }).max_repeats(0)).await;

    let mut first = net.accept().await;
    for command in ["Once", "Again", "Once", "Again", "Again", "Again"] {
        first.expect_call(command).await;
    }
    drop(first);
    let lost = |ended: Result<Value, CallError>| match ended {
        Err(CallError::Closed(CloseReason::Peer)) => {}
        other => panic!("{other:?}"),
    };
    lost(once.await.unwrap());
    lost(string.await.unwrap().map(|_| Value { n: 0 }));
    lost(never.await.unwrap());
    lost(fast.await.unwrap());

    let mut second = net.accept().await;
    answer(&mut second, "Again").await;
    answer(&mut second, "Again").await;
    assert_eq!(again.await.unwrap().unwrap(), Value { n: 2 });
    assert_eq!(string_again.await.unwrap().unwrap().get("n"), Some(&b"4"[..]));
    drop(client);
    assert_eq!(second.receive().await, None, "nothing else was sent again");
}

#[tokio::test(start_paused = true)]
async fn any_call_can_be_marked_as_one_that_may_be_sent_twice() {
    let (client, mut net) =
        Net::client([Does::Accept, Does::Accept], Connector::wait_for_connection);
    let once = started(client.call_remote(Once { n: 1 }).idempotent()).await;
    net.accept().await.expect_call("Once").await;
    let mut second = net.accept().await;
    answer(&mut second, "Once").await;
    assert_eq!(once.await.unwrap().unwrap(), Value { n: 1 });
    client.notify(Note { n: 2 }).idempotent().await.unwrap();
    assert_eq!(second.receive().await.unwrap().get("n"), Some(&b"2"[..]));
    client.notify_by_name("Note", [("n", "3")]).idempotent().await.unwrap();
    let note = second.receive().await.unwrap();
    assert_eq!(note, AmpBox::from_pairs([("_command", "Note"), ("n", "3")]).unwrap());
}

#[tokio::test(start_paused = true)]
async fn closures_write_the_arguments_anew_for_each_connection_and_read_the_answer() {
    let (client, mut net) =
        Net::client([Does::Accept, Does::Accept], Connector::wait_for_connection);
    let mut written = 0;
    let call = client.call_by_name_with(
        "Again",
        move |out, _| {
            written += 1;
            Ok(out.put(b"n", written.to_string().as_bytes())?)
        },
        |input, _| Ok(input.take(b"n").map(|n| n.len())),
    );
    let call = started(call.idempotent()).await;
    let mut first = net.accept().await;
    let sent = first.receive().await.unwrap();
    assert_eq!((sent.get("_command"), sent.get("n")), (Some(&b"Again"[..]), Some(&b"1"[..])));
    drop(first);
    let mut second = net.accept().await;
    answer(&mut second, "Again").await;
    assert_eq!(call.await.unwrap().unwrap(), Some(1));

    let write = |n: &'static str| {
        move |out: &mut BoxWriter<'_>, _: &mut Proto<'_>| Ok(out.put(b"n", n.as_bytes())?)
    };
    client.notify_by_name_with("Note", write("3")).await.unwrap();
    let note = AmpBox::from_pairs([("_command", "Note"), ("n", "3")]).unwrap();
    assert_eq!(second.receive().await.unwrap(), note);

    // What the closures return is the caller's, and nothing else fails.
    let refused =
        client.call_by_name_with("Again", |out, _| Ok(out.put(&[b'n'; 256], b"")?), |_, _| Ok(()));
    assert!(matches!(refused.await, Err(CallError::Encode(_))));
    let misread = client.call_by_name_with("Again", write("4"), |input, _| {
        input.take(b"m").map(drop).ok_or_else(|| DecodeErrorKind::Missing.into())
    });
    let misread = started(misread).await;
    answer(&mut second, "Again").await;
    assert!(matches!(misread.await.unwrap(), Err(CallError::Decode(_))));
    drop(client);
    assert_eq!(second.receive().await, None, "nothing was sent again");
}

#[tokio::test(start_paused = true)]
async fn a_client_leaves_a_connection_that_the_peer_is_closing() {
    let (client, mut net) =
        Net::client([Does::Accept, Does::Accept], Connector::wait_for_connection);
    let before = started(client.call_remote(Once { n: 0 })).await;
    let once = started(client.call_remote(Once { n: 1 })).await;
    let string = started(client.call_by_name("Once", [("n", "2")])).await;
    let fast = started(client.call_remote(Once { n: 4 }).fail_fast()).await;
    let mut first = net.accept().await;
    let earlier = first.expect_call("Once").await;
    for _ in 0..3 {
        let tag = first.expect_call("Once").await;
        refuse(&mut first, &tag).await;
    }
    assert!(matches!(fast.await.unwrap(), Err(CallError::Remote(error)) if error.is_closing()));

    // The first connection is still open. The two come in any order.
    let mut second = net.accept().await;
    for _ in 0..2 {
        let call = second.receive().await.expect("a call");
        let text = |key| std::str::from_utf8(call.get(key).expect("a value")).expect("text");
        if text("n") == "1" {
            second.send_box([("_answer", text("_ask")), ("n", "1")]).await;
        }
    }
    assert_eq!(once.await.unwrap().unwrap(), Value { n: 1 });
    first.send_box([("_answer", earlier.as_str()), ("n", "0")]).await;
    assert_eq!(before.await.unwrap().unwrap(), Value { n: 0 });
    assert_eq!(first.receive().await, None, "nothing came again, and nobody needs it any more");
    first.finish().await;
    drop(second);
    // This time nobody says that it was not acted upon.
    assert!(matches!(string.await.unwrap(), Err(CallError::Closed(CloseReason::Peer))));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_on_a_connection_that_was_left_hides_none_on_the_next() {
    let plan = [Does::Accept, Does::Accept, Does::Accept];
    let (client, mut net) = Net::client(plan, Connector::wait_for_connection);
    let late = started(client.call_remote(Once { n: 1 })).await;
    let early = started(client.call_remote(Once { n: 2 })).await;
    let mut first = net.accept().await;
    let late_tag = first.expect_call("Once").await;
    let early_tag = first.expect_call("Once").await;
    refuse(&mut first, &early_tag).await;
    let mut second = net.accept().await;
    let early_tag = second.expect_call("Once").await;

    // Both calls learn of it before the client has had a look.
    refuse(&mut second, &early_tag).await;
    refuse(&mut first, &late_tag).await;
    let third = timeout(100 * SECOND, net.accept()).await;
    let mut third = third.expect("the second connection is left too, though it has not ended");
    answer(&mut third, "Once").await;
    assert_eq!(early.await.unwrap().unwrap(), Value { n: 2 });
    answer(&mut second, "Once").await;
    assert_eq!(late.await.unwrap().unwrap(), Value { n: 1 });
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_never_sent_is_sent_later() {
    let plan = [Does::AcceptNarrow(8), Does::Accept];
    let (near, mut accepted) = mpsc::unbounded_channel();
    let plan = Mutex::new(VecDeque::from(plan));
    let client = Connector::new(move || {
        let room = match plan.lock().unwrap().pop_front() {
            Some(Does::AcceptNarrow(room)) => room,
            _ => 1 << 16,
        };
        let (here, there) = tokio::io::duplex(room);
        near.send(Script::of(there)).unwrap();
        let limits = Limits::default().send_queue(1);
        async move { Ok::<_, NoError>(Connection::new(here).limits(limits)) }
    })
    .wait_for_connection()
    .spawn();
    client.connected().await.unwrap();
    client.notify(Note { n: 1 }).await.unwrap();
    turns_taken().await;
    client.notify(Note { n: 2 }).await.unwrap();
    let once = started(client.call_remote(Once { n: 3 })).await;
    let note = started(client.notify(Note { n: 4 })).await;
    let once_by_name = started(client.call_by_name("Once", [("n", "5")])).await;
    let note_by_name = started(client.notify_by_name("Note", [("n", "6")])).await;
    drop(accepted.recv().await);

    let mut second = accepted.recv().await.expect("another connection");
    let mut received = Vec::new();
    for _ in 0..4 {
        let next = tokio::time::timeout(SECOND, second.receive()).await;
        let ampbox = next.expect("the call is sent here").expect("a call");
        let text = |key| ampbox.get(key).map(|value| std::str::from_utf8(value).expect("text"));
        if let (Some(tag), Some(n)) = (text("_ask"), text("n")) {
            second.send_box([("_answer", tag), ("n", n)]).await;
        }
        received.push(ampbox.get("n").unwrap().to_vec());
    }
    received.sort();
    assert_eq!(received, [b"3", b"4", b"5", b"6"]);
    assert_eq!(once.await.unwrap().unwrap(), Value { n: 3 });
    note.await.unwrap().unwrap();
    assert_eq!(once_by_name.await.unwrap().unwrap().get("n"), Some(&b"5"[..]));
    note_by_name.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_is_sent_again_a_few_times_only() {
    let plan = [Does::Accept; 5];
    let (client, mut net) =
        Net::client(plan, |builder| builder.wait_for_connection().max_repeats(2));
    let call = started(client.call_remote(Again { n: 1 })).await;
    for _ in 0..3 {
        net.accept().await.expect_call("Again").await;
    }
    let ended = call.await.unwrap();
    assert!(matches!(ended, Err(CallError::Closed(CloseReason::Peer))), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_lost_and_cannot_be_sent_again_in_time_says_that_it_was_sent() {
    let (client, mut net) = Net::client([Does::Accept], Connector::wait_for_connection);
    let call = started(client.call_remote(Again { n: 1 }).timeout(20 * SECOND)).await;
    net.accept().await.expect_call("Again").await;
    let start = Instant::now();
    let ended = call.await.unwrap();
    assert!(matches!(ended, Err(CallError::Closed(CloseReason::Peer))), "{ended:?}");
    assert_eq!(start.elapsed(), 20 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_lost_and_finds_no_place_again_says_that_it_was_sent() {
    let (near, mut accepted) = mpsc::unbounded_channel();
    let mut places = [2, 1].into_iter();
    let client = Connector::new(move || {
        let (here, there) = tokio::io::duplex(1 << 16);
        near.send(Script::of(there)).unwrap();
        let outstanding_calls = places.next().unwrap();
        let limits = Limits::default().outstanding_calls(outstanding_calls);
        async move { Ok::<_, NoError>(Connection::new(here).limits(limits)) }
    })
    .wait_for_connection()
    .spawn();
    let one = started(client.call_remote(Again { n: 1 })).await;
    let other = started(client.call_remote(Again { n: 2 })).await;
    let mut first = accepted.recv().await.unwrap();
    first.expect_call("Again").await;
    first.expect_call("Again").await;
    drop(first);

    let mut second = accepted.recv().await.unwrap();
    answer(&mut second, "Again").await;
    let mut ended = [one.await.unwrap(), other.await.unwrap()];
    ended.sort_by_key(Result::is_err);
    assert!(matches!(&ended, [Ok(_), Err(CallError::Closed(CloseReason::Peer))]), "{ended:?}");
}
