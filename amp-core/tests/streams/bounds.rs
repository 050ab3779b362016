//! What streams hold at most, whatever a peer sends.

use amp_core::Responders;
use amp_core::streams::{SinkError, StreamError, StreamOf};
use amp_core::{
    AmpBox, Argument, Connection, Limits, Ping, ReceivedCall, RemoteError, Report, tcp,
};
use bytes::Bytes;
use futures_util::SinkExt;
use std::fmt::Debug;
use std::future::pending;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::raw::{Raw, code, limits, list, uploads, uploads_of};
use super::{Get, Upload, all, downloads, nothing, pair_with, settle};

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
    assert_eq!(Report::new(&error).to_string(), message);
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
    let raw = tcp::connection(stream).unwrap().spawn();
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

/// An end that would be over the limit of this side's own boxes.
#[tokio::test(start_paused = true)]
async fn an_end_that_is_too_large_is_cut() {
    for items in [0, 3] {
        let boxes = amp_core::boxes::BoxLimits::default().max_bytes(2048);
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
