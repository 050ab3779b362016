//! A client that connects again: it connects, prepares the connection, and does so again whenever
//! the connection is lost.
//!
//! ```
//! use amp_core::reconnect::{Backoff, Connector};
//! use amp_core::{Command, tcp};
//! # use amp_core::{Context, NoError, Responders};
//! use std::time::Duration;
//!
//! #[derive(Command)]
//! struct Hello {
//!     version: u32,
//! }
//!
//! /// May be sent again if the connection was lost before the answer came.
//! #[derive(Command)]
//! #[amp(idempotent)]
//! struct Store {
//!     key: String,
//!     value: String,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let address = listener.local_addr()?;
//! # let responders = Responders::new(())
//! #     .respond(async |_: Context, _: Hello| Ok::<_, NoError>(()))
//! #     .respond(async |_: Context, _: Store| Ok::<_, NoError>(()));
//! # tokio::spawn(amp_core::serve(listener, responders));
//! let client = Connector::new(move || tcp::connect(address))
//!     .address(address)
//!     .make_ready(async |peer| peer.call_remote(Hello { version: 3 }).await)
//!     .backoff(Backoff::default().cap(Duration::from_secs(10)))
//!     .call_timeout(Duration::from_secs(30))
//!     .wait_for_connection()
//!     .spawn();
//!
//! client.call_remote(Store { key: "a".into(), value: "b".into() }).await?;
//! client.close().await;
//! # Ok(()) }
//! ```
//!
//! A host may have several addresses. An address may turn out to be of no use, because TLS or the
//! hook fails after TCP has connected, or because the connection does not last as long as
//! [`field@Backoff::reset_after`]. The next attempt by [`tcp::connect`](crate::tcp::connect) or
//! `amp_core::tls::connect` then begins with the address after it. After a connection that lasted,
//! the addresses are tried in their own order again.
//!
//! A call whose connection was lost before the answer came is sent again only if its command is
//! [`IS_IDEMPOTENT`](crate::Command::IS_IDEMPOTENT).

mod backoff;
mod call;
mod client;
mod connections;
mod connector;
mod link;
mod request;
mod state;
mod supervisor;

pub use crate::error::{ConnectError, NotConnected, NotConnectedKind};
pub use backoff::{Backoff, Jitter};
pub use call::ClientCall;
pub use client::Client;
pub use connector::Connector;
pub use state::State;
