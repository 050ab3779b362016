//! A large file, as a stream of bytes.
//!
//! The side that has the file writes it to a [`ByteSink`]. The other side reads a [`ByteStream`]. Neither side holds
//! more of the file than a window. Other calls get their turn in between. A slow reader slows down the writer:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::streams::ByteStream;
//! use amp_core::{Arguments, Command, Context, Failure, NoError, Responders, testing};
//! use std::path::PathBuf;
//! use tokio::fs::File;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! #[derive(Command)]
//! #[amp(response = Contents)]
//! struct ReadFile {}
//!
//! #[derive(Arguments)]
//! struct Contents {
//!     len: u64,
//!     bytes: ByteStream,
//! }
//!
//! async fn read_file(context: Context<PathBuf>, _: ReadFile) -> Result<Contents, Failure<NoError>> {
//!     let mut file = File::open(context.state()).await?;
//!     let len = file.metadata().await?.len();
//!     let (mut sink, bytes) = ByteStream::pair();
//!     tokio::spawn(async move {
//!         // This fails when the other side has dropped the stream. If the sink is dropped before it is
//!         // shut down, the other side gets an error in place of the end.
//!         tokio::io::copy(&mut file, &mut sink).await?;
//!         sink.shutdown().await
//!     });
//!     Ok(Contents { len, bytes })
//! }
//!
//! let file = tempfile::NamedTempFile::new()?;
//! std::fs::write(&file, vec![7; 1_000_000])?;
//! let responders = Responders::new(file.path().to_owned()).try_respond(read_file);
//! let (peer, _there) = testing::pair(Responders::new(()), responders);
//!
//! let Contents { len, mut bytes } = peer.call_remote(ReadFile {}).await?;
//! let mut read = Vec::new();
//! bytes.read_to_end(&mut read).await?;
//! assert_eq!((len, read), (1_000_000, vec![7; 1_000_000]));
//!
//! // A reader that has enough drops the stream.
//! let Contents { bytes, .. } = peer.call_remote(ReadFile {}).await?;
//! let mut beginning = Vec::new();
//! bytes.take(10).read_to_end(&mut beginning).await?;
//! assert_eq!(beginning, [7; 10]);
//! # Ok(()) }
//! ```
//!
//! - **The other way round**, a [`ByteStream`] in the command is an upload. The example `transfer`
//!   has both, with progress.
//! - **Without copies**: [`ByteSink::write_bytes`] and [`ByteStream::next_piece`].
//! - If a connection is for nothing but the file, [`Peer::switch_protocol`](crate::Peer::switch_protocol) hands over its
//!   stream, and the file is sent without boxes around it.
//! - Over a Unix socket, send the open file: `amp_unix::Descriptor`.
//!
//! [`ByteSink`]: crate::streams::ByteSink
//! [`ByteSink::write_bytes`]: crate::streams::ByteSink::write_bytes
//! [`ByteStream`]: crate::streams::ByteStream
//! [`ByteStream::next_piece`]: crate::streams::ByteStream::next_piece
