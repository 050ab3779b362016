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
use crate::connection::{Connection, Driver, Peer};
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

/// Accepts connections: a [`TcpListener`](tokio::net::TcpListener), `amp_unix::UnixSocketListener`, or one of your own.
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
    /// When it could not be accepted. The server tries again: at once if the error is about that
    /// one connection, such as `ConnectionAborted`. Otherwise, such as for want of descriptors,
    /// after a pause of 10 milliseconds, which doubles with each further failure up to a second, or
    /// as soon as one of its connections has ended.
    ///
    /// # Cancel safety
    ///
    /// A server drops the future whenever one of its connections ends, and when it is told to stop.
    /// Dropping it must not lose a connection that a later call could accept.
    fn accept(&mut self) -> impl Future<Output = io::Result<Connection>> + Send;
}

/// Serves every connection that `listener` accepts with the same responders: await what it returns,
/// or spawn it.
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
/// On a task of its own, and until it is told to stop:
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

/// Serves every connection that `listener` accepts as `prepare` says, which is called for each:
/// with responders, limits, data of its own.
///
/// A panic of `prepare`, of [`on_connect`](Serve::on_connect) or of the listener costs the one
/// connection that it happens for, unless the program is built with `panic = "abort"`. So a `prepare` that
/// always panics costs each connection, and not the server its start:
/// [`Connection::limits`] does with limits that are over the bounds behind them.
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

