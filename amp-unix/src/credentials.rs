use amp_core::__private::from_process;
use amp_core::Connection;
use std::io;
use tokio::net::UnixStream;

/// The identity of the peer of a Unix socket. The kernel records that of a client when it connects,
/// and that of a server when it begins to listen.
///
/// A peer cannot forge it. But it may have changed its user since, or have passed the socket to
/// another process. And when a process has ended, its number may be given to another. So use `pid`
/// for messages only, and never to decide whom to trust.
///
/// A connection made by [`connection`](crate::connection), [`connect`](crate::connect) or a
/// [`UnixSocketListener`](crate::UnixSocketListener) has them. Responders get them from their
/// context, and callers from their peer (`peer.get::<PeerCredentials>()`):
///
/// ```
/// use amp_core::{Command, CommandError, Context};
/// use amp_unix::PeerCredentials;
///
/// /// Stops the service.
/// #[derive(Command)]
/// #[amp(error = Denied)]
/// struct Stop {}
///
/// #[derive(CommandError, Debug, thiserror::Error)]
/// enum Denied {
///     #[error("only root may do this")]
///     NotRoot,
/// }
///
/// async fn stop(context: Context, _: Stop) -> Result<(), Denied> {
///     match context.get::<PeerCredentials>() {
///         Some(caller) if caller.uid == 0 => Ok(()),
///         _ => Err(Denied::NotRoot),
///     }
/// }
/// # let _ = amp_core::Responders::new(()).respond(stop);
/// ```
///
/// [`FromConnection<PeerCredentials>`](amp_core::argument::FromConnection) is an argument that the
/// connection fills in with them. To refuse whole connections, use
/// [`UnixSocketListener::admit`](crate::UnixSocketListener::admit).
///
/// [`socket`](crate::socket#operating-systems) says where each system gets them from. On Linux, a user
/// from outside this process's user namespace appears as the overflow user, which is 65534 unless
/// somebody has changed it.
#[doc(alias("SO_PEERCRED", "uid"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PeerCredentials {
    /// The effective user.
    pub uid: u32,
    /// The effective group.
    pub gid: u32,
    /// The process, if the system provides it: Linux and macOS do, FreeBSD does not.
    pub pid: Option<i32>,
}

impl PeerCredentials {
    /// Creates the credentials of this user, group and process.
    ///
    /// No kernel vouches for them. They are for a test of code that looks at credentials, as
    /// [data](Connection::data) of its connection:
    ///
    /// ```
    /// use amp_core::Connection;
    /// use amp_unix::PeerCredentials;
    ///
    /// # let (near, far) = tokio::io::duplex(1024);
    /// let of_root = Connection::new(near).data(PeerCredentials::new(0, 0, None));
    /// # let _ = (of_root, far);
    /// ```
    pub fn new(uid: u32, gid: u32, pid: Option<i32>) -> Self {
        Self { uid, gid, pid }
    }

    /// Returns the credentials of the peer of `stream`.
    ///
    /// # Errors
    ///
    /// When the system does not know them.
    pub fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        Ok(Self { uid: credentials.uid(), gid: credentials.gid(), pid: credentials.pid() })
    }

    /// Makes them those of a connection's peer: for responders, and for the connection's span.
    pub(crate) fn of_peer(self, connection: Connection) -> Connection {
        from_process(connection.data(self), self.uid, self.pid)
    }
}
