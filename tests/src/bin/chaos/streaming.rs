//! Streams, from a client to the server and back: the numbers of a call in order, bytes that say which call
//! they are of, and pipes that hold its numbers. One of the two ends may drop it half way, and the other
//! one has to learn of that.

use amp_core::streams::{ByteSink, ByteStream, SinkError, SinkOf, StreamOf};
use amp_core::{Argument, Failure, NoError};
use amp_unix::Descriptor;
use std::fmt::Debug;
use std::future::{Future, ready};
use std::io;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};

use crate::HANGS_AFTER;
use crate::commands::{Done, Download, Fetch, Items, PassAll, Store, Upload, content, is_content};
use crate::ledger::CallId;
use crate::pipes::{held, holding};
use crate::plan::End;
use crate::report::Group;
use crate::server::{Server, act, done};
use crate::world::World;

/// What is counted when an end has been dropped half way.
pub(crate) const DROPPED_BY_SENDER: &str = "dropped half way by who sends";
pub(crate) const DROPPED_BY_TAKER: &str = "dropped half way by who takes";

/// What is at a place of the stream of a call.
fn item(call: CallId, at: usize) -> u64 {
    call.0.wrapping_mul(31).wrapping_add(at as u64)
}

/// How many items a call of this size has.
fn len(count: usize) -> usize {
    count.min(2000)
}

/// The stream of a call, as far as one side knows of it.
#[derive(Clone, Copy)]
pub(crate) struct Streamed {
    pub(crate) call: CallId,
    pub(crate) count: usize,
    /// The end that is dropped half way.
    pub(crate) dropped: Option<End>,
}

impl Streamed {
    /// As a responder knows it, which has this end.
    fn at_responder(end: End, call: u64, count: usize, drops: bool) -> Self {
        Self { call: CallId(call), count, dropped: drops.then_some(end) }
    }

    /// Behind how many of so many items this end is dropped.
    fn half_way(self, end: End, len: usize) -> Option<usize> {
        (self.dropped == Some(end) && len > 0).then_some(len / 2)
    }
}

/// How much of a stream was sent.
enum Sent {
    All,
    Half,
}

/// Sends a stream on a task of its own: whatever becomes of the call, that ends once the call is `over`.
fn spawn(
    world: &Arc<World>,
    streamed: Streamed,
    over: impl Future + Send + 'static,
    sending: impl Future<Output = Result<Sent, SinkError>> + Send + 'static,
) {
    let Streamed { call, count, .. } = streamed;
    let world = Arc::clone(world);
    tokio::spawn(async move {
        let hung = async {
            over.await;
            sleep(HANGS_AFTER).await;
        };
        tokio::select! {
            biased;
            sent = sending => {
                if matches!(sent, Ok(Sent::All)) && streamed.half_way(End::Stream, count).is_some() {
                    world.violation(format!("who sends for {call} was told that all was taken"));
                }
                world.count(Group::Streams, match sent {
                    Ok(Sent::All) => "sent, and taken to the end",
                    Ok(Sent::Half) => DROPPED_BY_SENDER,
                    Err(SinkError::Stopped) => "not wanted any more",
                    Err(_) => "not sent to the end",
                });
            }
            () = hung => world.violation(format!("the sink of {call} hangs")),
        }
    });
}

/// Sends all items.
pub(crate) fn send(
    world: &Arc<World>,
    streamed: Streamed,
    mut sink: SinkOf<u64>,
    over: impl Future + Send + 'static,
) {
    spawn(world, streamed, over, async move {
        let len = len(streamed.count);
        let half = streamed.half_way(End::Sink, len);
        for at in 0..half.unwrap_or(len) {
            sink.send(item(streamed.call, at)).await?;
        }
        if half.is_some() {
            return Ok(Sent::Half);
        }
        sink.close().await.map(|()| Sent::All)
    });
}

/// Sends all bytes.
pub(crate) fn write(
    world: &Arc<World>,
    streamed: Streamed,
    sink: ByteSink,
    over: impl Future + Send + 'static,
) {
    spawn(world, streamed, over, async move { write_all(streamed, sink).await });
}