/// A server that is about to run: await it, or give it to `tokio::spawn`. Once polled, it is not
/// set up any more.
///
/// It runs until it is told to stop, or for ever. Dropped, it ends its connections at once.
///
/// # How it stops
///
/// 1. When it is told to by [`stop_accepting_on`](Serve::stop_accepting_on), it drops its listener,
///    and serves the clients that it has until they leave by themselves.
/// 2. When it is told to by [`shutdown_on`](Serve::shutdown_on), it drops its listener if it still
///    has it, and closes the connections gracefully: running responders finish, but within the
///    [`drain_timeout`](Serve::drain_timeout), and their answers are sent. Calls that come
///    meanwhile are answered with [`CLOSING`](crate::keys::CLOSING), so that their callers know
///    that they may make them again elsewhere
///    ([`CallError::is_safe_to_retry`](crate::CallError::is_safe_to_retry)). Each connection then
///    has its [`close_timeout`](field@crate::Limits::close_timeout) to end.
/// 3. Its future resolves when no connection is left.
///
/// A stream that has switched to another protocol is no connection any more: it is neither closed
/// nor waited for. Tell those who speak on it to end before the program does, by a signal of your
/// own.
///
/// A responder may tell it to stop, but not wait until it has: the server waits for the responder,
/// and both for the end of the `drain_timeout`.
///
/// A client whose call crosses the end of its connection cannot know what became of it. For no call
/// to fail, stop accepting first and let clients leave: tell them with a command of your own, to
/// those that [`on_connect`](Serve::on_connect) gave. One signal for both, with 20 seconds to
/// leave:
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
/// This table has everything that peers can fill, with the defaults. "Counted" means that the bytes
/// count among the 512 MiB of [`bytes_in_all`](Serve::bytes_in_all).
///
/// | what | one connection | all connections of a server together |
/// |---|---|---|
/// | connections, and so descriptors; a connection that has switched to another protocol is one too | | 288, where the process may have 1024 descriptors: [`max_connections`](Serve::max_connections) |
/// | calls that are being answered, and what runs after their answers | 8192: [`running_responders_max`](field@crate::Limits::running_responders_max) | 65 536, and 16 small ones more for each connection: [`running_responders_in_all`](Serve::running_responders_in_all) |
/// | bytes of those calls, on the wire or decoded | 64 MiB and one more call, of 306 MiB at most: [`running_bytes_max`](field@crate::Limits::running_bytes_max) | counted |
/// | memory for a box that is being decoded | 18 bytes for each byte of the box, and 1 MiB at least: [`decoded_bytes`](field@crate::Limits::decoded_bytes) | one box on each thread, of 306 MiB at most; counted once it is decoded |
/// | bytes of a box that is not finished | 17 MiB: [`boxes`](field@crate::Limits::boxes) | counted, once a connection holds more than 64 KiB |
/// | bytes that wait to be sent, with the calls that wait behind them | 64 MiB: [`send_queue_max`](field@crate::Limits::send_queue_max) | counted, once a connection holds more than 64 KiB |
/// | items of streams that nobody has taken | 256 streams, each of 1024 items and 256 KiB: [`streams`](field@crate::Limits::streams), [`stream_items`](field@crate::Limits::stream_items), [`stream_bytes`](field@crate::Limits::stream_bytes) | counted |
/// | bytes of one-way calls that a peer has left behind, until they are begun | 32 MiB: [`running_bytes`](field@crate::Limits::running_bytes) | counted |
/// | small boxes and answers, and the connection itself | 64 KiB, and a few more | as much for each connection, not counted |
/// | buffers to receive into, and those that are kept for a second to be used again | 256 KiB, and 2 MiB | as much for each connection, not counted |
/// | tasks of responders that wait, of about 1 KiB, and 1 KiB that decoding may make of each call | 16 MiB for 8192 | 128 MiB for 65 536, not counted |
/// | descriptors that peers have passed | 128 or 256 unclaimed, and as many that responders hold, but fewer while others hold some: [`unclaimed_attachments`](field@crate::Limits::unclaimed_attachments) | a quarter of how many the process may have, 256 of 1024 and 65 536 at most; responders hold three quarters of that at most: [`attachments_in_all`](field@crate::Limits::attachments_in_all) |
/// | TLS handshakes | 10 seconds each: `TlsListener::handshake_timeout` | an eighth of how many descriptors the process may have, 128 of 1024, with those that are done and wait: `TlsListener::max_handshakes` |
/// | time that a box may be unfinished | 60 to 120 seconds: [`box_timeout`](field@crate::Limits::box_timeout) | |
/// | time that a peer may say nothing | for ever; but 10 seconds before its first box, when the server is full; or what [`first_box_timeout`](Connection::first_box_timeout), [`idle_timeout`](Connection::idle_timeout) or a [`ping`](Connection::ping) says | |
/// | time that a connection takes to end | 5 seconds, or one second if the peer is to blame: [`close_timeout`](field@crate::Limits::close_timeout) | |
/// | routes of a [`Router`](crate::router::Router) | 1024, which hold 32 MiB received in all, and each 1 MiB of that and 64 KiB to be sent: [`RouterLimits`](crate::router::RouterLimits) | as much for each router, not counted |
///
/// A router is no connection of a server. It has the same deadline for a box, and none for a peer
/// that says nothing unless its [`idle_timeout`](crate::router::Router::idle_timeout) is set.
///
/// A connection may hold as much of what is counted as is left for all: one connection alone may
/// hold half of it, two a third each. A connection that goes over that, or over a limit of its own,
/// waits, is refused a call, or ends, as the table of [`Limits`](crate::Limits) says. So
/// connections that hold little go on beside some that hold all they can. Little is fewer than 16
/// calls at once, of less than 64 KiB together once they are decoded.
///
/// What responders make of their calls, and how long they take, is not bounded.
///
/// # Panics
///
/// When it is first polled outside of a tokio runtime with time enabled.
#[must_use = "a server does nothing before it is awaited"]
pub struct Serve<L> {
    /// What it runs by, until it is polled.
    settings: Option<Box<Settings<L>>>,
    running: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
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
    /// Calls `hook` with the [`Peer`] of each connection, when that has just been accepted: to call
    /// clients that have not called, or to keep a list of them.
    ///
    /// A peer that is kept does not keep the connection open, but it takes memory: [`Peer::closed`]
    /// says when it is of no use any more. The hook runs on the server's task, and must not block;
    /// what has to wait gets a task of its own:
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

    /// Sets how many connections of this server there may be at once, at least one. The default
    /// comes from the descriptors that the process may have when the server is started
    /// (`RLIMIT_NOFILE`): half of them are left for those that peers pass, an eighth for TLS
    /// handshakes, and of the rest three quarters are connections: 288 of 1024. The last quarter is
    /// for the program itself. A process that has several servers has to share these out. There is
    /// no limit where the system has none. A connection that has switched to another protocol
    /// counts until its stream is dropped: see [`Switched`](crate::Switched).
    ///
    /// At this number no more are accepted until one of them has ended, or may give way: a
    /// connection whose peer has not sent a box within 10 seconds ends when another one comes, with
    /// [`CloseReason::BoxTimeout`](crate::CloseReason::BoxTimeout), the oldest first. So a peer
    /// that only waits to be called had better send something at the beginning. Clients that
    /// connect meanwhile wait in the backlog of the listening socket, and see a connection that is
    /// slow.
    pub fn max_connections(self, max: usize) -> Self {
        self.set(|settings| settings.max_connections = Some(max.max(1)))
    }

