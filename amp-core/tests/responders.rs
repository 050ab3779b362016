//! Responders: replaced on a live connection, with something to do after the answer, and what is
//! answered when they fail.

mod support;

use amp_core::{
    AmpBox, CallError, Command, CommandError, Connection, Context, Failure, ReceivedCall,
    RemoteError, Responders, Switched, testing,
};
use anyhow::Context as _;
use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex};
use support::{Script, echo, echoing};
use tokio::sync::oneshot;

async fn log_in(call: ReceivedCall) -> Result<AmpBox, RemoteError> {
    if call.arguments.get("password") != Some(b"sesame") {
        return Err(RemoteError::new("WRONG", "that is not it"));
    }
    call.peer.replace_responders(echoing()).unwrap();
    Ok(AmpBox::new())
}

#[tokio::test]
async fn a_login_replaces_the_responders_before_the_next_call() {
    let login = Responders::new(()).respond_by_name("Login", log_in);
    let (_peer, mut script) = Script::start(|connection| connection.responders(login));
    let boxes = [
        vec![("_ask", "1"), ("_command", "Echo")],
        vec![("_ask", "2"), ("_command", "Login"), ("password", "guess")],
        vec![("_ask", "3"), ("_command", "Echo")],
        vec![("_ask", "4"), ("_command", "Login"), ("password", "sesame")],
        vec![("_ask", "5"), ("_command", "Echo")],
        vec![("_ask", "6"), ("_command", "Login"), ("password", "sesame")],
    ];
    // In one write, so that all of them are received before the first is answered.
    let bytes = boxes.map(|pairs| AmpBox::from_pairs(pairs).unwrap().to_bytes());
    script.send(&bytes.concat()).await;
    for (tag, code) in [
        ("1", Some("UNHANDLED")),
        ("2", Some("WRONG")),
        ("3", Some("UNHANDLED")),
        ("4", None),
        ("5", None),
        ("6", Some("UNHANDLED")),
    ] {
        let answer = script.receive().await.unwrap();
        assert_eq!(answer.get("_error_code"), code.map(str::as_bytes), "{tag}");
        let key = if code.is_some() { "_error" } else { "_answer" };
        assert_eq!(answer.get(key), Some(tag.as_bytes()));
    }
}

#[derive(Command)]
struct Last {}

#[tokio::test]
async fn what_follows_an_answer_runs_once_that_is_written() {
    let responders = Responders::new(()).respond_by_name("Echo", echo).respond_then(
        |context: Context, _: Last| async { Ok(((), async move { context.peer().close().await })) },
    );
    let (_peer, mut script) = Script::start(|connection| connection.responders(responders));
    script.send_box([("_ask", "1"), ("_command", "Echo")]).await;
    script.send_box([("_ask", "2"), ("_command", "Last")]).await;
    script.expect([("_answer", "1")]).await;
    script.expect([("_answer", "2")]).await;
    assert_eq!(script.receive().await, None, "closed after its answer");
}

#[tokio::test(start_paused = true)]
async fn what_follows_an_answer_that_is_never_written_never_runs() {
    let (run, ran) = oneshot::channel::<()>();
    let run = Arc::new(Mutex::new(Some(run)));
    let responders = Responders::new(()).respond_then(move |_, _: Last| {
        let run = run.lock().unwrap().take();
        async move { Ok(((), async move { run.unwrap().send(()).unwrap() })) }
    });
    // There is no room for the answer, and nobody reads it.
    let (peer, mut script) =
        Script::with_room(30, |connection: Connection| connection.responders(responders));
    let tag = "t".repeat(100);
    script.send_box([("_ask", &*tag), ("_command", "Last")]).await;
    support::settled().await;
    drop(script);
    peer.closed().await;
    assert!(ran.await.is_err(), "it was dropped");
}

#[derive(Command)]
#[amp(error = ReadError, switch)]
struct Read {
    how: String,
}

#[derive(CommandError, Debug, PartialEq, thiserror::Error)]
enum ReadError {
    #[error("{0}")]
    NotFound(String),
    #[error("the disk is gone")]
    #[amp(fatal)]
    DiskGone,
}

fn not_found() -> ReadError {
    ReadError::NotFound("there is no book".to_owned())
}

