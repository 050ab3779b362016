use fastrand::Rng;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

use super::backoff::{Backoff, Waits};
use super::client::Client;
use super::connections::Connections;
use super::link::{Link, Options};
use super::state::State;
use super::supervisor::{Connect, MakeReady, Published, Stop, Supervisor};
use crate::connection::{Connection, Peer};
use crate::dial::Round;
use crate::responder::Responders;
use crate::runtime;
use crate::sync::Notify;

/// A [`Client`] that is about to start, and the settings for it.
#[must_use = "a client does nothing before it is spawned"]
pub struct Connector {
    connect: Connect,
    make_ready: MakeReady,
    prepare: Box<dyn FnMut(Connection) -> Connection + Send>,
    backoff: Backoff,
    attempt_timeout: Duration,
    address: Option<Arc<str>>,
    max_waiting: usize,
    options: Options,
}

impl Connector {
    /// Creates a client that gets each connection from `connect`. The connection may be over anything: TCP, a Unix socket,
    /// TLS.
    ///
    /// If `connect` or the hook panics, the attempt has failed, unless the program is built with `panic = "abort"`.
    pub fn new<F, R, E>(mut connect: F) -> Self
    where
        F: FnMut() -> R + Send + 'static,
        R: Future<Output = Result<Connection, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self {
            connect: Box::new(move || {
                let connection = connect();
                Box::pin(async { connection.await.map_err(Into::into) })
            }),
            make_ready: Box::new(|_| Box::pin(std::future::ready(Ok(())))),
            prepare: Box::new(|connection| connection),
            backoff: Backoff::default(),
            attempt_timeout: Duration::from_secs(10),
            address: None,
            max_waiting: 1024,
            options: Options { wait: false, timeout: None, max_repeats: 3 },
        }
    }

    /// Sets the responders that answer the peer's calls, on every connection and from its beginning. If
    /// [`make_ready`](Self::make_ready) starts TLS, they also answer in clear text. Give responders that nobody in between
    /// may call to the future of `Peer::start_tls` instead, by its `responders`.
    pub fn responders<S: Send + Sync + 'static>(mut self, responders: Responders<S>) -> Self {
        self.prepare = Box::new(move |connection| connection.responders(responders.clone()));
        self
    }

    /// Sets the hook that makes a new connection ready, for example by a login, a greeting, or whatever the server has to
    /// know again. No other call of the client is made before it has succeeded. If it fails, the connection is closed, and
    /// another one is made after a wait. If the connection is lost meanwhile, the hook is dropped.
    pub fn make_ready<F, R, E>(mut self, mut hook: F) -> Self
    where
        F: FnMut(Peer) -> R + Send + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.make_ready = Box::new(move |peer| {
            let ready = hook(peer);
            Box::pin(async { ready.await.map_err(Into::into) })
        });
        self
    }

    /// Sets how long connecting and the hook may take together. 10 seconds by default.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// Sets how long to wait before connecting again.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets where the client connects to, for its errors and the log.
    pub fn address(mut self, address: impl fmt::Display) -> Self {
        self.address = Some(address.to_string().into());
        self
    }

    /// Lets calls wait for a connection while there is none, unless they say otherwise with
    /// [`ClientCall::fail_fast`](super::ClientCall::fail_fast). By default they fail at once. Once there is a connection,
    /// they are made in the order in which they began to wait.
    pub fn wait_for_connection(mut self) -> Self {
        self.options.wait = true;
        self
    }

    /// Sets how long each call may take, unless the call sets its own time. This includes waiting for a connection and being
    /// sent again. By default a call waits for a connection without end, and then has the
    /// [`call_timeout`](Connection::call_timeout) of that connection.
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Sets how many calls may wait for the connection at once. 1024 by default. A further call fails with
    /// [`CallError::NotConnected`](crate::CallError::NotConnected).
    pub fn max_waiting(mut self, calls: usize) -> Self {
        self.max_waiting = calls.min(Semaphore::MAX_PERMITS);
        self
    }

    /// Sets how many times a call is sent again, at most. 3 by default. It is sent again when its
    /// connection was lost, if its command is [`IS_IDEMPOTENT`](crate::Command::IS_IDEMPOTENT); and
    /// whatever its command, when the peer has refused it because it was about to close the
    /// connection. Each time there is another connection, made after a wait of the
    /// [`backoff`](Connector::backoff).
    pub fn max_repeats(mut self, repeats: u32) -> Self {
        self.options.max_repeats = repeats;
        self
    }

    /// Starts the client, which connects at once, on a task of its own.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time enabled.
    #[track_caller]
    #[must_use = "the client stops when its last handle is dropped"]
    pub fn spawn(self) -> Client {
        let runtime = runtime::with_timers();
        let (state, watched) = watch::channel(State::Connecting { attempt: 1, cause: None });
        let (stop, stopped) = watch::channel(Stop::Never);
        let (closing, is_closing) = watch::channel(Weak::new());
        let connected = Arc::new(Notify::new());
        let state = Published { state, connected: Arc::clone(&connected) };
        let connections = Arc::<Connections>::default();
        let link = Link {
            state: watched,
            connected,
            stop,
            waiting: Semaphore::new(self.max_waiting),
            max_waiting: self.max_waiting,
            closing,
            connections: Arc::clone(&connections),
            address: self.address.clone(),
            options: self.options,
            runtime: runtime.clone(),
        };
        let supervisor = Supervisor {
            connect: self.connect,
            make_ready: self.make_ready,
            prepare: self.prepare,
            round: Round::default(),
            attempt_timeout: self.attempt_timeout,
            reset_after: self.backoff.reset_after,
            waits: Waits::new(self.backoff, Rng::new()),
            address: self.address,
            connections,
            closing: is_closing,
        };
        runtime.spawn(supervisor.run(state, stopped));
        Client::new(link)
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("address", &self.address)
            .field("backoff", &self.backoff)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("max_waiting", &self.max_waiting)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
