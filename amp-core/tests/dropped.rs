//! What must not be dropped by mistake: the compiler warns, which is expected in each line here.

#![deny(unfulfilled_lint_expectations)]

mod support;

use amp_core::reconnect::{Client, Connector};
use amp_core::router::Router;
use amp_core::tcp::KeepaliveListener;
use amp_core::testing::{self, Golden, SchemaRecord};
use amp_core::{
    CloseReason, Command, Connection, NoError, Peer, Responders, Switched, WireLog, blocking,
};
use std::time::Duration;
use support::{echo, echoing};
use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use tokio::net::TcpListener;

#[derive(Command)]
#[amp(switch)]
struct Other {}

fn stream() -> DuplexStream {
    duplex(100).0
}

/// What does nothing before something else is done with it. Never called: it only has to compile.
#[allow(dead_code, reason = "the compiler's warnings are what is tested")]
#[allow(clippy::let_underscore_future, reason = "nothing of this runs")]
fn nothing_happens(peer: &Peer, client: &Client, listener: TcpListener) {
    let responders = || Responders::new(());
    #[expect(unused_must_use)]
    Connection::new(stream());
    #[expect(unused_must_use)]
    Connection::new(stream()).responders(responders());
    #[expect(unused_must_use)]
    responders().respond_by_name("Echo", echo);
    #[expect(unused_must_use)]
    responders().group(|group| group.fallback(echo).one_at_a_time());
    #[expect(unused_must_use)]
    WireLog::new().hide(["password"]);
    #[expect(unused_must_use)]
    Router::new(stream());
    #[expect(unused_must_use)]
    Connector::new(|| async { Ok::<_, NoError>(Connection::new(stream())) }).wait_for_connection();
    #[expect(unused_must_use)]
    peer.call_remote(Other {});
    #[expect(unused_must_use)]
    peer.call_by_name("Other", [("a", "b")]).timeout(Duration::MAX);
    #[expect(unused_must_use)]
    peer.close();
    #[expect(unused_must_use)]
    client.call_remote(Other {}).idempotent();
    #[expect(unused_must_use)]
    KeepaliveListener::new(listener, Duration::MAX, Duration::MAX);
    #[expect(unused_must_use)]
    Golden::new("wire.golden").ask("other", &Other {});
    #[expect(unused_must_use)]
    SchemaRecord::new("wire.schema").command::<Other>();
}

/// What ends when it is dropped. Never called, as the other one.
#[allow(dead_code, reason = "the compiler's warnings are what is tested")]
async fn it_ends(peer: &Peer, mut switched: Switched) -> Result<(), Box<dyn std::error::Error>> {
    #[expect(unused_must_use)]
    Connection::new(stream()).spawn();
    #[expect(unused_must_use)]
    testing::pair(echoing(), echoing());
    #[expect(unused_must_use)]
    Connector::new(|| async { Ok::<_, NoError>(Connection::new(stream())) }).spawn();
    #[expect(unused_must_use)]
    Router::new(stream()).spawn();
    #[expect(unused_must_use)]
    blocking::Connection::connect("127.0.0.1:1")?;
    let routes = Router::new(stream()).routes();
    #[expect(unused_must_use)]
    routes.bind("a")?;
    #[expect(unused_must_use)]
    routes.bind("a")?.connect_to("b")?;
    #[expect(unused_must_use)]
    peer.switch_protocol(Other {}).await?;
    #[expect(unused_must_use)]
    switched.take_attachments();
    Ok(())
}

#[tokio::test]
async fn a_connection_whose_peer_is_dropped_closes() {
    let (near, mut far) = duplex(100);
    drop(Connection::new(near).responders(echoing()).spawn());
    assert_eq!(far.read(&mut [0]).await.unwrap(), 0);

    // The side that only answers is run.
    let (near, far) = duplex(100);
    let running = tokio::spawn(Connection::new(near).responders(echoing()).run());
    let peer = Connection::new(far).spawn();
    peer.call_by_name("Echo", [("a", "b")]).await.unwrap();
    drop(peer);
    assert!(matches!(running.await.unwrap(), CloseReason::Peer));
}
