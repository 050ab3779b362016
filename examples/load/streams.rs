//! How fast streams are: bytes beside calls of as many and beside the socket alone, small items beside
//! one-way commands, and what memory many items take. Both sides are in this process, over a Unix socket.

use amp_core::streams::{ByteStream, StreamOf};
use amp_core::{Arguments, Command, Connection, Context, NoError, Peer, Responders};
use amp_probe::load::AnyError;
use bytes::Bytes;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// What W3 sends at a time, in bytes.
const PIECE: usize = 60_000;

const LEN: usize = 3_000_000_000;
const ITEMS: u64 = 10_000_000;

const ROUNDS: usize = 5;

#[derive(Command)]
struct Bytes60k {
    contents: ByteStream,
}

#[derive(Command)]
struct Numbers {
    numbers: StreamOf<u64>,
}

#[derive(Command)]
#[amp(one_way)]
struct Push {
    n: u64,
}

#[derive(Command)]
#[amp(response = Taken)]
struct CountPushes {}

#[derive(Arguments)]
struct Taken {
    count: u64,
}

/// Is answered with nothing, as an item is.
#[derive(Command)]
struct Store {
    bytes: Bytes,
}

fn peer() -> Result<(Peer, Peer), AnyError> {
    let pushes = async |context: Context<Arc<AtomicU64>>, Push { n }: Push| {
        context.state().fetch_add(n.min(1), Ordering::Relaxed);
        Ok::<_, NoError>(())
    };
    let count = async |context: Context<Arc<AtomicU64>>, _: CountPushes| {
        Ok::<_, NoError>(Taken { count: context.state().load(Ordering::Relaxed) })
    };
    let read = async |_: Context<Arc<AtomicU64>>, Bytes60k { mut contents }: Bytes60k| {
        while contents.next_piece().await.is_ok_and(|piece| piece.is_some()) {}
        Ok::<_, NoError>(())
    };
    let sum = async |_: Context<Arc<AtomicU64>>, Numbers { mut numbers }: Numbers| {
        while numbers.next().await.is_some_and(|number| number.is_ok()) {}
        Ok::<_, NoError>(())
    };
    let store = async |_: Context<Arc<AtomicU64>>, Store { bytes }: Store| {
        drop(bytes);
        Ok::<_, NoError>(())
    };
    let responders = Responders::new(Arc::default())
        .respond(pushes)
        .respond(count)
        .respond(read)
        .respond(sum)
        .respond(store);
    let (near, far) = UnixStream::pair()?;
    let far = Connection::new(far).responders(responders).spawn();
    Ok((Connection::new(near).spawn(), far))
}

#[allow(clippy::cast_precision_loss, reason = "they are shown")]
fn say(what: &str, count: f64, unit: &str, took: Duration) {
    println!("{what:40} {:10.3} {unit}/s", count / took.as_secs_f64());
}

#[allow(clippy::cast_precision_loss, reason = "they are shown")]
fn gigabytes(len: usize) -> f64 {
    len as f64 / 1e9
}

/// What the process has in memory, in kilobytes.
fn resident() -> Result<u64, AnyError> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS")).ok_or("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).ok_or("no VmRSS")?.parse()?)
}

async fn raw() -> Result<Duration, AnyError> {
    let (mut near, mut far) = UnixStream::pair()?;
    let start = Instant::now();
    let reads = tokio::spawn(async move {
        let mut buffer = vec![0; 256 << 10];
        while far.read(&mut buffer).await? > 0 {}
        Ok::<_, std::io::Error>(())
    });
    let piece = vec![7; PIECE];
    for _ in 0..LEN / PIECE {
        near.write_all(&piece).await?;
    }
    drop(near);
    reads.await??;
    Ok(start.elapsed())
}

async fn bytes() -> Result<Duration, AnyError> {
    let (peer, _far) = peer()?;
    let (mut sink, contents) = ByteStream::pair();
    let start = Instant::now();
    let call = tokio::spawn(peer.call_remote(Bytes60k { contents }));
    let piece = Bytes::from(vec![7; PIECE]);
    for _ in 0..LEN / PIECE {
        sink.write_bytes(piece.clone()).await?;
    }
    sink.shutdown().await?;
    call.await??;
    Ok(start.elapsed())
}

/// As W3, but that nothing comes back.
async fn calls() -> Result<Duration, AnyError> {
    let (peer, _far) = peer()?;
    let bytes = Bytes::from(vec![7; PIECE]);
    let start = Instant::now();
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let (peer, bytes) = (peer.clone(), bytes.clone());
            tokio::spawn(async move {
                for _ in 0..LEN / PIECE / 16 {
                    peer.call_remote(Store { bytes: bytes.clone() }).await?;
                }
                Ok::<_, amp_core::CallError>(())
            })
        })
        .collect();
    for caller in callers {
        caller.await??;
    }
    Ok(start.elapsed())
}

async fn items(mut at: impl FnMut(u64) -> Result<(), AnyError>) -> Result<Duration, AnyError> {
    let (peer, _far) = peer()?;
    let (mut sink, numbers) = StreamOf::pair();
    let start = Instant::now();
    let call = tokio::spawn(peer.call_remote(Numbers { numbers }));
    for n in 0..ITEMS {
        sink.send(n).await?;
        if n % (ITEMS / 10) == 0 {
            at(n)?;
        }
    }
    sink.close().await?;
    call.await??;
    Ok(start.elapsed())
}

async fn pushes() -> Result<Duration, AnyError> {
    let (peer, _far) = peer()?;
    let start = Instant::now();
    for n in 1..=ITEMS / 10 {
        peer.notify(Push { n }).await?;
    }
    while peer.call_remote(CountPushes {}).await?.count < ITEMS / 10 {
        tokio::task::yield_now().await;
    }
    Ok(start.elapsed())
}

/// Each in turn, several times, since throughput depends on the machine's mood.
#[allow(clippy::cast_precision_loss, reason = "they are shown")]
pub(crate) async fn run() -> Result<(), AnyError> {
    for _ in 0..ROUNDS {
        say("60 000 bytes at a time, socket alone", gigabytes(LEN), "GB", raw().await?);
        say("60 000 bytes at a time, ByteStream", gigabytes(LEN), "GB", bytes().await?);
        say("60 000 bytes in calls, 16 in flight", gigabytes(LEN), "GB", calls().await?);
        say("small items, StreamOf<u64>", ITEMS as f64 / 1e6, "M", items(|_| Ok(())).await?);
        say("small one-way commands", ITEMS as f64 / 1e7, "M", pushes().await?);
    }
    let mut seen = Vec::new();
    let memory = |_| {
        seen.push(resident()?);
        Ok(())
    };
    items(memory).await?;
    println!("kilobytes in memory, at each million items: {seen:?}");
    Ok(())
}
