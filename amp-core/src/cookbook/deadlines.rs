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
//! /// Takes a while. The caller waits for no more than this many milliseconds.
//! #[derive(Command)]
//! struct Work {
//!     within_ms: u64,
//! }
//!
//! let work = async |_: Context, Work { within_ms }: Work| {
//!     // At the deadline, the caller gives up, and an answer would reach nobody.
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
//! - A timeout belongs to the caller's side, and is not on the wire. If the responder should know it, give the command
//!   an argument for the time that is left, not for a point in time: clocks differ.
//! - The peer may have acted upon a call that timed out, or may do so later. A late answer is ignored.
//! - The timeout counts from the first poll of the call. So the time that a call waits for room in
//!   a full queue counts too.
//! - [`Peer::notify`](crate::Peer::notify) has the same timeouts while it waits for room. If it times out, nothing was
//!   sent.
//! - To find out whether the peer is there at all, use
//!   [`Connection::idle_timeout`](crate::Connection::idle_timeout) or [`Connection::ping`](crate::Connection::ping).
