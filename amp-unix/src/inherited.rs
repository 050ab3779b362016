//! Descriptors that this process was started with: its parent left them open for it.
//!
//! - [`pipes`] makes a connection of two pipes. Twisted's process pools start their children with
//!   pipes: `ampoule` and `trial` with descriptor 3 to read from and 4 to write to.
//! - [`socket`] makes a connection of a connected socket, over which descriptors travel.
//! - [`listen_fds`] returns the sockets on which systemd, or another program that follows its
//!   protocol, listens for this service.
//! - [`take`] takes any other descriptor.
//!
//! The parent's side is [`child_pipes`](crate::child_pipes) or [`socketpair`](crate::socketpair).
//!
//! # Each can be taken once
//!
//! A descriptor that is taken becomes a new descriptor, close-on-exec, which is owned and closed like
//! any other. From then on its old number is `/dev/null`. So it cannot be taken twice, text that is
//! printed to a standard output that was taken does not end up between boxes, and code that still
//! uses the number does not reach another file by mistake.
//!
//! A descriptor that is close-on-exec cannot have been inherited, so it is not taken. This includes
//! everything that Rust opens. But with a wrong number you could take a descriptor from a C library
//! that has opened it without that flag. So take inherited descriptors at the start of the program.
//! Until then, programs that this one starts inherit them too.

use amp_core::Connection;
use nix::sys::socket::AddressFamily;
use std::collections::HashSet;
use std::env;
use std::fmt::Display;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::process;
use std::sync::{Mutex, PoisonError};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

use crate::any_listener::{family_of_stream, invalid};
use crate::{AnyListener, PeerCredentials, connection_over, socket as calls};

/// Where systemd starts to count.
const LISTEN_FDS_START: RawFd = 3;

/// Takes the descriptor with this number.
///
/// # Errors
///
/// [`NotFound`](io::ErrorKind::NotFound) when it is not open,
/// [`InvalidInput`](io::ErrorKind::InvalidInput) when it was taken already or was opened by this
/// process, and an error when this process has as many open files as it may have.
pub fn take(number: RawFd) -> io::Result<OwnedFd> {
    static TAKEN: Mutex<Option<HashSet<RawFd>>> = Mutex::new(None);
    // A number counts as taken only once nothing can fail any more.
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = taken.get_or_insert_default();
    if taken.contains(&number) {
        return Err(invalid(format!("descriptor {number}: taken already")));
    }
    let fd = calls::take_inherited(number).map_err(|error| about(number, &error))?;
    taken.insert(number);
    Ok(fd)
}

/// Returns a connection over two inherited pipes: one to read from, and one to write to.
///
/// A child of `ampoule` or `trial` reads from 3 and writes to 4. A child that was started with pipes as
/// its standard input and output has 0 and 1.
///
/// ```no_run
/// # use amp_core::Responders;
/// # async fn f() -> std::io::Result<()> {
/// let connection = amp_unix::inherited::pipes(3, 4)?;
/// // Until the parent closes its ends.
/// connection.responders(Responders::new(())).run().await;
/// # Ok(()) }
/// ```
///
/// The pipes are put into non-blocking mode. This affects other processes that have the same ends.
///
/// Writing to a pipe that nobody reads raises `SIGPIPE`, which the runtime of Rust ignores: see
/// [`Connection::from_halves`].
///
/// # Errors
///
/// The errors of [`take`], and [`InvalidInput`](io::ErrorKind::InvalidInput) when one is not a pipe or
/// is the wrong end of one. Descriptors that were taken by then are closed.
///
/// # Panics
///
/// Outside of a tokio runtime with I/O enabled.
pub fn pipes(reader: RawFd, writer: RawFd) -> io::Result<Connection> {
    let from = pipe::Receiver::from_owned_fd(take(reader)?).map_err(|e| about(reader, &e))?;
    let to = pipe::Sender::from_owned_fd(take(writer)?).map_err(|e| about(writer, &e))?;
    Ok(Connection::from_halves(from, to))
}

/// Creates a connection over an inherited Unix socket that is connected, such as the other end of a
/// [`socketpair`](crate::socketpair). It carries descriptors.
///
/// The [`PeerCredentials`] are part of the connection's data if the system knows them. For a
/// socketpair, Linux knows who made it, which is the parent.
///
/// # Errors
///
/// The errors of [`take`], and [`InvalidInput`](io::ErrorKind::InvalidInput) when it is not a connected
/// Unix stream socket. It is then closed.
///
/// # Panics
///
/// Outside of a tokio runtime with I/O enabled.
pub fn socket(number: RawFd) -> io::Result<Connection> {
    let stream = unix_stream(take(number)?).map_err(|error| about(number, &error))?;
    let credentials = PeerCredentials::of(&stream);
    let connection = connection_over(stream);
    Ok(match credentials {
        Ok(credentials) => credentials.of_peer(connection),
        Err(_) => connection,
    })
}

