//! Tests without sockets.
//!
//! The feature `testing` adds the module [`testing`](crate::testing). Everything in it is encoded and decoded as on a
//! socket.
//!
//! ```toml
//! [dev-dependencies]
//! amp-core = { path = "../amp/amp-core", features = ["testing"] } # version = "0.1", once it is published
//! ```
//!
//! A responder by itself, two peers that call each other, and a peer that misbehaves:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::testing::{self, Script};
//! use amp_core::{Arguments, CallError, Command, Context, NoError, Peer, Responders};
//!
//! #[derive(Command)]
//! #[amp(response = Total)]
//! struct Sum {
//!     a: i64,
//!     b: i64,
//! }
//!
//! #[derive(Arguments, Debug, PartialEq)]
//! struct Total {
//!     total: i64,
//! }
//!
//! let sum = async |_: Context, Sum { a, b }: Sum| Ok::<_, NoError>(Total { total: a + b });
//! let responders = Responders::new(()).respond(sum);
//!
//! // A responder, without a peer.
//! assert_eq!(testing::call_remote(&responders, Sum { a: 1, b: 2 }).await?, Total { total: 3 });
//!
//! // With a peer, which can be called back.
//! let (here, _there) = testing::pair(Responders::new(()), responders);
//! assert_eq!(here.call_remote(Sum { a: 1, b: 2 }).await?, Total { total: 3 });
//!
//! // What a client does when the connection is lost within an answer.
//! async fn double(peer: &Peer, n: i64) -> Result<i64, CallError> {
//!     Ok(peer.call_remote(Sum { a: n, b: n }).await?.total)
//! }
//! let (peer, script) = Script::new()
//!     .expect(&Sum { a: 21, b: 21 })
//!     .cut_answer(10, &Total { total: 42 })
//!     .start(Responders::new(()));
//! assert!(double(&peer, 21).await.unwrap_err().is_closed());
//! script.finish().await;
//! # Ok(()) }
//! ```
//!
//! Timeouts are tested with tokio's paused clock, which goes on when nothing else can:
//!
//! ```
//! use amp_core::testing::Script;
//! use amp_core::{Command, Responders};
//! use std::time::Duration;
//!
//! #[derive(Command)]
//! struct Work {}
//!
//! # /*
//! #[tokio::test(start_paused = true)]
//! # */
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! async fn a_peer_that_says_nothing_is_given_up() {
//!     let (peer, _script) =
//!         Script::new().expect(&Work {}).never_answer().start(Responders::new(()));
//!     let call = peer.call_remote(Work {}).timeout(Duration::from_secs(600));
//!     assert!(call.await.unwrap_err().is_timeout());
//! }
//! # a_peer_that_says_nothing_is_given_up();
//! ```
//!
//! - A test with [`testing::SchemaRecord`](crate::testing::SchemaRecord) fails when a change of a command would break
//!   peers of other versions. A test with [`testing::Golden`](crate::testing::Golden) fails when the bytes of a call or
//!   an answer change.
//! - [`testing::check_transport`](crate::testing::check_transport) checks a transport of your own.
//! - Descriptors need Unix sockets. A connected pair of them needs no file: see the cookbook of `amp_unix`.
