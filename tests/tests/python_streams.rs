//! Streams with a Twisted that has the mixin of the package `amp-arguments`, both ways.

use amp_core::streams::{ByteSink, ByteStream, SinkError, SinkOf, StreamError, StreamOf};
use amp_core::{Arguments, Command, Context, NoError, Peer, RemoteError, Responders};
use amp_tests::{Address, DEADLINE, Python, Transport};
use amp_unix::Descriptor;
use bytes::Bytes;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

#[derive(Command)]
#[amp(response = Numbers)]
struct Count {
    to: u64,
    how: String,
}

#[derive(Arguments)]
struct Numbers {
    numbers: StreamOf<u64>,
}

#[derive(Command)]
#[amp(response = Total)]
struct Sum {
    numbers: StreamOf<u64>,
}

#[derive(Arguments)]
struct Total {
    total: u64,
    error: String,
}

#[derive(Command)]
#[amp(response = Done)]
struct Work {
    progress: SinkOf<u64>,
}

#[derive(Arguments)]
struct Done {
    done: u64,
}

#[derive(Command)]
#[amp(response = Into)]
struct Feed {
    most: u64,
}

#[derive(Arguments)]
struct Into {
    into: ByteSink,
}

#[derive(Command)]
#[amp(response = Len)]
struct Fed {}

#[derive(Arguments)]
struct Len {
    len: u64,
}

/// How many numbers the last `Count` has got rid of.
#[derive(Command)]
#[amp(response = Len)]
struct Pushed {}

/// Takes nothing out of the stream, until it is to be summed up.
#[derive(Command)]
struct Hold {
    numbers: StreamOf<u64>,
}

#[derive(Command)]
#[amp(response = Released)]
struct Release {}

#[derive(Arguments)]
struct Released {
    total: u64,
}

/// Sends all bytes back.
#[derive(Command)]
#[amp(response = Back)]
struct Echo {
    bytes: ByteStream,
}

#[derive(Arguments)]
struct Back {
    back: ByteStream,
}

#[derive(Command)]
#[amp(response = Contents)]
struct ReadAll {
    files: StreamOf<Descriptor>,
}

#[derive(Arguments)]
struct Contents {
    into: StreamOf<Bytes>,
}

/// Takes the first descriptor, and no other.
#[derive(Command)]
struct TakeOne {
    files: StreamOf<Descriptor>,
}

/// How many descriptors the program has.
#[derive(Command)]
#[amp(response = Len)]
struct Opened {}

#[derive(Command)]
#[amp(response = Said)]
struct Drive {}

#[derive(Arguments)]
struct Said {
    said: String,
}

/// How many items either side takes ahead of each stream.
const ITEMS: u64 = 1024;

/// A way to end a sink.
type Ends = fn(SinkOf<u64>);

async fn connect<S>(program: &amp_tests::Peer, responders: Responders<S>) -> Peer {
    let Address::Unix(path) = program.address() else { unreachable!("it listens on a socket") };
    amp_unix::connect(path).await.unwrap().responders(responders).spawn()
}

fn twisted() -> amp_tests::Peer {
    running("streams.py")
}

fn running(program: &str) -> amp_tests::Peer {
    let python = Python::with_twisted(env!("CARGO_TARGET_TMPDIR"));
    amp_tests::Peer::start(python.program(program), Transport::Unix)
}

async fn all(mut stream: StreamOf<u64>) -> (u64, Option<StreamError>) {
    let mut next = 0;
    while let Some(item) = stream.next().await {
        match item {
            Ok(n) => assert_eq!(n, next),
            Err(error) => return (next, Some(error)),
        }
        next += 1;
    }
    (next, None)
}

