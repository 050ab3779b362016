//! A peer that does not keep to what streams are.

use amp_core::streams::{SinkError, SinkOf, StreamError, StreamOf};
use amp_core::{AmpBox, Argument, Arguments, CallError, Command, Connection, Context};
use amp_core::{FailurePolicy, Limits, NoError, Peer, Ping, ReceivedCall, RemoteError};
use amp_core::{Report, Responders};
use bytes::Bytes;
use futures_util::SinkExt;
use std::fmt::Debug;
use std::future::pending;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Download, Get, Sinks, Upload, Work, all, downloads, nothing, pair_with, settle};

/// A peer that calls by name, and what it was called with.
struct Raw {
    peer: Peer,
    calls: mpsc::UnboundedReceiver<(String, AmpBox)>,
}

impl Raw {
    /// The other side of it has these responders and limits.
    fn pair<S>(limits: Limits, responders: Responders<S>) -> (Self, Peer) {
        let (sender, calls) = mpsc::unbounded_channel();
        let fallback = Responders::new(()).fallback(move |call: ReceivedCall| {
            let name = String::from_utf8(call.command.to_vec()).unwrap();
            let _ = sender.send((name, call.arguments));
            async { Ok(AmpBox::new()) }
        });
        let (ours, raw) = pair_with(limits, responders, fallback);
        (Self { peer: raw, calls }, ours)
    }

    async fn expect(&mut self, command: &str) -> AmpBox {
        let (name, arguments) = self.calls.recv().await.unwrap();
        assert_eq!(name, command, "{arguments:?}");
        arguments
    }

    async fn items(&self, number: &str, items: &[u8]) -> Result<AmpBox, CallError> {
        let items = [(&b"stream"[..], number.as_bytes()), (b"items", items)];
        self.peer.call_by_name("_StreamItems", items).await
    }

    async fn call(&self, command: &str, pairs: &[(&str, &str)]) -> Result<AmpBox, CallError> {
        self.peer.call_by_name(command, pairs.iter().copied()).await
    }
}

fn list(items: &[&str]) -> Vec<u8> {
    let element =
        |item: &&str| [&u16::try_from(item.len()).unwrap().to_be_bytes(), item.as_bytes()].concat();
    items.iter().flat_map(element).collect()
}

fn limits() -> Limits {
    Limits::default().streams(3).stream_items(4).stream_bytes(100)
}

