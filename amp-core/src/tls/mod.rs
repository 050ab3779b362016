//! TLS with [`rustls`], either from the start of a connection or later ([`StartTls`]). This needs the
//! feature `tls-ring`, which brings the cryptography of ring, or the feature `tls`, where the program installs a
//! provider of cryptography itself.
//!
//! In this example, a client and a server have certificates of a private authority in PEM files. In
//! Twisted, `ssl.PrivateCertificate.loadPEM` and `ssl.Certificate.loadPEM` read the same files. But the
//! certificates that Twisted itself makes are of X.509 version 1. This side cannot use them as its own,
//! and accepts those of a server only by [`dangerous`]. The recipe
//! [`encryption`](crate::cookbook::encryption) has a command that makes others.
//!
//! ```no_run
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::tls::{self, Authorities, ClientCertificates, Identity, TlsListener};
//! use amp_core::{Responders, serve};
//!
//! let authorities = Authorities::from_pem(std::fs::read("authority.pem")?)?;
//!
//! // The server presents its own certificate, and asks its clients for theirs.
//! let identity = Identity::from_pem(std::fs::read("server.pem")?)?;
//! let config = tls::server_config(identity, ClientCertificates::Required(authorities.clone()))?;
//! let listener = tokio::net::TcpListener::bind("0.0.0.0:1234").await?;
//! serve(TlsListener::new(listener, config), Responders::new(())).await;
//!
//! // The client.
//! let identity = Identity::from_pem(std::fs::read("client.pem")?)?;
//! let config = tls::client_config(&authorities, Some(identity))?;
//! let peer = tls::connect("amp.example.org:1234", "amp.example.org", config).await?.spawn();
//! # Ok(()) }
//! ```
//!
//! You can pass any other [`rustls::ClientConfig`] or [`rustls::ServerConfig`] instead, for example
//! with the system's authorities, with certificates that change while the server runs, or with
//! another cryptography provider.
//!
//! The certificates that the peer has presented are part of the connection's data:
//! `context.get::<PeerCertificates>()` returns them, and so does [`get`](crate::Peer::get) of a
//! [`Peer`](crate::Peer).
//!
//! # How connections end
//!
//! Closing a connection sends `close_notify`, which is TLS's own end. If the peer sends it too, it has
//! closed the connection ([`CloseReason::Peer`]). If a stream ends without it, anybody in between may
//! have cut it. So the reason is then a [`CloseReason::Io`] of the kind
//! [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof). This happens when a program is killed, and
//! with Twisted's `abortConnection`. Twisted's `loseConnection` sends `close_notify`.
//!
//! # A server that refuses its client
//!
//! In TLS 1.3, a client has finished the handshake before the server has checked its certificate. So
//! a client whose certificate is refused first has a connection, and then loses it at once. The reason
//! is a [`CloseReason::Io`] whose error has a [`rustls::Error::AlertReceived`] inside.
//!
//! [`CloseReason::Io`]: crate::CloseReason::Io
//! [`CloseReason::Peer`]: crate::CloseReason::Peer

mod certificates;
mod config;
pub mod dangerous;
mod error;
pub(crate) mod handshake;
mod listener;
mod start;
mod verify;
pub(crate) mod x509;

pub use certificates::{Authorities, Identity, IdentityParts, PeerCertificates};
pub use config::{ClientCertificates, client_config, server_config};
pub use error::{TlsConfigError, TlsError};
pub use handshake::{Handshake, Role, client, connect, server};
pub use listener::{AcceptStream, TlsListener};
pub use start::{Agreement, StartTls, StartTlsCall};
pub use tokio_rustls::rustls;
