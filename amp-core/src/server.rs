//! Servers: accept connections and serve them until told to stop.

#[cfg(all(test, feature = "tls"))]
mod defaults;
mod places;
mod silent;

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Sleep;

use self::places::Places;
use self::silent::Silent;
use crate::connection::{Connection, Drained, Driver, Peer};
use crate::descriptors::Descriptors;
use crate::panics::{caught, caught_future};
use crate::proto::Together;
use crate::report::Report;
use crate::responder::Responders;
use crate::restraint::{Restraint, restrained};
use crate::runtime;

/// The time that a server waits before it accepts again when it cannot, for want of descriptors or
/// memory: at first, and after further failures.
const ACCEPT_AGAIN: Duration = Duration::from_millis(10);
const ACCEPT_AGAIN_MAX: Duration = Duration::from_secs(1);

/// Accepts connections. It is implemented by [`TcpListener`](tokio::net::TcpListener) and
/// `amp_unix::UnixSocketListener`, and you can implement it for a listener of your own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an AMP listener",
    label = "a server cannot accept connections from this",
    note = "a `tokio::net::UnixListener` is served as an `amp_unix::UnixSocketListener`, which is made `from` it, and a listener of `std` as that of tokio; for any other type implement `amp_core::Listener`"
)]
pub trait Listener: Send + 'static {
    /// Waits for the next connection.
    ///
    /// # Errors
    ///
    /// When no connection could be accepted. The server then tries again. If the error is about one
    /// connection only, such as `ConnectionAborted`, it does so at once. After any other error, such
    /// as a lack of descriptors, it first pauses for 10 milliseconds, or until one of its connections
    /// has ended. The pause doubles with each further failure, up to a second.
    ///
    /// # Cancel safety
    ///
    /// A server drops the future whenever one of its connections ends, and when it is told to stop.
    /// Dropping it must not lose a connection that a later call could accept.
    fn accept(&mut self) -> impl Future<Output = io::Result<Connection>> + Send;
}

/// Serves every connection that `listener` accepts with the same responders. Await the returned
/// [`Serve`], or spawn it.
///
/// ```no_run
/// # async fn f() -> std::io::Result<()> {
/// use amp_core::Responders;
///
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:1234").await?;
/// amp_core::serve(listener, Responders::new(())).await;
/// # Ok(()) }
/// ```
///
/// To run it on a task of its own until it is told to stop:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
/// # use amp_core::Responders;
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
/// let server = amp_core::serve(listener, Responders::new(())).shutdown_on(stopped);
/// let server = tokio::spawn(server);
/// // ...
/// drop(stop);
/// server.await?;
/// # Ok(()) }
/// ```
#[doc(alias("listen", "Server"))]
pub fn serve<L: Listener, S: Send + Sync + 'static>(
    listener: L,
    responders: Responders<S>,
) -> Serve<L> {
    serve_with(listener, move |connection| connection.responders(responders.clone()))
}

/// Serves every connection that `listener` accepts. `prepare` is called for each of them, to set its
/// responders, limits and data.
///
/// A panic in `prepare`, in [`on_connect`](Serve::on_connect) or in the listener costs the one
/// connection that it happens for, unless the program is built with `panic = "abort"`. So if
/// `prepare` always panics, the server starts all the same and then drops every connection.
/// [`Connection::limits`] panics in that way when a limit is above its bound: limits that are not known
/// when the program is written pass [`Limits::check`](crate::Limits::check) before it serves.
pub fn serve_with<L: Listener>(
    listener: L,
    prepare: impl FnMut(Connection) -> Connection + Send + 'static,
) -> Serve<L> {
    let settings = Settings {
        listener,
        prepare: Box::new(prepare),
        on_connect: Box::new(drop),
        max_connections: None,
        bytes_in_all: 512 << 20,
        running_responders_in_all: 1 << 16,
        drain_timeout: Duration::from_secs(5),
        stop_accepting: Box::pin(std::future::pending()),
        shutdown: Box::pin(std::future::pending()),
    };
    Serve { settings: Some(Box::new(settings)), running: None }
}

type Signal = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A signal that panics is given: nobody could give it any more.
fn given<F: Future + Send + 'static>(signal: F) -> Signal {
    Box::pin(async {
        if let Err(error) = caught_future(signal).await {
            tracing::error!(%error, "a signal to a server failed");
        }
    })
}

