//! TCP: [`connect`], and TCP's own ways to notice that a peer has gone, which are keepalive and a
//! timeout for unacknowledged data.
//!
//! These cost no boxes, and need nothing from the peer. They notice when a machine or a network has
//! gone, but not when a process hangs. For that, use [`Connection::ping`](crate::Connection::ping).
//!
//! The operating system decides what is noticed and when:
//!
//! | when the network fails | it is noticed |
//! |---|---|
//! | while everything that was sent is acknowledged | by [keepalive](set_keepalive), after the time `after` and several times `interval`: 9 times on Linux and Android by default, and a different number on other systems |
//! | while data is unacknowledged, because it was sent when the network had failed or just before | on Linux, Android and Fuchsia, [after the timeout that you set](set_user_timeout). Without a timeout, and on other systems, when TCP stops sending the data again: on Linux after about 15 minutes (at least 924 seconds), on most others after some minutes |
//!
//! No probes are sent while data is unacknowledged. So keepalive alone does not help if calls are under
//! way when the network fails. Set both, or use pings, whose timeout is kept by the program itself on
//! every system.

use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};

use crate::argument::PeerAddress;
use crate::connection::Connection;
use crate::dial;
use crate::server::Listener;

/// Connects to a TCP server. [`spawn`](Connection::spawn) starts the connection, and returns the
/// [`Peer`](crate::Peer) to call. Small boxes are sent at once (`TCP_NODELAY`). For keepalive, see the
/// [module](self).
///
/// If the host has several addresses, they are tried as RFC 8305 says: IPv6 and IPv4 alternate, and
/// each attempt begins 250 milliseconds after the one before, or as soon as that has failed, until one
/// address answers. So a dead address costs little time. This function sets no overall timeout. The
/// system has one, which may be minutes.
///
/// ```no_run
/// # async fn f() -> std::io::Result<()> {
/// let peer = amp_core::tcp::connect("127.0.0.1:1234").await?.spawn();
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// When the connection cannot be made. If there are several addresses, the
/// [`source`](std::error::Error::source) is the error of the last one, and the text has the errors of
/// the others.
///
/// # Panics
///
/// Panics outside of a tokio runtime with I/O enabled, and with time enabled if there are several
/// addresses.
///
/// # Cancel safety
///
/// Dropping the future leaves nothing behind.
#[doc(alias = "connectTCP")]
pub async fn connect(address: impl ToSocketAddrs) -> io::Result<Connection> {
    connection(dial::connect(address).await?)
}

/// Returns a connection over a TCP stream that is connected already. Small boxes are sent at once
/// (`TCP_NODELAY`), and the peer's address is known.
///
/// # Errors
///
/// When the stream is not connected any more.
pub fn connection(stream: TcpStream) -> io::Result<Connection> {
    let (stream, address) = prepared(stream)?;
    Ok(Connection::new(stream).peer_address(address))
}

/// Connects to whichever address of a host answers, as [`connect`] does, and returns the stream. Use it
/// for anything that does not begin with boxes: a proxy, or TLS by a library of your own.
///
/// # Errors
///
/// As [`connect`].
///
/// # Panics
///
/// As [`connect`].
///
/// # Cancel safety
///
/// Dropping the future leaves nothing behind.
pub async fn connect_stream(address: impl ToSocketAddrs) -> io::Result<TcpStream> {
    dial::connect(address).await
}

/// Lets a stream send small boxes at once, and looks where its other end is.
pub(crate) fn prepared(stream: TcpStream) -> io::Result<(TcpStream, PeerAddress)> {
    let address = stream.peer_addr()?;
    prepared_to(stream, address)
}

/// Lets a stream send small boxes at once whose other end is known: of one that was accepted and that its
/// client has reset since, the system does not know it any more.
pub(crate) fn prepared_to(
    stream: TcpStream,
    address: SocketAddr,
) -> io::Result<(TcpStream, PeerAddress)> {
    of_accepted(&stream, stream.set_nodelay(true))?;
    Ok((stream, address.into()))
}

/// Where the options of a stream could not be set since its client has reset it: macOS refuses them all then, as if
/// they were wrong. That concerns this client alone, which a server sees by the kind of the error.
fn of_accepted(stream: &TcpStream, set: io::Result<()>) -> io::Result<()> {
    set.map_err(|error| match stream.peer_addr() {
        Ok(_) => error,
        Err(_) => io::Error::new(io::ErrorKind::ConnectionAborted, error),
    })
}

/// The connection of a stream that was accepted.
fn connection_of((stream, address): (TcpStream, SocketAddr)) -> io::Result<Connection> {
    let (stream, address) = prepared_to(stream, address)?;
    Ok(Connection::new(stream).peer_address(address))
}

