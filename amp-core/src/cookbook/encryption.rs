//! TLS, from the start or later.
//!
//! For TLS from the start, use a [`TlsListener`](crate::tls::TlsListener) around the listener, and
//! [`tls::connect`](crate::tls::connect) instead of `tcp::connect`:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::tls::{self, Authorities, ClientCertificates, Identity, TlsListener};
//! use amp_core::{Command, Context, NoError, Responders, serve, tcp};
//! use tokio::net::TcpListener;
//!
//! #[derive(Command)]
//! struct Whisper {}
//!
//! # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
//! # let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
//! // Two PEM files: the certificate, which clients trust, and its key, which is the server's secret.
//! let identity = Identity::from_pem(certificate.clone() + &key)?;
//! let config = tls::server_config(identity, ClientCertificates::NotAsked)?;
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let address = listener.local_addr()?;
//! let whisper = async |_: Context, Whisper {}: Whisper| Ok::<_, NoError>(());
//! let responders = Responders::new(()).respond(whisper);
//! tokio::spawn(serve(TlsListener::new(listener, config), responders));
//!
//! let config = tls::client_config(&Authorities::from_pem(certificate)?, None)?;
//! let peer = tls::connect(address, "localhost", config).await?.spawn();
//! peer.call_remote(Whisper {}).await?;
//! # Ok(()) }
//! ```
//!
//! For a test, OpenSSL makes both files. The certificate is signed by its own key, so clients trust the certificate
//! itself as an authority:
//!
//! ```sh
//! openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=localhost \
//!     -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE \
//!     -keyout key.pem -out certificate.pem
//! ```
//!
//! Without `CA:FALSE`, OpenSSL makes the certificate of an authority, and clients refuse it as a server's. Without
//! `subjectAltName`, the certificate is for no name. For an address, write `subjectAltName=IP:127.0.0.1`.
//!
//! Certificates that Twisted makes, by `selfSignedCert` or `signCertificateRequest`, are of X.509 version 1. A program
//! with this crate cannot use them as its own. It accepts those of a server only by
//! [`tls::dangerous`](crate::tls::dangerous).
//!
//! A connection can also change to TLS later, by AMP's own `StartTLS`. Before that, anybody in between can read and
//! change what is said, can call either side, and can remove the `StartTLS` call itself. So begin with TLS if you can.
//! Otherwise, give the connection at first only the responders that may be called in clear text. The others come with
//! TLS: by [`Agreement::responders`](crate::tls::Agreement::responders) on the side that answers, and by
//! [`StartTlsCall::responders`](crate::tls::StartTlsCall::responders) on the side that asks.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use amp_core::tls::{self, Agreement, Authorities, ClientCertificates, Identity, Role, StartTls};
//! use amp_core::{Command, Context, NoError, Responders, testing};
//!
//! #[derive(Command)]
//! struct Whisper {}
//!
//! # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
//! # let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
//! let identity = Identity::from_pem(certificate.clone() + &key)?;
//! let config = tls::server_config(identity, ClientCertificates::NotAsked)?;
//! let whisper = async |_: Context, Whisper {}: Whisper| Ok::<_, NoError>(());
//! // These answer from the handshake on. Nothing but `StartTLS` may be called in clear text.
//! let protected = Responders::new(()).respond(whisper);
//! let agreement = Agreement::new(Role::Server(config)).responders(protected);
//! let start_tls = move |_, StartTls: StartTls| {
//!     let agreement = agreement.clone();
//!     async { Ok(agreement) }
//! };
//! let clear = Responders::new(()).respond_start_tls(start_tls);
//! let (peer, there) = testing::pair(Responders::new(()), clear);
//!
//! let config = tls::client_config(&Authorities::from_pem(certificate)?, None)?;
//! let role = Role::client("localhost", config)?;
//! let for_the_server = Responders::new(()).respond(whisper);
//! peer.start_tls(StartTls, role).responders(for_the_server).await?;
//! peer.call_remote(Whisper {}).await?;
//! there.call_remote(Whisper {}).await?;
//! # Ok(()) }
//! ```
//!
//! The peer's certificate is in the connection's data, as [`PeerCertificates`](crate::tls::PeerCertificates). To ask its
//! clients for theirs, a server sets [`ClientCertificates::Required`](crate::tls::ClientCertificates::Required). TLS
//! carries no attachments, and so no descriptors.
