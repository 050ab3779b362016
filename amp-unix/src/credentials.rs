use amp_core::__private::from_process;
use amp_core::Connection;
use std::io;
use tokio::net::UnixStream;

/// The identity of the peer of a Unix socket, as the kernel recorded it when the peer connected, or
/// for a server, when it began to listen.
///
/// A peer cannot forge it. It may have changed its user since, or have handed the socket on to
/// another process, and a process that has ended may have left its number to another: `pid` is for
/// messages, and no ground to trust anyone.
///
/// On a connection of [`connection`](crate::connection), [`connect`](crate::connect) or a
/// [`UnixSocketListener`](crate::UnixSocketListener), responders have them from their context, and
/// the calling side from its peer (`peer.get::<PeerCredentials>()`):
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
/// As an argument that the connection fills in, they are
/// [`FromConnection<PeerCredentials>`](amp_core::argument::FromConnection). Whole connections are
/// refused with [`UnixSocketListener::admit`](crate::UnixSocketListener::admit).
///
/// Where they come from is in [`socket`](crate::socket#operating-systems). On Linux, a user from
/// outside of this process's user namespace shows as the overflow user, 65534 if nobody has changed
/// it.
#[doc(alias("SO_PEERCRED", "uid"))]
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
