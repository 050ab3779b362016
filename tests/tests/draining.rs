//! A connection that is about to end, whose peer is Twisted: a refusal says more than Twisted asks
//! for, and is an error like any other there.

use std::time::Instant;

use amp_core::{Arguments, Command, Context, NoError, Responders, tcp};
use amp_tests::{DEADLINE, Process, Python};
use tokio::net::TcpListener;
use tokio::time::timeout;

#[derive(Command)]
#[amp(response = Text)]
struct Slow {}

#[derive(Arguments)]
struct Text {
    text: String,
}

#[derive(Command)]
struct Now {}

#[derive(Command)]
struct Late {}

/// Answers once the peer has made another call, which comes after the end has begun.
async fn slow(context: Context, _: Slow) -> Result<Text, NoError> {
    let peer = context.peer().clone();
    let closing = tokio::spawn(async move { peer.close_gracefully(DEADLINE).await });
    tokio::task::yield_now().await;
    context.peer().call_remote(Now {}).await.expect("the peer answers");
    drop(closing);
    Ok(Text { text: "answered in time".to_owned() })
}

async fn late(_: Context, _: Late) -> Result<(), NoError> {
    panic!("this call comes too late")
}

#[tokio::test]
async fn twisted_takes_a_refusal_for_an_error_and_goes_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = tokio::task::spawn_blocking(move || {
        let mut client = Python::with_twisted(env!("CARGO_TARGET_TMPDIR")).program("draining.py");
        client.arg(address.to_string());
        Process::start(client).finish(Instant::now() + DEADLINE).stdout
    });
    let (stream, _) = listener.accept().await.unwrap();
    let responders = Responders::new(()).respond(slow).respond(late);
    tcp::connection(stream).unwrap().responders(responders).run().await;
    let printed = timeout(DEADLINE, client).await.unwrap().unwrap();
    // Twisted's name for any code that a command does not declare.
    let refused = "UnknownRemoteError The connection is closing; the call was not acted upon";
    assert_eq!(printed, [refused, "answered in time"]);
    let row = "| the service ends, and has not acted upon the call | `UnknownRemoteError`, whose description \
               says so | is closed |";
    assert!(include_str!("../../amp-core/src/cookbook/from_twisted.rs").contains(row), "{row}");
}