#[track_caller]
fn code(answer: Result<AmpBox, CallError>) -> String {
    match answer {
        Err(CallError::Remote(error)) => String::from_utf8(error.code.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

type Streams<T> = mpsc::UnboundedSender<StreamOf<T>>;

fn uploads() -> (Responders<Streams<u64>>, mpsc::UnboundedReceiver<StreamOf<u64>>) {
    uploads_of()
}

fn uploads_of<T: Argument + Debug + Send + 'static>()
-> (Responders<Streams<T>>, mpsc::UnboundedReceiver<StreamOf<T>>) {
    let (streams, taken) = mpsc::unbounded_channel();
    let upload = async |context: Context<Streams<T>>, Upload { items }: Upload<T>| {
        context.state().send(items).expect("the test waits");
        Ok::<_, NoError>(())
    };
    (Responders::new(streams).respond(upload), taken)
}

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
    // Who would receive what nobody sends, or send what nobody receives, learns so.
    raw.call("_StreamOpen", &[("stream", "6"), ("items", "1"), ("bytes", "1")]).await.unwrap();
    assert_eq!(raw.expect("_StreamEnd").await.get("end"), Some(&b"dropped"[..]));
    raw.call("_StreamTaken", &[("stream", "7")]).await.unwrap();
    assert_eq!(raw.expect("_StreamStop").await.get("stream"), Some(&b"7"[..]));
    drop(stream);
    assert_eq!(raw.expect("_StreamStop").await.get("stream"), Some(&b"18446744073709551614"[..]));
    assert!(!ours.is_closed());
}

#[tokio::test(start_paused = true)]
async fn there_are_no_more_streams_than_may_be() {
    let (responders, mut streams) = uploads();
    let (mut raw, ours) = Raw::pair(limits(), responders);
    for number in ["0", "2", "4"] {
        raw.call("Upload", &[("items", number)]).await.unwrap();
        raw.expect("_StreamOpen").await;
    }
    assert_eq!(code(raw.call("Upload", &[("items", "6")]).await), "UNKNOWN");
    let (sink, items) = StreamOf::<u64>::pair();
    let error = ours.call_remote(Upload { items }).await.unwrap_err();
    let message = "the call cannot be written: argument items: there are 3 streams, which is the limit \
                   (`Limits::streams`)";
    assert_eq!(Report(&error).to_string(), message);
    assert!(matches!(sink.stopped().await, SinkError::NotSent));
    drop(streams.recv().await.unwrap());
    raw.call("Upload", &[("items", "6")]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn more_than_the_window_ends_the_stream_and_nothing_else() {
    let (responders, mut streams) = uploads();
    let (mut raw, ours) = Raw::pair(limits(), responders);
    for (first, over, message) in [
        (list(&["1"; 4]), list(&["1"]), "the peer has sent more than 4 items of a stream ahead"),
        (list(&["1"]), list(&["9"; 40]), "the peer has sent more than 100 bytes of a stream ahead"),
    ] {
        raw.call("Upload", &[("items", "0")]).await.unwrap();
        raw.expect("_StreamOpen").await;
        let stream = streams.recv().await.unwrap();
        let held = raw.peer.clone();
        let first = tokio::spawn(async move {
            let items = [(&b"stream"[..], &b"0"[..]), (b"items", &first)];
            held.call_by_name("_StreamItems", items).await
        });
        settle().await;
        assert!(!first.is_finished());
        assert_eq!(code(raw.items("0", &over).await), "BAD_ITEM");
        assert_eq!(code(raw.items("0", &list(&["1"])).await), "NO_STREAM", "it is over");
        let (items, error) = all(stream).await;
        assert!(!items.is_empty(), "what came before is received");
        assert_eq!(error.unwrap().to_string(), message);
        first.await.unwrap().unwrap();
    }
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

/// Whatever a receiver lets a sink send, that holds little.
#[tokio::test(start_paused = true)]
async fn a_receiver_that_opens_wide_or_not_at_all_or_often() {
    let (responders, mut sinks) = downloads();
    let silent = Responders::new(()).respond_by_name("_StreamItems", |_: ReceivedCall| async {
        pending::<Result<AmpBox, RemoteError>>().await
    });
    let (ours, raw) = pair_with(limits(), responders, silent);
    let raw = Raw { peer: raw, calls: mpsc::unbounded_channel().1 };
    raw.call("Get", &[]).await.unwrap();
    let mut sink = sinks.recv().await.unwrap();
    let sends = tokio::spawn(async move {
        while let Ok(sent) = timeout(Duration::from_secs(3), sink.send(u64::MAX)).await {
            sent.unwrap();
        }
        sink
    });
    settle().await;
    let wide = [("stream", "0"), ("items", "18446744073709551615"), ("bytes", "9999999999")];
    for _ in 0..3 {
        raw.call("_StreamOpen", &wide).await.unwrap();
    }
    let mut sink = sends.await.unwrap();
    assert_eq!(raw.peer.running_responders(), 64);
    raw.call("_StreamStop", &[("stream", "0")]).await.unwrap();
    assert!(matches!(sink.send(1).await, Err(SinkError::Stopped)));
    raw.call("_StreamStop", &[("stream", "0")]).await.unwrap();
    raw.call("_StreamOpen", &wide).await.unwrap();
    assert!(!ours.is_closed());

    // No room at all: one item at a time, which fails there.
    raw.call("Get", &[]).await.unwrap();
    let mut sink = sinks.recv().await.unwrap();
    raw.call("_StreamOpen", &[("stream", "2"), ("items", "0"), ("bytes", "0")]).await.unwrap();
    assert!(matches!(sink.send(1).await, Err(SinkError::TooLarge { .. })));
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

/// Who has refused an item does not wait for the next.
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

/// What this process has in memory, in bytes.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() << 10
}

/// However much comes beside the items of a call, and whatever they came in: they keep what counts.
#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn items_keep_no_more_than_they_count() {
    const CALLS: usize = 48;
    const JUNK: usize = 8 * 65_000;
    for (key, values) in [("items", list(&vec!["x"; 5000])), ("item", vec![b'x'; 10_000])] {
        let (responders, mut streams) = uploads_of::<Bytes>();
        let limits = Limits::default().stream_items(100_000).stream_bytes(CALLS * (JUNK + 99_000));
        let (mut raw, ours) = Raw::pair(limits, responders);
        raw.call("Upload", &[("items", "0")]).await.unwrap();
        raw.expect("_StreamOpen").await;
        let mut stream = streams.recv().await.unwrap();
        let before = resident();
        for _ in 0..CALLS {
            let mut pairs = vec![("stream".to_owned(), b"0".to_vec())];
            // One alone counts with its box.
            let junk = if key == "items" { JUNK / 65_000 } else { 0 };
            pairs.extend((0..junk).map(|n| (format!("junk{n}"), vec![b'j'; 65_000])));
            pairs.push((key.to_owned(), values.clone()));
            let call = raw.peer.call_by_name("_StreamItems", pairs);
            tokio::spawn(call);
            // What fills the rest of the buffer that the items come in, and is not kept.
            let nothing = vec![b'j'; 60_000];
            for _ in 0..4 {
                let pairs = [("stream", &b"2"[..]), ("items", &nothing)];
                let _ = raw.peer.call_by_name("_StreamItems", pairs).await;
            }
        }
        settle().await;
        let held = resident().saturating_sub(before);
        assert!(held < 8 << 20, "{held} bytes are held for {key}");
        assert_eq!(stream.next().await.unwrap().unwrap().first(), Some(&b'x'));
        assert!(!ours.is_closed());
    }
}

/// Nor do they count among the bytes of running calls, before they are taken.
#[tokio::test(start_paused = true)]
async fn items_that_grow_when_they_are_read_stop_no_calls() {
    let (responders, mut streams) = uploads_of::<Vec<String>>();
    let limits = Limits::default().running_bytes(10_000);
    let (mut raw, _ours) = Raw::pair(limits, responders.respond_ping());
    raw.call("Upload", &[("items", "0")]).await.unwrap();
    raw.expect("_StreamOpen").await;
    let mut stream = streams.recv().await.unwrap();
    let peer = raw.peer.clone();
    tokio::spawn(async move {
        let item = list(&vec!["a"; 5000]);
        let pairs = [("stream", &b"0"[..]), ("item", &item)];
        peer.call_by_name("_StreamItems", pairs).await
    });
    settle().await;
    let began = tokio::time::Instant::now();
    for _ in 0..3 {
        raw.peer.call_remote(amp_core::Ping).await.unwrap();
    }
    assert_eq!(began.elapsed(), Duration::ZERO, "nobody waits for them");
    assert_eq!(stream.next().await.unwrap().unwrap().len(), 5000);
}

/// The streams of one connection leave room for others.
#[tokio::test]
async fn items_count_among_what_all_connections_of_a_server_hold() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (responders, mut streams) = uploads_of::<Bytes>();
    tokio::spawn(amp_core::serve(listener, responders).bytes_in_all(300_000));
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let raw = Connection::tcp(stream).unwrap().spawn();
    raw.call_by_name("Upload", [("items", "0")]).await.unwrap();
    let stream = streams.recv().await.unwrap();
    let mut calls = Vec::new();
    for _ in 0..3 {
        let pairs = [("stream", b"0".to_vec()), ("item", vec![b'x'; 60_000])];
        let raw = raw.clone();
        calls.push(tokio::spawn(async move { raw.call_by_name("_StreamItems", pairs).await }));
    }
    assert_eq!(code(calls.pop().unwrap().await.unwrap()), "BAD_ITEM");
    let (items, error) = all(stream).await;
    assert_eq!(items.len(), 2);
    let message =
        "an item was dropped: there are 300000 bytes held for all connections, which is the limit";
    assert_eq!(error.unwrap().to_string(), message);
    // What was taken counts no more.
    raw.call_by_name("Upload", [("items", "0")]).await.unwrap();
    let mut stream = streams.recv().await.unwrap();
    for _ in 0..5 {
        let pairs = [("stream", b"0".to_vec()), ("item", vec![b'x'; 60_000])];
        let (answer, item) = tokio::join!(raw.call_by_name("_StreamItems", pairs), stream.next());
        assert_eq!((answer.unwrap().len(), item.unwrap().unwrap().len()), (0, 60_000));
    }
}

/// Each call takes memory, whatever it brings.
#[tokio::test(start_paused = true)]
async fn more_calls_than_may_wait_end_the_stream() {
    let (responders, mut streams) = uploads();
    let (mut raw, ours) = Raw::pair(Limits::default(), responders);
    raw.call("Upload", &[("items", "0")]).await.unwrap();
    raw.expect("_StreamOpen").await;
    let stream = streams.recv().await.unwrap();
    for _ in 0..64 {
        let peer = raw.peer.clone();
        tokio::spawn(async move {
            let pairs = [("stream", &b"0"[..]), ("items", b"\0\x011")];
            peer.call_by_name("_StreamItems", pairs).await
        });
    }
    settle().await;
    assert_eq!(code(raw.items("0", &list(&["1"])).await), "BAD_ITEM");
    let (items, error) = all(stream).await;
    let message = "the peer has sent more than 64 calls with items of a stream ahead";
    assert_eq!((items.len(), error.unwrap().to_string()), (64, message.to_owned()));
    assert!(!ours.is_closed());
}

/// Who answers the end of no stream, and stops each, keeps nothing of it.
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

/// An end that would be over the limit of this side's own boxes.
#[tokio::test(start_paused = true)]
async fn an_end_that_is_too_large_is_cut() {
    for items in [0, 3] {
        let boxes = amp_core::BoxLimits::default().max_bytes(2048);
        let (responders, mut sinks) = downloads();
        let limits = Limits::default().boxes(boxes);
        let (peer, _there) = pair_with(limits, nothing(), responders);
        let stream = peer.call_remote(Get {}).await.unwrap().items;
        let mut sink = sinks.recv().await.unwrap();
        for n in 0..items {
            sink.send(n).await.unwrap();
        }
        sink.fail_with(RemoteError::new("C".repeat(900), "\u{e9}".repeat(5000)));
        let (received, error) =
            timeout(Duration::from_secs(100), all(stream)).await.expect("it ends");
        assert_eq!(received.len() as u64, items);
        let Some(StreamError::Failed(error)) = error else { panic!("{error:?}") };
        assert_eq!((error.code.len(), error.description.len()), (512, 512));
    }
}

/// Sums of what a receiver lets come stay numbers, and an item that shows its length when it is written has
/// no more of it than another.
#[tokio::test(start_paused = true)]
async fn items_that_need_the_connection_beside_any_window() {
    #[derive(Debug)]
    struct Padded(StreamOf<u64>, usize);

    impl Argument for Padded {
        fn to_string_proto(
            &self,
            proto: &mut amp_core::Proto<'_>,
            out: &mut amp_core::ValueWriter<'_>,
        ) -> Result<(), amp_core::EncodeError> {
            self.0.to_string_proto(proto, out)?;
            out.put_slice(&vec![b' '; self.1]);
            Ok(())
        }

        fn from_string_proto(
            _: amp_core::Value<'_>,
            _: &mut amp_core::Proto<'_>,
        ) -> Result<Self, amp_core::DecodeError> {
            unreachable!()
        }
    }

    let (mut raw, ours) = Raw::pair(Limits::default(), nothing());
    for (bytes, window, padding) in
        [("18446744073709551615", usize::MAX >> 3, 60_000), ("1000", 1000, 10)]
    {
        let (mut sink, items) = StreamOf::<Padded>::pair();
        let call = tokio::spawn(ours.call_remote(Upload { items }));
        let number = raw.expect("Upload").await.get("items").unwrap().to_vec();
        let items = "18446744073709551615";
        let open = [("items", items.as_bytes()), ("bytes", bytes.as_bytes()), ("stream", &number)];
        raw.peer.notify_by_name("_StreamOpen", open).await.unwrap();
        call.await.unwrap().unwrap();
        for _ in 0..3 {
            sink.send(Padded(StreamOf::pair().1, padding)).await.unwrap();
        }
        SinkExt::flush(&mut sink).await.unwrap();
        sink.send(Padded(StreamOf::pair().1, 2000)).await.unwrap();
        match SinkExt::flush(&mut sink).await {
            Err(SinkError::TooLarge { len, limit }) => {
                assert!(len > 2000 && limit == 1000 && window == 1000, "{len} {limit}");
            }
            flushed => assert!(window > 1000 && flushed.is_ok(), "{flushed:?}"),
        }
        drop(sink);
        while raw.calls.recv().await.unwrap().0 != "_StreamEnd" {}
    }
}

/// What was not taken out of streams that have ended counts as that of others.
#[tokio::test(start_paused = true)]
async fn streams_that_have_ended_hold_no_more_than_open_ones() {
    let (responders, mut streams) = uploads_of::<Bytes>();
    let limits = Limits::default().streams(2).stream_bytes(1000);
    let (mut raw, ours) = Raw::pair(limits, responders.respond_ping());
    let mut put_aside = Vec::new();
    let item = list(&["x".repeat(898).as_str()]);
    for round in 0..500 {
        let number = (2 * round).to_string();
        raw.call("Upload", &[("items", &number)]).await.unwrap();
        raw.expect("_StreamOpen").await;
        let items = [(&b"stream"[..], number.as_bytes()), (b"items", &item)];
        raw.peer.notify_by_name("_StreamItems", items).await.unwrap();
        let end = [("stream", number.as_str()), ("end", "failed"), ("code", &"C".repeat(9000))];
        raw.peer.notify_by_name("_StreamEnd", end).await.unwrap();
        put_aside.push(streams.recv().await.unwrap());
    }
    raw.peer.call_remote(Ping).await.unwrap();
    let (mut held, mut refused) = (0, 0);
    for stream in put_aside {
        let (items, error) = all(stream).await;
        held += items.iter().map(Bytes::len).sum::<usize>();
        match error.unwrap() {
            StreamError::Limit { limit, .. } => {
                assert_eq!(limit, 2 * (1000 + 65 * 640 + 11_000));
                refused += 1;
            }
            StreamError::Failed(error) => assert_eq!(error.code.len(), 1000),
            other => panic!("{other}"),
        }
    }
    assert!(
        held < 2 * (1000 + 65 * 640 + 11_000) && refused > 400,
        "{held} bytes, {refused} refused"
    );
    // Nothing counts that was taken.
    raw.call("Upload", &[("items", "2000")]).await.unwrap();
    let stream = streams.recv().await.unwrap();
    let items = [(&b"stream"[..], &b"2000"[..]), (b"items", &item)];
    raw.peer.notify_by_name("_StreamItems", items).await.unwrap();
    raw.peer.notify_by_name("_StreamEnd", [("stream", "2000"), ("end", "closed")]).await.unwrap();
    let (items, error) = all(stream).await;
    assert!(items.len() == 1 && error.is_none(), "{error:?}");
    assert!(!ours.is_closed());
}

/// What a call is named by is kept with its items.
#[tokio::test(start_paused = true)]
async fn a_long_tag_counts_with_what_its_call_brings() {
    let (responders, mut streams) = uploads();
    let (near, mut far) = tokio::io::duplex(64 << 10);
    let limits = Limits::default().streams(1).stream_bytes(60);
    let ours = Connection::new(near).limits(limits).responders(responders).spawn();
    let upload = AmpBox::from_pairs([("_command", "Upload"), ("_ask", "1"), ("items", "0")]);
    far.write_all(&upload.unwrap().to_bytes()).await.unwrap();
    let mut stream = streams.recv().await.unwrap();
    let mut bring = async |tag: &str| {
        let pairs =
            [("_command", "_StreamItems"), ("_ask", tag), ("stream", "0"), ("items", "\0\x017")];
        far.write_all(&AmpBox::from_pairs(pairs).unwrap().to_bytes()).await.unwrap();
    };
    // The window is of the lists alone.
    for n in 0..20 {
        bring(&format!("{n:036}")).await;
    }
    settle().await;
    for _ in 0..20 {
        assert_eq!(stream.next().await.unwrap().unwrap(), 7);
    }
    bring(&"t".repeat(60_000)).await;
    let error = stream.next().await.unwrap().unwrap_err();
    assert!(matches!(error, StreamError::Limit { .. }), "{error}");
    assert!(!ours.is_closed());
}

/// An end says why, also where the stream holds as much as it may.
#[tokio::test(start_paused = true)]
async fn a_full_stream_has_room_for_its_end() {
    let (responders, mut streams) = uploads_of::<Bytes>();
    let (mut raw, _ours) = Raw::pair(Limits::default().streams(1).stream_bytes(6400), responders);
    raw.call("Upload", &[("items", "0")]).await.unwrap();
    raw.expect("_StreamOpen").await;
    let item = list(&["x".repeat(98).as_str()]);
    for _ in 0..64 {
        let items = [(&b"stream"[..], &b"0"[..]), (b"items", &item)];
        raw.peer.notify_by_name("_StreamItems", items).await.unwrap();
    }
    let (code, description) = ("C".repeat(1000), "d".repeat(10_000));
    let end = [("stream", "0"), ("end", "failed"), ("code", &code), ("description", &description)];
    raw.peer.notify_by_name("_StreamEnd", end).await.unwrap();
    settle().await;
    let (items, error) = all(streams.recv().await.unwrap()).await;
    assert_eq!(items.len(), 64);
    assert!(matches!(error.unwrap(), StreamError::Failed(_)));
}
