//! The peer that does what a test says, and responders called in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use amp_core::testing::{self, Script};
use amp_core::{
    Arguments, CallError, CloseReason, Command, CommandError, Connection, Context, Failure,
    NoError, Peer, Responders,
};

#[derive(Command, Debug, PartialEq)]
#[amp(response = Total, error = SumError)]
struct Sum {
    a: i64,
    b: i64,
}

#[derive(Arguments, Debug, PartialEq)]
struct Total {
    total: i64,
}

#[derive(CommandError, Debug, thiserror::Error)]
enum SumError {
    #[error("too large")]
    TooLarge,
}

#[derive(Command)]
#[amp(one_way)]
struct Log {
    text: String,
}

#[derive(Command)]
struct Ping {}

fn sum(a: i64, b: i64) -> Sum {
    Sum { a, b }
}

fn total(total: i64) -> Total {
    Total { total }
}

fn none() -> Responders {
    Responders::new(())
}

async fn answer(_: Context, Sum { a, b }: Sum) -> Result<Total, SumError> {
    a.checked_add(b).map(total).ok_or(SumError::TooLarge)
}

fn summing() -> Responders {
    none().respond(answer)
}

async fn message_of(run: impl Future<Output = ()> + Send + 'static) -> String {
    let panic = tokio::spawn(run).await.unwrap_err().into_panic();
    *panic.downcast::<String>().unwrap()
}

#[tokio::test]
async fn a_script_answers_fails_and_calls() {
    let (peer, script) = Script::new()
        .expect(&sum(1, 2))
        .answer(&total(3))
        .expect_any::<Sum>()
        .fail(&SumError::TooLarge)
        .expect_where(|Sum { a, .. }| *a == 7)
        .fail_with("OTHER", "otherwise")
        .call(&sum(40, 2), &total(42))
        .call_fails(&sum(i64::MAX, 2), "TOO_LARGE")
        .expect_notify(&Log { text: "done".into() })
        .start(summing());
    assert_eq!(peer.call_remote(sum(1, 2)).await.unwrap(), total(3));
    let error = peer.call_remote(sum(5, 5)).await;
    assert!(matches!(error, Err(CallError::Command(SumError::TooLarge))));
    let error = peer.call_remote(sum(7, 5)).await.unwrap_err();
    assert!(matches!(error, CallError::Remote(error) if error.code == "OTHER"));
    peer.notify(Log { text: "done".into() }).await.unwrap();
    script.finish().await;
}

