//! A client that blocks its thread, and needs no async runtime.

mod stopped;

use bytes::Bytes;
use std::any::Any;
use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::argument::{
    DecodeError, EncodeError, Extensions, NoAttachments, PeerAddress, Proto, UnknownKeys,
};
use crate::boxes::{AmpBox, BoxWriter, check_value};
use crate::command::{Arguments, Command, NoError, OneWay, read_arguments};
use crate::error::{CallError, CloseReason};
use crate::keys;
use crate::proto::{
    Answer, CallId, Core, FailurePolicy, Inbound, IncomingCall, Limits, RemoteError, Scratch,
};
use stopped::Stopped;

/// The number of bytes that one read takes at most.
const READ: usize = 64 << 10;

/// A connection over any blocking stream, such as a socket, a child's pipes or a serial line, that has not
/// started yet. [`start`](Connection::start) turns it into a [`Client`].
///
/// ```no_run
/// use amp_core::blocking::Connection;
/// use amp_core::{Arguments, Command};
/// use std::time::Duration;
///
/// #[derive(Command)]
/// #[amp(response = Total)]
/// struct Sum {
///     a: i64,
///     b: i64,
/// }
///
/// #[derive(Arguments)]
/// struct Total {
///     total: i64,
/// }
///
/// let connection = Connection::connect("127.0.0.1:1234")?;
/// let mut client = connection.call_timeout(Duration::from_secs(5)).start();
/// let Total { total } = client.call_remote(Sum { a: 13, b: 81 })?;
/// // This one may take longer.
/// client.timeout(Duration::from_secs(60)).call_remote(Sum { a: 1, b: 2 })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a connection does nothing before it is started"]
pub struct Connection<S> {
    client: Client<S>,
}

/// The client of a [`Connection`] that has started. It makes one call at a time.
///
/// # Restrictions
///
/// - It reads only while it waits for an answer. Calls that the peer makes meanwhile are answered by
///   the [`responder`](Connection::responder), or with `UNHANDLED`. Calls that it makes at other times
///   wait for the next call of this side.
/// - It does not read while it writes. If the peer does not either, and sends as much as the buffers
///   between the two hold, both wait for ever, or until a timeout of the stream.
/// - It carries no attachments: an argument that needs one is an error.
/// - It has no method to close it. It ends when it is dropped, together with the stream. Nothing is under
///   way then.
///
/// # Signals
///
/// Writing to a stream whose other end has gone raises `SIGPIPE`. The runtimes of Rust and of Python
/// ignore it. In a library that another program loads, let that program ignore it, or the signal ends
/// the process.
///
/// # Timeouts
///
/// [`call_timeout`](Connection::call_timeout), or [`timeout`](Client::timeout) for one call, limits how
/// long a call may take in all, whatever else the peer sends meanwhile. The stream's own timeouts, such as
/// [`TcpStream::set_read_timeout`], apply to each read and each write. With them alone, a peer that sends
/// a byte now and then can make a call last for ever. In either case the call fails with
/// [`CallError::Timeout`], and the connection goes on. A late answer is ignored. If a part of the call was not sent, it is
/// sent before the next call. If that takes until the timeout of the next call, nothing of the next call is ever sent. So no
/// more than one call and one answer is kept for a peer that does not read.
#[must_use = "the connection is closed when its client is dropped"]
pub struct Client<S> {
    stream: S,
    core: Core<()>,
    inbound: Inbound<()>,
    responder: Box<Responder>,
    address: PeerAddress,
    extensions: Extensions,
    unknown_keys: UnknownKeys,
    call_timeout: Option<Duration>,
    /// The time that the next call may take, in place of that.
    next_timeout: Option<Duration>,
    /// How the stream is told of a time, while one may be set.
    limit: Option<Limit<S>>,
    /// When the call that is being made must be over.
    deadline: Option<Instant>,
    decoded_bytes: usize,
}

type Limit<S> = fn(&S, Option<Duration>) -> io::Result<()>;

