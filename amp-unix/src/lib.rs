//! AMP over Unix sockets, with file descriptors as arguments.
//!
//! ```
//! use amp_core::{Arguments, Command, Context, NoError, Responders};
//! use amp_unix::{Descriptor, UnixSocketListener};
//! use std::fs::File;
//! use std::io::{Read, pipe};
//!
//! /// Gives back the file that it gets.
//! #[derive(Command)]
//! #[amp(response = Kept)]
//! struct Keep {
//!     file: Descriptor,
//! }
//!
//! #[derive(Arguments)]
//! struct Kept {
//!     file: Descriptor,
//! }
//!
//! async fn keep(_: Context, Keep { file }: Keep) -> Result<Kept, NoError> {
//!     Ok(Kept { file })
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("socket");
//! let listener = UnixSocketListener::bind(&path)?;
//! let server = amp_core::serve(listener, Responders::new(()).respond(keep));
//! tokio::spawn(server);
//!
//! let peer = amp_unix::connect(&path).await?.spawn();
//! let (mut reader, writer) = pipe()?;
//! let Kept { file } = peer.call_remote(Keep { file: writer.into() }).await?;
//! // This is the last descriptor of that end of the pipe.
//! drop(File::try_from(file)?);
//! assert_eq!(reader.read(&mut [0])?, 0);
//! # Ok(()) }
//! ```
//!
//! The [`cookbook`] has recipes for descriptors, child processes and tests.
//!
//! - [`connect`] connects to a path, and [`connection`] uses a socket that is already connected.
//!   [`connect_stream`] connects for TLS, or for another protocol. A server listens on a
//!   [`UnixSocketListener`].
//! - A [`Descriptor`] is an argument that hands an open file, socket or pipe to the peer.
//! - A transport that carries descriptors implements [`IUnixTransport`], as tokio's
//!   [`UnixStream`](tokio::net::UnixStream) does. [`connection_over`] makes a connection over any
//!   such transport, and [`UnixTransport`] makes one a transport of `amp_core`.
//! - By default, only the user that a server runs as can connect to its socket. [`PeerCredentials`]
//!   tell responders who has connected, and let a listener admit certain users.
//! - [`socketpair`] connects a parent and its child process by a socket, and [`child_pipes`] by two
//!   pipes. [`inherited`] takes what a process was started with: pipes, sockets, and the sockets
//!   that systemd listens on for it ([`AnyListener`]).
//! - [`take_descriptors`] returns the descriptors that arrived around a protocol switch and that no
//!   argument has claimed.
//! - [`socket`] sends and receives descriptors on any Unix socket, for a transport of your own.
//!
//! # Who owns a descriptor
//!
//! **Sent.** A descriptor belongs to the connection from the moment that its box is queued. It
//! stays open until the kernel has taken it, and is then closed. It is also closed when the
//! connection ends, or when the connection changes to TLS, which carries no descriptors.
//!
//! The kernel refuses some descriptors, such as that of an `io_uring`, and refuses all of them when
//! the peer's socket has `SO_PASSRIGHTS` off. The call then fails with
//! [`CallError::NotSent`](amp_core::CallError::NotSent), and the descriptor is closed. If boxes with
//! other descriptors wait behind it, the peer receives a closed socket in its place, since
//! descriptors are counted. No box names that socket.
//!
//! **Received.** A descriptor belongs to the [`Descriptor`] that names it, and is closed with it. A
//! descriptor that nothing takes is closed too:
//!
//! - If the box that names it cannot be read, it is closed at once, with all others that the box
//!   names. The same happens to a descriptor in the answer to a call that was dropped or has timed
//!   out.
//! - If nothing reads its box as a command or a response, or if its argument is unknown here, it is
//!   closed as soon as a later box that names another descriptor is read. Descriptors arrive in the
//!   order of their boxes, and nothing else tells which box one belongs to.
//! - If no box comes that names it within
//!   [`Limits::unclaimed_timeout`](field@amp_core::Limits::unclaimed_timeout), a minute by default,
//!   it is closed then. It might be the other end of this very connection, which would otherwise
//!   never end.
//! - If the connection ends, it is closed. A protocol switch hands over the descriptors that are
//!   left.
//!
//! [`Limits::unclaimed_attachments`](field@amp_core::Limits::unclaimed_attachments) limits how many
//! descriptors may be unclaimed: by default a quarter of the files that the process may have open,
//! which is 256 of 1024. One more is closed when it comes, and the box that names it fails: a call with
//! `UNKNOWN`, an answer with
//! [`DecodeErrorKind::TooManyUnclaimed`](amp_core::argument::DecodeErrorKind::TooManyUnclaimed). The connection
//! goes on. Twisted sends all descriptors that it has queued ahead of their boxes, so with Twisted at the
//! other end this limits how many calls or answers with a descriptor it may make in one turn of its reactor.
//! All descriptors of a box arrive before its end, so this also limits how many one box
//! can bring. Running responders may hold as many again, but no more than half of
//! those of all connections.
//! [`Limits::attachments_in_all`](field@amp_core::Limits::attachments_in_all) limits all connections
//! of the process together. When that limit is exceeded, the connection that has the most loses
//! some, and the boxes that name those fail
//! ([`DecodeErrorKind::TooManyInAll`](amp_core::argument::DecodeErrorKind::TooManyInAll)).
//!
//! # Operating systems
//!
//! This crate is tested on Linux. On macOS and the BSDs it has only been compiled; the differences
//! are listed in [`socket`](socket#operating-systems). On systems other than Unix it does not
//! compile, and the error says so.

// An attribute, since an item would go with the others: elsewhere this one error is all there is.
#![cfg_attr(
    not(unix),
    doc = compile_error!(
        "amp-unix is for Unix: depend on it in [target.'cfg(unix)'.dependencies], and elsewhere use \
         amp-core, over TCP"
    )
)]
#![cfg(unix)]

mod adapter;
mod any_listener;
mod children;
mod connect;
mod conversions;
// The cookbook is documentation alone.
#[cfg(any(doc, doctest))]
pub mod cookbook;
mod credentials;
mod descriptor;
mod error;
mod in_flight;
pub mod inherited;
mod listener;
mod name;
pub mod socket;
mod stream;
mod switched;
mod transport;

pub use adapter::UnixTransport;
pub use any_listener::AnyListener;
pub use children::{ChildPipes, child_pipes, socketpair};
pub use connect::{connect, connect_stream, connection, connection_over};
pub use credentials::PeerCredentials;
pub use descriptor::Descriptor;
pub use error::DescriptorError;
pub use listener::UnixSocketListener;
pub use switched::take_descriptors;
pub use transport::IUnixTransport;

/// The program of the crate's README, run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
