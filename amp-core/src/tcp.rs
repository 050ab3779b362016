//! TCP's own way to notice that a peer is gone: keepalive.
//!
//! It costs no boxes and wants nothing of the peer. It notices a machine or a network that is gone,
//! and not a process that hangs: for that, see [`Connection::ping`](crate::Connection::ping).

use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

use crate::connection::Connection;
use crate::server::Listener;

/// Lets the system probe the peer once nothing has come from it for `after`, and then at each
/// `interval`. When some probes have got no answer (on Linux 9, unless the system is told
/// otherwise), the stream fails, and with it the connection.
///
/// Systems count in whole seconds, and want at least one. OpenBSD, and others that are rare, use
/// times of their own.
///
/// ```no_run
/// # async fn f() -> std::io::Result<()> {
/// use amp_core::{Connection, tcp};
/// use std::time::Duration;
///
/// let stream = tokio::net::TcpStream::connect("127.0.0.1:1234").await?;
/// tcp::set_keepalive(&stream, Duration::from_secs(60), Duration::from_secs(10))?;
/// let peer = Connection::tcp(stream)?.spawn();
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

/// A TCP listener whose streams have keepalive, to be given to [`serve`](crate::serve) or to a
/// `TlsListener`.
#[derive(Debug)]
#[must_use = "nothing is accepted before a server has the listener"]
pub struct KeepaliveListener {
    listener: TcpListener,
    after: Duration,
    interval: Duration,
}

impl KeepaliveListener {
    /// Accepts what `listener` does, with [`set_keepalive`].
    pub fn new(listener: TcpListener, after: Duration, interval: Duration) -> Self {
        Self { listener, after, interval }
    }

    async fn accept_stream(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.listener.accept().await?;
        set_keepalive(&stream, self.after, self.interval)?;
        Ok(stream)
    }
}

impl Listener for KeepaliveListener {
    async fn accept(&mut self) -> io::Result<Connection> {
        Connection::tcp(self.accept_stream().await?)
    }
}

#[cfg(feature = "tls")]
impl crate::tls::AcceptStream for KeepaliveListener {
    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, crate::PeerAddress)> {
        let stream = self.accept_stream().await?;
        stream.set_nodelay(true)?;
        let address = stream.peer_addr()?;
        Ok((stream, address.into()))
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
        let far = KeepaliveListener::new(listener, after, interval).accept_stream().await.unwrap();
        for stream in [near, far] {
            let socket = SockRef::from(&stream);
            assert!(socket.keepalive().unwrap());
            #[cfg(target_os = "linux")]
            assert_eq!(socket.tcp_keepalive_time().unwrap(), after);
            #[cfg(target_os = "linux")]
            assert_eq!(socket.tcp_keepalive_interval().unwrap(), interval);
        }
    }
}
