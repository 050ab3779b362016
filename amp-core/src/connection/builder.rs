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

/// A connection that is about to start: a transport, and how to deal with what comes over it.
///
/// It is made over a stream or a transport by the functions here, and to an address by `connect` of
/// whatever it goes over: [`tcp::connect`](crate::tcp::connect), `tls::connect`,
/// `amp_unix::connect`.
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

/// Of a layer above, which the connection knows nothing of.
#[cfg(feature = "login")]
type AtStart = Box<dyn FnOnce(Arc<Shared>) + Send>;

impl Connection {
    /// Creates a connection over a stream of bytes: a socket, a TLS stream, half of a
    /// [`duplex`](tokio::io::duplex).
    ///
    /// Its `poll_shutdown` must let the peer see the end, or closing takes all of
    /// [`field@Limits::close_timeout`]. That of a pipe does not: see
    /// [`from_halves`](Connection::from_halves), which also says when writing raises `SIGPIPE`.
    ///
    /// A Unix socket given to this function carries no file descriptors, and drops those that the
    /// peer sends: for them, use `amp_unix::connection`.
    pub fn new(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        Self::with_transport(ByteTransport::new(stream))
    }

    /// Creates a connection over two streams, each for one direction: the pipes of a child process. The
    /// writer is dropped when nothing more is to be sent, since a pipe ends when it is closed and not
    /// before.
    ///
    /// On Unix, use the pipes of tokio: those of `tokio::process`, and `tokio::net::unix::pipe`. A
    /// process that was started with its pipes, as its standard input and output or under other
    /// numbers, takes them with `amp_unix::inherited::pipes`. Not with `tokio::io::stdin`: that
    /// reads on a thread, whose read nothing ends, so that the process does not end before its parent
    /// has sent something more or closed the pipe; and whatever anyone prints comes between the boxes.
    ///
    /// # Signals
    ///
    /// A write to a pipe that nobody reads any more raises `SIGPIPE`. Where that is ignored, as the
    /// runtime of Rust has it in every program with a `main` in Rust, and that of Python too, the write
    /// fails and the connection ends. Elsewhere, as in a library that a program in C loads, it ends the
    /// process: let the program ignore the signal, with `signal(SIGPIPE, SIG_IGN)`. No flag of a write
    /// to a pipe prevents it.
    ///
    /// A write to a socket of tokio's raises none: to the socket itself, to its `OwnedWriteHalf`, and
    /// under the TLS of this crate. A socket inside of another stream, such as a `BufStream`, the halves
    /// of `tokio::io::split` or a TLS stream made elsewhere, is written to as that stream likes: there
    /// too, let the program ignore the signal.
    pub fn from_halves(
        reader: impl AsyncRead + Send + 'static,
        writer: impl AsyncWrite + Send + 'static,
    ) -> Self {
        Self::new(Halves::new(reader, writer))
    }

    /// Creates a connection over a transport of one's own.
    pub fn with_transport(transport: impl Transport) -> Self {
        Self {
            address: transport.peer_address(),
            transport: Box::pin(transport),
            locator: Arc::default(),
            extensions: Extensions::default(),
            settings: Settings::default(),
            watching: Watching::default(),
            #[cfg(feature = "login")]
            at_start: None,
        }
    }

    /// Sets what answers the peer's calls. Without it each call is answered with `UNHANDLED`.
    pub fn responders<S>(mut self, responders: Responders<S>) -> Self {
        self.locator = responders.into_locator();
        self
    }

    /// Sets what a failing responder means for the connection. [`FailurePolicy::Stay`] by default.
    pub fn failure_policy(mut self, policy: FailurePolicy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// Sets what the connection holds at most. It has to get on: a responder can always run, and a box
    /// can always be queued when none are, also where the limit is zero.
    ///
    /// # Panics
    ///
    /// When a limit is over the bound behind it, so that a peer that waits when it has to would be refused
    /// all the same: [`running_responders`](field@Limits::running_responders) over
    /// [`running_responders_max`](field@Limits::running_responders_max),
    /// [`running_bytes`](field@Limits::running_bytes) over
    /// [`running_bytes_max`](field@Limits::running_bytes_max), or
    /// [`send_queue`](field@Limits::send_queue) over [`send_queue_max`](field@Limits::send_queue_max).
    #[track_caller]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits.able_to_get_on();
        self
    }