#[tokio::test]
async fn a_script_sends_commands_that_want_no_answer() {
    let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let responders = none().respond(move |_, Log { text }: Log| {
        let said = said.clone();
        async move {
            said.send(text).unwrap();
            Ok(())
        }
    });
    let (_peer, script) = Script::new().notify(&Log { text: "hello".into() }).start(responders);
    assert_eq!(heard.recv().await.unwrap(), "hello");
    script.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_script_may_never_answer() {
    let (peer, script) = Script::new().expect_any::<Sum>().never_answer().start(none());
    let call = peer.call_remote(sum(1, 2)).timeout(Duration::from_secs(60));
    assert!(call.await.unwrap_err().is_timeout());
    script.finish().await;
}

#[tokio::test]
async fn a_script_cuts_the_connection_at_any_byte() {
    let whole = testing::answer_box::<Sum>(&total(3)).unwrap().len();
    for len in 0..whole {
        let (peer, script) =
            Script::new().expect_any::<Sum>().cut_answer(len, &total(3)).start(none());
        let error = peer.call_remote(sum(1, 2)).await.unwrap_err();
        match error {
            CallError::Closed(CloseReason::Peer) if len == 0 => {}
            CallError::Closed(CloseReason::Truncated { received }) => assert_eq!(received, len),
            error => panic!("{len}: {error}"),
        }
        script.finish().await;
    }
    let (peer, script) =
        Script::new().expect_any::<Sum>().cut_answer(whole, &total(3)).start(none());
    assert_eq!(peer.call_remote(sum(1, 2)).await.unwrap(), total(3));
    script.finish().await;

    let (peer, script) = Script::new().expect_any::<Sum>().cut().start(none());
    let error = peer.call_remote(sum(1, 2)).await.unwrap_err();
    assert!(matches!(error, CallError::Closed(CloseReason::Peer)), "{error}");
    script.finish().await;
}

#[tokio::test]
async fn a_script_sends_any_bytes() {
    let (peer, script) = Script::new()
        .expect_any::<Sum>()
        .answer_raw("\0\x07_answer\0\x011\0\x05total\0\x01x\0\0")
        .send("\0\0")
        .start(none());
    let error = peer.call_remote(sum(1, 2)).await.unwrap_err();
    assert!(matches!(error, CallError::Decode(_)), "{error}");
    assert!(matches!(peer.closed().await, CloseReason::Protocol(_)));
    script.finish().await;
}

#[tokio::test]
async fn a_script_is_a_stream_for_connections_of_any_kind() {
    let (stream, script) = Script::new().expect(&sum(1, 2)).answer(&total(3)).stream();
    let peer = Connection::new(stream).call_timeout(Duration::from_secs(9)).spawn();
    assert_eq!(peer.call_remote(sum(1, 2)).await.unwrap(), total(3));
    script.finish().await;
}

async fn fails(script: Script, calls: impl AsyncFnOnce(&Peer)) -> String {
    let (peer, script) = script.start(summing());
    calls(&peer).await;
    drop(peer);
    message_of(script.finish()).await
}

#[tokio::test]
async fn what_is_not_expected_fails_with_what_it_is() {
    let one = || Script::new().expect(&sum(1, 2)).answer(&total(3));
    let step_1 = "step 1 expected Sum {\"a\": \"1\", \"b\": \"2\"}, and";
    assert_eq!(
        fails(one(), async |peer| assert!(peer.call_remote(sum(1, 3)).await.is_err())).await,
        format!("{step_1} Sum {{\"a\": \"1\", \"b\": \"3\"}} came, which is another in \"b\"")
    );
    assert_eq!(
        fails(one(), async |peer| assert!(peer.call_remote(Ping {}).await.is_err())).await,
        format!("{step_1} Ping {{}} came")
    );
    assert_eq!(
        fails(one(), async |peer| {
            peer.notify_by_name("Sum", [("a", "1"), ("b", "2")]).await.unwrap();
            peer.closed().await;
        })
        .await,
        format!("{step_1} Sum {{\"a\": \"1\", \"b\": \"2\"}} came, which wants no answer")
    );
    assert_eq!(
        fails(one(), async |peer| {
            let call = peer.call_by_name("Sum", [("a", "1"), ("b", "2"), ("c", "")]);
            assert!(call.await.is_err());
        })
        .await,
        format!(
            "{step_1} Sum {{\"a\": \"1\", \"b\": \"2\", \"c\": \"\"}} came, \
             which is another in \"c\""
        )
    );
    assert_eq!(
        fails(one(), async |_| ()).await,
        format!("{step_1} the connection ended: closed by the peer")
    );
    let log = Script::new().expect_notify(&Log { text: String::new() });
    assert_eq!(
        fails(log, async |peer| {
            assert!(peer.call_by_name("Log", [("text", "")]).await.is_err());
        })
        .await,
        "step 1 expected Log {\"text\": \"\"}, and Log {\"text\": \"\"} came, which wants an answer"
    );
    let certain = Script::new().expect_where(|sum: &Sum| sum.a == 1).never_answer();
    assert_eq!(
        fails(certain, async |peer| assert!(peer.call_remote(sum(2, 2)).await.is_err())).await,
        "step 1 expected a certain Sum, and Sum {\"a\": \"2\", \"b\": \"2\"} came, \
         which is not the one"
    );
    let any = Script::new().expect_any::<Sum>().never_answer();
    assert_eq!(
        fails(any, async |peer| {
            assert!(peer.call_by_name("Sum", [("a", "1")]).await.is_err());
        })
        .await,
        "step 1 expected Sum, and Sum {\"a\": \"1\"} came, \
         which cannot be read: argument b: missing"
    );
}

#[tokio::test]
async fn what_is_answered_otherwise_fails_too() {
    let step_1 = "step 1 waited for the answer to Sum {\"a\": \"1\", \"b\": \"2\"}, and it";
    let run = async |script: Script| fails(script, async |peer| drop(peer.closed().await)).await;
    assert_eq!(
        run(Script::new().call(&sum(1, 2), &total(4))).await,
        format!("{step_1} was answered with {{\"total\": \"3\"}}, which is another in \"total\"")
    );
    assert_eq!(
        run(Script::new().call_fails(&sum(1, 2), "TOO_LARGE")).await,
        format!("{step_1} was answered with {{\"total\": \"3\"}}")
    );
    let unhandled = "step 1 waited for the answer to Ping {}, \
                     and it failed with UNHANDLED, \"Unhandled Command: b'Ping'\"";
    assert_eq!(
        run(Script::new().call_fails(&Ping {}, "OTHER")).await,
        format!("{unhandled}, not with OTHER")
    );
    assert_eq!(run(Script::new().call(&Ping {}, &())).await, unhandled);
}

#[tokio::test]
async fn calls_after_the_last_step_fail() {
    let message = fails(Script::new(), async |peer| {
        assert!(peer.call_remote(Ping {}).await.unwrap_err().is_closed());
    });
    assert_eq!(message.await, "Ping {} came after the last step");
}

#[tokio::test]
async fn steps_behind_the_end_fail() {
    let script = Script::new().cut().expect(&sum(1, 2)).never_answer();
    let message = fails(script, async |peer| drop(peer.closed().await)).await;
    assert_eq!(message, "step 1 ended the connection, and there are steps behind it");
}

#[tokio::test(start_paused = true)]
async fn a_script_that_does_not_get_on_says_where() {
    let (peer, script) = Script::new().expect(&sum(1, 2)).never_answer().start(none());
    let message = message_of(script.finish()).await;
    let expected = "step 1 expected Sum {\"a\": \"1\", \"b\": \"2\"}, which has not happened";
    assert_eq!(message, expected);
    drop(peer);
}

#[tokio::test]
async fn a_script_that_is_dropped_fails_as_well() {
    let message = message_of(async {
        let (_peer, _script) = Script::new().expect_any::<Ping>().never_answer().start(none());
    });
    assert!(message.await.ends_with(", which has not happened"));
}

#[tokio::test]
async fn responders_are_called_in_memory() {
    assert_eq!(testing::call_remote(&summing(), sum(1, 2)).await.unwrap(), total(3));
    let error = testing::call_remote(&summing(), sum(i64::MAX, 2)).await;
    assert!(matches!(error, Err(CallError::Command(SumError::TooLarge))));
    assert!(testing::call_remote(&none(), Ping {}).await.unwrap_err().is_unhandled());
    let broken = none().try_respond(|_, _: Ping| async {
        Err::<(), Failure<NoError>>(Failure::other("the disk is full"))
    });
    let Err(CallError::Remote(error)) = testing::call_remote(&broken, Ping {}).await else {
        panic!()
    };
    assert!(error.is_unknown() && error.description.ends_with(": the disk is full"), "{error}");

    let answer = testing::call_by_name(&summing(), "Sum", [("a", "1"), ("b", "2")]).await.unwrap();
    assert_eq!(answer.get("total"), Some(&b"3"[..]));
    let error = testing::call_by_name(&summing(), "Sum", [("a", "1")]).await.unwrap_err();
    let CallError::Remote(error) = error else { panic!("{error}") };
    assert!(error.is_unknown() && error.description.ends_with(": argument b: missing"), "{error}");
}

#[tokio::test]
async fn a_script_shows_why_what_it_calls_has_failed() {
    let message = message_of(async {
        let script = Script::new().call(&sum(1, 2), &total(3));
        let (_peer, script) = script.start(none().try_respond(async |_: Context, _: Sum| {
            Err::<Total, _>(Failure::<SumError>::other("the disk is full"))
        }));
        script.finish().await;
    });
    let message = message.await;
    assert!(message.contains("the disk is full"), "{message}");
}

#[tokio::test]
async fn a_responder_in_memory_calls_a_peer_that_answers_nothing() {
    let responders = none().respond(|context: Context, _: Ping| async move {
        assert!(context.peer().call_remote(Ping {}).await.unwrap_err().is_unhandled());
        Ok(())
    });
    testing::call_remote(&responders, Ping {}).await.unwrap();
}

#[tokio::test]
async fn a_command_that_wants_no_answer_is_done_when_its_responder_is() {
    let done = Arc::new(AtomicBool::new(false));
    let responders = Responders::new(Arc::clone(&done)).respond(
        |context: Context<Arc<AtomicBool>>, Log { text }: Log| async move {
            tokio::task::yield_now().await;
            assert_eq!(text, "hello");
            context.state().store(true, Ordering::Relaxed);
            Ok(())
        },
    );
    testing::notify(&responders, Log { text: "hello".into() }).await.unwrap();
    assert!(done.load(Ordering::Relaxed));
    testing::notify(&none(), Log { text: "nobody".into() }).await.unwrap();
    let error = testing::notify(&responders, Log { text: "x".repeat(65_536) }).await.unwrap_err();
    assert_eq!(error.argument(), "text");
}