/// A server that is about to run. Await it, or pass it to `tokio::spawn`. Once it has been polled, its
/// settings no longer change.
///
/// It runs until it is told to stop, or for ever. If it is dropped, its connections end at once.
///
/// # How it stops
///
/// 1. After the signal of [`stop_accepting_on`](Serve::stop_accepting_on), it drops its listener, and
///    serves its present clients until they leave by themselves.
/// 2. After the signal of [`shutdown_on`](Serve::shutdown_on), it drops its listener if it still has
///    it, and closes the connections gracefully. Running responders may finish within the
///    [`drain_timeout`](Serve::drain_timeout), and their answers are sent. Calls that arrive
///    meanwhile are answered with [`CLOSING`](crate::keys::CLOSING), which tells callers that they
///    can make them again elsewhere
///    ([`CallError::is_safe_to_retry`](crate::CallError::is_safe_to_retry)). Each connection then
///    has its [`close_timeout`](field@crate::Limits::close_timeout) to end.
/// 3. When no connection is left, its future resolves, to how many responders were cut off because the
///    `drain_timeout` was over ([`Drained`]).
///
/// A stream that has switched to another protocol is no longer a connection: the server neither
/// closes it nor waits for it. Use a signal of your own to end what runs on it before the program
/// ends.
///
/// A responder may tell the server to stop, but must not wait until it has stopped: the server waits
/// for the responder, so both would wait until the `drain_timeout` is over.
///
/// A client whose call crosses the end of its connection cannot know what became of the call. To let
/// no call fail, first stop accepting and let clients leave: tell them to with a command of your own,
/// through the peers that [`on_connect`](Serve::on_connect) has provided. This does both with one
/// signal, and gives clients 20 seconds to leave:
///
/// ```
/// # use amp_core::{Listener, Serve};
/// # use std::time::Duration;
/// # fn f<L: Listener>(server: Serve<L>, mut stop: tokio::sync::watch::Receiver<()>) {
/// let mut stopped = stop.clone();
/// let server = server
///     .stop_accepting_on(async move { stop.changed().await })
///     .shutdown_on(async move {
///         let _ = stopped.changed().await;
///         tokio::time::sleep(Duration::from_secs(20)).await;
///     });
/// # drop(server); }
/// ```
///
/// # What a server can cost
///
/// This table lists everything that peers can fill, with the defaults. "Counted" means that the bytes
/// count towards the 512 MiB of [`bytes_in_all`](Serve::bytes_in_all).
///
/// | resource | one connection | all connections of a server together |
/// |---|---|---|
/// | connections, each of which takes a descriptor, including connections that have switched to another protocol | | 288, if the process may have 1024 descriptors: [`max_connections`](Serve::max_connections) |
/// | calls that are being answered, and what runs after their answers | 8192: [`running_responders_max`](field@crate::Limits::running_responders_max) | 65 536, and another 16 small ones for each connection: [`running_responders_in_all`](Serve::running_responders_in_all) |
/// | bytes of those calls, with the index of a box of many pairs, or decoded | 64 MiB, and one more call of at most 306 MiB: [`running_bytes_max`](field@crate::Limits::running_bytes_max) | counted |
/// | memory for a box that is being decoded | 18 bytes for each byte of the box, but at least 4 MiB: [`decoded_bytes`](field@crate::Limits::decoded_bytes) | one box on each thread, of at most 306 MiB; counted once it is decoded |
/// | bytes of an unfinished box | 17 MiB: [`boxes`](field@crate::Limits::boxes) | counted, once a connection holds more than 64 KiB |
/// | bytes that wait to be sent, with the calls that wait behind them | 64 MiB: [`send_queue_max`](field@crate::Limits::send_queue_max) | counted, once a connection holds more than 64 KiB |
/// | items of streams that nobody has taken | 256 streams with 1024 items and 256 KiB each: [`streams`](field@crate::Limits::streams), [`stream_items`](field@crate::Limits::stream_items), [`stream_bytes`](field@crate::Limits::stream_bytes) | counted |
/// | bytes of one-way calls that a peer has left behind, until they are begun | 32 MiB: [`running_bytes`](field@crate::Limits::running_bytes) | counted |
/// | small boxes and answers, and the connection itself | a little over 64 KiB | as much for each connection, not counted |
/// | buffers to receive into, and buffers that are kept for a second to be used again | 256 KiB, and 2 MiB | as much for each connection, not counted |
/// | tasks of responders that wait, about 1 KiB each, and 1 KiB that decoding may make of each call | 16 MiB for 8192 | 128 MiB for 65 536, not counted |
/// | descriptors that peers have passed | 256 unclaimed if the process may have 1024, and 128 that responders hold, but fewer while other connections hold some: [`unclaimed_attachments`](field@crate::Limits::unclaimed_attachments) | a quarter of what the process may have (256 of 1024), and at most 65 536, of which responders hold at most three quarters: [`attachments_in_all`](field@crate::Limits::attachments_in_all) |
/// | descriptors that wait to be sent | 32 if the process may have 1024, and more while all have fewer | half of what the process may have (512 of 1024): [`attachments_in_all`](field@crate::Limits::attachments_in_all) |
/// | TLS handshakes | 10 seconds each: `TlsListener::handshake_timeout` | an eighth of the descriptors that the process may have (128 of 1024), including finished ones that wait to be accepted: `TlsListener::max_handshakes` |
/// | time that a box may be unfinished | 60 to 120 seconds: [`box_timeout`](field@crate::Limits::box_timeout) | |
/// | time that a peer may send nothing | not limited, unless [`first_box_timeout`](Connection::first_box_timeout), [`idle_timeout`](Connection::idle_timeout) or a [`ping`](Connection::ping) is set; when the server is full, 10 seconds before the first box | |
/// | time that a connection takes to end | 5 seconds, or one second if the peer caused the end: [`close_timeout`](field@crate::Limits::close_timeout) | |
/// | routes of a [`Router`](crate::router::Router) | 1024, which together hold 32 MiB received; each holds up to 1 MiB of that, and 64 KiB to be sent: [`RouterLimits`](crate::router::RouterLimits) | as much for each router, not counted |
///
/// A router is not a connection of a server. It has the same deadline for a box, but none for a peer
/// that sends nothing, unless its [`idle_timeout`](crate::router::Router::idle_timeout) is set.
///
/// A connection may hold as much of what is counted as it leaves free: one connection alone may hold
/// half of it, and two may hold a third each. A connection that exceeds this, or a limit of its own,
/// has to wait, is refused a call, or ends, as the table of [`Limits`](crate::Limits) says. So
/// connections that hold little continue beside some that hold all they can. Little means fewer than
/// 16 calls at once, with less than 64 KiB together once they are decoded.
///
/// The server does not limit the memory that responders themselves use, nor how long they take.
///
/// # Panics
///
/// Panics when it is first polled outside of a tokio runtime with time enabled.
#[must_use = "a server does nothing before it is awaited"]
pub struct Serve<L> {
    /// What it runs by, until it is polled.
    settings: Option<Box<Settings<L>>>,
    running: Option<Pin<Box<dyn Future<Output = Drained> + Send>>>,
}