async fn write_all(streamed: Streamed, mut sink: ByteSink) -> Result<Sent, SinkError> {
    let Streamed { call, count, .. } = streamed;
    let half = streamed.half_way(End::Sink, count);
    let written = async {
        sink.write_all(&content(call.0, half.unwrap_or(count))).await?;
        if half.is_some() {
            return Ok(Sent::Half);
        }
        sink.shutdown().await.map(|()| Sent::All)
    };
    // There is one inside of each of its errors.
    written.await.map_err(|error| error.downcast().unwrap_or(SinkError::Ended))
}

/// How many pipes a call has of this size.
fn pipes(count: usize) -> usize {
    count.min(50)
}

/// Sends all pipes, where there is a way for them.
pub(crate) fn pass(
    world: &Arc<World>,
    streamed: Streamed,
    mut sink: SinkOf<Descriptor>,
    over: impl Future + Send + 'static,
) {
    let told = Arc::clone(world);
    spawn(world, streamed, over, async move {
        let Streamed { call, count, .. } = streamed;
        let len = pipes(count);
        let half = streamed.half_way(End::Sink, len);
        for at in 0..half.unwrap_or(len) {
            match holding(item(call, at)) {
                Ok(pipe) => sink.send(pipe).await?,
                Err(error) => told.violation(format!("no pipe for {call}: {error}")),
            }
        }
        if half.is_some() {
            return Ok(Sent::Half);
        }
        sink.close().await?;
        told.count(Group::Streams, "pipes sent, and taken to the end");
        Ok(Sent::All)
    });
}

/// Takes all items, on a task of its own.
pub(crate) fn receive(world: &Arc<World>, streamed: Streamed, items: StreamOf<u64>) {
    let world = Arc::clone(world);
    tokio::spawn(async move {
        let Streamed { call, count, .. } = streamed;
        take(&world, streamed, len(count), items, |at, it| *it == item(call, at)).await
    });
}

/// Takes all items, each of which `is_right` at its place; whether it has come to their end.
async fn take<T: Argument + Debug>(
    world: &World,
    streamed: Streamed,
    len: usize,
    mut items: StreamOf<T>,
    is_right: impl Fn(usize, &T) -> bool,
) -> bool {
    let call = streamed.call;
    let half = streamed.half_way(End::Stream, len);
    for at in 0.. {
        if half == Some(at) {
            world.count(Group::Streams, DROPPED_BY_TAKER);
            return false;
        }
        match timeout(HANGS_AFTER, items.next()).await {
            Ok(Some(Ok(it))) if at < len && is_right(at, &it) => {}
            Ok(None) if at == len => {
                world.count(Group::Streams, "received to the end");
                return true;
            }
            Ok(Some(Err(_))) => {
                world.count(Group::Streams, "broken off");
                return false;
            }
            Ok(other) => {
                world.violation(format!("{call} has {other:?} at {at} of {len}"));
                return false;
            }
            Err(_) => {
                world.violation(format!("the stream of {call} hangs"));
                return false;
            }
        }
    }
    false
}

/// Reads all bytes, on a task of its own, which ends once the call is `over`.
pub(crate) fn read(
    world: &Arc<World>,
    streamed: Streamed,
    bytes: ByteStream,
    over: impl Future + Send + 'static,
) {
    let call = streamed.call;
    let world = Arc::clone(world);
    tokio::spawn(async move {
        let hung = async {
            over.await;
            sleep(HANGS_AFTER).await;
        };
        tokio::select! {
            biased;
            _ = read_all(&world, streamed, bytes) => {}
            () = hung => world.violation(format!("the bytes of {call} hang")),
        }
    });
}

