use std::sync::Arc;
use tokio_rustls::rustls::client::WantsClientCert;
use tokio_rustls::rustls::crypto::CryptoProvider;
#[cfg(feature = "tls-ring")]
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, ConfigBuilder, ServerConfig, WantsVerifier};

use super::verify::ClientVerifier;
use super::{Authorities, Identity, IdentityParts, TlsConfigError};

/// Creates the configuration of a client. It trusts a server whose certificate is for the name that the client connects to
/// and comes from one of the `authorities`. It shows `identity` to a server that asks for a certificate.
///
/// # Errors
///
/// When certificate and key do not belong together, or cannot be used, or when there is no provider of
/// cryptography.
pub fn client_config(
    authorities: &Authorities,
    identity: Option<Identity>,
) -> Result<Arc<ClientConfig>, TlsConfigError> {
    let builder = client_builder()?.with_root_certificates(Arc::clone(authorities.roots()));
    with_identity(builder, identity).map(Arc::new)
}

/// Creates the configuration of a server that shows `identity` to its clients.
///
/// # Errors
///
/// When certificate and key do not belong together, or cannot be used, or when there is no provider of
/// cryptography.
pub fn server_config(
    identity: Identity,
    clients: ClientCertificates,
) -> Result<Arc<ServerConfig>, TlsConfigError> {
    let provider = provider()?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsConfigError::Provider)?;
    let verifier = match clients {
        ClientCertificates::NotAsked => None,
        ClientCertificates::Optional(authorities) => Some((authorities, false)),
        ClientCertificates::Required(authorities) => Some((authorities, true)),
    };
    let builder = match verifier {
        None => builder.with_no_client_auth(),
        Some((authorities, required)) => {
            let verifier = ClientVerifier::new(authorities, required, &provider)?;
            builder.with_client_cert_verifier(Arc::new(verifier))
        }
    };
    let IdentityParts { chain, key } = identity.into_parts();
    builder.with_single_cert(chain, key).map(Arc::new).map_err(TlsConfigError::Identity)
}

/// The choice whether a server asks its clients for certificates.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum ClientCertificates {
    /// The server does not ask.
    #[default]
    NotAsked,
    /// A client need not show one. If it does, the certificate must be signed by one of these authorities, or be one of
    /// them.
    Optional(Authorities),
    /// A client must show one, and it must be signed by one of these authorities, or be one of them. Twisted does the same
    /// if it is given authorities.
    Required(Authorities),
}

pub(super) fn client_builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, TlsConfigError>
{
    ClientConfig::builder_with_provider(provider()?)
        .with_safe_default_protocol_versions()
        .map_err(TlsConfigError::Provider)
}

pub(super) fn with_identity(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    identity: Option<Identity>,
) -> Result<ClientConfig, TlsConfigError> {
    let Some(identity) = identity else { return Ok(builder.with_no_client_auth()) };
    let IdentityParts { chain, key } = identity.into_parts();
    builder.with_client_auth_cert(chain, key).map_err(TlsConfigError::Identity)
}

/// The one that the process has installed, or else the one that this crate is built with: a
/// program where another crate brings a second one has no default, and rustls would panic.
pub(super) fn provider() -> Result<Arc<CryptoProvider>, TlsConfigError> {
    let installed = CryptoProvider::get_default().cloned();
    #[cfg(feature = "tls-ring")]
    let installed = installed.or_else(|| Some(Arc::new(ring::default_provider())));
    installed.ok_or(TlsConfigError::NoProvider)
}
