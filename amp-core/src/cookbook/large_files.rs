//! A large file, in pieces.
//!
//! The side that wants the file asks for one piece after the other. So neither side holds more than a
//! few pieces, other calls get their turn in between, and whoever stops asking has cancelled. Some
//! pieces are asked for ahead, or each would cost the time there and back:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::{Arguments, Command, Context, Failure, NoError, Peer, Responders, testing};
//! use bytes::Bytes;
//! use std::collections::VecDeque;
//! use std::fs::File;
//! use std::io::{Read, Seek, SeekFrom, Write};
//! use std::path::PathBuf;
//!
//! /// Asks for the piece of the shared file that begins at an offset.
//! #[derive(Command)]
//! #[amp(response = Piece, idempotent)]
//! struct ReadPiece {
//!     offset: u64,
//! }
//!
//! #[derive(Arguments)]
//! struct Piece {
//!     bytes: Bytes, // Empty at the end of the file.
//! }
//!
//! /// What fits into the value of one key.
//! const PIECE: u64 = 65_535;
//!
//! /// How many pieces are on their way at a time.
//! const AHEAD: usize = 8;
//!
//! async fn read(context: Context<PathBuf>, call: ReadPiece) -> Result<Piece, Failure<NoError>> {
//!     let path = context.state().clone();
//!     // Files block, which a responder must not.
//!     let read = tokio::task::spawn_blocking(move || {
//!         let mut file = File::open(path)?;
//!         file.seek(SeekFrom::Start(call.offset))?;
//!         let mut bytes = Vec::new();
//!         file.take(PIECE).read_to_end(&mut bytes)?;
//!         Ok::<_, std::io::Error>(bytes)
//!     });
//!     Ok(Piece { bytes: read.await??.into() })
//! }
//!
//! async fn fetch(peer: &Peer, mut to: impl Write) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut offset = 0;
//!     let mut asked = VecDeque::new();
//!     loop {
//!         while asked.len() < AHEAD {
//!             let peer = peer.clone();
//!             asked.push_back(tokio::spawn(async move { peer.call_remote(ReadPiece { offset }).await }));
//!             offset += PIECE;
//!         }
//!         let next = asked.pop_front().expect("some are asked for");
//!         let Piece { bytes } = next.await??;
//!         if bytes.is_empty() {
//!             return Ok(());
//!         }
//!         to.write_all(&bytes)?;
//!     }
//! }
//!
//! let file = tempfile::NamedTempFile::new()?;
//! std::fs::write(&file, vec![7; 1_000_000])?;
//! let responders = Responders::new(file.path().to_owned()).try_respond(read);
//! let (peer, _there) = testing::pair(Responders::new(()), responders);
//! let mut fetched = Vec::new();
//! fetch(&peer, &mut fetched).await?;
//! assert_eq!(fetched, vec![7; 1_000_000]);
//! # Ok(()) }
//! ```
//!
//! - The side that has the file can send instead: commands that are answered, as many at a time, to a
//!   responder that is in a lane ([`Responders::one_at_a_time`](crate::Responders::one_at_a_time)).
//! - Where nothing else is to be said on a connection,
//!   [`Peer::switch_protocol`](crate::Peer::switch_protocol) hands over the stream, to be copied with no
//!   boxes around it.
//! - Over a Unix socket, send the open file: `amp_unix::Descriptor`.
