//! Deadlines.
//!
//! A connection has a timeout for its calls, and each call may have another:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::{Command, Connection, Context, NoError, Responders};
//! use std::time::Duration;
//! use tokio::time::{Instant, sleep_until, timeout_at};
//!
//! /// Takes a while; the caller waits for so many milliseconds.
//! #[derive(Command)]
//! struct Work {
//!     within_ms: u64,
//! }
//!
//! let work = async |_: Context, Work { within_ms }: Work| {
//!     // The caller has given up then, and an answer would reach nobody.
//!     let deadline = Instant::now() + Duration::from_millis(within_ms);
//!     let long = sleep_until(Instant::now() + Duration::from_secs(60));
//!     let _ = timeout_at(deadline, long).await;
//!     Ok::<_, NoError>(())
//! };
//! let (near, far) = tokio::io::duplex(1024);
//! let _there = Connection::new(far).responders(Responders::new(()).respond(work)).spawn();
//! let peer = Connection::new(near).call_timeout(Duration::from_secs(30)).spawn();
//!
//! let error = peer.call_remote(Work { within_ms: 30_000 }).await.unwrap_err();
//! assert!(error.is_timeout());
//! let error = peer.call_remote(Work { within_ms: 100 }).timeout(Duration::from_millis(50)).await;
//! assert!(error.unwrap_err().is_timeout());
//! # Ok(()) }
//! ```
//!
//! - A timeout is of the caller's side. Nothing on the wire says it, so where the responder should know,
//!   the command has an argument for it: how much time is left, since clocks differ.
//! - A call that timed out may have been acted upon, or still be. Its answer is ignored when it comes.
//! - It counts from the first poll of the call, and so what a call waits for room in a full queue.
//! - What [`Peer::notify`](crate::Peer::notify) waits for room has the same timeouts, and nothing was sent
//!   when it is over.
//! - That the peer is there at all is another question:
//!   [`Connection::idle_timeout`](crate::Connection::idle_timeout) and
//!   [`Connection::ping`](crate::Connection::ping).
