use std::io;
use tokio::net::UnixStream;

/// Who the peer of a Unix socket is, as the kernel recorded it when the peer connected, or for a
/// server, when it began to listen.
///
/// A peer cannot forge it. It may have changed its user since, or have handed the socket on to
/// another process, and a process that has ended may have left its number to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PeerCredentials {
    /// The effective user.
    pub uid: u32,
    /// The effective group.
    pub gid: u32,
    /// The process, where the system says so: Linux and macOS do, FreeBSD does not.
    pub pid: Option<i32>,
}

impl PeerCredentials {
    /// The credentials of the peer of `stream`.
    ///
    /// # Errors
    ///
    /// When the system does not know them.
    pub fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        Ok(Self { uid: credentials.uid(), gid: credentials.gid(), pid: credentials.pid() })
    }
}
