//! Streams from peers that connect.

use amp_core::Report;
use amp_unix::{AnyListener, UnixSocketListener, inherited};
use std::io;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::address::{Address, Kind};
use crate::exit::{self, Failure};
use crate::printing::tell;
use crate::stream::{Stream, attempt};

/// The pause after an error of accepting, as when there are too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// A place that is listened on.
pub(crate) enum Listening {
    Unix(UnixSocketListener),
    Tcp(TcpListener),
    /// One peer, which is connected already.
    One(Option<Stream>),
}

impl Listening {
    /// Begins to listen.
    pub(crate) async fn bind(address: &Address) -> Result<Self, Failure> {
        let bound = match &address.kind {
            Kind::Unix(path) => UnixSocketListener::bind(path).map(Self::Unix),
            Kind::Tcp { host, port, .. } => {
                TcpListener::bind((host.as_str(), *port)).await.map(Self::Tcp)
            }
            Kind::Systemd => inherited::listen_fds().and_then(|mut passed| match passed.len() {
                1 => Ok(match passed.remove(0).into_listener()? {
                    AnyListener::Tcp(listener) => Self::Tcp(listener),
                    AnyListener::Unix(listener) => Self::Unix(listener),
                    _ => return Err(io::ErrorKind::Unsupported.into()),
                }),
                count => {
                    Err(io::Error::other(format!("systemd passes {count} sockets, and not one")))
                }
            }),
            Kind::Exec(_) | Kind::Pipes(..) | Kind::Stdio => {
                attempt(address).await.map(|stream| Self::One(Some(stream)))
            }
        };
        bound.map_err(|error| {
            let error = Report::new(&error);
            Failure::new(exit::NO_CONNECTION, format!("cannot listen on {address}: {error}"))
        })
    }

    /// The next peer; none when no other can come. What goes wrong before one comes is said.
    pub(crate) async fn accept(&mut self) -> Option<Stream> {
        loop {
            match self.try_accept().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    tell(format_args!("cannot accept: {error}"));
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn try_accept(&mut self) -> io::Result<Option<Stream>> {
        match self {
            Self::Unix(listener) => listener.accept_stream().await.map(Stream::Unix).map(Some),
            Self::Tcp(listener) => Stream::tcp(listener.accept().await?.0).map(Some),
            Self::One(stream) => Ok(stream.take()),
        }
    }

    /// Returns where it listens: with the port that the system has given it.
    pub(crate) fn place(&self, address: &Address) -> String {
        match (self, &address.kind) {
            (Self::Tcp(listener), Kind::Tcp { tls, .. }) => {
                let scheme = if *tls { "tls" } else { "tcp" };
                listener
                    .local_addr()
                    .map_or_else(|_| address.to_string(), |address| format!("{scheme}:{address}"))
            }
            _ => address.to_string(),
        }
    }
}
