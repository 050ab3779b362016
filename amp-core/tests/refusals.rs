//! What is certain about a call that failed: whether the peer has not acted upon it.

mod support;

use amp_core::reconnect::{Backoff, Client, Connector, Jitter};
use amp_core::testing::{Script as Scripted, read_answer_box};
use amp_core::{
    AmpBox, CallError, Command, CommandError, Connection, NoError, ReceivedCall, RemoteError,
    Responders, blocking,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::blocking_double::BlockingDouble;
use support::{Script, gated, settled};
use tokio::sync::Semaphore;

const SECOND: Duration = Duration::from_secs(1);

/// What a connection that is about to end answers.
const REFUSED: &[(&str, &str)] = &[
    ("_error_code", "CLOSING"),
    ("_error_description", "The connection is closing; the call was not acted upon"),
    ("_not_acted_upon", "True"),
];

/// What a command answers that has a code of this name.
const OWN: &[(&str, &str)] =
    &[("_error_code", "CLOSING"), ("_error_description", "the shop closes in a minute")];

/// What Twisted answers.
const UNHANDLED: &[(&str, &str)] =
    &[("_error_code", "UNHANDLED"), ("_error_description", "Unhandled Command: b'Enter'")];

/// What MAAS answers when a responder has failed.
const OF_MAAS: &[(&str, &str)] = &[
    ("_error_code", "UNHANDLED"),
    ("_error_description", "Unknown Error [rack-1:pid=3:cmd=Enter:ref=9d01]: boom"),
];

/// What a responder answers that hands on how another call of its own has ended.
const OF_ANOTHER: &[(&str, &str)] =
    &[("_error_code", "UNHANDLED"), ("_error_description", "Unhandled Command: b'Pay'")];

/// A command that declares the code that this implementation answers with, too.
#[derive(Command)]
#[amp(error = ShopError)]
struct Enter {}

#[derive(CommandError, Debug, PartialEq, thiserror::Error)]
enum ShopError {
    #[error("the shop closes in a minute")]
    Closing,
}

/// A command of the same name that declares no errors.
#[derive(Command)]
#[amp(name = "Enter")]
struct Plain {}

/// A command of the same name whose errors were written by hand.
#[derive(Command)]
#[amp(name = "Enter", error = Unhandled)]
struct ByHand {}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("not handled with care")]
struct Unhandled;

impl CommandError for Unhandled {
    fn code(&self) -> &'static str {
        "UNHANDLED"
    }

    fn from_wire(code: &[u8], _: &str) -> Option<Self> {
        (code == b"UNHANDLED").then_some(Self)
    }
}

/// The box of a failure.
fn failure(tag: &[u8], pairs: &[(&str, &str)]) -> bytes::Bytes {
    let tag = std::str::from_utf8(tag).expect("our tags are text");
    let pairs = [("_error", tag)].into_iter().chain(pairs.iter().copied());
    AmpBox::from_pairs(pairs).expect("a box").to_bytes()
}

/// Fails every call so.
async fn fail_all(mut script: Script, pairs: &'static [(&'static str, &'static str)]) {
    while let Some(call) = script.receive().await {
        script.send(&failure(call.get("_ask").expect("a tag"), pairs)).await;
    }
}

/// What a call of the command `C` ends with that is failed so, however it is made.
async fn ends<C: Command>(
    command: impl Fn() -> C,
    pairs: &'static [(&'static str, &'static str)],
    check: impl Fn(CallError<C::Error>),
) {
    let (peer, script) = Script::start(|connection| connection);
    let failing = tokio::spawn(fail_all(script, pairs));
    check(peer.call_remote(command()).await.map(drop).expect_err("it fails"));
    #[cfg(feature = "tower")]
    {
        use amp_core::tower::{PeerService, TypedCalls};
        use tower::ServiceExt;
        let mut calls = TypedCalls::new(PeerService::new(peer));
        let failed = ServiceExt::<C>::ready(&mut calls).await.unwrap();
        let failed = tower::Service::call(failed, command()).await.map(drop);
        check(*failed.unwrap_err().downcast().expect("an error of the command"));
    }
    failing.abort();
    let stream = BlockingDouble::of(&[&failure(b"1", pairs)]);
    let mut client = blocking::Connection::new(stream).start();
    check(client.call_remote(command()).map(drop).expect_err("it fails"));
    check(read_answer_box::<C>(failure(b"1", pairs)).map(drop).expect_err("it fails"));
}

/// A client that connects again a second after a connection was lost, to a server that fails every
/// call so; and how many calls that was.
fn client(pairs: &'static [(&'static str, &'static str)]) -> (Client, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let backoff = Backoff::default().base(SECOND).factor(1.0).jitter(Jitter::None);
    let client = Connector::new(move || {
        let (near, far) = tokio::io::duplex(1 << 16);
        let counted = Arc::clone(&counted);
        tokio::spawn(async move {
            let mut script = Script::of(far);
            while let Some(call) = script.receive().await {
                counted.fetch_add(1, Ordering::SeqCst);
                script.send(&failure(call.get("_ask").expect("a tag"), pairs)).await;
            }
        });
        async { Ok::<_, NoError>(Connection::new(near)) }
    });
    (client.backoff(backoff).wait_for_connection().spawn(), calls)
}

