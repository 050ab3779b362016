use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

use super::byte_transport::ByteTransport;
use super::driver::Driver;
use super::halves::Halves;
use super::peer::Peer;
use super::pinger::{Pinger, Watching};
use super::settings::Settings;
use super::shared::Shared;
use super::transport::Transport;
use crate::argument::{Extensions, PeerAddress, UnknownKeys};
use crate::command::{Command, OneWay};
use crate::error::CloseReason;
use crate::observing::{Process, WireLog};
use crate::proto::{FailurePolicy, Limits, Together};
use crate::responder::{Locator, Responders};
use crate::restraint::Restraint;
use crate::runtime;

/// A connection that has not started yet: a transport, and the settings for it.
///
/// The functions here make one over a stream or a transport. To connect to an address, use
/// [`tcp::connect`](crate::tcp::connect), `tls::connect` or `amp_unix::connect`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use amp_core::{Connection, Responders};
/// use std::time::Duration;
///
/// let (here, _there) = tokio::io::duplex(4096);
/// let peer = Connection::new(here)
///     .responders(Responders::new(()))
///     .call_timeout(Duration::from_secs(120))
///     .spawn();
/// # Ok(()) }
/// ```
#[doc(alias("AMP", "BoxDispatcher", "Client"))]
#[must_use = "a connection does nothing before it is spawned or run"]
pub struct Connection {
    transport: Pin<Box<dyn Transport>>,
    locator: Arc<Locator>,
    address: PeerAddress,
    extensions: Extensions,
    settings: Settings,
    watching: Watching,
    #[cfg(feature = "login")]
    at_start: Option<AtStart>,
}

/// A layer above runs this, of which the connection knows nothing.
#[cfg(feature = "login")]
type AtStart = Box<dyn FnOnce(Arc<Shared>) + Send>;

impl Connection {
    /// Creates a connection over a stream of bytes, such as a socket, a TLS stream or one half of a
    /// [`duplex`](tokio::io::duplex).
    ///
    /// The stream's `poll_shutdown` must let the peer see the end. Otherwise closing takes all of
    /// [`field@Limits::close_timeout`]. That of a pipe does not: see
    /// [`from_halves`](Connection::from_halves), which also says when writing raises `SIGPIPE`.
    ///
    /// For a TCP stream there is [`tcp::connection`](crate::tcp::connection), which also sends small boxes
    /// at once and knows the peer's address. A Unix socket that is used in this way carries no file
    /// descriptors, and drops those that the peer sends: use `amp_unix::connection` for it.
    pub fn new(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        Self::with_transport(ByteTransport::new(stream))
    }

    /// Creates a connection over two streams, one for each direction, such as the pipes of a child
    /// process. The writer is dropped when there is nothing more to send, since a pipe only ends when
    /// it is closed.
    ///
    /// On Unix, use tokio's pipes: those of `tokio::process`, or `tokio::net::unix::pipe`. A process
    /// that was started with pipes, as its standard input and output or under other numbers, takes
    /// them with `amp_unix::inherited::pipes`. Do not use `tokio::io::stdin` for this. It reads on a
    /// thread that nothing can interrupt, so the process could not end before its parent sends more
    /// or closes the pipe, and anything that is printed would end up between the boxes.
    ///
    /// # Signals
    ///
    /// Writing to a pipe that nobody reads any more raises `SIGPIPE`. If the signal is ignored, the
    /// write fails and the connection ends. The runtimes of Rust (in every program with a `main` in
    /// Rust) and of Python ignore it. Elsewhere, for example in a library that a C program loads, the
    /// signal ends the process, unless the program ignores it with `signal(SIGPIPE, SIG_IGN)`. No
    /// flag of a write to a pipe prevents it.
    ///
    /// Writing to a socket of tokio raises no signal: neither to the socket itself, nor to its
    /// `OwnedWriteHalf`, nor below the TLS of this crate. A socket inside another stream, such as a
    /// `BufStream`, the halves of `tokio::io::split` or another crate's TLS stream, is written to in
    /// whatever way that stream chooses. There, too, let the program ignore the signal.
    pub fn from_halves(
        reader: impl AsyncRead + Send + 'static,
        writer: impl AsyncWrite + Send + 'static,
    ) -> Self {
        Self::new(Halves::new(reader, writer))
    }

    /// Creates a connection over a transport of your own.
    pub fn with_transport(transport: impl Transport) -> Self {
        Self {
            address: transport.peer_address(),
            extensions: transport.data(),
            transport: Box::pin(transport),
            locator: Arc::default(),
            settings: Settings::default(),
            watching: Watching::default(),
            #[cfg(feature = "login")]
            at_start: None,
        }
    }

