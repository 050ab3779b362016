use amp_core::argument::{DecodeErrorKind, EncodeErrorKind};
use amp_core::boxes::BoxLimits;
use amp_core::reconnect::Connector;
use amp_core::streams::{SinkError, SinkOf, StreamError, StreamOf};
use amp_core::{
    Arguments, CallError, CloseReason, Command, CommandError, Connection, Context, Limits, NoError,
    RemoteError, Report, Responders, testing,
};
use bytes::Bytes;
use std::future::pending;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::mpsc;

use super::{Download, Get, Upload, Work, all, downloads, nothing, settle};

#[derive(CommandError, Debug, PartialEq, thiserror::Error)]
enum JobError {
    #[error("out of paper")]
    OutOfPaper,
}

#[tokio::test(start_paused = true)]
async fn close_waits_until_all_was_taken() {
    let (responders, mut sinks) = downloads();
    let (peer, _there) = testing::pair(nothing(), responders);
    let mut stream = peer.call_remote(Get {}).await.unwrap().items;
    let mut sink = sinks.recv().await.unwrap();
    sink.send(1).await.unwrap();
    let closed = tokio::spawn(sink.close());
    settle().await;
    assert!(!closed.is_finished());
    assert_eq!(stream.next().await.unwrap().unwrap(), 1);
    settle().await;
    assert!(!closed.is_finished(), "the end is not taken");
    assert!(stream.next().await.is_none() && stream.next().await.is_none());
    closed.await.unwrap().unwrap();
}

/// A way to end a sink.
type Ends = fn(SinkOf<u64>);

#[tokio::test(start_paused = true)]
async fn what_was_sent_comes_before_how_it_ends() {
    let (responders, mut sinks) = downloads();
    let (peer, _there) = testing::pair(nothing(), responders);
    let ends: [(Ends, Option<&str>); 3] = [
        (drop, None),
        (|sink| sink.fail(&JobError::OutOfPaper), Some("paper")),
        (|sink| sink.fail_with(RemoteError::new("FIRE", "it burns")), Some("FIRE: it burns")),
    ];
    for (ends, failed) in ends {
        let stream = peer.call_remote(Get {}).await.unwrap().items;
        let mut sink = sinks.recv().await.unwrap();
        for n in 0..10_000 {
            if n == 600 {
                break;
            }
            sink.send(n).await.unwrap();
        }
        ends(sink);
        let (items, error) = all(stream).await;
        assert!(items.into_iter().eq(0..600));
        match error.unwrap() {
            StreamError::Unfinished => assert!(failed.is_none()),
            error @ StreamError::Failed(_) if failed == Some("paper") => {
                assert_eq!(error.declared::<JobError>(), Some(JobError::OutOfPaper));
            }
            error @ StreamError::Failed(_) => {
                assert!(Report::new(&error).to_string().ends_with(failed.unwrap()));
            }
            other => panic!("{other}"),
        }
    }
}