struct Settings<L> {
    listener: L,
    prepare: Box<dyn FnMut(Connection) -> Connection + Send>,
    on_connect: Box<dyn FnMut(Peer) + Send>,
    /// `None` for as many as there may be descriptors for.
    max_connections: Option<usize>,
    bytes_in_all: usize,
    running_responders_in_all: usize,
    drain_timeout: Duration,
    stop_accepting: Signal,
    shutdown: Signal,
}

impl<L: Listener> Serve<L> {
    /// Calls `hook` with the [`Peer`] of each connection that has just been accepted. Use it to call
    /// clients that have not called, or to keep a list of clients.
    ///
    /// Keeping the peer does not keep the connection open, but takes memory. [`Peer::closed`] tells
    /// when it is no longer of any use. The hook runs on the server's task and must not block. Spawn a
    /// task for what has to wait:
    ///
    /// ```no_run
    /// # async fn f() -> std::io::Result<()> {
    /// use amp_core::{Command, Responders};
    ///
    /// #[derive(Command)]
    /// #[amp(one_way)]
    /// struct Welcome {}
    ///
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:1234").await?;
    /// amp_core::serve(listener, Responders::new(()))
    ///     .on_connect(|peer| {
    ///         tokio::spawn(async move { peer.notify(Welcome {}).await });
    ///     })
    ///     .await;
    /// # Ok(()) }
    /// ```
    pub fn on_connect(self, hook: impl FnMut(Peer) + Send + 'static) -> Self {
        self.set(|settings| settings.on_connect = Box::new(hook))
    }

    /// Sets how many connections this server may have at once, at least one.
    ///
    /// The default is derived from the number of descriptors that the process may have when the
    /// server starts (`RLIMIT_NOFILE`). Half of them are left for descriptors that peers pass, and an
    /// eighth for TLS handshakes. Three quarters of the rest are connections (288 of 1024), and the
    /// last quarter is for the program itself. Several servers in one process have to share these
    /// out. Where the system has no such limit, there is none here. A connection that has switched to
    /// another protocol counts until its stream is dropped: see [`Switched`](crate::Switched).
    ///
    /// At this number, no more connections are accepted until one has ended or gives way. A
    /// connection gives way when another one arrives and its peer has sent no box for its first 10
    /// seconds. It then ends with [`CloseReason::BoxTimeout`](crate::CloseReason::BoxTimeout), the
    /// oldest first. So a client that only waits to be called should send something at the
    /// beginning. Clients that connect meanwhile wait in the backlog of the listening socket. To them
    /// the connection just looks slow.
    pub fn max_connections(self, max: usize) -> Self {
        self.set(|settings| settings.max_connections = Some(max.max(1)))
    }

