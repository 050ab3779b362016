//! The certificate of the server, and what its clients trust.

use amp_core::Connection;
use amp_core::tls::rustls::{ClientConfig, ServerConfig};
use amp_core::tls::{self, Authorities, ClientCertificates, Identity, Role};
use amp_tests::Address;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::io;
use std::sync::Arc;
use tokio::net::{TcpStream, UnixStream};

const NAME: &str = "localhost";

/// What TLS takes on both sides.
#[derive(Clone)]
pub(crate) struct Secrets {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Secrets {
    pub(crate) fn new() -> io::Result<Self> {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([NAME.to_owned()]).map_err(io::Error::other)?;
        let trusted = Authorities::from_pem(cert.pem()).map_err(io::Error::other)?;
        let identity = Identity::from_pem(cert.pem() + &signing_key.serialize_pem())
            .map_err(io::Error::other)?;
        let client = tls::client_config(&trusted, None).map_err(io::Error::other)?;
        let server =
            tls::server_config(identity, ClientCertificates::NotAsked).map_err(io::Error::other)?;
        Ok(Self { client, server })
    }

    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    pub(crate) fn client(&self) -> Role {
        Role::client(NAME, Arc::clone(&self.client)).expect("it is the name of a server")
    }

    /// Connects to what speaks TLS.
    pub(crate) async fn connect(&self, address: &Address) -> io::Result<Connection> {
        let config = Arc::clone(&self.client);
        let handshake = match address {
            Address::Unix(path) => tls::client(UnixStream::connect(path).await?, NAME, config),
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                tls::client(stream, NAME, config)
            }
        };
        handshake.await.map_err(io::Error::other)
    }
}
