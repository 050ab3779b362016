//! Streams, from a client to the server and back: the numbers of a call in order, bytes that say which call
//! they are of, and pipes that hold its numbers.

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
use crate::report::Group;
use crate::server::{Server, act, done};
use crate::world::World;

/// What is at a place of the stream of a call.
fn item(call: CallId, at: usize) -> u64 {
    call.0.wrapping_mul(31).wrapping_add(at as u64)
}

/// How many items a call of this size has.
fn len(count: usize) -> usize {
    count.min(2000)
}

/// Sends a stream on a task of its own: whatever becomes of the call, that ends once the call is `over`.
fn spawn(
    world: &Arc<World>,
    call: CallId,
    over: impl Future + Send + 'static,
    sending: impl Future<Output = Result<(), SinkError>> + Send + 'static,
) {
    let world = Arc::clone(world);
    tokio::spawn(async move {
        let hung = async {
            over.await;
            sleep(HANGS_AFTER).await;
        };
        tokio::select! {
            biased;
            sent = sending => world.count(Group::Streams, match sent {
                Ok(()) => "sent, and taken to the end",
                Err(SinkError::Stopped) => "not wanted any more",
                Err(_) => "not sent to the end",
            }),
            () = hung => world.violation(format!("the sink of {call} hangs")),
        }
    });
}

/// Sends all items.
pub(crate) fn send(
    world: &Arc<World>,
    call: CallId,
    count: usize,
    mut sink: SinkOf<u64>,
    over: impl Future + Send + 'static,
) {
    spawn(world, call, over, async move {
        for at in 0..len(count) {
            sink.send(item(call, at)).await?;
        }
        sink.close().await
    });
}

/// Sends all bytes.
pub(crate) fn write(
    world: &Arc<World>,
    call: CallId,
    count: usize,
    sink: ByteSink,
    over: impl Future + Send + 'static,
) {
    spawn(world, call, over, async move { write_all(call, count, sink).await });
}

async fn write_all(call: CallId, count: usize, mut sink: ByteSink) -> Result<(), SinkError> {
    let written = async {
        sink.write_all(&content(call.0, count)).await?;
        sink.shutdown().await
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
    call: CallId,
    count: usize,
    mut sink: SinkOf<Descriptor>,
    over: impl Future + Send + 'static,
) {
    let told = Arc::clone(world);
    spawn(world, call, over, async move {
        for at in 0..pipes(count) {
            match holding(item(call, at)) {
                Ok(pipe) => sink.send(pipe).await?,
                Err(error) => told.violation(format!("no pipe for {call}: {error}")),
            }
        }
        sink.close().await?;
        told.count(Group::Streams, "pipes sent, and taken to the end");
        Ok(())
    });
}

/// Takes all items, on a task of its own.
pub(crate) fn receive(world: &Arc<World>, call: CallId, count: usize, items: StreamOf<u64>) {
    let world = Arc::clone(world);
    tokio::spawn(async move {
        take(&world, call, len(count), items, |at, it| *it == item(call, at)).await
    });
}

/// Takes all items, each of which `is_right` at its place; whether it has come to their end.
async fn take<T: Argument + Debug>(
    world: &World,
    call: CallId,
    len: usize,
    mut items: StreamOf<T>,
    is_right: impl Fn(usize, &T) -> bool,
) -> bool {
    for at in 0.. {
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
    call: CallId,
    count: usize,
    bytes: ByteStream,
    over: impl Future + Send + 'static,
) {
    let world = Arc::clone(world);
    tokio::spawn(async move {
        let hung = async {
            over.await;
            sleep(HANGS_AFTER).await;
        };
        tokio::select! {
            biased;
            _ = read_all(&world, call, count, bytes) => {}
            () = hung => world.violation(format!("the bytes of {call} hang")),
        }
    });
}

/// Reads all bytes; whether it has come to their end.
async fn read_all(world: &World, call: CallId, count: usize, mut bytes: ByteStream) -> bool {
    let mut all = Vec::new();
    let ended = loop {
        match bytes.next_piece().await {
            Ok(Some(piece)) => all.extend_from_slice(&piece),
            ended => break ended,
        }
    };
    // What came before the end is right however that is.
    if all.len() > count || !is_content(call.0, all.len(), &all) {
        world.violation(format!("{call} has the bytes of another"));
    }
    match ended {
        Ok(_) if all.len() == count => {
            world.count(Group::Streams, "bytes received to the end");
            return true;
        }
        Ok(_) => world.violation(format!("{call} has {} bytes of {count}", all.len())),
        Err(_) => world.count(Group::Streams, "broken off"),
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
    Upload { call, want, count, items }: Upload,
) -> Result<Done, Failure<NoError>> {
    act(&context, call, &[]);
    let id = CallId(call);
    let is_right = |at, it: &u64| *it == item(id, at);
    let all = take(context.state(), id, len(count), items, is_right).await;
    brought(&context, call, want, all).await
}

pub(crate) async fn store(
    context: Server,
    Store { call, want, count, bytes }: Store,
) -> Result<Done, Failure<NoError>> {
    act(&context, call, &[]);
    let reading = read_all(context.state(), CallId(call), count, bytes);
    let Ok(all) = timeout(HANGS_AFTER, reading).await else {
        context.state().violation(format!("the bytes of {} hang", CallId(call)));
        return Err(Failure::other("the bytes did not all come"));
    };
    brought(&context, call, want, all).await
}

pub(crate) async fn pass_all(
    context: Server,
    PassAll { call, want, count, pipes: items }: PassAll,
) -> Result<Done, Failure<NoError>> {
    act(&context, call, &[]);
    let id = CallId(call);
    let is_right =
        |at, pipe: &Descriptor| held(pipe.clone()).is_ok_and(|number| number == item(id, at));
    let all = take(context.state(), id, pipes(count), items, is_right).await;
    brought(&context, call, want, all).await
}

pub(crate) async fn fetch(
    context: Server,
    Fetch { call, want, count, sink }: Fetch,
) -> Result<Done, Failure<NoError>> {
    act(&context, call, &[]);
    let writing = write_all(CallId(call), count, sink);
    match timeout(HANGS_AFTER, writing).await {
        Ok(written) => written.map_err(io::Error::from)?,
        Err(_) => context.state().violation(format!("the sink of {} hangs", CallId(call))),
    }
    Ok(done(call, 0, want).await?)
}

pub(crate) async fn download(
    context: Server,
    Download { call, count }: Download,
) -> Result<Items, NoError> {
    act(&context, call, &[]);
    let (sink, items) = StreamOf::pair();
    send(context.state(), CallId(call), count, sink, ready(()));
    Ok(Items { call, items })
}
