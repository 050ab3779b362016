//! A graceful end.
//!
//! A server that stops lets responders answer, and tells callers which calls were not acted upon:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::{Arguments, Command, Context, NoError, Responders, serve, tcp};
//! use std::sync::Arc;
//! use std::time::Duration;
//! use tokio::net::TcpListener;
//! use tokio::sync::{Notify, oneshot};
//!
//! #[derive(Command)]
//! #[amp(response = Paid)]
//! struct Pay {}
//!
//! #[derive(Arguments)]
//! struct Paid {
//!     receipt: u64,
//! }
//!
//! #[derive(Default)]
//! struct Bank {
//!     begun: Notify,
//!     done: Notify,
//! }
//!
//! let pay = async |context: Context<Arc<Bank>>, Pay {}: Pay| {
//!     context.state().begun.notify_one();
//!     context.state().done.notified().await;
//!     Ok::<_, NoError>(Paid { receipt: 17 })
//! };
//! let bank = Arc::<Bank>::default();
//! let responders = Responders::new(Arc::clone(&bank)).respond(pay);
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let address = listener.local_addr()?;
//!
//! // In a program: `tokio::signal::ctrl_c()`, or SIGTERM.
//! let (stop, stopped) = oneshot::channel::<()>();
//! let server = serve(listener, responders)
//!     .shutdown_on(async { drop(stopped.await) })
//!     .drain_timeout(Duration::from_secs(10));
//! let server = tokio::spawn(server);
//!
//! let peer = tcp::connect(address).await?.spawn();
//! let paying = tokio::spawn(peer.call_remote(Pay {}));
//! bank.begun.notified().await;
//! stop.send(()).expect("the server runs");
//!
//! // The call that has begun is answered. Then the connection ends, and so does the server.
//! bank.done.notify_one();
//! assert_eq!(paying.await??.receipt, 17);
//! server.await?;
//! # Ok(()) }
//! ```
//!
//! - Calls that come while the server waits for its responders are refused, with a mark that they were not acted upon.
//!   [`CallError::is_safe_to_retry`](crate::CallError::is_safe_to_retry) is true of them, and a
//!   [`reconnect::Client`](crate::reconnect::Client) that waits for a connection makes them again by itself.
//! - [`Serve::stop_accepting_on`](crate::Serve::stop_accepting_on) is for the time before that: new clients go
//!   elsewhere, while those that are connected leave by themselves.
//! - [`Peer::close_gracefully`](crate::Peer::close_gracefully) ends one connection in this way, on
//!   either side, also within a responder.
//!   [`reconnect::Client::close_gracefully`](crate::reconnect::Client::close_gracefully) does so for a client that
//!   connects again, which then stops connecting. [`Routes::close_gracefully`](crate::router::Routes::close_gracefully)
//!   ends a router, once each of its conversations is over.
//! - Events that are queued are still sent. The end does not wait for what a responder does after its answer
//!   ([`Responders::respond_then`](crate::Responders::respond_then)).
//! - If another process takes over the listening socket, no client is lost at all: see the example `socket_handoff`.