/// A stream that can be told how long a read or a write may block.
pub trait LimitBlocking {
    /// Lets each further read and write fail with [`ErrorKind::WouldBlock`] or
    /// [`ErrorKind::TimedOut`] when it has blocked for so long, which is at least a millisecond, or
    /// block for as long as it takes.
    ///
    /// # Errors
    ///
    /// When the stream refuses that.
    fn limit_blocking(&self, timeout: Option<Duration>) -> io::Result<()>;
}

impl LimitBlocking for TcpStream {
    fn limit_blocking(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(timeout)?;
        self.set_write_timeout(timeout)
    }
}

#[cfg(unix)]
impl LimitBlocking for std::os::unix::net::UnixStream {
    fn limit_blocking(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(timeout)?;
        self.set_write_timeout(timeout)
    }
}

type Responder = dyn FnMut(ReceivedCall) -> Result<AmpBox, RemoteError> + Send;

/// A call of the peer, for the [`responder`](Connection::responder).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReceivedCall {
    /// The name of the command.
    pub command: Bytes,
    /// The arguments as they are on the wire, without the protocol's own keys.
    pub arguments: AmpBox,
    /// True if the peer wants an answer. If it does not, nothing that is returned goes anywhere.
    pub requires_answer: bool,
}

impl Connection<TcpStream> {
    /// Connects to a TCP server. Small boxes are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// When the connection cannot be made.
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let address = stream.peer_addr()?;
        Ok(Self::new(stream).peer_address(address))
    }
}

impl<S: Read + Write> Connection<S> {
    /// Creates a connection over a stream that is connected.
    pub fn new(stream: S) -> Self {
        let limits = Limits { outstanding_calls: 1, streams: 0, ..Limits::default() };
        let client = Client {
            stream,
            core: Core::hosted(limits, limits.boxes, None),
            inbound: Inbound::new(limits.boxes),
            responder: Box::new(|call| Err(RemoteError::unhandled(&call.command))),
            address: PeerAddress::Unknown,
            extensions: Extensions::default(),
            unknown_keys: UnknownKeys::Ignore,
            call_timeout: None,
            next_timeout: None,
            limit: None,
            deadline: None,
            decoded_bytes: limits.decoded_bytes,
        };
        Self { client }
    }

    /// Sets how long a call may take that sets no timeout of its own, and how long each
    /// [`notify`](Client::notify) may take. By default, only the stream's own timeouts apply, which this
    /// replaces.
    ///
    /// The timeout applies whatever the peer sends meanwhile. It is checked before each read, each write
    /// and each box. A [`responder`](Connection::responder) of this side is not interrupted.
    pub fn call_timeout(mut self, timeout: Duration) -> Self
    where
        S: LimitBlocking,
    {
        self.client.call_timeout = Some(timeout);
        self.client.limit = Some(S::limit_blocking);
        self
    }

    /// Sets the limits. A client that makes one call at a time uses two of them. Receiving a box over
    /// [`boxes`](field@Limits::boxes) ends the connection; a call that would be larger fails, and nothing is
    /// sent. A call whose answer needs more memory than [`decoded_bytes`](field@Limits::decoded_bytes) fails.
    pub fn limits(mut self, limits: Limits) -> Self {
        let Limits { boxes, decoded_bytes, .. } = limits;
        self.client.inbound = Inbound::new(boxes);
        self.client.core.limit_boxes(boxes);
        self.client.decoded_bytes = decoded_bytes;
        self
    }

    /// Sets the address of the peer, as [`Client::peer_address`] returns it. Without this, only a connection
    /// that was made by [`connect`](Connection::connect) knows it.
    pub fn peer_address(mut self, address: impl Into<PeerAddress>) -> Self {
        self.client.address = address.into();
        self
    }

    /// Sets a value that belongs to this connection, one of each type. Arguments read it with
    /// [`Proto::get`], as [`FromConnection`](crate::argument::FromConnection) does.
    pub fn data<T: Any + Send + Sync>(mut self, value: T) -> Self {
        self.client.extensions.insert(value);
        self
    }

