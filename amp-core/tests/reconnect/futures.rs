//! Calls of a client are futures as those of a peer are.

use amp_core::reconnect::Connector;
use amp_core::{CallError, Connection, Context, NoError, Peer, Responders};
use futures_util::FutureExt;
use std::future::{Future, ready};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::net::{Note, Once, Value};
use crate::support::turns_taken;

/// Awaits calls in all ways in which futures are.
async fn awaited<C>(call: impl Fn(i64) -> C)
where
    C: Future<Output = Result<Value, CallError<NoError>>> + Unpin + Send + 'static,
{
    assert_eq!(tokio::spawn(call(1)).await.unwrap().unwrap(), Value { n: 1 });
    let (a, b) = tokio::join!(call(2), call(3));
    assert_eq!((a.unwrap(), b.unwrap()), (Value { n: 2 }, Value { n: 3 }));
    let mut first = call(4);
    let second = tokio::select! {
        biased;
        answer = &mut first => panic!("{answer:?}"),
        answer = call(5) => answer,
    };
    assert_eq!(second.unwrap(), Value { n: 5 });
    assert_eq!((&mut first).await.unwrap(), Value { n: 4 });
    // It is over, and nothing is called once more.
    assert!((&mut first).now_or_never().is_none());
}

async fn told(call: impl Future<Output = Result<(), CallError>> + Unpin + Send + 'static) {
    tokio::spawn(call).await.unwrap().unwrap();
    turns_taken().await;
}

#[tokio::test(start_paused = true)]
async fn calls_of_all_clients_are_futures() {
    let called = Arc::<AtomicUsize>::default();
    let once = async |context: Context<Arc<AtomicUsize>>, Once { n }: Once| {
        context.state().fetch_add(1, Ordering::Relaxed);
        if n == 4 {
            turns_taken().await;
        }
        Ok::<_, NoError>(Value { n })
    };
    let note = async |context: Context<Arc<AtomicUsize>>, Note { n: _ }: Note| {
        context.state().fetch_add(1, Ordering::Relaxed);
        Ok::<_, NoError>(())
    };
    let responders = Responders::new(Arc::clone(&called)).respond(once).respond(note);
    let connect = move || {
        let (near, far) = tokio::io::duplex(1 << 16);
        let there: Peer = Connection::new(far).responders(responders.clone()).spawn();
        tokio::spawn(async move { there.closed().await });
        ready(Ok::<_, io::Error>(Connection::new(near)))
    };
    let client = Connector::new(connect).spawn();
    let peer = client.connected().await.unwrap();

    awaited(|n| peer.call_remote(Once { n })).await;
    told(peer.notify(Note { n: 6 })).await;
    assert_eq!(called.swap(0, Ordering::Relaxed), 6);

    awaited(|n| client.call_remote(Once { n })).await;
    told(client.notify(Note { n: 6 })).await;
    assert_eq!(called.load(Ordering::Relaxed), 6);
}
