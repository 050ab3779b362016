//! TLS, by [`rustls`]: from the start of a connection, or started under way ([`StartTls`]). This
//! is the feature `tls`.
//!
//! A client and a server whose certificates come from a private authority, as PEM files. In Twisted
//! the same files are read by `ssl.PrivateCertificate.loadPEM` and `ssl.Certificate.loadPEM`.
//!
//! ```no_run
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::tls::{self, Authorities, ClientCertificates, Identity, TlsListener};
//! use amp_core::{Responders, serve};
//!
//! let authorities = Authorities::from_pem(std::fs::read("authority.pem")?)?;
//!
//! // The server shows its own certificate and asks its clients for theirs.
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
//! Any other [`rustls::ClientConfig`] or [`rustls::ServerConfig`] can be given instead: with the
//! authorities of the system, with certificates that change while the server runs, with another
//! provider of cryptography.
//!
//! The certificates that the peer has shown are data of the connection:
//! `context.get::<PeerCertificates>()`, and the same on a [`Peer`](crate::Peer).
//!
//! # How connections end
//!
//! Closing a connection sends TLS's own end, `close_notify`. A peer that sends it too has closed
//! the connection ([`CloseReason::Peer`]). A stream that ends without it may have been cut by
//! anybody on the way, and is not taken for closed: the reason is a [`CloseReason::Io`] of the kind
//! [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof). A program that is killed, and Twisted's
//! `abortConnection`, end that way; Twisted's `loseConnection` sends `close_notify`.
//!
//! # A server that refuses its client
//!
//! In TLS 1.3 a client is done with the handshake before the server has looked at its certificate.
//! A client that is refused for it has a connection, and loses that at once: the reason is a
//! [`CloseReason::Io`] whose error has a [`rustls::Error::AlertReceived`] inside.
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
pub use start::StartTls;
pub use tokio_rustls::rustls;