    /// Sets how to treat an answer with a key that its command does not know.
    pub fn unknown_keys(mut self, unknown_keys: UnknownKeys) -> Self {
        self.client.unknown_keys = unknown_keys;
        self
    }

    /// Sets the responder for calls that the peer makes while this side waits for an answer. For a command
    /// that it does not know, it should return [`RemoteError::unhandled`].
    ///
    /// ```
    /// use amp_core::{AmpBox, RemoteError, blocking};
    ///
    /// # fn f(stream: std::net::TcpStream) {
    /// let connection = blocking::Connection::new(stream).responder(|call| match &call.command[..] {
    ///     b"Ping" => Ok(AmpBox::new()),
    ///     unknown => Err(RemoteError::unhandled(unknown)),
    /// });
    /// # drop(connection); }
    /// ```
    ///
    /// If the arguments of a call cannot be read, or its answer does not fit into a box, the call is
    /// answered with the code `UNKNOWN` and Twisted's text `Unknown Error`. This side logs nothing, so
    /// the text has no reference to a log. The connection goes on.
    pub fn responder(
        mut self,
        responder: impl FnMut(ReceivedCall) -> Result<AmpBox, RemoteError> + Send + 'static,
    ) -> Self {
        self.client.responder = Box::new(responder);
        self
    }

    /// Starts the connection. Nothing is sent or read before the first call.
    pub fn start(self) -> Client<S> {
        self.client
    }
}

impl<S: Read + Write> Client<S> {
    /// Sets the timeout of the next call or notification, in place of
    /// [`call_timeout`](Connection::call_timeout). From now on the stream's own timeouts are replaced.
    #[must_use = "it is the time of the call that is made with it"]
    pub fn timeout(&mut self, timeout: Duration) -> &mut Self
    where
        S: LimitBlocking,
    {
        self.next_timeout = Some(timeout);
        self.limit = Some(S::limit_blocking);
        self
    }

    /// Returns the address of the peer.
    pub fn peer_address(&self) -> &PeerAddress {
        &self.address
    }

    /// Returns the stream, to set its timeouts or to shut it down.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Returns the stream, and ends the connection. What was received behind the last answer is lost.
    pub fn into_inner(self) -> S {
        self.stream
    }

    /// Calls the peer, and waits for the answer.
    ///
    /// # Errors
    ///
    /// See [`CallError`]. The connection has ended only if it is a [`CallError::Closed`].
    #[allow(clippy::needless_pass_by_value, reason = "as the calls of all clients")]
    pub fn call_remote<C: Command>(
        &mut self,
        command: C,
    ) -> Result<C::Response, CallError<C::Error>> {
        const { assert!(C::REQUIRES_ANSWER, "use `notify` or `Answered` for one-way commands") };
        let started = self.begin();
        let body =
            self.encode(|out, proto| command.write_to(out, proto)).map_err(CallError::Encode);
        match self.exchange(C::NAME.as_bytes(), body?, started).map_err(CallError::widen)? {
            Ok(ampbox) => self.decode(&ampbox).map_err(CallError::Decode),
            Err(error) => Err(CallError::of(error, C::NAME.as_bytes())),
        }
    }

    /// Sends a one-way command.
    ///
    /// # Errors
    ///
    /// When an argument cannot be encoded, when the command was not sent completely in time, and when
    /// the connection has ended.
    #[allow(clippy::needless_pass_by_value, reason = "as the calls of all clients")]
    pub fn notify<C: OneWay>(&mut self, command: C) -> Result<(), CallError> {
        let started = self.begin();
        let body = self.encode(|out, proto| command.write_to(out, proto));
        self.queue_and_send(C::NAME.as_bytes(), body, started)
    }