#[tokio::test(start_paused = true)]
async fn a_code_of_a_commands_own_is_no_refusal() {
    let (client, calls) = client(OWN);
    let call = client.call_by_name("Enter", [("a", "b")]).timeout(5 * SECOND);
    let ended = call.await;
    assert_eq!(calls.load(Ordering::SeqCst), 1, "the call was acted upon: {ended:?}");
    let Err(CallError::Remote(error)) = ended else { panic!("{ended:?}") };
    assert_eq!(error, RemoteError::new("CLOSING", "the shop closes in a minute"));
    assert!(!error.is_closing());
    assert!(!CallError::<NoError>::Remote(error).is_safe_to_retry());

    let ended = client.call_remote(Enter {}).timeout(5 * SECOND).await;
    assert!(matches!(ended, Err(CallError::Command(ShopError::Closing))), "{ended:?}");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert!(client.connected().await.is_ok_and(|peer| !peer.is_closed()), "nobody left it");
}

#[tokio::test]
async fn a_refusal_is_not_the_commands_error_whatever_that_declares() {
    ends(
        || Enter {},
        REFUSED,
        |error| {
            assert!(matches!(&error, CallError::Remote(error) if error.is_closing()), "{error:?}");
            assert!(error.is_safe_to_retry() && !error.is_unhandled());
        },
    )
    .await;
    ends(
        || Enter {},
        OWN,
        |error| {
            assert!(matches!(&error, CallError::Command(ShopError::Closing)), "{error:?}");
            assert!(!error.is_safe_to_retry());
        },
    )
    .await;
    ends(
        || Plain {},
        OWN,
        |error| {
            assert!(matches!(&error, CallError::Remote(error) if !error.is_closing()), "{error:?}");
            assert!(!error.is_safe_to_retry());
        },
    )
    .await;
}

