//! Streams, from a client to the server and back: the numbers of a call, in order.

use amp_core::Failure;
use amp_core::NoError;
use amp_core::streams::{SinkError, SinkOf, StreamOf};
use std::future::{Future, ready};
use std::sync::Arc;
use tokio::time::{sleep, timeout};

use crate::HANGS_AFTER;
use crate::commands::{Done, Download, Items, Upload};
use crate::ledger::CallId;
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

/// Sends all items, on a task of its own: whatever becomes of the call, that ends once the call is
/// `over`.
pub(crate) fn send(
    world: &Arc<World>,
    call: CallId,
    count: usize,
    mut sink: SinkOf<u64>,
    over: impl Future + Send + 'static,
) {
    let world = Arc::clone(world);
    tokio::spawn(async move {
        let sent = async {
            for at in 0..len(count) {
                sink.send(item(call, at)).await?;
            }
            sink.close().await
        };
        let hung = async {
            over.await;
            sleep(HANGS_AFTER).await;
        };
        tokio::select! {
            biased;
            sent = sent => world.count(Group::Streams, match sent {
                Ok(()) => "sent, and taken to the end",
                Err(SinkError::Stopped) => "not wanted any more",
                Err(_) => "not sent to the end",
            }),
            () = hung => world.violation(format!("the sink of {call} hangs")),
        }
    });
}

/// Takes all items, on a task of its own.
pub(crate) fn receive(world: &Arc<World>, call: CallId, count: usize, items: StreamOf<u64>) {
    let world = Arc::clone(world);
    tokio::spawn(async move { take(&world, call, count, items).await });
}

/// Takes all items; whether it has come to their end.
async fn take(world: &World, call: CallId, count: usize, mut items: StreamOf<u64>) -> bool {
    for at in 0.. {
        match timeout(HANGS_AFTER, items.next()).await {
            Ok(Some(Ok(it))) if at < len(count) && it == item(call, at) => {}
            Ok(None) if at == len(count) => {
                world.count(Group::Streams, "received to the end");
                return true;
            }
            Ok(Some(Err(_))) => {
                world.count(Group::Streams, "broken off");
                return false;
            }
            Ok(other) => {
                world.violation(format!("{call} has {other:?} at {at} of {}", len(count)));
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

pub(crate) async fn upload(
    context: Server,
    Upload { call, want, count, items }: Upload,
) -> Result<Done, Failure<NoError>> {
    act(&context, call, &[]);
    let (id, world) = (CallId(call), context.state());
    if !take(world, id, count, items).await {
        return Err(Failure::other("the items did not all come"));
    }
    world.check(world.ledger.heed(id));
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