/// Returns the descriptors that systemd passes to this service, in order. The list is empty if it
/// passes none, or passes them to another process.
///
/// ```no_run
/// # use amp_core::Responders;
/// # async fn f() -> std::io::Result<()> {
/// let passed = amp_unix::inherited::listen_fds()?.pop().ok_or(std::io::ErrorKind::NotFound)?;
/// amp_core::serve(passed.into_listener()?, Responders::new(())).await;
/// # Ok(()) }
/// ```
///
/// This follows systemd's `sd_listen_fds_with_names`. `LISTEN_PID` is the process that the descriptors
/// are for, `LISTEN_FDS` is their number, counted from 3, and `LISTEN_FDNAMES` has their names,
/// separated by colons. The variables are not removed. Programs that this one starts ignore them, since
/// their process number is not `LISTEN_PID`.
///
/// # Errors
///
/// [`InvalidInput`](io::ErrorKind::InvalidInput) when a variable cannot be understood or the number of
/// names is not that of descriptors, and the errors of [`take`], so calling this twice is an error.
/// Descriptors that were taken by then are closed.
pub fn listen_fds() -> io::Result<Vec<ListenFd>> {
    let variable = |name| env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    passed(
        variable("LISTEN_PID").as_deref(),
        variable("LISTEN_FDS").as_deref(),
        variable("LISTEN_FDNAMES").as_deref(),
    )?
    .map(|(number, name)| Ok(ListenFd { number, name, fd: take(number)? }))
    .collect()
}

/// A descriptor of [`listen_fds`].
#[derive(Debug)]
pub struct ListenFd {
    number: RawFd,
    name: String,
    fd: OwnedFd,
}

impl ListenFd {
    /// Returns the name, which is that of `FileDescriptorName=` or of the `.socket` unit. Without
    /// names, it is `unknown`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the socket to serve. Other descriptors are for `OwnedFd::from`.
    ///
    /// # Errors
    ///
    /// When it is not a Unix or TCP socket that listens for streams. It is then closed.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O enabled.
    pub fn into_listener(self) -> io::Result<AnyListener> {
        let Self { number, name, fd } = self;
        fd.try_into().map_err(|error| about(format_args!("{number} ({name})"), &error))
    }
}

impl AsFd for ListenFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<ListenFd> for OwnedFd {
    fn from(passed: ListenFd) -> Self {
        passed.fd
    }
}

/// Which descriptors are passed to this process, by the values of the variables.
fn passed<'a>(
    pid: Option<&str>,
    count: Option<&str>,
    names: Option<&'a str>,
) -> io::Result<impl Iterator<Item = (RawFd, String)> + use<'a>> {
    let mut end = LISTEN_FDS_START;
    if let (Some(pid), Some(count)) = (pid, count)
        && parse::<u32>("LISTEN_PID", pid)? == process::id()
    {
        let count = parse::<u32>("LISTEN_FDS", count)?;
        end = RawFd::try_from(count)
            .ok()
            .and_then(|count| LISTEN_FDS_START.checked_add(count))
            .ok_or_else(|| invalid(format!("LISTEN_FDS is {count}, more than there can be")))?;
        if let Some(names) = names {
            let found = names.split(':').count();
            if count != 0 && u32::try_from(found) != Ok(count) {
                let text = format!("LISTEN_FDNAMES has {found} names, and LISTEN_FDS is {count}");
                return Err(invalid(text));
            }
        }
    }
    let mut names = names.map(|names| names.split(':'));
    Ok((LISTEN_FDS_START..end).map(move |number| {
        let name = names.as_mut().and_then(Iterator::next).unwrap_or("unknown");
        (number, name.to_owned())
    }))
}

fn parse<T: std::str::FromStr>(variable: &str, value: &str) -> io::Result<T> {
    value.parse().map_err(|_| invalid(format!("{variable} should be a number, and is {value:?}")))
}

fn unix_stream(fd: OwnedFd) -> io::Result<UnixStream> {
    if family_of_stream(&fd)? != Some(AddressFamily::Unix) {
        return Err(invalid("not a Unix socket"));
    }
    let stream = std::os::unix::net::UnixStream::from(fd);
    // Is an error when it is not connected.
    stream.peer_addr()?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

fn about(descriptor: impl Display, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("descriptor {descriptor}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_pid() -> String {
        process::id().to_string()
    }

    fn pairs(count: &str, names: Option<&str>) -> Vec<(RawFd, String)> {
        passed(Some(&own_pid()), Some(count), names).unwrap().collect()
    }

    fn refusal(pid: &str, count: &str, names: Option<&str>) -> String {
        let error = passed(Some(pid), Some(count), names).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        error.to_string()
    }

    #[test]
    fn descriptors_are_counted_from_3_and_named() {
        let named = |number, name: &str| (number, name.to_owned());
        assert_eq!(pairs("2", Some("web:")), [named(3, "web"), named(4, "")]);
        assert_eq!(pairs("2", None), [named(3, "unknown"), named(4, "unknown")]);
        assert_eq!(pairs("0", None), []);
        assert_eq!(pairs("0", Some("")), []);
    }

    #[test]
    fn what_is_not_for_this_process_is_left_alone() {
        assert_eq!(passed(None, Some("1"), None).unwrap().count(), 0);
        assert_eq!(passed(Some(&own_pid()), None, None).unwrap().count(), 0);
        let parent = std::os::unix::process::parent_id().to_string();
        assert_eq!(passed(Some(&parent), Some("1"), Some("a:b")).unwrap().count(), 0);
    }

    #[test]
    fn variables_that_make_no_sense_are_named() {
        assert_eq!(refusal("me", "1", None), r#"LISTEN_PID should be a number, and is "me""#);
        let pid = own_pid();
        assert_eq!(refusal(&pid, "-1", None), r#"LISTEN_FDS should be a number, and is "-1""#);
        for count in ["2147483645", "4294967295"] {
            let expected = format!("LISTEN_FDS is {count}, more than there can be");
            assert_eq!(refusal(&pid, count, None), expected);
        }
        let expected = "LISTEN_FDNAMES has 3 names, and LISTEN_FDS is 2";
        assert_eq!(refusal(&pid, "2", Some("a:b:c")), expected);
    }
}