    /// Sets the responders that answer the peer's calls. Without responders, each call is answered
    /// with `UNHANDLED`.
    pub fn responders<S>(mut self, responders: Responders<S>) -> Self {
        self.locator = responders.into_locator();
        self
    }

    /// Sets what happens to the connection when a responder fails. [`FailurePolicy::Stay`] by
    /// default.
    pub fn failure_policy(mut self, policy: FailurePolicy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// Sets how much the connection may hold. One responder can always run, and one box can always be
    /// queued, even where the limit is zero.
    ///
    /// # Panics
    ///
    /// Panics when a limit is above its bound, because the peer would then be refused before it was
    /// made to wait: [`running_responders`](field@Limits::running_responders) above
    /// [`running_responders_max`](field@Limits::running_responders_max),
    /// [`running_bytes`](field@Limits::running_bytes) above
    /// [`running_bytes_max`](field@Limits::running_bytes_max), or
    /// [`send_queue`](field@Limits::send_queue) above
    /// [`send_queue_max`](field@Limits::send_queue_max).
    #[track_caller]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits.able_to_get_on();
        self
    }

    /// Sets how long a call may take that sets no timeout of its own, and how long a one-way command
    /// may wait for room in the queue. No timeout by default.
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.settings.call_timeout = Some(timeout);
        self
    }

    /// Closes the connection, with [`CloseReason::Idle`], when nothing was received for this long. No
    /// timeout by default.
    ///
    /// Anything that is received counts, even a part of a box. While so many responders run that
    /// reading stops, this side reads ahead to see whether something has arrived, for at most four
    /// times as long: see [`Limits`](crate::Limits#reading-ahead). During a protocol switch the time
    /// does not run, but a socket that the peer closes is still noticed.
    pub fn idle_timeout(mut self, after: Duration) -> Self {
        self.watching.idle = Some(after);
        self
    }

    /// Closes the connection, with [`CloseReason::BoxTimeout`], when the peer has not sent a whole box
    /// within this time after it started. No timeout by default, since a client may only wait to be
    /// called.
    pub fn first_box_timeout(mut self, after: Duration) -> Self {
        self.watching.first_box = Some(after);
        self
    }

    /// Sets up the connection for a peer that may be anybody, as on the open internet. This sets
    /// [`Limits::untrusted`], a [`first_box_timeout`](Connection::first_box_timeout) of 15 seconds and
    /// an [`idle_timeout`](Connection::idle_timeout) of 2 minutes. Settings that are made after this
    /// call override it. [The server](crate::Serve#what-a-server-can-cost) limits what all of its
    /// connections hold together.
    ///
    /// ```no_run
    /// # async fn f(listener: tokio::net::TcpListener) {
    /// use amp_core::Responders;
    ///
    /// let responders = Responders::new(());
    /// amp_core::serve_with(listener, move |connection| {
    ///     connection.untrusted_peer().responders(responders.clone())
    /// })
    /// .await;
    /// # }
    /// ```
    pub fn untrusted_peer(self) -> Self {
        self.limits(Limits::untrusted())
            .first_box_timeout(Duration::from_secs(15))
            .idle_timeout(Duration::from_secs(120))
    }

    /// Calls `command` regularly, and closes the connection with [`CloseReason::PingTimeout`] when a
    /// call is not answered within `timeout`. No pings by default.
    ///
    /// The first ping is sent after `every`, and each further one that long after the previous
    /// answer. Any answer will do, even `UNHANDLED`. Anything else that is received restarts the
    /// timeout, since the answer may be queued behind it. While so many responders run that reading
    /// stops, this side reads ahead to see whether something has arrived, for at most four times as
    /// long.
    ///
    /// The command is encoded once, when the connection starts, so all pings have the same arguments.
    /// A command that cannot be encoded, or that carries attachments or streams (which can be sent
    /// only once), is never sent. The log then says so.
    ///
    /// ```
    /// # use amp_core::{Connection, Ping};
    /// # use std::time::Duration;
    /// # fn f(connection: Connection) -> Connection {
    /// connection.ping(Ping, Duration::from_secs(30), Duration::from_secs(10))
    /// # }
    /// ```
    #[doc(alias("heartbeat", "keepalive"))]
    pub fn ping<C: Command>(mut self, command: C, every: Duration, timeout: Duration) -> Self {
        const { assert!(C::REQUIRES_ANSWER, "a one-way command is for `Connection::heartbeat`") };
        self.watching.pinger = Some(Pinger::new(command, every, timeout));
        self
    }

    /// Sends a one-way command regularly, for peers that close idle connections. It replaces a
    /// [`ping`](Connection::ping), and is encoded once, as a ping is. No heartbeat by default.
    ///
    /// Nothing tells this side whether it has arrived. To notice that the peer has gone, set an
    /// [`idle_timeout`](Connection::idle_timeout) on this side too.
    pub fn heartbeat<C: OneWay>(mut self, command: C, every: Duration) -> Self {
        self.watching.pinger = Some(Pinger::new(command, every, every));
        self
    }

    /// Sets how to treat a call or an answer with a key that its command does not know.
    /// [`UnknownKeys::Ignore`] by default. A command that is [`IS_STRICT`](crate::Arguments::IS_STRICT)
    /// refuses such a box in any case.
    pub fn unknown_keys(mut self, unknown_keys: UnknownKeys) -> Self {
        self.settings.unknown_keys = unknown_keys;
        self
    }

    /// Logs every box that is sent or received. By default no boxes are logged.
    #[doc(alias("debug", "dump"))]
    pub fn wire_log(mut self, log: WireLog) -> Self {
        self.settings.wire_log = Some(log);
        self
    }

    /// Sets the address of the peer, as [`Peer::peer_address`](crate::Peer::peer_address) returns it.
    /// This is only needed for a transport that does not know the address.
    pub fn peer_address(mut self, address: impl Into<PeerAddress>) -> Self {
        self.address = address.into();
        self
    }

    /// Sets a value that belongs to this connection, one of each type. Responders read it with
    /// [`Peer::get`](crate::Peer::get), and arguments with [`Proto::get`](crate::Proto::get).
    pub fn data<T: Any + Send + Sync>(mut self, value: T) -> Self {
        self.extensions.insert(value);
        self
    }

    /// Sets what begins with the connection.
    #[cfg(feature = "login")]
    pub(crate) fn at_start(mut self, begin: impl FnOnce(Arc<Shared>) + Send + 'static) -> Self {
        self.at_start = Some(Box::new(begin));
        self
    }

    /// Shares what restrains the events of failed calls with other connections.
    pub(crate) fn failures(mut self, failures: Arc<Restraint>) -> Self {
        self.settings.failures = failures;
        self
    }

    /// Starts the connection on a task of its own.
    ///
    /// The connection closes when the last clone of the [`Peer`] is dropped. A program that exits
    /// right after that may exit before the last boxes are sent: await [`Peer::close`] first.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with time enabled.
    #[track_caller]
    #[must_use = "the connection closes when its last peer is dropped; `run` is for a side that only answers"]
    pub fn spawn(self) -> Peer {
        let (peer, driver) = self.start();
        tokio::spawn(driver);
        peer
    }

    /// Runs the connection until it ends, and returns the reason. This is for a side that only
    /// answers.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the connection at once, and boxes that are queued are lost.
    ///
    /// # Panics
    ///
    /// Panics when it is first polled outside of a tokio runtime with time enabled.
    pub async fn run(self) -> CloseReason {
        let (_peer, driver) = self.start();
        driver.await
    }

    /// Takes it apart, for conversations that share it.
    pub(crate) fn into_shared(self) -> (Pin<Box<dyn Transport>>, PeerAddress, Extensions) {
        (self.transport, self.address, self.extensions)
    }

    /// The connection is one of a server's.
    pub(crate) fn together(mut self, together: Arc<Together>) -> Self {
        self.settings.together = Some(together);
        self
    }

    /// Panics outside of a runtime with timers.
    #[track_caller]
    pub(crate) fn start(self) -> (Peer, Driver) {
        let runtime = runtime::with_timers();
        let kind = self.transport.attachment_kind();
        let boxes = self.transport.box_limits();
        let Self { settings, address, extensions, .. } = self;
        let shared = Shared::new(settings, kind, boxes, address, extensions, runtime);
        let shared = Arc::new(shared);
        #[cfg(feature = "login")]
        if let Some(begin) = self.at_start {
            begin(Arc::clone(&shared));
        }
        let peer = Peer::new(shared);
        let watched = self.watching.begin(peer.shared());
        let driver = Driver::new(self.transport, &peer, self.locator, watched);
        (peer, driver)
    }
}

/// Says in the span of a connection which process the peer is.
pub fn from_process(mut connection: Connection, uid: u32, pid: Option<i32>) -> Connection {
    connection.settings.process = Some(Process { uid, pid });
    connection
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer_address", &self.address)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
