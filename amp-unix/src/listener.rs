use amp_core::__private::{Restraint, caught, restrained};
use amp_core::{Connection, Listener, Report};
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat};
use nix::unistd::geteuid;
use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixSocket, UnixStream};

use crate::{PeerCredentials, connection, name};

/// The number of connections that may wait to be accepted. The kernel's own bound (`somaxconn` on
/// Linux) is often lower and then counts.
const BACKLOG: u32 = 4096;

/// A listening Unix socket, and the file that clients find it by.
///
/// Only the file's owner can connect, unless you set another mode. The file replaces one that a
/// server left behind, and is removed when the listener is dropped. In addition,
/// [`only_own_user`](Self::only_own_user) and [`admit`](Self::admit) choose clients by their user.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("socket");
/// # use amp_core::Responders;
/// use amp_unix::UnixSocketListener;
///
/// let listener = UnixSocketListener::bind(&path)?.only_own_user();
/// let server = amp_core::serve(listener, Responders::new(()));
/// # Ok(()) }
/// ```
///
/// # Abstract names
///
/// On Linux and Android a path that begins with a NUL byte is an abstract name, as in Twisted:
/// `bind("\0name")`. There is no file, so nothing is left behind or has to be removed: the name is
/// free again once no process has the socket open. No mode protects the name either: every process
/// in the same network namespace can connect, or take the name before this server does. Only the
/// [`PeerCredentials`] then tell the server who has connected, and a client who listens.
///
/// # From elsewhere
///
/// `From` makes one from a tokio [`UnixListener`], for example one that was inherited or that arrived
/// as a [`Descriptor`](crate::Descriptor). The file of such a listener is not removed.
#[doc(alias = "listenUNIX")]
#[must_use = "nobody listens any more when this is dropped"]
pub struct UnixSocketListener {
    /// Dropped first: while the socket is open no other file can get the inode of this one.
    file: SocketFile,
    listener: UnixListener,
    admit: Vec<Admit>,
    /// Restrains the events that tell of clients which were not admitted.
    refusals: Restraint,
}

type Admit = Box<dyn Fn(&PeerCredentials) -> bool + Send + Sync>;