    /// Calls a command by its name, with arguments as they are on the wire, and waits for the answer,
    /// which is a box without the protocol's own keys.
    ///
    /// # Errors
    ///
    /// As [`call_remote`](Client::call_remote).
    pub fn call_by_name<K, V>(
        &mut self,
        command: impl AsRef<[u8]>,
        arguments: impl IntoIterator<Item = (K, V)>,
    ) -> Result<AmpBox, CallError>
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let (command, started) = (command.as_ref(), self.begin());
        let body = self.encode_named(command, arguments).map_err(CallError::Encode)?;
        let answer = self.exchange(command, body, started)?;
        let ampbox = answer.map_err(|error| CallError::of(error, command))?;
        self.decode(&ampbox).map_err(CallError::Decode)
    }

    /// Sends a one-way command by its name.
    ///
    /// # Errors
    ///
    /// As [`notify`](Client::notify).
    pub fn notify_by_name<K, V>(
        &mut self,
        command: impl AsRef<[u8]>,
        arguments: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), CallError>
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let (command, started) = (command.as_ref(), self.begin());
        let body = self.encode_named(command, arguments);
        self.queue_and_send(command, body, started)
    }

    fn encode_named(
        &self,
        command: &[u8],
        arguments: impl IntoIterator<Item = (impl AsRef<[u8]>, impl AsRef<[u8]>)>,
    ) -> Result<Scratch, EncodeError> {
        self.encode(|out, _| {
            check_value(keys::COMMAND, command.len())?;
            Ok(out.put_box(&AmpBox::from_pairs(arguments)?)?)
        })
    }

    fn queue_and_send(
        &mut self,
        command: &[u8],
        body: Result<Scratch, EncodeError>,
        started: Instant,
    ) -> Result<(), CallError> {
        let mut body = body.map_err(CallError::Encode)?;
        self.send_queued(started)?;
        self.core.notify(command, &mut body)?;
        self.send_queued(started)
    }

    fn exchange(
        &mut self,
        command: &[u8],
        mut body: Scratch,
        started: Instant,
    ) -> Result<Answer, CallError> {
        self.send_queued(started)?;
        let id = self.core.call(command, &mut body, ())?;
        self.wait(id).map_err(|stopped| {
            self.core.forget(id);
            self.stop(stopped, started)
        })
    }

    /// Sends all that is queued, in the time of the call that began then. No call is queued before what
    /// earlier ones have left behind is sent, or each that a peer does not read would leave more.
    fn send_queued(&mut self, started: Instant) -> Result<(), CallError> {
        self.send().map_err(|stopped| self.stop(stopped, started))
    }

    /// A call begins.
    fn begin(&mut self) -> Instant {
        let now = Instant::now();
        let timeout = self.next_timeout.take().or(self.call_timeout);
        self.deadline = timeout.and_then(|timeout| now.checked_add(timeout));
        now
    }

    /// Returns how long the call may still take.
    fn left(&self) -> Result<Option<Duration>, Stopped> {
        let Some(deadline) = self.deadline else { return Ok(None) };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(Stopped::TimedOut) } else { Ok(Some(left)) }
    }

    /// Looks whether there is time to read or to write, and lets the stream take no longer.
    fn before_blocking(&mut self) -> Result<(), Stopped> {
        let left = self.left()?.map(|left| left.max(Duration::from_millis(1)));
        let Some(limit) = self.limit else { return Ok(()) };
        limit(&self.stream, left)?;
        if left.is_none() {
            // The time of an earlier call is not that of this one, and one telling is enough.
            self.limit = None;
        }
        Ok(())
    }

    /// Returns what it means for a call that the stream has stopped.
    fn stop(&mut self, stopped: Stopped, started: Instant) -> CallError<NoError> {
        match stopped {
            Stopped::TimedOut => CallError::Timeout { after: started.elapsed() },
            Stopped::Ended(reason) => CallError::Closed(self.core.handle_end(reason).0),
        }
    }

    /// Sends what is queued, and answers the peer's calls until the answer to this one comes.
    fn wait(&mut self, id: CallId) -> Result<Answer, Stopped> {
        loop {
            self.send()?;
            // One box after the other, since answering a call of the peer may take all the time there is.
            while self.inbound.decode(true).1? {
                self.inbound.sort(&mut self.core, false).1?;
                // Nobody but this call waits.
                self.inbound.callers.clear();
                while let Some(received) = self.inbound.next_call() {
                    self.respond(&received.call);
                    self.send()?;
                }
                if let Some(answer) = self.core.take_answer(id) {
                    if self.inbound.input.is_large() {
                        self.inbound.input.release();
                    }
                    return Ok(answer);
                }
                self.left()?;
            }
            self.receive()?;
        }
    }

    /// Answers a call of the peer.
    fn respond(&mut self, call: &IncomingCall) {
        let arguments = self.decode(call.ampbox()).map_err(|_| unknown());
        let response = arguments.and_then(|arguments| {
            let command = Bytes::copy_from_slice(call.command());
            let requires_answer = call.tag().is_some();
            (self.responder)(ReceivedCall { command, arguments, requires_answer })
        });
        let Some(tag) = call.tag() else { return };
        let encoded = response.and_then(|response| {
            self.encode(|out, _| Ok(out.put_box(&response)?)).map_err(|_| unknown())
        });
        let answered =
            encoded.and_then(|mut body| self.core.answer(tag, &mut body).map_err(|_| unknown()));
        if let Err(error) = answered {
            self.core.fail(tag, &error.code, &error.description);
        }
    }

    fn encode(
        &self,
        write: impl FnOnce(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError>,
    ) -> Result<Scratch, EncodeError> {
        let mut body = Scratch::new();
        let mut writer = body.writer();
        let mut none = NoAttachments;
        write(&mut writer, &mut Proto::new(&mut none, &self.address, &self.extensions))?;
        writer.finish()?;
        Ok(body)
    }

    fn decode<A: Arguments>(&self, ampbox: &AmpBox) -> Result<A, DecodeError> {
        let mut none = NoAttachments;
        let mut proto = Proto::new(&mut none, &self.address, &self.extensions)
            .with_unknown_keys(self.unknown_keys)
            .with_decoded_bytes(self.decoded_bytes);
        read_arguments(ampbox, &mut proto)
    }

    /// Sends all that is queued.
    fn send(&mut self) -> Result<(), Stopped> {
        if self.core.outgoing().is_empty() {
            return Ok(());
        }
        while !self.core.outgoing().is_empty() {
            self.before_blocking()?;
            let outgoing = self.core.outgoing();
            let mut slices = [IoSlice::new(&[]); 16];
            let (count, _) = outgoing.parts(&mut slices);
            match self.stream.write_vectored(&slices[..count]) {
                Ok(0) => return Err(io::Error::from(ErrorKind::WriteZero).into()),
                Ok(sent) => outgoing.advance(sent),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.stream.flush()?)
    }

    /// Reads what there is, and waits for it.
    fn receive(&mut self) -> Result<(), Stopped> {
        loop {
            self.before_blocking()?;
            let Self { stream, inbound, .. } = self;
            let received = inbound.receive(|bytes, _| {
                let before = bytes.len();
                // What is read into has to be written first, and a buffer for a large box has much room.
                let room = (bytes.capacity() - before).min(READ);
                bytes.resize(before + room, 0);
                let read = stream.read(&mut bytes[before..]);
                bytes.truncate(before + *read.as_ref().unwrap_or(&0));
                Poll::Ready(read)
            });
            match received {
                Poll::Ready(Err(CloseReason::Io(error)))
                    if error.kind() == ErrorKind::Interrupted => {}
                Poll::Ready(Err(reason)) => return Err(reason.into()),
                Poll::Ready(Ok(_)) | Poll::Pending => return Ok(()),
            }
        }
    }
}

impl<S> fmt::Debug for Connection<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer_address", &self.client.address)
            .finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for Client<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("peer_address", &self.address)
            .field("core", &self.core)
            .finish_non_exhaustive()
    }
}

/// The answer to a call that fails in a way that its command does not declare. Nothing is logged here, so
/// there is no reference that the cause could be found by.
fn unknown() -> RemoteError {
    RemoteError::new(keys::UNKNOWN, FailurePolicy::Close.describe(""))
}
