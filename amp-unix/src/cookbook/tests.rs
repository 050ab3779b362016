//! Tests without socket files, with descriptors.
//!
//! [`amp_core::testing`], the feature `testing` of `amp-core`, connects peers in memory. Memory carries no
//! descriptors, since those belong to the kernel. A pair of connected sockets carries them. It has no file, no name,
//! and nothing to clean up:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::{Command, Context, Failure, NoError, Peer, Responders};
//! use amp_unix::Descriptor;
//! use std::fs::File;
//! use std::io::{self, Read, Write, pipe};
//! use tokio::net::UnixStream;
//!
//! #[derive(Command)]
//! struct LogTo {
//!     file: Descriptor,
//! }
//!
//! fn responders() -> Responders {
//!     Responders::new(()).try_respond(async |_: Context, LogTo { file }: LogTo| {
//!         File::try_from(file)?.write_all(b"hello")?;
//!         Ok::<_, Failure<NoError>>(())
//!     })
//! }
//!
//! fn pair(here: Responders, there: Responders) -> io::Result<(Peer, Peer)> {
//!     let (near, far) = UnixStream::pair()?;
//!     let near = amp_unix::connection(near)?.responders(here).spawn();
//!     Ok((near, amp_unix::connection(far)?.responders(there).spawn()))
//! }
//!
//! let (peer, _there) = pair(Responders::new(()), responders())?;
//! // A pipe shows when its other end is closed, and so that nothing leaks.
//! let (mut reader, writer) = pipe()?;
//! peer.call_remote(LogTo { file: writer.into() }).await?;
//! let mut text = String::new();
//! reader.read_to_string(&mut text)?; // Up to the end: nobody has the writer any more.
//! assert_eq!(text, "hello");
//! # Ok(()) }
//! ```
//!
//! [`check_transport`](amp_core::testing::check_transport) and
//! [`check_attachments`](amp_core::testing::check_attachments) check a transport of your own that carries
//! descriptors. Its attachments are [`OwnedFd`](std::os::fd::OwnedFd)s:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::argument::Attachment;
//! use amp_core::testing::{check_attachments, check_transport};
//! use amp_unix::UnixTransport;
//! use std::io::{PipeReader, Read, Write, pipe};
//! use std::os::fd::OwnedFd;
//! use std::sync::Arc;
//! use tokio::net::UnixStream;
//!
//! let pair = async || {
//!     let (a, b) = UnixStream::pair().expect("two sockets"); // An `IUnixTransport` of your own.
//!     (UnixTransport::new(a), UnixTransport::new(b))
//! };
//! // A pipe that holds the number.
//! let attachment = |number: usize| -> Attachment {
//!     let (reader, mut writer) = pipe().expect("a pipe");
//!     writer.write_all(&number.to_ne_bytes()).expect("room for a number");
//!     Arc::new(OwnedFd::from(reader))
//! };
//! let number = |attachment: Attachment| {
//!     let pipe: &OwnedFd = attachment.downcast_ref().expect("a descriptor");
//!     let mut number = [0; size_of::<usize>()];
//!     let mut pipe = PipeReader::from(pipe.try_clone().expect("another one"));
//!     pipe.read_exact(&mut number).expect("a number");
//!     usize::from_ne_bytes(number)
//! };
//! check_transport(pair).await;
//! check_attachments(pair, attachment, number).await;
//! # Ok(()) }
//! ```
