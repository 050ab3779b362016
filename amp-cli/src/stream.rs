//! Streams to peers, before anything is said on them.

use amp_core::tls::{Role, TlsError, rustls};
use amp_core::{Connection, Limits, PeerAddress, Report, tcp};
use amp_unix::inherited;
use std::fmt::Display;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, join};
use tokio::net::unix::pipe;
use tokio::net::{TcpStream, UnixStream};
use tokio::process::Command;
use tokio::time::{sleep, timeout};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::address::{Address, Kind};
use crate::exit::{self, Failure};
use crate::programs;

/// The pause before connecting is tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// How many descriptors may have come before what names them: many calls at once bring more than a
/// server would take from a stranger.
const DESCRIPTORS: usize = 4096;

/// A stream to a peer.
pub(crate) enum Stream {
    /// Descriptors travel on it.
    Unix(UnixStream),
    Pipes(pipe::Receiver, pipe::Sender),
    Bytes(Box<dyn Bytes>, PeerAddress),
}

/// Any other stream of bytes.
pub(crate) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

impl Stream {
    /// A connection that speaks AMP from the first byte on.
    pub(crate) fn connection(self) -> io::Result<Connection> {
        let connection = match self {
            Self::Unix(stream) => amp_unix::connection(stream)?,
            Self::Pipes(reader, writer) => Connection::from_halves(reader, writer),
            Self::Bytes(stream, address) => Connection::new(stream).peer_address(address),
        };
        Ok(connection.limits(Limits::default().unclaimed_attachments(DESCRIPTORS)))
    }

    /// The same stream, protected by TLS. It carries no descriptors.
    pub(crate) async fn protected(self, role: Role) -> Result<Self, Failure> {
        let (stream, address) = self.into_bytes();
        let failed = |error: io::Error| {
            let said = match error.downcast::<rustls::Error>() {
                Ok(error) => Report::new(&TlsError::Handshake(error)).to_string(),
                Err(error) => format!("the TLS handshake failed: {error}"),
            };
            Failure::new(exit::NO_CONNECTION, said)
        };
        let stream: Box<dyn Bytes> = match role {
            Role::Client(name, config) => {
                Box::new(TlsConnector::from(config).connect(name, stream).await.map_err(failed)?)
            }
            Role::Server(config) => {
                Box::new(TlsAcceptor::from(config).accept(stream).await.map_err(failed)?)
            }
            _ => unreachable!("there are two sides of TLS"),
        };
        Ok(Self::Bytes(stream, address))
    }

    /// The bytes alone, and where the peer is.
    pub(crate) fn into_bytes(self) -> (Box<dyn Bytes>, PeerAddress) {
        match self {
            Self::Unix(stream) => (Box::new(stream), PeerAddress::Unknown),
            Self::Pipes(reader, writer) => (Box::new(join(reader, writer)), PeerAddress::Unknown),
            Self::Bytes(stream, address) => (stream, address),
        }
    }

    pub(crate) fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let address = stream.peer_addr()?;
        Ok(Self::Bytes(Box::new(stream), address.into()))
    }

    fn pipes(reader: i32, writer: i32) -> io::Result<Self> {
        let about = |number: i32| {
            move |error: io::Error| {
                io::Error::new(error.kind(), format!("descriptor {number}: {error}"))
            }
        };
        let reading =
            pipe::Receiver::from_owned_fd(inherited::take(reader)?).map_err(about(reader))?;
        let writing =
            pipe::Sender::from_owned_fd(inherited::take(writer)?).map_err(about(writer))?;
        Ok(Self::Pipes(reading, writing))
    }

    /// Standard input and output: two pipes, or one socket that is both.
    fn stdio() -> io::Result<Self> {
        let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        if !input.metadata()?.file_type().is_socket() {
            return Self::pipes(0, 1);
        }
        let socket = inherited::take(0)?;
        // What is printed does not come between boxes.
        drop(inherited::take(1));
        Self::socket(socket)
    }

    fn socket(fd: OwnedFd) -> io::Result<Self> {
        let stream = std::os::unix::net::UnixStream::from(fd);
        if stream.peer_addr().is_ok() {
            stream.set_nonblocking(true)?;
            return Ok(Self::Unix(UnixStream::from_std(stream)?));
        }
        let stream = std::net::TcpStream::from(OwnedFd::from(stream));
        stream.set_nonblocking(true)?;
        Self::tcp(TcpStream::from_std(stream)?)
    }

    /// Starts a program whose standard input and output are one Unix socket to here.
    fn exec(words: &[String]) -> io::Result<Self> {
        let (near, far) = std::os::unix::net::UnixStream::pair()?;
        let far = OwnedFd::from(far);
        let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::from(far.try_clone()?)).stdout(Stdio::from(far));
        let started = programs::start(command.kill_on_drop(true))?;
        // It has the other end too.
        drop(command);
        programs::watch(started);
        near.set_nonblocking(true)?;
        Ok(Self::Unix(UnixStream::from_std(near)?))
    }
}

/// Connects to a peer; `waits` for one that does not listen yet.
pub(crate) async fn connect(
    address: &Address,
    waits: bool,
    within: Duration,
) -> Result<Stream, Failure> {
    let none = |error: &dyn Display| {
        Failure::new(exit::NO_CONNECTION, format!("cannot connect to {address}: {error}"))
    };
    let mut last = None;
    let connecting = async {
        loop {
            match attempt(address).await {
                Ok(stream) => return Ok(stream),
                // The socket's backlog is full.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if waits && is_not_there_yet(&error) => last = Some(error),
                Err(error) => return Err(error),
            }
            sleep(PAUSE).await;
        }
    };
    if let Ok(connected) = timeout(within, connecting).await {
        return connected.map_err(|error| none(&Report::new(&error)));
    }
    let why = last.map(|error| format!(": {}", Report::new(&error))).unwrap_or_default();
    Err(none(&format!("no connection within {within:?}{why}")))
}

fn is_not_there_yet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
    )
}

/// Tries once.
pub(crate) async fn attempt(address: &Address) -> io::Result<Stream> {
    match &address.kind {
        Kind::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
        Kind::Tcp { host, port, .. } => {
            Stream::tcp(tcp::connect_stream((host.as_str(), *port)).await?)
        }
        Kind::Exec(words) => Stream::exec(words),
        Kind::Pipes(reader, writer) => Stream::pipes(*reader, *writer),
        Kind::Stdio => Stream::stdio(),
        Kind::Systemd => Err(io::Error::other("systemd: is an address to listen on")),
    }
}