/// Lets the system probe the peer once nothing has come from it for the time `after`, and then after
/// each `interval`. When several probes have got no answer (9 on Linux by default), the stream fails,
/// and with it the connection. While data is unacknowledged, there are no probes: see the
/// [module](self).
///
/// Systems count in whole seconds, and require at least one. OpenBSD and some rare systems use their
/// own times.
///
/// ```no_run
/// # async fn f() -> std::io::Result<()> {
/// use amp_core::tcp;
/// use std::time::Duration;
///
/// let stream = tokio::net::TcpStream::connect("127.0.0.1:1234").await?;
/// tcp::set_keepalive(&stream, Duration::from_secs(60), Duration::from_secs(10))?;
/// let peer = tcp::connection(stream)?.spawn();
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// When the system refuses the times, or the stream is not connected any more.
pub fn set_keepalive(stream: &TcpStream, after: Duration, interval: Duration) -> io::Result<()> {
    let keepalive = TcpKeepalive::new().with_time(after);
    #[cfg(any(
        target_os = "android",
        target_os = "dragonfly",
        target_os = "freebsd",
        target_os = "illumos",
        target_os = "ios",
        target_os = "linux",
        target_os = "macos",
        target_os = "netbsd",
        windows
    ))]
    let keepalive = keepalive.with_interval(interval);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Lets the stream fail, and with it the connection, when sent data was not acknowledged for this long
/// (`TCP_USER_TIMEOUT`, RFC 5482), or when a peer had no room for data for this long.
///
/// So this also ends the connection of a peer that is alive but reads nothing. Keepalive then gives up
/// after this time too, instead of after a number of probes. So the time should be at least `after` and
/// one `interval`. The system counts in milliseconds.
///
/// # Errors
///
/// When the stream is not connected any more, or the time is over 49 days.
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
pub fn set_user_timeout(stream: &TcpStream, timeout: Duration) -> io::Result<()> {
    // Zero would be the system's own time, which is longer than any that somebody wants.
    let timeout = timeout.max(Duration::from_millis(1));
    if u32::try_from(timeout.as_millis()).is_err() {
        let text = format!("a TCP user timeout of {timeout:?} is over the limit of {}ms", u32::MAX);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    SockRef::from(stream).set_tcp_user_timeout(Some(timeout))
}

/// A TCP listener whose streams have keepalive, for [`serve`](crate::serve) or a `TlsListener`.
#[derive(Debug)]
#[must_use = "nothing is accepted before a server has the listener"]
pub struct KeepaliveListener {
    listener: TcpListener,
    after: Duration,
    interval: Duration,
    /// With the function that sets it, which not every system has.
    user_timeout: Option<(Duration, SetTime)>,
}

type SetTime = fn(&TcpStream, Duration) -> io::Result<()>;

impl KeepaliveListener {
    /// Accepts the streams of `listener`, and calls [`set_keepalive`] for each.
    pub fn new(listener: TcpListener, after: Duration, interval: Duration) -> Self {
        Self { listener, after, interval, user_timeout: None }
    }

    /// Sets how long sent data may stay unacknowledged: see [`set_user_timeout`].
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    pub fn user_timeout(mut self, timeout: Duration) -> Self {
        self.user_timeout = Some((timeout, set_user_timeout));
        self
    }

    pub(crate) async fn accept_stream(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, address) = self.listener.accept().await?;
        let kept_alive = set_keepalive(&stream, self.after, self.interval);
        let set = kept_alive.and_then(|()| match self.user_timeout {
            Some((timeout, set)) => set(&stream, timeout),
            None => Ok(()),
        });
        of_accepted(&stream, set)?;
        Ok((stream, address))
    }
}

impl Listener for TcpListener {
    async fn accept(&mut self) -> io::Result<Connection> {
        connection_of(TcpListener::accept(self).await?)
    }
}

impl Listener for KeepaliveListener {
    async fn accept(&mut self) -> io::Result<Connection> {
        connection_of(self.accept_stream().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn streams_have_what_was_asked_for() {
        let (after, interval) = (Duration::from_secs(77), Duration::from_secs(7));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        assert!(!SockRef::from(&near).keepalive().unwrap());
        set_keepalive(&near, after, interval).unwrap();
        let listener = KeepaliveListener::new(listener, after, interval);
        let (far, _) = listener.accept_stream().await.unwrap();
        for stream in [near, far] {
            let socket = SockRef::from(&stream);
            assert!(socket.keepalive().unwrap());
            #[cfg(target_os = "linux")]
            assert_eq!(socket.tcp_keepalive_time().unwrap(), after);
            #[cfg(target_os = "linux")]
            assert_eq!(socket.tcp_keepalive_interval().unwrap(), interval);
        }
    }

    /// What reaches `far` is as lost as what is sent into a network that is gone.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_network_that_goes_while_a_call_is_under_way_is_noticed() {
        let second = Duration::from_secs(1);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut listener =
            KeepaliveListener::new(listener, second, second).user_timeout(second / 2);
        let served = Listener::accept(&mut listener).await.unwrap().spawn();
        let drop_all = socket2::SockFilter::new(6, 0, 0, 0);
        SockRef::from(&near).attach_filter(&[drop_all]).unwrap();
        let call = served.call_by_name("A", [("a", "b")]);
        let ended = tokio::time::timeout(60 * second, call).await;
        let Err(crate::CallError::Closed(crate::CloseReason::Io(error))) = ended.unwrap() else {
            panic!("the connection goes on");
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_time_that_the_system_cannot_count_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let error = set_user_timeout(&near, Duration::from_secs(5_000_000)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        set_user_timeout(&near, Duration::ZERO).unwrap();
        let set = SockRef::from(&near).tcp_user_timeout().unwrap();
        assert_eq!(set, Some(Duration::from_millis(1)));
    }
}
