//! The server, the network before it, and the commands that the tests use.

use amp_core::reconnect::{Backoff, Client, Connector, Jitter, NotConnected, State};
use amp_core::{Arguments, CallError, Command, Connection};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

use crate::support::{Script, turns_taken};

#[derive(Command)]
#[amp(response = Value)]
pub(crate) struct Once {
    pub(crate) n: i64,
}

#[derive(Command)]
#[amp(response = Value, idempotent)]
pub(crate) struct Again {
    pub(crate) n: i64,
}

#[derive(Command)]
#[amp(one_way)]
pub(crate) struct Note {
    pub(crate) n: i64,
}

#[derive(Arguments, Debug, PartialEq)]
pub(crate) struct Value {
    pub(crate) n: i64,
}

#[derive(Command)]
pub(crate) struct Hello {}

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// What the network does with an attempt to connect.
#[derive(Clone, Copy)]
pub(crate) enum Does {
    Refuse,
    Accept,
    /// Accepts, with room for so many bytes in each direction.
    AcceptNarrow(usize),
    Hang,
    Panic,
}

/// A server and the network before it. What comes after the plan is refused.
pub(crate) struct Net {
    accepted: mpsc::UnboundedReceiver<Script>,
    attempts: Arc<AtomicUsize>,
}

impl Net {
    /// A client with waits of 1, 2, 4, 8 seconds, as `prepare` says.
    pub(crate) fn client(
        plan: impl IntoIterator<Item = Does>,
        prepare: impl FnOnce(Connector) -> Connector,
    ) -> (Client, Self) {
        Self::client_over(plan, |connection| connection, prepare)
    }

    /// One whose connections are as `settings` says.
    pub(crate) fn client_over(
        plan: impl IntoIterator<Item = Does>,
        settings: fn(Connection) -> Connection,
        prepare: impl FnOnce(Connector) -> Connector,
    ) -> (Client, Self) {
        let plan = Mutex::new(plan.into_iter().collect::<VecDeque<_>>());
        let plan = Arc::new(plan);
        let (accept, accepted) = mpsc::unbounded_channel();
        let attempts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&attempts);
        let connect = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let does = plan.lock().unwrap().pop_front().unwrap_or(Does::Refuse);
            let accept = accept.clone();
            async move {
                let room = match does {
                    Does::Refuse => return Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
                    Does::Hang => std::future::pending().await,
                    Does::Panic => panic!("the code that connects"),
                    Does::Accept => 1 << 16,
                    Does::AcceptNarrow(room) => room,
                };
                let (near, far) = tokio::io::duplex(room);
                let _ = accept.send(Script::of(far));
                Ok(settings(Connection::new(near)))
            }
        };
        let backoff = Backoff::default()
            .base(SECOND)
            .factor(2.0)
            .cap(8 * SECOND)
            .jitter(Jitter::None)
            .reset_after(10 * SECOND);
        let client = prepare(Connector::new(connect).backoff(backoff).address("far:1")).spawn();
        (client, Self { accepted, attempts })
    }

    pub(crate) async fn accept(&mut self) -> Script {
        self.accepted.recv().await.expect("the client connects")
    }

    pub(crate) fn attempts(&self) -> usize {
        self.attempts.load(Ordering::SeqCst)
    }
}

/// Runs a call on a task of its own, as far as it gets.
pub(crate) async fn started<T: Send + 'static>(
    call: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    let call = tokio::spawn(call);
    turns_taken().await;
    call
}

/// Answers the next call with what it was called with.
pub(crate) async fn answer(script: &mut Script, command: &str) {
    let call = script.receive().await.expect("a call");
    let text = |key| std::str::from_utf8(call.get(key).expect("a value")).expect("text");
    assert_eq!(text("_command"), command);
    script.send_box([("_answer", text("_ask")), ("n", text("n"))]).await;
}

/// Refuses a call, as a connection does that is about to end.
pub(crate) async fn refuse(script: &mut Script, tag: &str) {
    let code = ("_error_code", "CLOSING");
    script.send_box([("_error", tag), code, ("_not_acted_upon", "True")]).await;
}

pub(crate) fn not_connected<T: std::fmt::Debug, E: std::fmt::Debug>(
    ended: Result<T, CallError<E>>,
) -> NotConnected {
    match ended {
        Err(CallError::NotConnected(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// Waits until nothing of a client is left.
pub(crate) async fn gone(mut watch: tokio::sync::watch::Receiver<State>) {
    while watch.changed().await.is_ok() {}
    assert!(matches!(*watch.borrow(), State::Closed));
}
