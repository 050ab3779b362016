//! A peer that does not keep to what streams are.

use amp_core::streams::{SinkError, SinkOf, StreamError, StreamOf};
use amp_core::{
    AmpBox, Arguments, CallError, Command, Connection, Context, FailurePolicy, NoError,
};
use amp_core::{Peer, Ping, ReceivedCall, RemoteError, Responders};
use std::future::pending;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::raw::{Raw, code, limits, list, uploads};
use super::{Download, Get, Sinks, Work, all, downloads, nothing, pair_with, settle};

#[tokio::test(start_paused = true)]
async fn numbers_that_are_none_of_a_stream() {
    let (responders, mut streams) = uploads();
    let (mut raw, ours) = Raw::pair(limits(), responders);
    // Before there was a stream, the connection has no such command.
    assert_eq!(code(raw.items("0", b"").await), "UNHANDLED");
    assert_eq!(code(raw.call("Upload", &[("items", "1")]).await), "UNKNOWN", "it is odd");
    for wrong in ["-2", "x", "", "18446744073709551616"] {
        assert_eq!(code(raw.call("Upload", &[("items", wrong)]).await), "UNKNOWN");
    }
    raw.call("Upload", &[("items", "18446744073709551614")]).await.unwrap();
    let open = raw.expect("_StreamOpen").await;
    assert_eq!(open.get("stream"), Some(&b"18446744073709551614"[..]));
    assert_eq!((open.get("items"), open.get("bytes")), (Some(&b"4"[..]), Some(&b"100"[..])));
    let stream = streams.recv().await.unwrap();
    // The number is taken,
    assert_eq!(code(raw.call("Upload", &[("items", "18446744073709551614")]).await), "UNKNOWN");
    // and others are nobody's.
    for number in ["0", "1", "18446744073709551615", "-1", "x", ""] {
        assert_eq!(code(raw.items(number, b"").await), "NO_STREAM");
        let end = raw.call("_StreamEnd", &[("stream", number), ("end", "closed")]).await;
        assert_eq!(code(end), "NO_STREAM");
        let _ = raw.call("_StreamStop", &[("stream", number)]).await;
    }
    for command in ["_StreamItems", "_StreamEnd", "_StreamOpen", "_StreamStop", "_StreamTaken"] {
        assert_eq!(code(raw.call(command, &[]).await), "NO_STREAM");
    }
    assert_eq!(code(raw.call("_StreamOther", &[]).await), "UNHANDLED");
    // A peer that would receive what nobody sends, or send what nobody receives, is told.
    raw.call("_StreamOpen", &[("stream", "6"), ("items", "1"), ("bytes", "1")]).await.unwrap();
    assert_eq!(raw.expect("_StreamEnd").await.get("end"), Some(&b"dropped"[..]));
    raw.call("_StreamTaken", &[("stream", "7")]).await.unwrap();
    assert_eq!(raw.expect("_StreamStop").await.get("stream"), Some(&b"7"[..]));
    drop(stream);
    assert_eq!(raw.expect("_StreamStop").await.get("stream"), Some(&b"18446744073709551614"[..]));
    assert!(!ours.is_closed());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_item_ends_the_stream() {
    let (responders, mut streams) = uploads();
    let (mut raw, _ours) = Raw::pair(limits(), responders);
    for wrong in [&b"\0"[..], b"\0\x05abc", b"\0\x011\xff\xff"] {
        raw.call("Upload", &[("items", "0")]).await.unwrap();
        raw.expect("_StreamOpen").await;
        let stream = streams.recv().await.unwrap();
        assert_eq!(code(raw.items("0", wrong).await), "BAD_ITEM");
        assert!(matches!(all(stream).await.1, Some(StreamError::Malformed { .. })));
    }
    // One that can be told from the others is left out.
    raw.call("Upload", &[("items", "0")]).await.unwrap();
    raw.expect("_StreamOpen").await;
    let mut stream = streams.recv().await.unwrap();
    let peer = raw.peer.clone();
    tokio::spawn(async move {
        let items = [(&b"stream"[..], &b"0"[..]), (b"items", &list(&["1", "x", "2"]))];
        peer.call_by_name("_StreamItems", items).await
    });
    assert_eq!(stream.next().await.unwrap().unwrap(), 1);
    assert!(matches!(stream.next().await.unwrap(), Err(StreamError::Item(_))));
    assert_eq!(stream.next().await.unwrap().unwrap(), 2);
    // No items at all are none to be taken.
    raw.items("0", b"").await.unwrap();
    // In a box of its own too.
    let peer = raw.peer.clone();
    tokio::spawn(async move {
        peer.call_by_name("_StreamItems", [("stream", "0"), ("item", "x")]).await
    });
    assert!(matches!(stream.next().await.unwrap(), Err(StreamError::Item(_))));
    drop(stream);
}

#[tokio::test(start_paused = true)]
async fn ends_that_come_twice_or_with_items_behind_them() {
    let (responders, mut streams) = uploads();
    let (mut raw, _ours) = Raw::pair(limits(), responders);
    raw.call("Upload", &[("items", "0")]).await.unwrap();
    raw.expect("_StreamOpen").await;
    let stream = streams.recv().await.unwrap();
    let peer = raw.peer.clone();
    let first = tokio::spawn(async move {
        peer.call_by_name("_StreamEnd", [("stream", "0"), ("end", "closed")]).await
    });
    settle().await;
    for end in ["closed", "failed", "dropped", "other"] {
        let again = raw.call("_StreamEnd", &[("stream", "0"), ("end", end)]).await;
        assert_eq!(code(again), "NO_STREAM");
    }
    assert_eq!(code(raw.items("0", &list(&["1"])).await), "NO_STREAM");
    let (items, error) = all(stream).await;
    assert!(items.is_empty() && error.is_none());
    first.await.unwrap().unwrap();
    // One that says nothing that is known is none.
    raw.call("Upload", &[("items", "0")]).await.unwrap();
    raw.expect("_StreamOpen").await;
    let wrong = raw.call("_StreamEnd", &[("stream", "0"), ("end", "other")]).await;
    assert_eq!(code(wrong), "NO_STREAM");
    let wants_no_answer = [("stream", "0"), ("end", "dropped")];
    raw.peer.notify_by_name("_StreamEnd", wants_no_answer).await.unwrap();
    let (_, error) = all(streams.recv().await.unwrap()).await;
    assert!(matches!(error, Some(StreamError::Unfinished)));
}

/// A sink whose stream `raw` has asked for and opened, with an item on its way.
async fn one_item_sent(raw: &Peer, sinks: &mut Sinks) -> SinkOf<u64> {
    raw.call_by_name("Get", [("", ""); 0]).await.unwrap();
    let mut sink = sinks.recv().await.unwrap();
    let open = [("stream", "0"), ("items", "10"), ("bytes", "100")];
    raw.notify_by_name("_StreamOpen", open).await.unwrap();
    sink.send(1).await.unwrap();
    sink
}

/// It answers none of them, and reads none of the answers.
#[tokio::test(start_paused = true)]
async fn items_that_are_refused_fail_the_sink() {
    let refuses = Responders::new(()).respond_by_name("_StreamItems", |_: ReceivedCall| async {
        Err::<AmpBox, _>(RemoteError::new("NO", "not here"))
    });
    let (responders, mut sinks) = downloads();
    let (_ours, raw) = pair_with(limits(), responders, refuses);
    let sink = one_item_sent(&raw, &mut sinks).await;
    let error = sink.stopped().await;
    assert!(matches!(&error, SinkError::Refused(error) if error.code == "NO"), "{error}");
    assert!(sink.close().await.is_err());
}

/// A peer that has refused an item does not wait for the next.
#[tokio::test(start_paused = true)]
async fn who_fails_a_sink_learns_that_nothing_follows() {
    let (told, mut ended) = mpsc::unbounded_channel();
    let refuses = Responders::new(())
        .respond_by_name("_StreamItems", |_: ReceivedCall| async {
            Err::<AmpBox, _>(RemoteError::new("NO", "not here"))
        })
        .respond_by_name("_StreamEnd", move |call: ReceivedCall| {
            let _ = told.send(call.arguments);
            async { Ok(AmpBox::new()) }
        });
    let (responders, mut sinks) = downloads();
    let (_ours, raw) = pair_with(limits(), responders, refuses);
    let _sink = one_item_sent(&raw, &mut sinks).await;
    assert_eq!(ended.recv().await.unwrap().get("end"), Some(&b"dropped"[..]));
}

/// Numbers that are used again at once, and sinks that are never opened.
#[tokio::test(start_paused = true)]
async fn sinks_that_a_peer_names_again_or_never_opens() {
    let (taken, mut sinks) = mpsc::unbounded_channel();
    let works = async |context: Context<mpsc::UnboundedSender<_>>, call: Work| {
        context.state().send(call.progress).expect("the test waits");
        Ok::<_, NoError>(())
    };
    let (mut raw, ours) = Raw::pair(limits(), Responders::new(taken).respond(works));
    for _ in 0..10 {
        raw.call("Work", &[("progress", "1")]).await.unwrap();
        raw.expect("_StreamTaken").await;
        drop(sinks.recv().await.unwrap());
    }
    // One that has an end waits for a while with that.
    raw.call("Work", &[("progress", "1")]).await.unwrap();
    let sink: SinkOf<u64> = sinks.recv().await.unwrap();
    sink.fail_with(RemoteError::new("NO", "not here"));
    assert_eq!(code(raw.call("Work", &[("progress", "1")]).await), "UNKNOWN");
    tokio::time::sleep(limits().unclaimed_timeout + Duration::from_secs(1)).await;
    raw.call("Work", &[("progress", "1")]).await.unwrap();
    let first: SinkOf<u64> = sinks.recv().await.unwrap();
    // Open, and stopped and named again in one write.
    let open = [("stream", "1"), ("items", "5"), ("bytes", "50")];
    raw.peer.notify_by_name("_StreamOpen", open).await.unwrap();
    settle().await;
    raw.peer.notify_by_name("_StreamStop", [("stream", "1")]).await.unwrap();
    raw.call("Work", &[("progress", "1")]).await.unwrap();
    assert!(matches!(first.stopped().await, SinkError::Stopped));
    let mut second: SinkOf<u64> = sinks.recv().await.unwrap();
    settle().await;
    raw.peer.notify_by_name("_StreamOpen", open).await.unwrap();
    second.send(7).await.unwrap();
    ours.close().await;
    assert!(matches!(second.stopped().await, SinkError::Closed(_)));
}

/// What crosses the end of a stream, and what is no item, costs no connection that is closed by
/// failures.
#[tokio::test(start_paused = true)]
async fn streams_cost_no_connection_that_is_closed_by_failures() {
    let (responders, mut streams) = uploads();
    let (near, far) = tokio::io::duplex(1 << 16);
    let ours = Connection::new(near)
        .limits(limits())
        .failure_policy(FailurePolicy::Close)
        .responders(responders)
        .spawn();
    let raw = Connection::new(far).spawn();
    raw.call_by_name("Upload", [("items", "0")]).await.unwrap();
    for command in ["_StreamItems", "_StreamEnd", "_StreamStop", "_StreamOpen", "_StreamTaken"] {
        raw.notify_by_name(command, [("stream", "8"), ("end", "dropped")]).await.unwrap();
    }
    let items = [(&b"stream"[..], &b"0"[..]), (b"items", b"\0")];
    let answer = raw.call_by_name("_StreamItems", items).await;
    assert_eq!(code(answer), "BAD_ITEM");
    assert!(all(streams.recv().await.unwrap()).await.1.is_some());
    settle().await;
    assert!(!ours.is_closed());
}

/// One that is not what the peer said it was costs its call alone.
#[tokio::test(start_paused = true)]
async fn a_sink_that_a_peer_names() {
    let works = async |_: Context, Work { mut progress }: Work| {
        let _ = progress.send(1).await;
        Ok::<_, NoError>(())
    };
    let (mut raw, ours) = Raw::pair(limits(), Responders::new(()).respond(works));
    assert_eq!(code(raw.call("Work", &[("progress", "0")]).await), "UNKNOWN", "it is even");
    let peer = raw.peer.clone();
    let call = tokio::spawn(async move { peer.call_by_name("Work", [("progress", "1")]).await });
    assert_eq!(raw.expect("_StreamTaken").await.get("stream"), Some(&b"1"[..]));
    // The number is its own.
    assert_eq!(code(raw.call("Work", &[("progress", "1")]).await), "UNKNOWN");
    assert_eq!(code(raw.items("1", &list(&["1"])).await), "NO_STREAM");
    raw.call("_StreamStop", &[("stream", "1")]).await.unwrap();
    call.await.unwrap().unwrap();
    assert!(!ours.is_closed());
}

#[derive(Command)]
#[amp(response = Download)]
struct GetTwice {}

#[derive(Arguments)]
struct Both {
    first: StreamOf<u64>,
    #[amp(rename = "second")]
    _second: u64,
}

#[derive(Command)]
#[amp(name = "Both")]
struct TakeBoth {
    #[amp(flatten)]
    both: Both,
}

/// What was read before another argument that cannot be is dropped with that.
#[tokio::test(start_paused = true)]
async fn a_call_that_cannot_be_read_leaves_no_stream() {
    let both = async |_: Context, call: TakeBoth| {
        drop(call.both.first);
        Ok::<_, NoError>(())
    };
    let get = async |_: Context, _: GetTwice| -> Result<Download, NoError> { unreachable!() };
    let responders = Responders::new(()).respond(both).respond(get);
    let (mut raw, ours) = Raw::pair(limits(), responders);
    for _ in 0..10 {
        let wrong = raw.call("Both", &[("first", "0"), ("second", "x")]).await;
        assert_eq!(code(wrong), "UNKNOWN");
        raw.expect("_StreamOpen").await;
        raw.expect("_StreamStop").await;
    }
    // As an answer.
    drop((raw, ours));
    let bad = Responders::new(()).respond_by_name("Get", |_: ReceivedCall| async {
        AmpBox::from_pairs([("items", "1")]).map_err(|_| unreachable!())
    });
    let (ours, _raw) = pair_with(limits(), nothing(), bad);
    for _ in 0..10 {
        assert!(matches!(ours.call_remote(Get {}).await, Err(CallError::Decode(_))));
    }
}

/// A peer that answers the end of no stream and stops each costs no memory.
#[tokio::test(start_paused = true)]
async fn an_end_that_nobody_answers_is_stopped_as_an_item_is() {
    let (told, mut ended) = mpsc::unbounded_channel();
    let silent = Responders::new(()).respond_ping().respond_by_name(
        "_StreamEnd",
        move |call: ReceivedCall| {
            let _ = told.send(call.arguments);
            pending::<Result<AmpBox, RemoteError>>()
        },
    );
    let (responders, mut sinks) = downloads();
    let limits = limits().streams(2).outstanding_calls(50);
    let (ours, raw) = pair_with(limits, responders, silent);
    for round in 0..300 {
        let number = (2 * round).to_string();
        raw.call_by_name("Get", [("", ""); 0]).await.unwrap();
        let open = [("stream", &number[..]), ("items", "10"), ("bytes", "100")];
        raw.notify_by_name("_StreamOpen", open).await.unwrap();
        let closed = tokio::spawn(sinks.recv().await.unwrap().close());
        let end = timeout(Duration::from_secs(100), ended.recv()).await.expect("it ends").unwrap();
        assert_eq!(end.get("end"), Some(&b"closed"[..]));
        raw.notify_by_name("_StreamStop", [("stream", &number[..])]).await.unwrap();
        assert!(matches!(closed.await.unwrap(), Err(SinkError::Stopped)));
    }
    settle().await;
    ours.call_remote(Ping).await.unwrap();
    drop(ours);
    timeout(Duration::from_secs(100), raw.closed()).await.expect("nobody holds the connection");
}

/// A receiver that says nothing leaves nobody waiting for what it will not say.
#[tokio::test(start_paused = true)]
async fn who_waits_for_a_sink_that_goes_learns_so() {
    let (taken, mut sinks) = mpsc::unbounded_channel();
    let works = async |context: Context<mpsc::UnboundedSender<_>>, call: Work| {
        context.state().send(call.progress).expect("the test waits");
        Ok::<_, NoError>(())
    };
    let (mut raw, ours) = Raw::pair(limits(), Responders::new(taken).respond(works));
    raw.call("Work", &[("progress", "1")]).await.unwrap();
    raw.expect("_StreamTaken").await;
    // It is never opened,
    let sink: SinkOf<u64> = sinks.recv().await.unwrap();
    let stopped = tokio::spawn(sink.stopped());
    settle().await;
    assert!(!stopped.is_finished());
    drop(sink);
    let error = timeout(Duration::from_secs(100), stopped).await.expect("it is over").unwrap();
    assert!(matches!(error, SinkError::Ended), "{error}");
    // or the peer has it.
    let (progress, _stream) = StreamOf::pair();
    let stopped = progress.stopped();
    ours.call_remote(Work { progress }).await.unwrap();
    let error = timeout(Duration::from_secs(100), stopped).await.expect("it is elsewhere");
    assert!(matches!(error, SinkError::Ended), "{error}");
}