    /// Sets how many bytes the server may hold for all its connections together. 512 MiB by default.
    /// These count: calls that are being answered, unfinished boxes, what waits to be sent, and items
    /// of streams that nobody has taken. Unfinished boxes and what waits to be sent count only once a
    /// connection holds more than 64 KiB of them.
    ///
    /// Only the bytes in a buffer count, not the spare room that it has. So the process may need up
    /// to a quarter more memory than this.
    ///
    /// A connection that holds more than what is left free ends with
    /// [`CloseReason::Limit`](crate::CloseReason::Limit). There are exceptions: if calls are what it
    /// holds, this side stops reading from it or refuses a call, and if an item of a stream is too
    /// much, that stream ends. What is being decoded counts once it is decoded, so each thread may
    /// need as much more as one box may take. If that is too much, it is dropped at once. One-way
    /// calls that a peer has left behind are dropped when there is no room for them.
    pub fn bytes_in_all(self, max: usize) -> Self {
        self.set(|settings| settings.bytes_in_all = max)
    }

    /// Sets how many responders may run at once for all connections together. 65 536 by default. Only
    /// responders count that do not answer at once.
    ///
    /// When a connection runs as many as are left free, this side stops reading from it, as at
    /// [`running_responders`](field@crate::Limits::running_responders). Where reading has to go on,
    /// the connection's calls are refused, as at
    /// [`running_responders_max`](field@crate::Limits::running_responders_max). A connection that
    /// runs fewer than 16, with less than 64 KiB, is exempt: a peer that calls now and then is
    /// answered whatever others do.
    pub fn running_responders_in_all(self, max: usize) -> Self {
        self.set(|settings| settings.running_responders_in_all = max)
    }

    /// Sets how long running responders may take to answer when the connections are being closed. 5
    /// seconds by default.
    pub fn drain_timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.drain_timeout = timeout)
    }

    /// Stops accepting when `signal` resolves to anything, or panics. The server goes on until its
    /// clients have left.
    pub fn stop_accepting_on<F>(self, signal: F) -> Self
    where
        F: Future + Send + 'static,
    {
        self.set(|settings| settings.stop_accepting = given(signal))
    }

    /// Stops the server when `signal` resolves to anything, or panics: see [how it
    /// stops](Serve#how-it-stops).
    pub fn shutdown_on<F>(self, signal: F) -> Self
    where
        F: Future + Send + 'static,
    {
        self.set(|settings| settings.shutdown = given(signal))
    }

    fn set(mut self, set: impl FnOnce(&mut Settings<L>)) -> Self {
        if let Some(settings) = &mut self.settings {
            set(settings);
        }
        self
    }
}