    /// Sets how long each call may take that does not say otherwise, and how long each command that
    /// wants no answer may wait for room in the queue. No end by default.
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.settings.call_timeout = Some(timeout);
        self
    }

    /// Closes the connection when nothing was received for so long, with
    /// [`CloseReason::Idle`]. No end by default.
    ///
    /// Anything that comes counts, be it a part of a box. While as many responders run as may, this
    /// side reads ahead to see it, for four times as long at most: see
    /// [`Limits::running_responders`](field@crate::Limits::running_responders). While a protocol switch is
    /// being made, no time passes; but that the peer has closed a socket is noticed.
    pub fn idle_timeout(mut self, after: Duration) -> Self {
        self.watching.idle = Some(after);
        self
    }

    /// Closes the connection when its peer has not sent a whole box within this time from its
    /// beginning, with [`CloseReason::BoxTimeout`]. No end by default: a client may wait to be called.
    pub fn first_box_timeout(mut self, after: Duration) -> Self {
        self.watching.first_box = Some(after);
        self
    }

    /// Sets what is right for a peer that may be anybody, as on the open internet: [`Limits::untrusted`], a first
    /// box within 15 seconds ([`first_box_timeout`](Connection::first_box_timeout)), and something every
    /// 2 minutes ([`idle_timeout`](Connection::idle_timeout)). Whatever is set behind this holds in
    /// its place. What a server holds of all its connections is bounded by
    /// [the server](crate::Serve#what-a-server-can-cost).
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

    /// Calls `command` every so often, and closes the connection with
    /// [`CloseReason::PingTimeout`] when it is not answered within `timeout`. No pings by default.
    ///
    /// The first goes out when the connection has been there for as long as `every`, and each
    /// further one so long after the answer to the one before. Any answer will do, `UNHANDLED` too.
    /// Whatever else comes gives the answer as much time again: it may be behind a lot. While as many
    /// responders run as may, this side reads ahead to see it, for four times as long at most.
    ///
    /// Its arguments are encoded once, when the connection starts: each ping has the same. One that cannot be
    /// encoded then, or brings attachments or streams, which can be sent but once, is not sent at all, and the
    /// log says so.
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

    /// Sends a one-way command every so often, for peers that have an idle limit. It is in place of
    /// a [`ping`](Connection::ping), and encoded once as that is. Nothing by default.
    ///
    /// Nothing is known of what becomes of it. So it takes an
    /// [`idle_timeout`](Connection::idle_timeout) on this side too to learn that the peer is gone.
    pub fn heartbeat<C: OneWay>(mut self, command: C, every: Duration) -> Self {
        self.watching.pinger = Some(Pinger::new(command, every, every));
        self
    }

    /// Sets what becomes of a call or an answer with a key that its command does not know.
    /// [`UnknownKeys::Ignore`] by default; commands that are
    /// [`STRICT`](crate::Arguments::STRICT) refuse such a box either way.
    pub fn unknown_keys(mut self, unknown_keys: UnknownKeys) -> Self {
        self.settings.unknown_keys = unknown_keys;
        self
    }

    /// Logs every box that is sent or received. None is by default.
    #[doc(alias("debug", "dump"))]
    pub fn wire_log(mut self, log: WireLog) -> Self {
        self.settings.wire_log = Some(log);
        self
    }

    /// Sets where the peer is, for those who ask. A transport that knows says so by itself.
    pub fn peer_address(mut self, address: impl Into<PeerAddress>) -> Self {
        self.address = address.into();
        self
    }

    /// Sets data of this connection, one value of each type: for responders
    /// ([`Peer::get`](crate::Peer::get)) and arguments ([`Proto::get`](crate::Proto::get)).
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
    /// The connection closes when the last clone of the [`Peer`] is dropped. A program that ends
    /// right after that may end before the last boxes are sent: await [`Peer::close`] first.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time enabled.
    #[track_caller]
    #[must_use = "the connection closes when its last peer is dropped; `run` is for a side that only answers"]
    pub fn spawn(self) -> Peer {
        let (peer, driver) = self.start();
        tokio::spawn(driver);
        peer
    }

    /// Runs the connection until it ends, and says why it did. This is for the side that only
    /// answers.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the connection at once: what is queued is lost.
    ///
    /// # Panics
    ///
    /// When it is first polled outside of a tokio runtime with time enabled.
    pub async fn run(self) -> CloseReason {
        let (_peer, driver) = self.start();
        driver.await
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
