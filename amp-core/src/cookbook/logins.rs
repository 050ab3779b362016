//! A login.
//!
//! A connection begins with responders for the login alone. Once the peer has logged in, the other responders replace
//! them:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::login::{Login, same_secret};
//! use amp_core::{Command, CommandError, Context, NoError, Responders, tcp};
//! use std::time::Duration;
//! use tokio::net::TcpListener;
//!
//! #[derive(Command)]
//! #[amp(error = Refused)]
//! struct Authenticate {
//!     token: Vec<u8>,
//! }
//!
//! #[derive(CommandError, Debug, thiserror::Error)]
//! enum Refused {
//!     #[error("the token is wrong")]
//!     WrongToken,
//!     #[error("too many tokens were wrong")]
//!     TooManyAttempts,
//!     #[error("the login came before TLS")]
//!     CameBeforeTls,
//! }
//!
//! #[derive(Command)]
//! struct Work {}
//!
//! async fn authenticate(context: Context<Login>, call: Authenticate) -> Result<(), Refused> {
//!     let attempt = context.state().attempt(context.peer()).await;
//!     let attempt = attempt.map_err(|_| Refused::TooManyAttempts)?;
//!     if !same_secret(&call.token, b"xyzzy") {
//!         return Err(Refused::WrongToken);
//!     }
//!     let work = async |_: Context, Work {}: Work| Ok::<_, NoError>(());
//!     attempt.succeed(Responders::new(()).respond(work)).map_err(|_| Refused::CameBeforeTls)
//! }
//!
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let address = listener.local_addr()?;
//! let server = amp_core::serve_with(listener, |connection| {
//!     let login = Login::within(Duration::from_secs(5));
//!     // The connection of a peer that has not logged in by then is closed.
//!     connection.responders(Responders::new(login.clone()).respond(authenticate)).login(login)
//! });
//! tokio::spawn(server);
//!
//! let peer = tcp::connect(address).await?.spawn();
//! assert!(peer.call_remote(Work {}).await.unwrap_err().is_unhandled());
//! peer.call_remote(Authenticate { token: b"xyzzy".to_vec() }).await?;
//! peer.call_remote(Work {}).await?;
//! # Ok(()) }
//! ```
//!
//! - Before the login, a peer can call only the responders that are given to
//!   [`Connection::responders`](crate::Connection::responders). Anybody can call those.
//! - Each connection needs a `Login` of its own.
//! - Send secrets over TLS only. The example `login` shows a login by challenge and response, in which neither side
//!   sends the secret.
//! - With client certificates, TLS itself says who the peer is:
#![cfg_attr(
    feature = "tls",
    doc = "  [`ClientCertificates`](crate::tls::ClientCertificates) and
  [`PeerCertificates`](crate::tls::PeerCertificates)."
)]
#![cfg_attr(
    not(feature = "tls"),
    doc = "  `tls::ClientCertificates` and `tls::PeerCertificates`, in the feature `tls`."
)]
//!   On a Unix socket the kernel does: `amp_unix::PeerCredentials`.
//! - A client that connects again logs in by a hook: see
//!   [`reconnecting`](crate::cookbook::reconnecting).