impl UnixSocketListener {
    /// Listens at `path`, for clients of the same user only: [`bind_with_mode`] with mode `0o600`.
    ///
    /// [`bind_with_mode`]: Self::bind_with_mode
    ///
    /// # Errors
    ///
    /// As [`bind_with_mode`](Self::bind_with_mode).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O enabled.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::bind_with_mode(path, 0o600)
    }

    /// Listens at `path`, for clients to whom `mode` gives the right to write, which on Linux decides
    /// who may connect. The process's umask has no effect. Old BSDs ignore the mode of a socket:
    /// there, put it into a folder that only the right users can enter.
    ///
    /// A socket that a server left behind at `path` is replaced. If two servers find the same one at
    /// the same moment, both can replace it, and the later one keeps the path. If that can happen,
    /// start them under a lock.
    ///
    /// An [abstract name](Self#abstract-names) has no mode.
    ///
    /// # Errors
    ///
    /// - [`AddrInUse`](io::ErrorKind::AddrInUse) when a server listens at `path`, or when something
    ///   other than a socket is there.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) when the path has a NUL byte inside, or is
    ///   longer than the kernel allows: 107 bytes on Linux, 103 on macOS and the BSDs, and 107 for an
    ///   abstract name, without its NUL byte.
    /// - [`Unsupported`](io::ErrorKind::Unsupported) for an abstract name on systems other than Linux
    ///   and Android.
    /// - The errors of the file system.
    ///
    /// Each error names the path. Its [`source`](std::error::Error::source) is the error of the
    /// system.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O enabled.
    pub fn bind_with_mode(path: impl AsRef<Path>, mode: u32) -> io::Result<Self> {
        let path = path.as_ref();
        Self::bind_at(path, mode).map_err(|error| name::at_path("listen at", path, error))
    }

    fn bind_at(path: &Path, mode: u32) -> io::Result<Self> {
        name::check(path)?;
        let socket = UnixSocket::new_stream()?;
        if name::is_abstract(path) {
            socket.bind(path)?;
            return socket.listen(BACKLOG).map(Self::from);
        }
        if let Err(error) = socket.bind(path) {
            if error.kind() != io::ErrorKind::AddrInUse || !remove_stale(path)? {
                return Err(error);
            }
            socket.bind(path)?;
        }
        let file = SocketFile::at(path)?;
        // Nobody can connect before `listen`, so the mode that the umask gave it never counts.
        set_mode(&file, mode)?;
        let listener = socket.listen(BACKLOG)?;
        Ok(Self { file, listener, admit: Vec::new(), refusals: Restraint::default() })
    }

    /// Serves only clients whose effective user is that of this process, by [`admit`]. Root is not an
    /// exception: it is refused too, unless this process runs as root.
    ///
    /// In a user namespace of Linux, all users that it does not map look like one, the overflow user
    /// (65534). A process that runs as that user admits all of them.
    ///
    /// [`admit`]: Self::admit
    pub fn only_own_user(self) -> Self {
        self.admit(|client| client.uid == geteuid().as_raw())
    }

    /// Serves only clients for which `admits` returns `true`. If this is called twice, both must admit
    /// a client.
    ///
    /// The connection of any other client is closed before anything is read from it. A `tracing`
    /// event says so: `a client was not admitted`, at the level `WARN`, with the fields `uid`, `gid`,
    /// `pid` and `path`. The same happens, with the field `error`, when the system does not say who a
    /// client is and when `admits` panics. After five such events in a row, only one a second is at
    /// the level `WARN`. Its field `unsaid` tells how many others there were, which are at the level
    /// `DEBUG`.
    pub fn admit(
        mut self,
        admits: impl Fn(&PeerCredentials) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.admit.push(Box::new(admits));
        self
    }

    /// Waits for the next client that is admitted, and returns its stream. [`Listener::accept`]
    /// returns it as a [`Connection`].
    ///
    /// # Errors
    ///
    /// When this process or the system has as many open files as it may have, or the client has gone
    /// already. The listener still works after an error.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing is lost: the client still waits.
    pub async fn accept_stream(&self) -> io::Result<UnixStream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            if self.admits(&stream) {
                return Ok(stream);
            }
        }
    }

    fn admits(&self, stream: &UnixStream) -> bool {
        if self.admit.is_empty() {
            return true;
        }
        let path = name::shown(self.path());
        match PeerCredentials::of(stream) {
            Ok(client) => {
                let admitted = caught(|| self.admit.iter().all(|admits| admits(&client)));
                if !matches!(admitted, Ok(true)) {
                    let PeerCredentials { uid, gid, pid } = client;
                    let error = admitted.as_ref().err().map(tracing::field::display);
                    let refusals = &self.refusals;
                    restrained!(
                        refusals,
                        warn,
                        "a client was not admitted",
                        uid,
                        gid,
                        pid,
                        path,
                        error
                    );
                }
                matches!(admitted, Ok(true))
            }
            Err(error) => {
                restrained!(self.refusals, warn, "a client was not admitted", error = %Report::new(&error), path);
                false
            }
        }
    }

    /// Returns the path at which it listens, or a NUL byte followed by its abstract name.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Returns the listening socket alone, to hand it to another process. The socket's file stays, and
    /// nothing removes it. The effect of [`admit`](Self::admit) is lost.
    pub fn into_inner(self) -> UnixListener {
        let Self { mut file, listener, .. } = self;
        file.identity = None;
        listener
    }
}

impl From<UnixListener> for UnixSocketListener {
    fn from(listener: UnixListener) -> Self {
        let path = listener.local_addr().map(|address| name::of(&address)).unwrap_or_default();
        let file = SocketFile { path, identity: None };
        Self { file, listener, admit: Vec::new(), refusals: Restraint::default() }
    }
}

impl Listener for UnixSocketListener {
    async fn accept(&mut self) -> io::Result<Connection> {
        connection(self.accept_stream().await?)
    }
}

