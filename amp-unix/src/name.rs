//! The names that a Unix socket is found by: a path or, on Linux and Android, an abstract name,
//! which is written as a path that begins with a NUL byte.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tokio::net::unix::SocketAddr;

/// Returns whether this is an abstract name.
pub(crate) fn is_abstract(path: &Path) -> bool {
    bytes(path).first() == Some(&0)
}

/// Refuses what the kernel would take for something else: it reads a path up to its first NUL
/// byte.
pub(crate) fn check(path: &Path) -> io::Result<()> {
    if is_abstract(path) {
        if cfg!(any(target_os = "linux", target_os = "android")) {
            return Ok(());
        }
        let text = "abstract names are of Linux and Android only";
        return Err(io::Error::new(io::ErrorKind::Unsupported, text));
    }
    if bytes(path).contains(&0) {
        let text = "a path cannot contain a NUL byte";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(())
}

/// Returns what a socket at this address is found by; empty if it has no name.
pub(crate) fn of(address: &SocketAddr) -> PathBuf {
    match (address.as_pathname(), abstract_name(address)) {
        (Some(path), _) => path.to_owned(),
        (None, Some(name)) => OsStr::from_bytes(&[&[0], name].concat()).into(),
        (None, None) => PathBuf::new(),
    }
}

/// For people: an abstract name has `@` in place of its NUL byte.
pub(crate) fn shown(path: &Path) -> String {
    match bytes(path).strip_prefix(&[0]) {
        Some(name) => format!("@{}", String::from_utf8_lossy(name)),
        None => path.to_string_lossy().into_owned(),
    }
}

/// An error of something that is done at a path. The reason is its source, as the system says it.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}", shown(path))]
struct AtPath {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Adds to an error where it happened.
pub(crate) fn at_path(what: &'static str, path: &Path, source: io::Error) -> io::Error {
    io::Error::new(source.kind(), AtPath { what, path: path.into(), source })
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn abstract_name(address: &SocketAddr) -> Option<&[u8]> {
    address.as_abstract_name()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn abstract_name(_: &SocketAddr) -> Option<&[u8]> {
    None
}
