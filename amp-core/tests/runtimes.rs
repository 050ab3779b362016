//! What has to run on a runtime, on which, and what runs anywhere.

mod support;

use amp_core::reconnect::{Connector, NotConnectedKind};
use amp_core::router::Router;
use amp_core::{AmpBox, CallError, Command, Connection, Context, NoError, Peer, Responders, serve};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{self, Poll, Wake};
use std::thread::{self, Thread};
use std::time::Duration;
use support::{echo, numbered};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// Longer than any of these tests takes.
const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(1);

#[derive(Command)]
#[amp(one_way)]
struct Note {}

#[derive(Command)]
struct Wait {}

/// Whatever is started says at once that it could not end.
#[test]
fn a_runtime_without_timers_is_refused_at_the_beginning() {
    let connection = || Connection::new(tokio::io::duplex(100).0);
    refused("Connection::spawn", async { drop(connection().spawn()) });
    refused("Connection::run", async { drop(connection().run().await) });
    refused("Router::spawn", async { drop(Router::new(tokio::io::duplex(100).0).spawn()) });
    refused("Router::run", async { drop(Router::new(tokio::io::duplex(100).0).run().await) });
    refused("serve", async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        serve(listener, Responders::new(())).await;
    });
    refused("Connector", async {
        drop(Connector::new(|| async { Err::<Connection, _>(io::Error::other("no")) }).spawn());
    });
}

fn refused(what: &str, start: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_io().build().unwrap();
    let started = catch_unwind(AssertUnwindSafe(|| runtime.block_on(start)));
    let panic = started.expect_err(what);
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap();
    assert!(text.contains("timers are disabled"), "{what}: {text}");
}

#[test]
fn calls_with_a_timeout_are_made_from_anywhere() {
    let (runtime, peer) = started();
    let answer = block_on(peer.call_by_name("Echo", numbered(1)).timeout(LONG));
    assert_eq!(answer.unwrap(), AmpBox::from_pairs(numbered(1)).unwrap());
    let error = block_on(peer.call_remote(Wait {}).timeout(SHORT)).unwrap_err();
    assert!(matches!(error, CallError::Timeout { after: SHORT }), "{error}");
    block_on(peer.notify(Note {})).unwrap();
    block_on(peer.close_gracefully(SHORT));
    let error = block_on(peer.call_remote(Wait {}).timeout(LONG)).unwrap_err();
    assert!(error.is_closed());
    drop(runtime);
}

#[test]
fn a_call_with_a_timeout_fails_when_its_runtime_ends() {
    let (runtime, peer) = started();
    let call = thread::spawn(move || block_on(peer.call_remote(Wait {}).timeout(LONG)));
    drop(runtime);
    assert!(call.join().unwrap().unwrap_err().is_closed());
}

#[test]
fn a_client_that_connects_again_is_called_from_anywhere() {
    let runtime = runtime();
    let connect = || async { Err::<Connection, _>(io::Error::other("nobody is there")) };
    let client = {
        let _entered = runtime.enter();
        Connector::new(connect).wait_for_connection().spawn()
    };
    let not_connected = |ended: Result<(), CallError>| match ended {
        Err(CallError::NotConnected(error)) => error.kind(),
        other => panic!("{other:?}"),
    };
    let waited = NotConnectedKind::Waited { after: SHORT };
    let call = client.call_remote(Wait {}).timeout(SHORT);
    assert_eq!(not_connected(block_on(call)), waited);
    let note = client.notify(Note {}).timeout(SHORT);
    assert_eq!(not_connected(block_on(note)), waited);
    block_on(client.close());

    let connected = || async { Ok::<_, io::Error>(Connection::new(answered())) };
    let client = {
        let _entered = runtime.enter();
        Connector::new(connected).wait_for_connection().call_timeout(LONG).spawn()
    };
    block_on(client.call_by_name("Echo", numbered(1))).unwrap();
    block_on(client.notify(Note {})).unwrap();
    block_on(client.close());
}

#[cfg(feature = "tower")]
#[test]
fn services_are_called_from_anywhere() {
    use amp_core::tower::{NamedRequest, PeerService};
    use tower::ServiceExt;

    let (_runtime, peer) = started();
    let arguments = AmpBox::from_pairs(numbered(1)).unwrap();
    let call = PeerService::new(peer).oneshot(NamedRequest::new("Echo", arguments.clone()));
    assert_eq!(block_on(call).unwrap(), arguments);
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// A connection whose peer is on the same runtime.
fn started() -> (Runtime, Peer) {
    let runtime = runtime();
    let entered = runtime.enter();
    let peer = Connection::new(answered()).call_timeout(LONG).spawn();
    drop(entered);
    (runtime, peer)
}

/// A stream whose other end is answered, on the runtime that this is called on.
fn answered() -> tokio::io::DuplexStream {
    let responders = Responders::new(())
        .respond_by_name("Echo", echo)
        .respond(|_, _: Note| async { Ok::<(), NoError>(()) })
        .respond(|_: Context, _: Wait| std::future::pending::<Result<(), NoError>>());
    let (near, far) = tokio::io::duplex(1000);
    tokio::spawn(Connection::new(far).responders(responders).run());
    near
}

/// Runs a future on this thread, which is no runtime's.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Arc::new(Unpark(thread::current())).into();
    let mut cx = task::Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut cx) {
            return done;
        }
        thread::park();
    }
}

/// A server is a future itself, which `tokio::spawn` takes as any other, also once it was polled.
#[tokio::test]
async fn a_server_is_spawned_as_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut server = serve(listener, Responders::new(())).shutdown_on(stopped);
    assert!(format!("{server:?}").starts_with("Serve { listener: Some("));
    let first = std::future::poll_fn(|cx| Poll::Ready(pin!(&mut server).poll(cx).is_ready()));
    assert!(!first.await);
    assert!(format!("{server:?}").starts_with("Serve { listener: None"));
    let server = tokio::spawn(server);
    drop(stop);
    server.await.unwrap();
}