/// With items on their way, with none, and before any was sent.
#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_stops_its_sink_at_once() {
    for sent in [0, 1, 5000] {
        let (responders, mut sinks) = downloads();
        let (peer, _there) = testing::pair(nothing(), responders);
        let mut stream = peer.call_remote(Get {}).await.unwrap().items;
        let mut sink = sinks.recv().await.unwrap();
        let stopped = tokio::spawn(sink.stopped());
        let sends = tokio::spawn(async move {
            for n in 0..sent {
                sink.send(n).await?;
            }
            pending::<()>().await;
            sink.close().await
        });
        settle().await;
        if sent > 0 {
            stream.next().await.unwrap().unwrap();
        }
        assert!(!stopped.is_finished());
        let began = tokio::time::Instant::now();
        drop(stream);
        assert!(matches!(stopped.await.unwrap(), SinkError::Stopped));
        assert_eq!(began.elapsed(), std::time::Duration::ZERO);
        settle().await;
        if sent == 5000 {
            assert!(matches!(sends.await.unwrap(), Err(SinkError::Stopped)));
        }
        // The number is free, and the connection as it was.
        assert_eq!(peer.running_responders(), 0);
        peer.call_remote(Get {}).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn both_ends_have_the_reason_of_the_connection() {
    let (responders, mut sinks) = downloads();
    let (peer, there) = testing::pair(nothing(), responders);
    let stream = peer.call_remote(Get {}).await.unwrap().items;
    let mut sink = sinks.recv().await.unwrap();
    for n in 0..100 {
        sink.send(n).await.unwrap();
    }
    let (unopened, progress) = StreamOf::<u64>::pair();
    settle().await;
    there.close().await;
    // What came before is not lost.
    let (items, error) = all(stream).await;
    assert!(items.into_iter().eq(0..100));
    assert!(matches!(error, Some(StreamError::Closed(CloseReason::Peer))), "{error:?}");
    assert!(matches!(sink.stopped().await, SinkError::Closed(CloseReason::Local)));
    assert!(matches!(sink.send(1).await, Err(SinkError::Closed(_))));
    assert!(matches!(sink.close().await, Err(SinkError::Closed(_))));
    let error = peer.call_remote(Work { progress: unopened }).await.unwrap_err();
    assert!(error.is_closed());
    assert!(matches!(all(progress).await.1, Some(StreamError::NotSent)));
}

/// An end that is held keeps the connection open.
#[tokio::test(start_paused = true)]
async fn an_end_keeps_its_connection_open() {
    let (responders, mut sinks) = downloads();
    let (peer, there) = testing::pair(nothing(), responders);
    let mut stream = peer.call_remote(Get {}).await.unwrap().items;
    let mut sink = sinks.recv().await.unwrap();
    drop(peer);
    for n in 0..3 {
        sink.send(n).await.unwrap();
        settle().await;
        assert_eq!(stream.next().await.unwrap().unwrap(), n);
    }
    drop(stream);
    assert!(matches!(there.closed().await, CloseReason::Peer));
}

fn upload() -> (SinkOf<u64>, Upload<u64>) {
    let (sink, items) = StreamOf::pair();
    (sink, Upload { items })
}

fn work() -> (StreamOf<u64>, Work) {
    let (progress, received) = StreamOf::pair();
    (received, Work { progress })
}

#[derive(Command)]
struct Large {
    items: StreamOf<u64>,
    bytes: Bytes,
}

#[derive(Command)]
#[amp(name = "Upload")]
struct Number {
    #[amp(rename = "items")]
    _items: u64,
}

#[derive(Command)]
#[amp(name = "Work")]
struct OtherNumber {
    #[amp(rename = "progress")]
    _progress: u64,
}

/// A producer that is done before its stream is on its way, and a caller that wants no progress.
#[tokio::test(start_paused = true)]
async fn an_end_that_is_over_before_the_other_one_is_sent_says_so_there() {
    let ends = Mutex::new(0);
    let get = |context: Context<Mutex<u32>>, _: Get| async move {
        let (sink, items) = StreamOf::pair();
        let mut count = context.state().lock().unwrap();
        *count += 1;
        match *count {
            1 => sink.fail(&JobError::OutOfPaper),
            2 => drop(sink),
            _ => drop(tokio::spawn(sink.close())),
        }
        Ok::<_, NoError>(Download { items })
    };
    let work = async |_: Context<Mutex<u32>>, Work { progress }: Work| {
        assert!(matches!(progress.stopped().await, SinkError::Stopped));
        Ok::<_, NoError>(())
    };
    let responders = Responders::new(ends).respond(get).respond(work);
    let (peer, _there) = testing::pair(nothing(), responders);
    let failed = all(peer.call_remote(Get {}).await.unwrap().items).await.1.unwrap();
    assert_eq!(failed.declared(), Some(JobError::OutOfPaper));
    let dropped = all(peer.call_remote(Get {}).await.unwrap().items).await.1;
    assert!(matches!(dropped, Some(StreamError::Unfinished)));
    assert!(all(peer.call_remote(Get {}).await.unwrap().items).await.1.is_none());
    let (progress, received) = StreamOf::pair();
    drop(received);
    peer.call_remote(Work { progress }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn streams_of_calls_that_are_not_sent_end() {
    let (sink, call) = upload();
    let (stream, other) = work();
    drop((call, other));
    assert!(matches!(sink.stopped().await, SinkError::NotSent));
    assert!(matches!(all(stream).await.1, Some(StreamError::NotSent)));

    let boxes = BoxLimits::default().max_bytes(10_000);
    let (near, _far) = tokio::io::duplex(100);
    let peer = Connection::new(near).limits(Limits::default().boxes(boxes)).spawn();
    for len in [10_000, 100_000] {
        let (sink, items) = StreamOf::pair();
        let error = peer.call_remote(Large { items, bytes: vec![0; len].into() }).await;
        assert!(matches!(error, Err(CallError::Encode(_))));
        assert!(matches!(sink.stopped().await, SinkError::NotSent));
    }
    // Neither was dropped.
    let (mut sink, items) = StreamOf::pair();
    let send = tokio::spawn(async move { sink.send(1).await });
    settle().await;
    assert!(!send.is_finished());
    drop(items);
    assert!(matches!(send.await.unwrap(), Err(SinkError::NotSent)));
}

#[tokio::test(start_paused = true)]
async fn streams_of_calls_that_fail_or_do_not_take_them_end() {
    // Nobody answers,
    let (peer, _there) = testing::pair(nothing(), nothing());
    let ((sink, call), (stream, other)) = (upload(), work());
    assert!(peer.call_remote(call).await.unwrap_err().is_unhandled());
    assert!(peer.call_remote(other).await.unwrap_err().is_unhandled());
    assert!(matches!(sink.stopped().await, SinkError::NotTaken));
    assert!(matches!(all(stream).await.1, Some(StreamError::NotTaken)));

    // or somebody who takes it for a number, as a peer does that knows no streams.
    let takes = Responders::new(())
        .respond(async |_: Context, _: Number| Ok::<_, NoError>(()))
        .respond(async |_: Context, _: OtherNumber| Ok::<_, NoError>(()));
    let (peer, _there) = testing::pair(nothing(), takes);
    let ((sink, call), (stream, other)) = (upload(), work());
    peer.call_remote(call).await.unwrap();
    peer.call_remote(other).await.unwrap();
    assert!(matches!(sink.stopped().await, SinkError::NotTaken));
    assert!(matches!(all(stream).await.1, Some(StreamError::NotTaken)));
}

/// A call that is given up ends its streams unless the peer has them by then.
#[tokio::test(start_paused = true)]
async fn streams_of_calls_that_are_given_up() {
    let waits = async |_: Context, Work { mut progress }: Work| {
        progress.send(1).await.expect("somebody receives");
        let _ = progress.stopped().await;
        Ok::<_, NoError>(())
    };
    let (peer, there) = testing::pair(nothing(), Responders::new(()).respond(waits));
    let (mut stream, call) = work();
    let timeout = Duration::from_secs(5);
    assert!(peer.call_remote(call).timeout(timeout).await.unwrap_err().is_timeout());
    assert_eq!(stream.next().await.unwrap().unwrap(), 1);
    assert_eq!(there.running_responders(), 1);
    drop(stream);
    settle().await;
    assert_eq!(there.running_responders(), 0, "the job has learned of it");

    let (near, _silent) = tokio::io::duplex(1000);
    let peer = Connection::new(near).spawn();
    let (sink, call) = upload();
    assert!(peer.call_remote(call).timeout(timeout).await.unwrap_err().is_timeout());
    assert!(matches!(sink.stopped().await, SinkError::NotTaken));
}

/// An answer that nobody reads, or that comes too late.
#[tokio::test(start_paused = true)]
async fn streams_of_answers_that_nobody_reads_end_in_time() {
    let (responders, mut sinks) = downloads();
    let (peer, _there) = testing::pair(nothing(), responders);
    peer.call_by_name("Get", [("", ""); 0]).await.unwrap();
    let sink = sinks.recv().await.unwrap();
    let start = tokio::time::Instant::now();
    assert!(matches!(sink.stopped().await, SinkError::NotTaken));
    assert_eq!(start.elapsed(), Limits::default().unclaimed_timeout);
    // Many of them do not use up the streams that there may be.
    for _ in 0..1000 {
        peer.call_by_name("Get", [("", ""); 0]).await.unwrap();
        let sink = sinks.recv().await.unwrap();
        let _ = sink.stopped().await;
    }
    peer.call_remote(Get {}).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_end_without_a_connection_says_so() {
    let (_sink, call) = upload();
    let error = call.encode().unwrap_err();
    assert!(matches!(error.kind(), EncodeErrorKind::NoForm { .. }));
    let message = "argument items: a stream without a connection has no form on the wire";
    assert_eq!(error.to_string(), message);
    let (_stream, call) = work();
    assert!(matches!(call.encode().unwrap_err().kind(), EncodeErrorKind::NoForm { .. }));
    let bytes = Bytes::from_static(b"\0\x05items\0\x010\0\0");
    let error = Upload::<u64>::decode(bytes).unwrap_err();
    assert!(matches!(error.kind(), DecodeErrorKind::NoForm { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_end_is_sent_once_and_not_on() {
    #[derive(Command)]
    struct Both {
        sink: SinkOf<u64>,
        stream: StreamOf<u64>,
    }

    let (peer, there) = testing::pair(nothing(), nothing());
    let (sink, stream) = StreamOf::pair();
    let error = peer.call_remote(Both { sink, stream }).await.unwrap_err();
    let CallError::Encode(error) = error else { panic!("{error}") };
    assert_eq!(error.to_string(), "argument stream: the other end of the stream was sent");

    let (taken, mut streams) = mpsc::unbounded_channel();
    let upload = async move |context: Context<mpsc::UnboundedSender<_>>, call: Upload<u64>| {
        context.state().send(call.items).expect("the test waits");
        Ok::<_, NoError>(())
    };
    there.replace_responders(Responders::new(taken).respond(upload)).unwrap();
    let (_sink, items) = StreamOf::<u64>::pair();
    peer.call_remote(Upload { items }).await.unwrap();
    let items = streams.recv().await.unwrap();
    let error = there.call_remote(Upload { items }).await.unwrap_err();
    let message = "the call cannot be written: argument items: an end that came from a peer cannot be sent on";
    assert_eq!(Report::new(&error).to_string(), message);
}

/// They do not go over to the next one.
#[tokio::test(start_paused = true)]
async fn streams_of_a_client_that_connects_again_end_with_their_connection() {
    let (taken, mut sinks) = mpsc::unbounded_channel();
    let client = Connector::new(move || {
        let taken = taken.clone();
        async move {
            let (near, far) = tokio::io::duplex(64 << 10);
            let (responders, mut new) = downloads();
            let there = Connection::new(far).responders(responders).spawn();
            tokio::spawn(async move {
                while let Some(sink) = new.recv().await {
                    let _ = taken.send((sink, there.clone()));
                }
            });
            Ok::<_, std::io::Error>(Connection::new(near))
        }
    })
    .spawn();
    for _ in 0..3 {
        let stream = client.call_remote(Get {}).wait_for_connection().await.unwrap().items;
        let (mut sink, there) = sinks.recv().await.unwrap();
        sink.send(7).await.unwrap();
        settle().await;
        there.close().await;
        let (items, error) = all(stream).await;
        assert_eq!(items, [7]);
        assert!(matches!(error, Some(StreamError::Closed(_))));
        assert!(matches!(sink.send(8).await, Err(SinkError::Closed(_))));
    }
}

/// A call that a closing peer has refused is made again with its streams: nothing of those was sent.
#[tokio::test(start_paused = true)]
async fn streams_of_calls_that_a_closing_peer_refuses_go_over_to_the_next() {
    let waits = async |_: Context, _: Get| -> Result<Download, NoError> { pending().await };
    let takes = async |_: Context, Upload { items }: Upload<u64>| {
        assert_eq!(all(items).await.0, [7, 8]);
        Ok::<_, NoError>(())
    };
    let works = async |_: Context, Work { mut progress }: Work| {
        progress.send(9).await.expect("somebody receives");
        Ok::<_, NoError>(())
    };
    let (connected, mut connections) = mpsc::unbounded_channel();
    let client = Connector::new(move || {
        let connected = connected.clone();
        async move {
            let (near, far) = tokio::io::duplex(64 << 10);
            let responders = Responders::new(()).respond(waits).respond(takes).respond(works);
            let _ = connected.send(Connection::new(far).responders(responders).spawn());
            Ok::<_, std::io::Error>(Connection::new(near))
        }
    })
    .spawn();
    for _ in 0..3 {
        // A call that is waited for keeps the ending connection open.
        let waiting = tokio::spawn(client.call_remote(Get {}).wait_for_connection());
        let there = connections.recv().await.unwrap();
        settle().await;
        let closing = there.clone();
        tokio::spawn(async move { closing.close_gracefully(Duration::from_secs(100)).await });
        settle().await;
        let ((mut sink, call), (mut stream, other)) = (upload(), work());
        let calls = tokio::spawn(client.call_remote(call).wait_for_connection());
        sink.send(7).await.unwrap();
        sink.send(8).await.unwrap();
        sink.close().await.unwrap();
        calls.await.unwrap().unwrap();
        let other = tokio::spawn(client.call_remote(other).wait_for_connection());
        assert_eq!(stream.next().await.unwrap().unwrap(), 9);
        other.await.unwrap().unwrap();
        connections.recv().await.unwrap().close().await;
        assert!(waiting.await.unwrap().is_err());
    }
}

#[derive(Command)]
#[amp(response = Input)]
struct Start {}

#[derive(Arguments)]
struct Input {
    numbers: SinkOf<u64>,
}

/// It has nothing else of the connection, and the other side has not said that it receives.
#[tokio::test(start_paused = true)]
async fn how_a_sink_ends_that_is_the_last_of_its_connection_is_sent() {
    let ends: [(Ends, bool); 2] = [
        (|sink| sink.fail(&JobError::OutOfPaper), true),
        (|sink| drop(tokio::spawn(sink.close())), false),
    ];
    for (ends, fails) in ends {
        let (streams, mut taken) = mpsc::unbounded_channel();
        let start = async |context: Context<mpsc::UnboundedSender<_>>, _: Start| {
            let (numbers, received) = StreamOf::pair();
            context.state().send(received).expect("the test waits");
            Ok::<_, NoError>(Input { numbers })
        };
        let (peer, _there) = testing::pair(nothing(), Responders::new(streams).respond(start));
        let Input { numbers } = peer.call_remote(Start {}).await.unwrap();
        drop(peer);
        ends(numbers);
        let error = all::<u64>(taken.recv().await.unwrap()).await.1;
        let failed = error.map(|error| error.declared());
        assert_eq!(failed, fails.then_some(Some(JobError::OutOfPaper)));
    }
}

/// Where nobody makes the call again.
#[tokio::test(start_paused = true)]
async fn streams_of_calls_that_a_closing_peer_refuses_end() {
    let waits = async |_: Context, _: Get| -> Result<Download, NoError> { pending().await };
    let (peer, there) = testing::pair(nothing(), Responders::new(()).respond(waits));
    let waiting = tokio::spawn(peer.call_remote(Get {}));
    settle().await;
    tokio::spawn(async move { there.close_gracefully(Duration::from_secs(1000)).await });
    settle().await;
    let ((sink, call), (stream, other)) = (upload(), work());
    let is_closing = |called: Result<(), CallError>| match called {
        Err(CallError::Remote(error)) => error.is_closing(),
        _ => false,
    };
    assert!(is_closing(peer.call_remote(call).await));
    assert!(is_closing(peer.call_remote(other).await));
    let both = async { tokio::join!(sink.stopped(), all(stream)) };
    let (stopped, (_, error)) =
        tokio::time::timeout(Duration::from_secs(100), both).await.expect("both are told");
    assert!(matches!(stopped, SinkError::NotTaken), "{stopped}");
    assert!(matches!(error, Some(StreamError::NotTaken)), "{error:?}");
    drop(waiting);
}

/// Its reason is that of the connection also while that is only about to end.
#[tokio::test(start_paused = true)]
async fn a_sink_that_is_closed_while_its_connection_ends_has_its_reason() {
    let (responders, mut sinks) = downloads();
    let (near, far) = tokio::io::duplex(1 << 16);
    let ours = Connection::new(near).responders(responders).spawn();
    let raw = Connection::new(far).spawn();
    raw.call_by_name("Get", [("", ""); 0]).await.unwrap();
    let sink = sinks.recv().await.unwrap();
    let open = [("stream", "0"), ("items", "10"), ("bytes", "100")];
    raw.notify_by_name("_StreamOpen", open).await.unwrap();
    settle().await;
    let closing = tokio::spawn(async move { ours.close().await });
    let closed = sink.close().await;
    assert!(matches!(closed, Err(SinkError::Closed(CloseReason::Local))), "{closed:?}");
    closing.await.unwrap();
}