/// Reads all bytes; whether it has come to their end.
async fn read_all(world: &World, streamed: Streamed, mut bytes: ByteStream) -> bool {
    let Streamed { call, count, .. } = streamed;
    let half = streamed.half_way(End::Stream, count);
    let mut all = Vec::new();
    let ended = loop {
        if half.is_some_and(|half| half <= all.len()) {
            break None;
        }
        match bytes.next_piece().await {
            Ok(Some(piece)) => all.extend_from_slice(&piece),
            ended => break Some(ended),
        }
    };
    // What came before the end is right however that is.
    if all.len() > count || !is_content(call.0, all.len(), &all) {
        world.violation(format!("{call} has the bytes of another"));
    }
    match ended {
        None => world.count(Group::Streams, DROPPED_BY_TAKER),
        Some(Ok(_)) if all.len() == count => {
            world.count(Group::Streams, "bytes received to the end");
            return true;
        }
        Some(Ok(_)) => world.violation(format!("{call} has {} bytes of {count}", all.len())),
        Some(Err(_)) => world.count(Group::Streams, "broken off"),
    }
    false
}

/// Takes what a call has brought, and says so.
async fn brought(
    context: &Server,
    call: u64,
    want: usize,
    all: bool,
) -> Result<Done, Failure<NoError>> {
    if !all {
        return Err(Failure::other("the items did not all come"));
    }
    let world = context.state();
    world.check(world.ledger.heed(CallId(call)));
    Ok(done(call, 0, want).await?)
}

pub(crate) async fn upload(
    context: Server,
    Upload { call, want, count, drops, items }: Upload,
) -> Result<Done, Failure<NoError>> {
    act(&context, call, &[]);
    let streamed = Streamed::at_responder(End::Stream, call, count, drops);
    let is_right = |at, it: &u64| *it == item(streamed.call, at);
    let all = take(context.state(), streamed, len(count), items, is_right).await;
    brought(&context, call, want, all).await
}

pub(crate) async fn store(
    context: Server,
    Store { call, want, count, drops, bytes }: Store,
) -> Result<Done, Failure<NoError>> {
    act(&context, call, &[]);
    let streamed = Streamed::at_responder(End::Stream, call, count, drops);
    let reading = read_all(context.state(), streamed, bytes);
    let Ok(all) = timeout(HANGS_AFTER, reading).await else {
        context.state().violation(format!("the bytes of {} hang", CallId(call)));
        return Err(Failure::other("the bytes did not all come"));
    };
    brought(&context, call, want, all).await
}

pub(crate) async fn pass_all(
    context: Server,
    PassAll { call, want, count, drops, pipes: items }: PassAll,
) -> Result<Done, Failure<NoError>> {
    act(&context, call, &[]);
    let streamed = Streamed::at_responder(End::Stream, call, count, drops);
    let is_right = |at, pipe: &Descriptor| {
        held(pipe.clone()).is_ok_and(|number| number == item(streamed.call, at))
    };
    let all = take(context.state(), streamed, pipes(count), items, is_right).await;
    brought(&context, call, want, all).await
}

pub(crate) async fn fetch(
    context: Server,
    Fetch { call, want, count, drops, sink }: Fetch,
) -> Result<Done, Failure<NoError>> {
    act(&context, call, &[]);
    let streamed = Streamed::at_responder(End::Sink, call, count, drops);
    let writing = write_all(streamed, sink);
    match timeout(HANGS_AFTER, writing).await {
        Ok(Ok(Sent::All)) => {}
        Ok(Ok(Sent::Half)) => context.state().count(Group::Streams, DROPPED_BY_SENDER),
        Ok(Err(error)) => return Err(io::Error::from(error).into()),
        Err(_) => context.state().violation(format!("the sink of {} hangs", streamed.call)),
    }
    Ok(done(call, 0, want).await?)
}

pub(crate) async fn download(
    context: Server,
    Download { call, count, drops }: Download,
) -> Result<Items, NoError> {
    act(&context, call, &[]);
    let (sink, items) = StreamOf::pair();
    let streamed = Streamed::at_responder(End::Sink, call, count, drops);
    send(context.state(), streamed, sink, ready(()));
    Ok(Items { call, items })
}