    /// Sets how many bytes the server may hold for all its connections together. 512 MiB by
    /// default. These count: calls that are being answered, boxes that are not finished, what waits
    /// to be sent, and items of streams that nobody has taken. Unfinished boxes and what waits to
    /// be sent count once a connection holds more than 64 KiB of them.
    ///
    /// The bytes in a buffer count, and not the room that the buffer has beyond them. So the
    /// process may need up to a quarter more memory than this.
    ///
    /// A connection that holds more than what is left for all ends with
    /// [`CloseReason::Limit`](crate::CloseReason::Limit). If what it holds are calls, it is not
    /// read from, or is refused a call, instead; if it is an item of a stream, it loses that
    /// stream. What is being decoded counts once it is decoded. So each thread may need as much
    /// more as one box may take, which is dropped at once when it is too much. One-way calls that a
    /// peer has left behind are dropped when there is no room for them.
    pub fn bytes_in_all(self, max: usize) -> Self {
        self.set(|settings| settings.bytes_in_all = max)
    }

    /// Sets how many responders may run at once for all connections together, of those that have to
    /// wait. 65 536 by default. A connection with as many as are left for all is not read from, as
    /// at [`running_responders`](field@crate::Limits::running_responders); and where reading has to
    /// go on its calls are refused, as at
    /// [`running_responders_max`](field@crate::Limits::running_responders_max), but for those of a
    /// connection that runs fewer than 16, of less than 64 KiB: a peer that calls now and then
    /// is answered whatever others do.
    pub fn running_responders_in_all(self, max: usize) -> Self {
        self.set(|settings| settings.running_responders_in_all = max)
    }

    /// Sets how long running responders may take to answer once the connections are being closed. 5
    /// seconds by default.
    pub fn drain_timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.drain_timeout = timeout)
    }

    /// Stops accepting when `signal` resolves, to whatever, or panics. The server goes on until its
    /// clients have left.
    pub fn stop_accepting_on<F>(self, signal: F) -> Self
    where
        F: Future + Send + 'static,
    {
        self.set(|settings| settings.stop_accepting = given(signal))
    }

    /// Stops the server when `signal` resolves, to whatever, or panics: see [how it
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
    async fn run(self: Box<Self>) {
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
        let mut serve = |connection, place, connections: &mut JoinSet<()>, silent: &mut Silent| {
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
                Err(error) => {
                    restrained!(panics, warn, "a connection was dropped", %error);
                }
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
                    tracing::debug!(error = %Report(&error), "a connection was lost before it was accepted");
                }
                Err(error) => {
                    let error = Report(&error);
                    restrained!(refusals, warn, "cannot accept a connection", %error, pause = ?next_pause);
                    pause = Some(Box::pin(tokio::time::sleep(next_pause)));
                    next_pause = (next_pause * 2).min(ACCEPT_AGAIN_MAX);
                }
            }
        };
        // Who waits is served by nobody any more, and may connect to another server.
        drop((listener, waiting));
        if !told_to_close {
            tokio::select! {
                () = &mut shutdown => {}
                () = all_ended(&mut connections) => {}
            }
        }
        drop(stop);
        all_ended(&mut connections).await;
        failures.say_how_many_more_failed();
    }
}

async fn all_ended(connections: &mut JoinSet<()>) {
    while connections.join_next().await.is_some() {}
}

impl<L: Listener> Future for Serve<L> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if let Some(settings) = this.settings.take() {
            this.running = Some(Box::pin(settings.run()));
        }
        let Some(running) = &mut this.running else { return Poll::Ready(()) };
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
) {
    let mut driver = pin!(driver);
    tokio::select! {
        _ = &mut driver => return,
        // The server holds the sending side, and drops it to stop.
        _ = stopped.changed() => {}
    }
    peer.shared().drain(drain_timeout);
    driver.await;
}

fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | NotConnected)
}
