//! The types that a [`Descriptor`] is made from, and those that it becomes.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{ChildStderr, ChildStdin, ChildStdout, Stdio};
use tokio::net;
use tokio::net::unix::pipe;

use crate::Descriptor;

/// # Errors
///
/// As [`Descriptor::into_owned`].
impl TryFrom<Descriptor> for OwnedFd {
    type Error = io::Error;

    fn try_from(descriptor: Descriptor) -> io::Result<Self> {
        descriptor.into_owned()
    }
}

/// Types that own a descriptor.
macro_rules! owners {
    ($($owner:ty),* $(,)?) => {$(
        impl From<$owner> for Descriptor {
            fn from(owner: $owner) -> Self {
                OwnedFd::from(owner).into()
            }
        }

        becomes!($owner);
    )*};
}

/// Types that can own any descriptor.
macro_rules! becomes {
    ($owner:ty) => {
        /// # Errors
        ///
        /// As [`Descriptor::into_owned`].
        impl TryFrom<Descriptor> for $owner {
            type Error = io::Error;

            fn try_from(descriptor: Descriptor) -> io::Result<Self> {
                descriptor.into_owned().map(Self::from)
            }
        }
    };
}

owners!(
    File,
    TcpStream,
    TcpListener,
    UdpSocket,
    UnixStream,
    UnixListener,
    UnixDatagram,
    PipeReader,
    PipeWriter,
    ChildStdin,
    ChildStdout,
    ChildStderr,
);
becomes!(Stdio);

/// Types of tokio, which must leave or enter the runtime, and the types of `std` that lie between.
macro_rules! through_std {
    ($($tokio:ty, $std:ty;)*) => {$(
        /// The open file stays in non-blocking mode, for the peer as well.
        ///
        /// # Errors
        ///
        /// When it cannot be taken out of the runtime.
        impl TryFrom<$tokio> for Descriptor {
            type Error = io::Error;

            fn try_from(owner: $tokio) -> io::Result<Self> {
                owner.into_std().map(Self::from)
            }
        }

        /// Puts the open file into non-blocking mode, for the peer as well.
        ///
        /// # Errors
        ///
        /// When it is not such a socket, or as [`Descriptor::into_owned`].
        ///
        /// # Panics
        ///
        /// Outside of a tokio runtime with I/O enabled.
        impl TryFrom<Descriptor> for $tokio {
            type Error = io::Error;

            fn try_from(descriptor: Descriptor) -> io::Result<Self> {
                let owner = <$std>::from(descriptor.into_owned()?);
                owner.set_nonblocking(true)?;
                Self::from_std(owner)
            }
        }
    )*};
}

through_std!(
    net::TcpStream, TcpStream;
    net::TcpListener, TcpListener;
    net::UdpSocket, UdpSocket;
    net::UnixStream, UnixStream;
    net::UnixListener, UnixListener;
    net::UnixDatagram, UnixDatagram;
);

/// The ends of tokio's pipes, which have no type of `std` to go through.
macro_rules! ends_of_pipes {
    ($($end:ty),* $(,)?) => {$(
        /// The pipe's end stays in non-blocking mode, for the peer as well.
        ///
        /// # Errors
        ///
        /// When it cannot be taken out of the runtime.
        impl TryFrom<$end> for Descriptor {
            type Error = io::Error;

            fn try_from(end: $end) -> io::Result<Self> {
                end.into_nonblocking_fd().map(Self::from)
            }
        }

        /// Puts the pipe's end into non-blocking mode, for the peer as well.
        ///
        /// # Errors
        ///
        /// When it is not that end of a pipe, or as [`Descriptor::into_owned`].
        ///
        /// # Panics
        ///
        /// Outside of a tokio runtime with I/O enabled.
        impl TryFrom<Descriptor> for $end {
            type Error = io::Error;

            fn try_from(descriptor: Descriptor) -> io::Result<Self> {
                Self::from_owned_fd(descriptor.into_owned()?)
            }
        }
    )*};
}

ends_of_pipes!(pipe::Sender, pipe::Receiver);
