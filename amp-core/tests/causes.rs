//! What the peer is told of a failure that its command does not declare, where the responders tell it.

#![cfg(unix)]

mod support;

use amp_core::{
    AmpBox, Arguments, CallError, Command, Connection, Context, Failure, FailurePolicy, NoError,
    ReceivedCall, RemoteError, Responders, testing,
};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use support::Script;

#[derive(Command)]
#[amp(response = Copy)]
struct Repeat {
    times: u32,
    text: String,
}

#[derive(Arguments, Debug)]
struct Copy {
    text: String,
}

/// Fails in the way that the text says.
async fn repeat(_: Context, Repeat { times, text }: Repeat) -> Result<Copy, Failure<NoError>> {
    match &*text {
        "error" => {
            let cause = io::Error::other("the disk is full");
            Err(Failure::other(io::Error::other(format!("cannot write: {cause}"))))
        }
        "long" => Err("\u{e9}".repeat(5000).into()),
        "panic" => panic!("that was wrong"),
        text => Ok(Copy { text: text.repeat(times as usize) }),
    }
}

fn responders() -> Responders {
    Responders::new(()).try_respond(repeat)
}

/// What the call with these arguments fails with, behind the reference.
async fn cause(responders: Responders, arguments: &[(&str, &str)]) -> String {
    let (peer, _there) = testing::pair(Responders::new(()), responders);
    let error = peer.call_by_name("Repeat", arguments.iter().copied()).await.unwrap_err();
    let CallError::Remote(error) = error else { panic!("{error}") };
    assert!(error.is_unknown(), "{error}");
    let behind = error.description.strip_prefix("Unknown Error (reference ").unwrap();
    behind[8..].strip_prefix(')').unwrap().to_owned()
}

#[tokio::test]
async fn who_opts_in_tells_the_cause() {
    let long = format!("{}...", "\u{e9}".repeat(500));
    for (arguments, expected) in [
        (&[("times", "1")][..], "argument text: missing"),
        (&[("times", "secret"), ("text", "a")], "argument times: "),
        (&[("times", "1"), ("text", "error")], "cannot write: the disk is full"),
        (&[("times", "1"), ("text", "long")], &long),
        (&[("times", "1"), ("text", "panic")], "that was wrong"),
        (&[("times", "70000"), ("text", "a")], "argument text: "),
    ] {
        let seen = cause(responders().tell_causes(), arguments).await;
        assert!(seen.starts_with(": ") && seen.contains(expected), "{arguments:?}: {seen}");
        assert!(!seen.contains("secret") && seen.len() < 1010, "{seen}");
        assert_eq!(cause(responders(), arguments).await, "", "{arguments:?}");
    }
    let too_long = cause(responders().tell_causes(), &[("times", "70000"), ("text", "a")]).await;
    for part in ["70000", "65535", "Numbered", "Continued"] {
        assert!(too_long.contains(part), "{too_long}");
    }
}

/// It holds for what the set had by then, whatever else is around it.
#[tokio::test]
async fn it_holds_for_the_responders_of_its_set_alone() {
    let missing = &[("times", "1")][..];
    let told = responders().tell_causes().on_own_tasks().one_at_a_time();
    assert_eq!(cause(told, missing).await, ": argument text: missing");
    let told = responders().on_own_tasks().end_with_connection().tell_causes();
    assert_eq!(cause(told, missing).await, ": argument text: missing");
    let untold = Responders::new(()).tell_causes().try_respond(repeat);
    assert_eq!(cause(untold, missing).await, "");
    let fallback =
        Responders::new(()).fallback(async |_: ReceivedCall| -> Result<AmpBox, RemoteError> {
            panic!("no such thing")
        });
    let seen = cause(fallback.tell_causes(), missing).await;
    assert!(seen.contains("no such thing"), "{seen}");
}

#[tokio::test]
async fn it_is_told_in_twisted_s_words_too() {
    let (near, far) = tokio::io::duplex(4096);
    let mut script = Script::of(near);
    let connection = Connection::new(far).responders(responders().tell_causes());
    let _peer = connection.failure_policy(FailurePolicy::Close).spawn();
    script.send_box([("_ask", "1"), ("_command", "Repeat"), ("times", "1")]).await;
    let description = ("_error_description", "Unknown Error: argument text: missing");
    script.expect([("_error", "1"), ("_error_code", "UNKNOWN"), description]).await;
}

#[derive(Command)]
#[amp(response = Place)]
struct Find {
    one: Option<Secret>,
    all: Vec<Secret>,
}

#[derive(Arguments)]
struct Secret {
    key: u8,
}

#[derive(Arguments)]
struct Place {
    path: PathBuf,
}

async fn find(_: Context, _: Find) -> Result<Place, NoError> {
    Ok(Place { path: PathBuf::from(OsStr::from_bytes(b"/secret/\xff")) })
}

/// Neither what a peer has sent nor what a responder has returned is told, whatever is wrong with it.
#[tokio::test]
async fn no_value_is_told() {
    for (arguments, expected) in [
        (
            &[("all", "user=ann password=secret")][..],
            "argument all[0]: \"...\" (24 bytes) is not a box",
        ),
        (&[("all", ""), ("one", "secret")], "argument one: \"...\" (6 bytes) is not a box"),
        (&[("all", "\0\x03key\0\x06secret\0\0")], "argument all[0].key: "),
        (&[("all", "")], "argument path: a path that is not UTF-8 cannot be written: "),
    ] {
        let responders = Responders::new(()).respond(find).tell_causes();
        let (peer, _there) = testing::pair(Responders::new(()), responders);
        let error = peer.call_by_name("Find", arguments.iter().copied()).await.unwrap_err();
        let CallError::Remote(error) = error else { panic!("{error}") };
        let told = error.description;
        assert!(told.contains(expected) && !told.contains("secret"), "{told}");
    }
}
