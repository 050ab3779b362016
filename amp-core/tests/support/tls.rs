//! Certificates, and connections over TLS.

use crate::support::echoing;
use amp_core::tls::rustls::crypto::CryptoProvider;
use amp_core::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use amp_core::tls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use amp_core::tls::rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, ServerConfig, SupportedProtocolVersion,
};
use amp_core::tls::{
    self, AcceptStream, Authorities, ClientCertificates, Identity, PeerCertificates, TlsError,
    TlsListener,
};
use amp_core::{
    Arguments, CloseReason, Command, Connection, Context, Peer, PeerAddress, Responders, serve,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Makes certificates and signs them.
pub(crate) struct Authority {
    pub(crate) issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::named("an authority")
    }

    /// One whose name is not that of the others.
    pub(crate) fn stranger() -> Self {
        Self::named("a strange authority")
    }

    pub(crate) fn named(name: &str) -> Self {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(crate) fn trusted(&self) -> Authorities {
        Authorities::from_pem(&self.pem).unwrap()
    }

    pub(crate) fn identity(&self, name: &str) -> Identity {
        self.sign(&params(name))
    }

    pub(crate) fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity::from_pem(certificate.pem() + &key.serialize_pem()).unwrap()
    }
}

/// A certificate of this name, valid now.
pub(crate) fn params(name: &str) -> CertificateParams {
    let names = if name.contains(' ') { vec![] } else { vec![name.to_owned()] };
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// For a server that asks for no certificates.
pub(crate) fn no_clients(identity: Identity) -> Arc<ServerConfig> {
    tls::server_config(identity, ClientCertificates::NotAsked).unwrap()
}

/// For a server with a key that need not belong to its certificate.
pub(crate) fn with_any_key(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    version: &'static SupportedProtocolVersion,
) -> Arc<ServerConfig> {
    let resolver = SingleCertAndKey::from(certified(chain, key));
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    Arc::new(config)
}

pub(crate) fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> CertifiedKey {
    CertifiedKey::new(chain, provider().key_provider.load_private_key(key).unwrap())
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(tls::rustls::crypto::ring::default_provider())
}

/// Both sides' results of a handshake in memory.
pub(crate) async fn handshake(
    client: Arc<ClientConfig>,
    name: &str,
    server: Arc<ServerConfig>,
) -> (Result<Connection, TlsError>, Result<Connection, TlsError>) {
    let (near, far) = tokio::io::duplex(1 << 16);
    let server = tokio::spawn(tls::server(far, server));
    let client = tls::client(near, name, client).await;
    (client, server.await.unwrap())
}

/// Two ends of a connection; the first is the client.
pub(crate) async fn connected() -> (Peer, Peer) {
    let authority = Authority::new();
    let server = no_clients(authority.identity("localhost"));
    let client = tls::client_config(&authority.trusted(), None).unwrap();
    let (client, server) = handshake(client, "localhost", server).await;
    (client.unwrap().spawn(), server.unwrap().spawn())
}

/// A server on a free port.
pub(crate) async fn serve_tls(config: Arc<ServerConfig>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let responders = echoing().merge(who()).unwrap();
    tokio::spawn(serve(TlsListener::new(listener, config), responders));
    address
}

/// Accepts what a test sends it.
pub(crate) struct Streams(pub(crate) mpsc::UnboundedReceiver<DuplexStream>);

impl AcceptStream for Streams {
    type Stream = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, PeerAddress)> {
        match self.0.recv().await {
            Some(stream) => Ok((stream, PeerAddress::Name("memory".into()))),
            None => std::future::pending().await,
        }
    }
}

/// What a responder knows of the peer that calls.
#[derive(Command)]
#[amp(response = You)]
pub(crate) struct Who {}

#[derive(Arguments)]
pub(crate) struct You {
    pub(crate) address: String,
    pub(crate) certificates: u32,
}

pub(crate) fn who() -> Responders {
    Responders::new(()).respond(|context: Context, _: Who| async move {
        let shown = context.get::<PeerCertificates>().map_or(0, |shown| shown.chain().len());
        let certificates = shown.try_into().unwrap();
        Ok(You { address: context.peer_address().to_string(), certificates })
    })
}

/// The handshake failed because of the certificate that the other side has shown.
pub(crate) fn assert_certificate(
    result: Result<Connection, TlsError>,
    expected: &CertificateError,
) {
    let error = result.unwrap_err();
    let TlsError::Handshake(Error::InvalidCertificate(certificate)) = &error else {
        panic!("{error:?}");
    };
    assert_eq!(certificate, expected);
}

/// The connection ended because the other side said this.
pub(crate) fn assert_alert(reason: &CloseReason, expected: AlertDescription) {
    let CloseReason::Io(error) = reason else { panic!("{reason:?}") };
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    assert_eq!(inner, Some(&Error::AlertReceived(expected)));
}
