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
//! // It is the last one for that end of the pipe.
//! drop(File::from(file));
//! assert_eq!(reader.read(&mut [0])?, 0);
//! # Ok(()) }
//! ```
//!
//! The [`cookbook`] has recipes for descriptors, child processes and tests.
//!
//! - [`connect`] makes a connection, [`connection`] makes one over a socket that is connected
//!   already, and [`UnixSocketListener`] is what a server listens on.
//! - [`Descriptor`] is the argument: an open file, socket or pipe that is handed to the peer.
//! - [`IUnixTransport`] is what a transport implements to carry descriptors. tokio's
//!   [`UnixStream`](tokio::net::UnixStream) does. [`connection_over`] makes a connection over any
//!   of them, and [`UnixTransport`] a transport for `amp_core`.
//! - A server's socket is open to nobody else by default, and [`PeerCredentials`] says who
//!   connected: to responders, and to a listener that admits certain users.
//! - [`socketpair`] connects a parent and its child process by a socket, and [`child_pipes`] by two
//!   pipes; [`inherited`] takes what a process was started with: pipes, sockets, and what systemd
//!   listens on for it ([`AnyListener`]).
//! - [`take_descriptors`] gives the descriptors that came around a protocol switch and that nothing
//!   has named.
//! - [`socket`] sends and receives descriptors on any Unix socket, for a transport of your own.
//!
//! # Who owns a descriptor
//!
//! **Sent.** A descriptor belongs to the connection from the moment that its box is queued. It
//! stays open until the kernel has taken it, and is then closed. It is also closed when the
//! connection ends, or when TLS is started on it, which carries no descriptors.
//!
//! The kernel refuses some descriptors, such as that of an `io_uring`, and all of them when the
//! peer's socket has `SO_PASSRIGHTS` off. Then the call fails with
//! [`CallError::NotSent`](amp_core::CallError::NotSent), and the descriptor is closed. If boxes with
//! other descriptors wait behind it, the peer receives a closed socket in its place, which nothing
//! names, since descriptors are counted.
//!
//! **Received.** A descriptor belongs to the [`Descriptor`] that names it, and is closed with it. A
//! descriptor that nothing takes is closed too:
//!
//! - A box that names it cannot be read: at once, with all others that the box names. So is one in
//!   the answer to a call that was dropped or that has timed out.
//! - Nothing reads its box as a command or a response, or it is an argument that is not known here:
//!   as soon as a later box is read that names another. Descriptors have the order of boxes, and
//!   nothing else tells which of them a box has brought.
//! - Nothing names it for [`Limits::unclaimed_timeout`](field@amp_core::Limits::unclaimed_timeout),
//!   a minute by default. It may be the other end of this very connection, which would then never
//!   end.
//! - The connection ends. A protocol switch hands over those that are left.
//!
//! [`Limits::unclaimed_attachments`](field@amp_core::Limits::unclaimed_attachments) says how many
//! unclaimed descriptors there may be: 128 or 256 by default. One more ends the connection for that
//! reason, and closes them all. All descriptors of a box come before its end, so no box can bring
//! more than that either. Running responders may hold as many.
//! [`Limits::attachments_in_all`](field@amp_core::Limits::attachments_in_all) counts over all
//! connections of the process. When there are more, the connection that has most loses some.
//!
//! # Operating systems
//!
//! It is tested on Linux. What differs on macOS and the BSDs, where it was only compiled, is listed
//! in [`socket`](socket#operating-systems). On systems that are not Unix it does not
//! compile, and says so.

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
pub use connect::{connect, connection, connection_over};
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
