use std::any::Any;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, ToSocketAddrs};

use super::CloseReason;
use super::driver::Driver;
use super::halves::Halves;
use super::peer::Peer;
use super::shared::Shared;
use super::transport::{ByteStream, Transport};
use crate::argument::{Extensions, PeerAddress, UnknownKeys};
use crate::boxes::BoxLimits;
use crate::responder::{Locator, Responders};

/// A connection that is about to start: a transport, and how to deal with what comes over it.
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
pub struct Connection {
    transport: Pin<Box<dyn Transport>>,
    locator: Arc<Locator>,
    address: PeerAddress,
    extensions: Extensions,
    settings: Settings,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) policy: FailurePolicy,
    pub(crate) call_timeout: Option<Duration>,
    pub(crate) unknown_keys: UnknownKeys,
}

/// What a connection holds at most. Going over a limit slows a side down, or is an error that names
/// the limit: each says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How large a received box may be. Over it, the connection ends.
    pub boxes: BoxLimits,
    /// Calls that wait for their answers at once, at most 2^31. 65 536 by default. Over it, a
    /// call fails with [`CallError::TooManyCalls`](crate::CallError::TooManyCalls).
    pub outstanding_calls: usize,
    /// Responders that run at once. 1024 by default. At this number nothing more is read from
    /// the peer until one of them is done; so a peer that calls too much is slowed down. Reading
    /// goes on all the same while calls of this side are outstanding or something waits to be
    /// sent, since the peer may be unable to go on before it is read from.
    pub running_responders: usize,
    /// Responders that run at once when reading has to go on. 65 536 by default. A call over it
    /// is answered with `UNKNOWN`; a one-way call over it ends the connection.
    pub running_responders_max: usize,
    /// Bytes that wait to be sent before callers have to wait for room, and before responders of
    /// further calls of the peer have to wait to be started. 1 MiB by default. Boxes are never
    /// cut, so a few more bytes may wait. And while more than three quarters of
    /// [`unclaimed_attachments`](Self::unclaimed_attachments) wait, responders are started until
    /// half of [`send_queue_max`](Self::send_queue_max) is queued, for they may claim them.
    pub send_queue: usize,
    /// Bytes that wait to be sent at all, answers included, together with the calls that are not
    /// answered yet because of them. 64 MiB by default. Over it, the peer calls without reading
    /// what it is answered, and the connection ends.
    pub send_queue_max: usize,
    /// Attachments that were received and that no argument has claimed. 1024 by default. Over
    /// it, the connection ends.
    pub unclaimed_attachments: usize,
    /// How long the end of a connection may take: sending what is queued, and waiting until the
    /// peer has closed its side. 5 seconds by default.
    pub close_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            boxes: BoxLimits::default(),
            outstanding_calls: 1 << 16,
            running_responders: 1024,
            running_responders_max: 1 << 16,
            send_queue: 1 << 20,
            send_queue_max: 64 << 20,
            unclaimed_attachments: 1024,
            close_timeout: Duration::from_secs(5),
        }
    }
}

/// What becomes of a connection on which a responder fails with an error that its command does
/// not declare, or on which a call cannot be decoded or its response not encoded.
///
/// The peer gets an answer with the code `UNKNOWN` either way. The cause stays on this side: it is
/// in a `tracing` event at the level `WARN`, `a call failed`, with the fields `command`,
/// `reference` and `error`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// It goes on. A one-way call that fails is logged. The answer's description is
    /// `Unknown Error (reference 1f2e3d4c)`, with the reference of the event.
    #[default]
    Stay,
    /// It is closed once the answer, and the answers to what had been received by then, are
    /// sent; a one-way call that fails closes it too. This is what Twisted does.
    Close,
}

