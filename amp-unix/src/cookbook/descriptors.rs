//! Open files as arguments, and who owns them.
//!
//! A [`Descriptor`](crate::Descriptor) is made from an open file, socket or pipe, and the receiver makes one of it
//! again. It owns the open file: the sender gives it away, and the receiver closes it by dropping it.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::{Arguments, Command, CommandError, Context, Failure, NoError, Responders};
//! use amp_unix::{Descriptor, UnixSocketListener};
//! use std::fs::File;
//! use std::io::{Read, Write};
//! use std::path::PathBuf;
//!
//! /// Opens a file of the server's folder. Nothing is copied, so it may have any length.
//! #[derive(Command)]
//! #[amp(response = Opened, error = OpenError)]
//! struct Open {
//!     name: String,
//! }
//!
//! #[derive(Arguments)]
//! struct Opened {
//!     file: Descriptor,
//! }
//!
//! #[derive(CommandError, Debug, thiserror::Error)]
//! enum OpenError {
//!     #[error("there is no such file")]
//!     NoSuchFile,
//! }
//!
//! /// Lets the server write to a file of the client's.
//! #[derive(Command)]
//! struct LogTo {
//!     file: Descriptor,
//! }
//!
//! async fn open(context: Context<PathBuf>, call: Open) -> Result<Opened, Failure<OpenError>> {
//!     if call.name.contains('/') || call.name.starts_with('.') {
//!         return Err(Failure::Declared(OpenError::NoSuchFile));
//!     }
//!     let file = File::open(context.state().join(call.name));
//!     let file = file.map_err(|_| Failure::Declared(OpenError::NoSuchFile))?;
//!     // From here on it belongs to the connection, which closes it once the kernel has taken it.
//!     Ok(Opened { file: file.into() })
//! }
//!
//! async fn log_to(_: Context<PathBuf>, LogTo { file }: LogTo) -> Result<(), Failure<NoError>> {
//!     // From here on it belongs to this function, which closes it when it returns.
//!     File::try_from(file)?.write_all(b"hello from the server\n")?;
//!     Ok(())
//! }
//!
//! let folder = tempfile::tempdir()?;
//! std::fs::write(folder.path().join("notes"), "to be read")?;
//! let path = folder.path().join("socket");
//! let listener = UnixSocketListener::bind(&path)?;
//! let responders = Responders::new(folder.path().to_owned()).try_respond(open).try_respond(log_to);
//! tokio::spawn(amp_core::serve(listener, responders));
//!
//! let peer = amp_unix::connect(&path).await?.spawn();
//! let Opened { file } = peer.call_remote(Open { name: "notes".to_owned() }).await?;
//! let mut text = String::new();
//! File::try_from(file)?.read_to_string(&mut text)?;
//! assert_eq!(text, "to be read");
//!
//! // If the file is still needed here, send a duplicate, which is the same open file.
//! let log = File::create_new(folder.path().join("log"))?;
//! peer.call_remote(LogTo { file: Descriptor::duplicate(&log)? }).await?;
//! assert_eq!(log.metadata()?.len(), 22);
//! # Ok(()) }
//! ```
//!
//! - Both sides share the offset and the flags of the open file, as after `dup`.
//! - Only Unix sockets carry descriptors. Over TCP and over TLS the call fails before anything is sent.
//! - [The documentation of the crate](crate#who-owns-a-descriptor) says what happens to descriptors
//!   that nobody takes, and how many may wait.
//! - A responder has to decide what a peer may open. The example `privsep` opens only files below one folder,
//!   whatever links there are.
