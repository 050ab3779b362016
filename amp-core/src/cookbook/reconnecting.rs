//! A client that stays connected.
//!
//! [`reconnect::Client`](crate::reconnect::Client) connects again whenever its connection ends. A hook makes each new
//! connection ready: put a login or a subscription there:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::reconnect::{Connector, State};
//! use amp_core::{Arguments, Command, Context, NoError, Peer, Responders, tcp};
//! use std::sync::atomic::{AtomicU64, Ordering};
//! use std::time::Duration;
//! use tokio::net::TcpListener;
//!
//! #[derive(Command)]
//! struct Subscribe {}
//!
//! /// Setting a value twice is the same as once, so a call may be made again.
//! #[derive(Command)]
//! #[amp(idempotent)]
//! struct Set {
//!     key: String,
//!     value: String,
//! }
//!
//! // A server that loses each client at its first call of `Set`.
//! let subscribe = async |context: Context<AtomicU64>, Subscribe {}: Subscribe| {
//!     context.state().fetch_add(1, Ordering::Relaxed);
//!     Ok::<_, NoError>(())
//! };
//! let set = async |context: Context<AtomicU64>, Set { .. }: Set| {
//!     if context.state().load(Ordering::Relaxed) == 1 {
//!         context.peer().close().await;
//!     }
//!     Ok::<_, NoError>(())
//! };
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let address = listener.local_addr()?;
//! let responders = Responders::new(AtomicU64::new(0)).respond(subscribe).respond(set);
//! tokio::spawn(amp_core::serve(listener, responders));
//!
//! let client = Connector::new(move || tcp::connect(address))
//!     .address(address)
//!     .make_ready(async |peer: Peer| peer.call_remote(Subscribe {}).await)
//!     .call_timeout(Duration::from_secs(30))
//!     .wait_for_connection()
//!     .spawn();
//! // The connection is lost before the answer comes; the call is made again on the next one.
//! client.call_remote(Set { key: "a".to_owned(), value: "b".to_owned() }).await?;
//! assert!(matches!(client.state(), State::Connected { .. }));
//! client.close().await;
//! # Ok(()) }
//! ```
//!
//! - Without [`wait_for_connection`](crate::reconnect::Connector::wait_for_connection), calls fail
//!   at once while there is no connection. Each call can choose:
//!   `client.call_remote(..).wait_for_connection()`, `.fail_fast()`.
//! - Once the peer may have acted upon a call that is not `#[amp(idempotent)]`, it is not made again. It fails, and
//!   [`CallError::is_safe_to_retry`](crate::CallError::is_safe_to_retry) says whether the peer certainly has not acted
//!   upon it.
//! - [`Client::watch`](crate::reconnect::Client::watch) shows when the connection comes and goes.
//! - If the hook starts TLS, give the responders to [`start_tls`](crate::Peer::start_tls), by `.responders(..)`. Those
//!   of the [`Connector`](crate::reconnect::Connector::responders) would answer anybody in between, in clear text,
//!   before TLS has started.
//! - The delays between attempts are [`Backoff`](crate::reconnect::Backoff).