impl Connection {
    /// A connection over a stream of bytes: a socket, a TLS stream, half of a
    /// [`duplex`](tokio::io::duplex).
    ///
    /// Its `poll_shutdown` must let the peer see the end, or closing takes all of
    /// [`Limits::close_timeout`]. That of a pipe does not: see
    /// [`from_halves`](Connection::from_halves).
    ///
    /// A Unix socket given to this function carries no file descriptors, and drops those that the
    /// peer sends: for them, use `amp_unix::connection`.
    pub fn new(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        Self::with_transport(ByteStream(Box::pin(stream)))
    }

    /// A connection over two streams, each for one direction: the pipes of a child process, or
    /// this process's standard input and output. The writer is dropped when nothing more is to be
    /// sent, since a pipe ends when it is closed and not before.
    pub fn from_halves(
        reader: impl AsyncRead + Send + 'static,
        writer: impl AsyncWrite + Send + 'static,
    ) -> Self {
        Self::new(Halves::new(reader, writer))
    }

    /// A connection over a transport of one's own.
    pub fn with_transport(transport: impl Transport) -> Self {
        Self {
            address: transport.peer_address(),
            transport: Box::pin(transport),
            locator: Arc::default(),
            extensions: Extensions::default(),
            settings: Settings::default(),
        }
    }

    /// Connects to a TCP server. Small boxes are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// When the connection cannot be made.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn connect_tcp(address: impl ToSocketAddrs) -> io::Result<Self> {
        Self::tcp(TcpStream::connect(address).await?)
    }

    /// A connection over a TCP stream that is connected. Small boxes are sent at once
    /// (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// When the stream is not connected any more.
    pub fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let address = stream.peer_addr()?;
        Ok(Self::new(stream).peer_address(address))
    }

    /// What answers the peer's calls. Without it each call is answered with `UNHANDLED`.
    pub fn responders<S>(mut self, responders: Responders<S>) -> Self {
        self.locator = responders.into_locator();
        self
    }

    /// What a failing responder means for the connection. [`FailurePolicy::Stay`] by default.
    pub fn policy(mut self, policy: FailurePolicy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// What the connection holds at most. It has to get on: a responder can always run, and bytes
    /// can always be queued when none are.
    pub fn limits(mut self, limits: Limits) -> Self {
        let running_responders = limits.running_responders.max(1);
        let send_queue = limits.send_queue.max(1);
        self.settings.limits = Limits { running_responders, send_queue, ..limits };
        self
    }

    /// How long each call may take that does not say otherwise. No end by default.
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.settings.call_timeout = Some(timeout);
        self
    }

    /// What becomes of a call or an answer with a key that its command does not know.
    /// [`UnknownKeys::Ignore`] by default; commands that are
    /// [`STRICT`](crate::Arguments::STRICT) refuse such a box either way.
    pub fn unknown_keys(mut self, unknown_keys: UnknownKeys) -> Self {
        self.settings.unknown_keys = unknown_keys;
        self
    }

    /// Where the peer is, for those who ask. A transport that knows says so by itself.
    pub fn peer_address(mut self, address: impl Into<PeerAddress>) -> Self {
        self.address = address.into();
        self
    }

    /// Data of this connection, one value of each type: for responders
    /// ([`Peer::get`](crate::Peer::get)) and arguments ([`Proto::get`](crate::Proto::get)).
    pub fn data<T: Any + Send + Sync>(mut self, value: T) -> Self {
        self.extensions.insert(value);
        self
    }

    /// Starts the connection on a task of its own.
    ///
    /// The connection closes when the last clone of the [`Peer`] is dropped. A program that ends
    /// right after that may end before the last boxes are sent: await [`Peer::close`] first.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
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
    pub async fn run(self) -> CloseReason {
        let (_peer, driver) = self.start();
        driver.await
    }

    pub(crate) fn start(self) -> (Peer, Driver) {
        let kind = self.transport.attachment_kind();
        let shared = Arc::new(Shared::new(self.settings, kind, self.address, self.extensions));
        let peer = Peer::new(Arc::clone(&shared));
        (peer, Driver::new(self.transport, shared, self.locator))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer_address", &self.address)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