#[tokio::test]
async fn no_responder_is_what_twisted_says_of_the_command_that_was_called() {
    ends(
        || Plain {},
        UNHANDLED,
        |error| {
            assert!(error.is_unhandled() && error.is_safe_to_retry(), "{error:?}");
        },
    )
    .await;
    ends(
        || Plain {},
        OF_MAAS,
        |error| {
            assert!(matches!(&error, CallError::Remote(error) if error.code == "UNHANDLED"));
            assert!(!error.is_unhandled() && !error.is_safe_to_retry(), "{error:?}");
        },
    )
    .await;
    ends(|| Plain {}, OF_ANOTHER, |error| assert!(!error.is_safe_to_retry(), "{error:?}")).await;
    // What a command declares is the command's.
    ends(
        || ByHand {},
        UNHANDLED,
        |error| {
            assert!(matches!(&error, CallError::Command(Unhandled)), "{error:?}");
            assert!(!error.is_unhandled() && !error.is_safe_to_retry());
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_always_refused_is_made_again_a_few_times_only() {
    let (client, calls) = client(REFUSED);
    let start = tokio::time::Instant::now();
    let ended = client.call_remote(Enter {}).await;
    assert!(matches!(&ended, Err(CallError::Remote(error)) if error.is_closing()), "{ended:?}");
    assert_eq!(calls.swap(0, Ordering::SeqCst), 4);
    assert_eq!(start.elapsed(), 3 * SECOND, "it waits before each other connection");

    let ended = client.call_remote(Enter {}).max_repeats(0).await;
    assert!(ended.unwrap_err().is_safe_to_retry());
    assert_eq!(calls.swap(0, Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_about_to_end_says_beside_the_code_that_it_has_not_acted() {
    let gate = Arc::new(Semaphore::new(0));
    let slow = Responders::new(()).respond_by_name("Slow", gated(Arc::clone(&gate)));
    let (peer, mut script) = Script::start(|connection| connection.responders(slow));
    script.send_box([("_ask", "1"), ("_command", "Slow")]).await;
    settled().await;
    let closing = tokio::spawn(async move { peer.close_gracefully(9 * SECOND).await });
    settled().await;
    script.send_box([("_ask", "2"), ("_command", "Slow")]).await;
    assert_eq!(script.receive().await.unwrap().to_bytes(), failure(b"2", REFUSED));
    gate.add_permits(1);
    script.expect([("_answer", "1")]).await;
    drop(script);
    closing.await.unwrap();
}

/// Hands on what another peer answers.
fn proxy_of(backend: amp_core::Peer) -> Responders {
    Responders::new(()).fallback(move |call: ReceivedCall| {
        let backend = backend.clone();
        async move {
            let answer = backend.call_by_name(&call.command, call.arguments.iter()).await;
            answer.map_err(|error| match error {
                CallError::Remote(error) => error,
                other => RemoteError::new("UNKNOWN", other.to_string()),
            })
        }
    })
}

#[tokio::test]
async fn a_proxy_that_hands_on_a_refusal_has_acted_itself() {
    let (backend, script) = Script::start(|connection| connection);
    tokio::spawn(fail_all(script, REFUSED));
    let error = backend.call_by_name("Enter", [("a", "b")]).await.unwrap_err();
    assert!(error.is_safe_to_retry());

    let responders = proxy_of(backend.clone());
    let (_proxy, mut script) = Script::start(|connection| connection.responders(responders));
    script.send_box([("_ask", "7"), ("_command", "Enter")]).await;
    let handed_on = script.receive().await.unwrap();
    assert_eq!(handed_on.to_bytes(), failure(b"7", &REFUSED[..2]));

    // The same of an error that middleware fails with, which is the call's answer too.
    #[cfg(feature = "tower")]
    {
        use amp_core::tower::{LayeredCall, LayeredResponder};
        let middleware = tower::layer::layer_fn(move |_: LayeredResponder| {
            let backend = backend.clone();
            tower::service_fn(move |call: LayeredCall| {
                let backend = backend.clone();
                async move {
                    let arguments = call.arguments().iter();
                    match backend.call_by_name(call.command(), arguments).await {
                        Ok(_) => panic!("it fails"),
                        Err(CallError::Remote(error)) if call.command() == b"Fail" => {
                            Ok(call.fail(&error))
                        }
                        Err(CallError::Remote(error)) => Err(error),
                        Err(other) => panic!("{other}"),
                    }
                }
            })
        });
        let responders = Responders::new(()).fallback(support::echo).layer(middleware);
        let (_proxy, mut script) = Script::start(|connection| connection.responders(responders));
        for command in ["Enter", "Fail"] {
            script.send_box([("_ask", "7"), ("_command", command)]).await;
            let handed_on = script.receive().await.unwrap();
            assert_eq!(handed_on.to_bytes(), failure(b"7", &REFUSED[..2]));
        }
    }
}

/// Its words are Twisted's, and are handed on as they are: the backend has no responder.
#[tokio::test]
async fn a_proxy_hands_on_that_its_backend_has_no_responder() {
    for (pairs, unhandled) in [(UNHANDLED, true), (OF_ANOTHER, false), (OF_MAAS, false)] {
        let (backend, script) = Script::start(|connection| connection);
        tokio::spawn(fail_all(script, pairs));
        let (client, _proxy) =
            amp_core::testing::pair(Responders::new(()), proxy_of(backend.clone()));
        let error = client.call_remote(Plain {}).await.unwrap_err();
        assert_eq!(error.is_unhandled(), unhandled, "{error}");
        assert_eq!(error.is_safe_to_retry(), unhandled, "{error}");

        let responders = proxy_of(backend);
        let (_proxy, mut script) = Script::start(|connection| connection.responders(responders));
        script.send_box([("_ask", "7"), ("_command", "Enter")]).await;
        assert_eq!(script.receive().await.unwrap().to_bytes(), failure(b"7", pairs));
    }
}

#[tokio::test]
async fn what_a_proxy_hands_on_keeps_its_client_at_the_proxy() {
    let (backend, script) = Script::start(|connection| connection);
    tokio::spawn(fail_all(script, REFUSED));
    let responders = proxy_of(backend);
    let client = Connector::new(move || {
        let (near, far) = tokio::io::duplex(1 << 16);
        let far = Connection::new(far).responders(responders.clone());
        tokio::spawn(far.run());
        async { Ok::<_, NoError>(Connection::new(near)) }
    });
    let client = client.wait_for_connection().spawn();
    let before = client.connected().await.unwrap();
    let error = client.call_remote(Plain {}).await.unwrap_err();
    assert!(matches!(&error, CallError::Remote(error) if error.code == "CLOSING"), "{error:?}");
    assert!(!error.is_safe_to_retry());
    assert!(client.connected().await.unwrap().is_same_connection(&before) && !before.is_closed());
}

#[tokio::test]
async fn a_script_refuses_as_a_connection_does() {
    let (peer, script) = Scripted::new()
        .expect_any::<Enter>()
        .refuse()
        .expect_any::<Enter>()
        .fail_with("CLOSING", "not now")
        .start(Responders::new(()));
    let error = peer.call_remote(Enter {}).await.unwrap_err();
    assert!(matches!(&error, CallError::Remote(error) if error.is_closing()), "{error:?}");
    let error = peer.call_remote(Enter {}).await.unwrap_err();
    assert!(matches!(&error, CallError::Command(ShopError::Closing)), "{error:?}");
    script.finish().await;
}