#[tokio::test]
async fn ours_calls_twisted() {
    let program = twisted();
    timeout(4 * DEADLINE, async {
        let peer = connect(&program, Responders::new(())).await;
        for (how, to) in [("closed", 0), ("closed", 20_000), ("failed", 2000)] {
            let how = how.to_owned();
            let call = Count { to, how: how.clone() };
            let (received, error) = all(peer.call_remote(call).await.unwrap().numbers).await;
            assert_eq!(received, to);
            match error {
                None => assert_eq!(how, "closed"),
                Some(StreamError::Failed(error)) => {
                    assert_eq!(error, RemoteError::new("FIRE", "it burns"));
                }
                Some(other) => panic!("{other}"),
            }
        }
        // Beside one of theirs, which has the same number.
        let call = Count { to: 10_000, how: "closed".to_owned() };
        let mut numbers = peer.call_remote(call).await.unwrap().numbers;
        assert_eq!(numbers.next().await.unwrap().unwrap(), 0);
        let (mut sink, own) = StreamOf::pair();
        let sum = tokio::spawn(peer.call_remote(Sum { numbers: own }));
        for n in 0..5000 {
            sink.send(n).await.unwrap();
            assert_eq!(numbers.next().await.unwrap().unwrap(), n + 1);
        }
        sink.close().await.unwrap();
        assert_eq!(sum.await.unwrap().unwrap().total, 5000 * 4999 / 2);
        for n in 5001..10_000 {
            assert_eq!(numbers.next().await.unwrap().unwrap(), n);
        }
        assert!(numbers.next().await.is_none());
        // Stopped half way, more than once on a connection.
        for _ in 0..3 {
            let call = Count { to: 1 << 40, how: String::new() };
            let mut numbers = peer.call_remote(call).await.unwrap().numbers;
            for n in 0..3000 {
                assert_eq!(numbers.next().await.unwrap().unwrap(), n);
            }
        }

        let ends: [(Ends, &str); 3] = [
            (|sink| drop(tokio::spawn(sink.close())), ""),
            (drop, "the end is missing"),
            (|sink| sink.fail_with(RemoteError::new("FIRE", "it burns")), "Code<FIRE>: it burns"),
        ];
        for (ends, expected) in ends {
            let (mut sink, numbers) = StreamOf::pair();
            let call = tokio::spawn(peer.call_remote(Sum { numbers }));
            for n in 0..5000 {
                sink.send(n).await.unwrap();
            }
            ends(sink);
            let Total { total, error } = call.await.unwrap().unwrap();
            assert_eq!(total, 5000 * 4999 / 2);
            assert_eq!(error, expected);
        }

        let (progress, mut received) = StreamOf::pair();
        let call = tokio::spawn(peer.call_remote(Work { progress }));
        for n in 0..5000 {
            assert_eq!(received.next().await.unwrap().unwrap(), n);
        }
        drop(received);
        assert!(call.await.unwrap().unwrap().done >= 5000);

        let mut into = peer.call_remote(Feed { most: u64::MAX }).await.unwrap().into;
        into.write_all(&vec![7; 1_000_000]).await.unwrap();
        into.shutdown().await.unwrap();
        assert_eq!(peer.call_remote(Fed {}).await.unwrap().len, 1_000_000);
        let mut into = peer.call_remote(Feed { most: 100_000 }).await.unwrap().into;
        let stopped = into.stopped();
        while into.write_all(&[7; 10_000]).await.is_ok() {}
        assert!(matches!(stopped.await, SinkError::Stopped));

        let (mut sink, files) = StreamOf::pair();
        let mut contents = peer.call_remote(ReadAll { files }).await.unwrap().into;
        for n in 0..20 {
            let mut file = tempfile::tempfile().unwrap();
            write!(file, "number {n}").unwrap();
            sink.send(Descriptor::from(file)).await.unwrap();
            let text = contents.next().await.unwrap().unwrap();
            assert_eq!(text, format!("number {n}"));
        }
        sink.close().await.unwrap();
        assert!(contents.next().await.is_none());
    })
    .await
    .unwrap();
}

/// Bytes go there and back as they are, more than either side takes ahead.
#[tokio::test]
async fn megabytes_go_to_twisted_and_back() {
    let program = twisted();
    timeout(4 * DEADLINE, async {
        let peer = connect(&program, Responders::new(())).await;
        let scattered = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
        let data: Bytes = (0..1_000_000).flat_map(scattered).collect();
        let (mut sink, bytes) = ByteStream::pair();
        let mut back = peer.call_remote(Echo { bytes }).await.unwrap().back;
        let sent = data.clone();
        let sending = tokio::spawn(async move {
            sink.write_all(&sent).await.unwrap();
            sink.shutdown().await.unwrap();
        });
        let mut received = Vec::new();
        back.read_to_end(&mut received).await.unwrap();
        sending.await.unwrap();
        assert!(received == data);
    })
    .await
    .unwrap();
}

