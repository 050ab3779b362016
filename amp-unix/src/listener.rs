use amp_core::{Connection, Listener};
use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixSocket, UnixStream};

use crate::connection;

/// How many connections may wait to be accepted. The kernel's own bound (`somaxconn` on Linux) is
/// often lower and then counts.
const BACKLOG: u32 = 4096;

/// A listening Unix socket, and the file that clients find it by.
///
/// The file is open to its owner alone unless another mode is asked for, replaces one that a
/// server left behind, and is removed when the listener is dropped.
#[derive(Debug)]
pub struct UnixSocketListener {
    /// Dropped first: while the socket is open no other file can get the inode of this one.
    file: SocketFile,
    listener: UnixListener,
}

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

    /// Listens at `path`, for those clients that `mode` gives the right to write: on Linux that
    /// decides who may connect. The process's umask does not matter. BSDs of old ignored the mode
    /// of a socket: there, put it into a folder that only the right ones may enter.
    ///
    /// A socket that a server left behind at `path` is replaced. Two servers that find the same
    /// one at the same moment can both replace it, and the later one keeps the path. Where that
    /// may happen, start them under a lock.
    ///
    /// # Errors
    ///
    /// [`AddrInUse`](io::ErrorKind::AddrInUse) when a server listens at `path`, or when something
    /// else than a socket is there;
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) when the path is longer than the kernel takes
    /// (107 bytes on Linux, 103 on macOS and the BSDs); and the errors of the file system.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O enabled.
    pub fn bind_with_mode(path: impl AsRef<Path>, mode: u32) -> io::Result<Self> {
        let path = path.as_ref();
        Self::bind_at(path, mode).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen at {}: {error}", path.display()))
        })
    }

    fn bind_at(path: &Path, mode: u32) -> io::Result<Self> {
        let socket = UnixSocket::new_stream()?;
        if let Err(error) = socket.bind(path) {
            if error.kind() != io::ErrorKind::AddrInUse || !remove_stale(path)? {
                return Err(error);
            }
            socket.bind(path)?;
        }
        let file = SocketFile::at(path)?;
        // Nobody can connect before `listen`, so the mode that the umask gave it never counts.
        fs::set_permissions(path, Permissions::from_mode(mode))?;
        let listener = socket.listen(BACKLOG)?;
        Ok(Self { file, listener })
    }

    /// The next client.
    ///
    /// # Errors
    ///
    /// When this process or the system may have no more open files, or the client is gone again.
    /// The listener works on.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped: the client waits on.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// The listener alone, to hand it to another process. The file stays, and nothing removes it.
    pub fn into_inner(self) -> UnixListener {
        let Self { mut file, listener } = self;
        file.leave = true;
        listener
    }
}

impl Listener for UnixSocketListener {
    async fn accept(&mut self) -> io::Result<Connection> {
        connection(UnixSocketListener::accept(self).await?)
    }
}

impl AsFd for UnixSocketListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// The file of a socket, which is removed on drop if it is still the same one.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Its device and inode.
    identity: (u64, u64),
    leave: bool,
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<Self> {
        let identity = identity(&fs::symlink_metadata(path)?);
        // The working directory may change before the file is removed.
        Ok(Self { path: std::path::absolute(path)?, identity, leave: false })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = |found| identity(&found) == self.identity;
        if !self.leave && fs::symlink_metadata(&self.path).is_ok_and(ours) {
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