/// An error of a library, with a cause.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the index")]
struct Wrapped(#[source] ReadError);

/// Fails with the error that is declared, in this way.
async fn read(_: Context, Read { how }: Read) -> Result<(), Failure<ReadError>> {
    type Boxed = Box<dyn Error + Send + Sync>;
    match &*how {
        "itself" => Err(not_found())?,
        "boxed" => Err(Boxed::from(not_found()))?,
        "boxed twice" => Err(Boxed::from(Boxed::from(not_found())))?,
        "wrapped" => Err(Wrapped(not_found()))?,
        "context" => Err(not_found()).context("while opening the index")?,
        "contexts" => Err(anyhow::Error::from(not_found())).context("one").context("another")?,
        "other" => return Err(Failure::other(not_found())),
        "called" => Err(CallError::Command(not_found()))?,
        "called, context" => Err(CallError::Command(not_found())).context("at the backend")?,
        "anyhow, asked" => {
            let error = anyhow::Error::from(not_found());
            Err(error.downcast().map_or_else(Failure::other, Failure::Declared))
        }?,
        "anyhow" => Err(anyhow::Error::from(not_found()))?,
        "in io" => Err(io::Error::other(not_found()))?,
        "in io, wrapped" => Err(io::Error::other(Wrapped(not_found())))?,
        "io" => Err(io::Error::other("the disk is full"))?,
        "anyhow, other" => Err(anyhow::anyhow!("the disk is full"))?,
        "text" => Err("the disk is full")?,
        "fatal" => Err(ReadError::DiskGone).context("while opening the index")?,
        _ => {}
    }
    Ok(())
}

#[tokio::test]
async fn a_declared_error_keeps_its_code_whichever_way_it_came() {
    let responders = Responders::new(()).try_respond(read);
    let ended =
        async |how: &str| testing::call_remote(&responders, Read { how: how.to_owned() }).await;
    let ways = [
        "itself",
        "boxed",
        "boxed twice",
        "wrapped",
        "context",
        "contexts",
        "other",
        "anyhow, asked",
        "called",
        "called, context",
        "in io",
        "in io, wrapped",
    ];
    for how in ways {
        let ended = ended(how).await;
        let Err(CallError::Command(error)) = ended else { panic!("{how}: {ended:?}") };
        // With its own description: what was added is not for the peer.
        assert_eq!(error, not_found(), "{how}");
    }
    for how in ["io", "anyhow, other", "text"] {
        let ended = ended(how).await;
        assert!(matches!(&ended, Err(CallError::Remote(error)) if error.is_unknown()), "{how}");
    }
    // It does not say what it was made of, once it is boxed.
    let ended = ended("anyhow").await;
    assert!(matches!(&ended, Err(CallError::Remote(error)) if error.is_unknown()), "{ended:?}");
}

struct Library;

/// Fails as the command declares or not.
fn fail(Read { how }: Read) -> Result<(), Failure<ReadError>> {
    if how == "declared" {
        Err(not_found())?;
    }
    Err(io::Error::other("the disk is full"))?
}

#[tokio::test]
async fn whatever_way_a_call_is_answered_it_may_fail_as_its_command_does_not_declare() {
    let then = async |_: Context<Library>, command: Read| {
        fail(command)?;
        Ok(((), async {}))
    };
    let switch = async |_: Context<Library>, command: Read| {
        fail(command)?;
        Ok(async |_: Switched| {})
    };
    let set = || Responders::new(Library);
    for responders in [
        set().try_respond(async |_, command: Read| fail(command)),
        set().try_respond_then(then),
        set().try_respond_switch(switch),
        #[cfg(feature = "tls")]
        set().try_respond_start_tls(async |_, command: Read| -> Result<amp_core::tls::Role, _> {
            fail(command)?;
            unreachable!("it always fails")
        }),
    ] {
        let (peer, _far) = testing::pair(Responders::new(()), responders);
        let call = |how: &str| peer.call_remote(Read { how: how.to_owned() });
        let declared = call("declared").await.unwrap_err();
        assert!(matches!(&declared, CallError::Command(error) if *error == not_found()));
        let other = call("other").await.unwrap_err();
        assert!(matches!(&other, CallError::Remote(error) if error.is_unknown()), "{other}");
    }
}

#[tokio::test]
async fn a_fatal_error_is_fatal_also_as_a_cause() {
    let responders = Responders::new(()).try_respond(read);
    let (_peer, mut script) = Script::start(|connection| connection.responders(responders));
    script.send_box([("_ask", "1"), ("_command", "Read"), ("how", "fatal")]).await;
    let description = ("_error_description", "the disk is gone");
    script.expect([("_error", "1"), ("_error_code", "DISK_GONE"), description]).await;
    assert_eq!(script.receive().await, None);
}

/// Looks at the connection when it is dropped.
#[derive(Default)]
struct Looking(Mutex<Option<amp_core::Peer>>);

impl Drop for Looking {
    fn drop(&mut self) {
        if let Some(peer) = self.0.lock().unwrap().take() {
            peer.counters();
        }
    }
}

#[tokio::test]
async fn the_state_of_replaced_responders_can_use_the_connection_when_it_is_dropped() {
    let looking = Arc::new(Looking::default());
    let responders = Responders::new(Arc::clone(&looking)).respond(
        |context: Context<Arc<Looking>>, _: Last| async move {
            context.peer().replace_responders(echoing()).unwrap();
            Ok(())
        },
    );
    let (peer, mut script) = Script::start(|connection| connection.responders(responders));
    *looking.0.lock().unwrap() = Some(peer);
    drop(looking);
    script.send_box([("_ask", "1"), ("_command", "Last")]).await;
    script.expect([("_answer", "1")]).await;
    script.send_box([("_ask", "2"), ("_command", "Echo")]).await;
    script.expect([("_answer", "2")]).await;
}