/// A receiver that takes nothing stops the sender: all that waits is in the receiver's window. An answer comes
/// after everything that was sent before it, so what has not come after two answers does not come at all.
#[tokio::test]
async fn a_slow_consumer_bounds_what_waits_on_the_other_side() {
    let program = twisted();
    timeout(4 * DEADLINE, async {
        let peer = connect(&program, Responders::new(())).await;
        let pushed = async || {
            peer.call_remote(Pushed {}).await.unwrap();
            peer.call_remote(Pushed {}).await.unwrap().len
        };
        // Twisted sends.
        let call = Count { to: 1 << 40, how: String::new() };
        let mut numbers = peer.call_remote(call).await.unwrap().numbers;
        assert_eq!(pushed().await, ITEMS);
        for n in 0..3000 {
            assert_eq!(numbers.next().await.unwrap().unwrap(), n);
        }
        let more = pushed().await;
        assert!((3000..=3000 + ITEMS).contains(&more), "{more}");
        assert_eq!(pushed().await, more);
        drop(numbers);

        // Twisted takes nothing.
        let (mut sink, numbers) = StreamOf::pair();
        peer.call_remote(Hold { numbers }).await.unwrap();
        let mut sent = 0;
        let mut answers = 0;
        while answers < 2 {
            let wait = async { peer.call_remote(Pushed {}).await.unwrap() };
            tokio::select! {
                biased;
                result = sink.send(sent) => {
                    result.unwrap();
                    (sent, answers) = (sent + 1, 0);
                }
                _ = wait => answers += 1,
            }
        }
        // Beside those on their way, a few wait here to share a box.
        assert!((ITEMS..=2 * ITEMS).contains(&sent), "{sent}");
        let release = tokio::spawn(peer.call_remote(Release {}));
        for n in sent..10_000 {
            sink.send(n).await.unwrap();
        }
        sink.close().await.unwrap();
        assert_eq!(release.await.unwrap().unwrap().total, 10_000 * 9999 / 2);
    })
    .await
    .unwrap();
}

/// Also those that are on their way when their stream is stopped.
#[tokio::test]
async fn twisted_closes_the_descriptors_that_it_does_not_take() {
    let program = twisted();
    timeout(4 * DEADLINE, async {
        let peer = connect(&program, Responders::new(())).await;
        let before = peer.call_remote(Opened {}).await.unwrap().len;
        for _ in 0..50 {
            let (mut sink, files) = StreamOf::pair();
            peer.call_remote(TakeOne { files }).await.unwrap();
            let stopped = loop {
                let file = File::open("/dev/null").unwrap();
                if let Err(error) = sink.send(Descriptor::from(file)).await {
                    break error;
                }
            };
            assert!(matches!(stopped, SinkError::Stopped), "{stopped}");
        }
        assert_eq!(peer.call_remote(Opened {}).await.unwrap().len, before);
    })
    .await
    .unwrap();
}

/// What nobody takes ends; what a Twisted without the mixin says of it too.
#[tokio::test]
async fn a_twisted_that_knows_no_streams_takes_none() {
    let program = running("arguments.py");
    timeout(DEADLINE, async {
        let peer = connect(&program, Responders::new(())).await;
        let (sink, numbers) = StreamOf::pair();
        let error = peer.call_remote(Sum { numbers }).await.err().unwrap();
        assert!(error.is_unhandled());
        assert!(matches!(sink.stopped().await, SinkError::NotTaken));
    })
    .await
    .unwrap();
}

/// What counts, sums up and works for the other side.
fn ours() -> Responders {
    let count = async |_: Context<()>, Count { to, how }: Count| {
        let (mut sink, numbers) = StreamOf::pair();
        tokio::spawn(async move {
            for n in 0..to {
                sink.send(n).await?;
            }
            match &*how {
                "closed" => sink.close().await?,
                "failed" => sink.fail_with(RemoteError::new("FIRE", "it burns")),
                _ => drop(sink),
            }
            Ok::<_, SinkError>(())
        });
        Ok::<_, NoError>(Numbers { numbers })
    };
    let sum = async |_: Context<()>, Sum { numbers }: Sum| {
        let (count, error) = all(numbers).await;
        let error = error.map(|error| error.to_string()).unwrap_or_default();
        Ok::<_, NoError>(Total { total: count * count.saturating_sub(1) / 2, error })
    };
    let work = async |_: Context<()>, Work { mut progress }: Work| {
        let mut done = 0;
        while progress.send(done).await.is_ok() {
            done += 1;
        }
        Ok::<_, NoError>(Done { done })
    };
    Responders::new(()).respond(count).respond(sum).respond(work)
}