impl<L: Listener> Settings<L> {
    async fn run(self: Box<Self>) -> Drained {
        runtime::with_timers();
        let Self { mut listener, mut prepare, mut on_connect, .. } = *self;
        let Self { max_connections, bytes_in_all, running_responders_in_all, .. } = *self;
        let Self { drain_timeout, mut stop_accepting, mut shutdown, .. } = *self;
        let max_connections =
            max_connections.unwrap_or_else(|| Descriptors::by_default().connections);
        let together = Arc::new(Together::new(bytes_in_all, running_responders_in_all));
        let mut places = Places::new(max_connections);
        let (stop, stopped) = watch::channel(());
        let mut connections = JoinSet::new();
        // The pause after which it accepts again, once it could not.
        let mut pause: Option<Pin<Box<Sleep>>> = None;
        let mut next_pause = ACCEPT_AGAIN;
        let (refusals, panics) = (Restraint::default(), Restraint::default());
        // A peer may connect any number of times.
        let failures = Arc::<Restraint>::default();
        let mut serve = |connection, place, connections: &mut Running, silent: &mut Silent| {
            let begun = caught(|| {
                let connection = prepare(connection)
                    .failures(Arc::clone(&failures))
                    .together(Arc::clone(&together));
                let (peer, mut driver) = connection.start();
                driver.take_place(place);
                on_connect(peer.clone());
                (peer, driver)
            });
            match begun {
                Ok((peer, driver)) => {
                    let shared = Arc::clone(peer.shared());
                    let running = run_until(peer, driver, stopped.clone(), drain_timeout);
                    silent.push(&shared, connections.spawn(running));
                }
                Err(error) => restrained!(panics, warn, "a connection was dropped", %error),
            }
        };
        let mut silent = Silent::default();
        // What was accepted in place of another, until that has gone.
        let mut waiting = None;
        let mut makes_way = false;
        let told_to_close = loop {
            let free = places.is_one_free();
            if let Some(connection) = waiting.take_if(|_| free) {
                serve(connection, places.take(), &mut connections, &mut silent);
                continue;
            }
            // One alone, which may take a moment to be gone. Who could give way when the connection was
            // accepted may have sent a box since, and then another has to, as soon as it may.
            if waiting.is_some() && !makes_way {
                makes_way = silent.give_way();
            }
            let may_accept = waiting.is_none() && pause.is_none();
            let accepts = may_accept && (free || silent.may_give_way());
            let needs_one_to_give_way =
                if waiting.is_some() { !makes_way } else { may_accept && !accepts };
            let accepted = tokio::select! {
                biased;
                () = &mut shutdown => break true,
                () = &mut stop_accepting => break false,
                Some(_) = connections.join_next() => {
                    // All that it had is free.
                    pause = None;
                    continue;
                }
                () = places.until_one_is_free(), if !free => {
                    pause = None;
                    continue;
                }
                () = async { if let Some(pause) = &mut pause { pause.await } }, if pause.is_some() => {
                    pause = None;
                    continue;
                }
                () = silent.until_one_may_give_way(), if needs_one_to_give_way => continue,
                accepted = caught_future(listener.accept()), if accepts => {
                    accepted.unwrap_or_else(|panic| Err(io::Error::other(panic)))
                }
            };
            match accepted {
                Ok(connection) => {
                    next_pause = ACCEPT_AGAIN;
                    waiting = Some(connection);
                    makes_way = false;
                }
                Err(error) if concerns_one_connection(&error) => {
                    tracing::debug!(error = %Report::new(&error), "a connection was lost before it was accepted");
                }
                Err(error) => {
                    let error = Report::new(&error);
                    restrained!(refusals, warn, "cannot accept a connection", %error, pause = ?next_pause);
                    pause = Some(Box::pin(tokio::time::sleep(next_pause)));
                    next_pause = (next_pause * 2).min(ACCEPT_AGAIN_MAX);
                }
            }
        };
        // A client that waits is not served any more, and may connect to another server.
        drop((listener, waiting));
        if !told_to_close {
            tokio::select! {
                biased;
                () = &mut shutdown => {}
                _ = all_ended(&mut connections) => {}
            }
        }
        drop(stop);
        last_ended(&mut connections, &failures).await
    }
}

async fn last_ended(connections: &mut Running, failures: &Restraint) -> Drained {
    let drained = all_ended(connections).await;
    failures.say_how_many_more_failed();
    drained
}

/// The tasks of connections.
type Running = JoinSet<Drained>;

async fn all_ended(connections: &mut Running) -> Drained {
    let mut all = Drained::default();
    while let Some(ended) = connections.join_next().await {
        all.cut_off += ended.map_or(0, |drained| drained.cut_off);
    }
    all
}

impl<L: Listener> Future for Serve<L> {
    type Output = Drained;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Drained> {
        let this = self.get_mut();
        if let Some(settings) = this.settings.take() {
            this.running = Some(Box::pin(settings.run()));
        }
        let Some(running) = &mut this.running else { return Poll::Ready(Drained::default()) };
        let poll = running.as_mut().poll(cx);
        if poll.is_ready() {
            this.running = None;
        }
        poll
    }
}

impl<L: fmt::Debug> fmt::Debug for Serve<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listener = self.settings.as_ref().map(|settings| &settings.listener);
        f.debug_struct("Serve").field("listener", &listener).finish_non_exhaustive()
    }
}

/// Runs a connection, and closes it when the server stops.
async fn run_until(
    peer: Peer,
    driver: Driver,
    mut stopped: watch::Receiver<()>,
    drain_timeout: Duration,
) -> Drained {
    let mut driver = pin!(driver);
    tokio::select! {
        // First, since a peer that calls without end lets the driver use up what tokio grants a task each
        // time: nothing that stands behind it would ever be looked at.
        biased;
        // The server holds the sending side, and drops it to stop.
        _ = stopped.changed() => {}
        _ = &mut driver => return Drained::default(),
    }
    peer.shared().drain(drain_timeout);
    driver.await;
    peer.shared().drained()
}

fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | NotConnected)
}
