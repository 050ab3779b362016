//! Streams: items and bytes with back-pressure, over connections in memory.

mod bounds;
mod bytes;
mod ends;
mod hostile;
mod items;
mod raw;

use amp_core::streams::{SinkOf, StreamError, StreamOf};
use amp_core::{Argument, Arguments, Command, Connection, Limits, NoError, Peer, Responders};

/// Sends a stream.
#[derive(Command, Debug)]
struct Upload<T: Argument + Send + 'static> {
    items: StreamOf<T>,
}

/// Asks for a stream in the answer.
#[derive(Command, Debug)]
#[amp(response = Download)]
struct Get {}

#[derive(Arguments, Debug)]
struct Download {
    items: StreamOf<u64>,
}

/// Asks for items before the answer.
#[derive(Command, Debug)]
struct Work {
    progress: SinkOf<u64>,
}

fn pair_with<A, B>(limits: Limits, here: Responders<A>, there: Responders<B>) -> (Peer, Peer) {
    let (near, far) = tokio::io::duplex(64 << 10);
    let near = Connection::new(near).limits(limits).responders(here).spawn();
    (near, Connection::new(far).limits(limits).responders(there).spawn())
}

async fn all<T: Argument>(mut stream: StreamOf<T>) -> (Vec<T>, Option<StreamError>) {
    let mut items = Vec::new();
    while let Some(item) = stream.next().await {
        match item {
            Ok(item) => items.push(item),
            Err(error) => return (items, Some(error)),
        }
    }
    (items, None)
}

/// Lets all other tasks run until none has anything to do.
async fn settle() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}

fn nothing() -> Responders {
    Responders::new(())
}

/// Answers each download with a stream, whose sink goes where the test takes it from.
fn downloads() -> (Responders<tokio::sync::mpsc::UnboundedSender<SinkOf<u64>>>, Sinks) {
    let (sinks, taken) = tokio::sync::mpsc::unbounded_channel();
    let get = async |context: amp_core::Context<tokio::sync::mpsc::UnboundedSender<_>>, _: Get| {
        let (sink, items) = StreamOf::pair();
        context.state().send(sink).expect("the test waits");
        Ok::<_, NoError>(Download { items })
    };
    (Responders::new(sinks).respond(get), taken)
}

type Sinks = tokio::sync::mpsc::UnboundedReceiver<SinkOf<u64>>;