#[tokio::test]
async fn twisted_calls_ours() {
    let feed = async |_: Context<()>, Feed { most }: Feed| {
        let (into, mut stream) = ByteStream::pair();
        tokio::spawn(async move {
            let mut read = vec![0; usize::try_from(most).expect("it is little")];
            stream.read_exact(&mut read).await?;
            Ok::<_, io::Error>(())
        });
        Ok::<_, NoError>(Into { into })
    };
    let echo = async |_: Context<()>, Echo { mut bytes }: Echo| {
        let (mut sink, back) = ByteStream::pair();
        tokio::spawn(async move {
            tokio::io::copy(&mut bytes, &mut sink).await?;
            sink.shutdown().await
        });
        Ok::<_, NoError>(Back { back })
    };
    let read_all = async |_: Context<()>, ReadAll { mut files }: ReadAll| {
        let (mut sink, into) = StreamOf::pair();
        tokio::spawn(async move {
            while let Some(file) = files.next().await {
                let mut file = File::try_from(file.unwrap()).unwrap();
                let mut text = Vec::new();
                file.rewind().unwrap();
                file.read_to_end(&mut text).unwrap();
                sink.send(Bytes::from(text)).await.unwrap();
            }
            sink.close().await
        });
        Ok::<_, NoError>(Contents { into })
    };
    let responders = ours().respond(feed).respond(echo).respond(read_all);
    let program = twisted();
    let peer = connect(&program, responders).await;
    let said = peer.call_remote(Drive {}).timeout(4 * DEADLINE).await.unwrap().said;
    let total = 5000 * 4999 / 2;
    let expected = [
        &*format!("{total}"),
        &*format!("{total}"),
        "True",
        "the receiver has dropped the stream",
        "Code<FIRE>: it burns after 10",
        "the stream has failed",
        "the end is missing after 10",
        "the stream has no end: its sink was dropped",
        "True",
        "True",
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
}

/// A peer of no more than 150 lines of Python, written by what ARCHITECTURE.md says of the form, speaks streams
/// both ways.
#[tokio::test]
async fn the_form_takes_no_more_than_150_lines() {
    let source = include_str!("../python/least_streams.py");
    let mut in_text = false;
    let code = source.lines().filter(|line| {
        let line = line.trim();
        let was_in_text = in_text;
        in_text ^= line.matches("\"\"\"").count() == 1;
        !(line.is_empty() || was_in_text || line.starts_with("\"\"\""))
    });
    assert!(code.count() <= 150);

    let program = running("least_peer.py");
    timeout(4 * DEADLINE, async {
        let peer = connect(&program, ours()).await;
        for (how, to) in [("closed", 0), ("closed", 20_000), ("failed", 2000)] {
            let call = Count { to, how: how.to_owned() };
            let (received, error) = all(peer.call_remote(call).await.unwrap().numbers).await;
            assert_eq!(received, to);
            assert_eq!(error.is_some(), how == "failed");
        }
        let call = Count { to: 1 << 40, how: String::new() };
        let mut numbers = peer.call_remote(call).await.unwrap().numbers;
        for n in 0..3000 {
            assert_eq!(numbers.next().await.unwrap().unwrap(), n);
        }
        drop(numbers);

        let (mut sink, numbers) = StreamOf::pair();
        let call = tokio::spawn(peer.call_remote(Sum { numbers }));
        for n in 0..5000 {
            sink.send(n).await.unwrap();
        }
        drop(sink);
        let Total { total, error } = call.await.unwrap().unwrap();
        assert_eq!((total, &*error), (5000 * 4999 / 2, "the end is missing"));

        let (progress, mut received) = StreamOf::pair();
        let call = tokio::spawn(peer.call_remote(Work { progress }));
        for n in 0..5000 {
            assert_eq!(received.next().await.unwrap().unwrap(), n);
        }
        drop(received);
        assert!(call.await.unwrap().unwrap().done >= 5000);

        let said = peer.call_remote(Drive {}).await.unwrap().said;
        let total = (5000 * 4999 / 2).to_string();
        let expected = [&*total, &*total, "the stream has failed", "True", "the end is missing"];
        assert_eq!(said.lines().collect::<Vec<_>>(), expected);
    })
    .await
    .unwrap();
}