impl AsFd for UnixSocketListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl fmt::Debug for UnixSocketListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixSocketListener")
            .field("path", &self.path())
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

/// A user who may write to the folder may have put something else in the place of the socket since it was bound: a
/// symbolic or a hard link to a file that this process may open to others and that user may not. So what is there is
/// opened, and gets the mode only if it is the socket.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_mode(file: &SocketFile, mode: u32) -> io::Result<()> {
    use nix::fcntl::{OFlag, open};
    use std::fs::{File, Permissions};
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::PermissionsExt;

    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let opened = File::from(open(&file.path, flags, Mode::empty())?);
    let found = opened.metadata()?;
    if !found.file_type().is_socket() || Some(identity(&found)) != file.identity {
        return Err(io::Error::other("something else is there in place of the socket by now"));
    }
    let link = format!("/proc/self/fd/{}", opened.as_raw_fd());
    match fs::set_permissions(link, Permissions::from_mode(mode)) {
        // There is no `/proc`: links that are not followed are all that can be told from the socket.
        Err(error) if error.kind() == io::ErrorKind::NotFound => set_mode_at(&file.path, mode),
        result => result,
    }
}

/// Elsewhere there is only the path. Links are not followed.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set_mode(file: &SocketFile, mode: u32) -> io::Result<()> {
    set_mode_at(&file.path, mode)
}

fn set_mode_at(path: &Path, mode: u32) -> io::Result<()> {
    let bits = Mode::from_bits_truncate(mode as _);
    Ok(fchmodat(AT_FDCWD, path, bits, FchmodatFlags::NoFollowSymlink)?)
}

/// The file of a socket, which is removed on drop if it is still the same one.
struct SocketFile {
    path: PathBuf,
    /// Its device and inode; `None` where there is nothing to remove.
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<Self> {
        let identity = Some(identity(&fs::symlink_metadata(path)?));
        // The working directory may change before the file is removed.
        Ok(Self { path: std::path::absolute(path)?, identity })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let Some(ours) = self.identity else { return };
        if fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == ours) {
            // Nobody is there to tell. The next server replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Removes the socket at `path` if no process has it bound; says whether it did.
fn remove_stale(path: &Path) -> io::Result<bool> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Ok(false);
    }
    // A datagram socket cannot connect to a stream socket. But the kernel says so only if some
    // process holds that one, and says otherwise that nobody is there. So a living server is not
    // disturbed, and one that is bound but does not listen yet is not taken for dead.
    let probe = UnixDatagram::unbound()?;
    match probe.connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        _ => return Ok(false),
    }
    fs::remove_file(path)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener as Bound;

    /// Elsewhere a hard link is taken for the socket.
    const LINKS: usize = if cfg!(any(target_os = "linux", target_os = "android")) { 2 } else { 1 };

    #[test]
    fn the_mode_of_what_is_in_the_place_of_the_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let [theirs, socket] = ["theirs", "socket"].map(|name| folder.path().join(name));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let links: [fn(&Path, &Path) -> io::Result<()>; 2] =
            [|file, link| symlink(file, link), |file, link| fs::hard_link(file, link)];
        for link in &links[..LINKS] {
            for is_socket in [false, true] {
                let bound = Bound::bind(&socket).unwrap();
                let file = SocketFile::at(&socket).unwrap();
                set_mode(&file, 0o640).unwrap();
                assert_eq!(mode(&socket), 0o640);
                fs::remove_file(&socket).unwrap();
                let other = is_socket.then(|| Bound::bind(&theirs).unwrap());
                if other.is_none() {
                    fs::write(&theirs, "").unwrap();
                }
                fs::set_permissions(&theirs, fs::Permissions::from_mode(0o600)).unwrap();
                link(&theirs, &socket).unwrap();
                // Some systems give the mode to a symbolic link.
                let done = set_mode(&file, 0o666);
                assert!(done.is_err() || LINKS == 1);
                assert_eq!(mode(&theirs), 0o600);
                drop((file, bound, other));
                fs::remove_file(&socket).unwrap();
                fs::remove_file(&theirs).unwrap();
            }
        }
    }
}
