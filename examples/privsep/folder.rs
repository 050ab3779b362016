//! The policy: which files the helper opens.

use amp_core::Failure;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use crate::commands::OpenError;

const NOT_A_FILE: &str = "it is not a regular file";

/// A folder of which any file below it may be read, and nothing else.
///
/// A name is walked part by part, each opened in the folder of the one before. No part leads
/// upwards and no symbolic link is followed, so no name leads out of the folder, whatever is renamed
/// or replaced meanwhile. It is not enough to check a path and then to open it: it may be another
/// one by then.
///
/// Where symbolic links within the folder are wanted, Linux has `openat2` with `RESOLVE_BENEATH`.
pub(crate) struct Folder(OwnedFd);

impl Folder {
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Self(open(path, flags, Mode::empty())?))
    }

    /// Opens a regular file for reading. This may block, as everything with files does.
    pub(crate) fn open(&self, name: &str) -> Result<File, Failure<OpenError>> {
        let mut opened = self.0.try_clone()?;
        let mut parts = name.split('/').peekable();
        while let Some(part) = parts.next() {
            if matches!(part, "" | "." | "..") || part.contains('\0') {
                return Err(refused("the name has an empty part, \".\", \"..\" or a zero byte"));
            }
            // A pipe must not block here for want of a writer. Regular files do not care.
            let last = parts.peek().is_none();
            let kind = if last { OFlag::O_NONBLOCK } else { OFlag::O_DIRECTORY };
            opened = step(opened, part, kind)?;
        }
        let file = File::from(opened);
        if !file.metadata()?.is_file() {
            return Err(refused(NOT_A_FILE));
        }
        Ok(file)
    }
}

fn step(folder: impl AsFd, part: &str, kind: OFlag) -> Result<OwnedFd, Failure<OpenError>> {
    let flags = kind | OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(folder, part, flags, Mode::empty()).map_err(|error| match error {
        Errno::ENOENT | Errno::ENAMETOOLONG => Failure::Declared(OpenError::NotFound),
        // EMLINK is how FreeBSD says ELOOP.
        Errno::ELOOP | Errno::EMLINK => refused("it is a symbolic link"),
        Errno::ENOTDIR => refused("it leads through something that is not a folder"),
        Errno::EACCES => refused("the helper may not read it"),
        // A socket.
        Errno::ENXIO => refused(NOT_A_FILE),
        // Such as too many open files: the worker is told that the call failed, and no more.
        error => error.into(),
    })
}

fn refused(why: &str) -> Failure<OpenError> {
    Failure::Declared(OpenError::Refused(why.to_owned()))
}
