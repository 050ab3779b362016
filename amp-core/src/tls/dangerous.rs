//! Clients that check less than a client should, because their Twisted peers have nothing more to check.
//!
//! Use [`client_config`](super::client_config) wherever the server has a certificate for its name.
//!
//! The certificates that Twisted makes by `selfSignedCert` have no names, and are of X.509 version
//! 1, which [`client_config`](super::client_config) never accepts. These clients do, over TLS 1.3.

use std::sync::Arc;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::config::{client_builder, provider, with_identity};
use super::verify::{Signatures, verify_server};
use super::{Authorities, Identity, TlsConfigError};

/// Creates the configuration of a client that trusts every server that one of `authorities` vouches
/// for, **whatever its name**. A certificate that is itself one of them is trusted too. This is
/// what Twisted's AMP does.
///
/// Any program with a certificate of these authorities, perhaps a client's, can pretend to be any of the servers. Use this
/// only if you trust all who have such a certificate alike. With a public authority it would protect nothing.
///
/// The server is not told the name that the client connects to.
///
/// # Errors
///
/// When certificate and key do not belong together, or cannot be used, or when there is no provider of
/// cryptography.
pub fn client_config_any_name(
    authorities: &Authorities,
    identity: Option<Identity>,
) -> Result<Arc<ClientConfig>, TlsConfigError> {
    unnamed(Some(authorities.clone()), identity)
}

/// Creates the configuration of a client that trusts **every server**, such as a Twisted server
/// that has made itself a certificate for this one run.
///
/// Somebody who only listens learns nothing. But somebody who can change the bytes on their way can pretend to be the
/// server, and read and write everything. Use this only if nobody can do that, or if you compare the certificate with a
/// known one, by [`PeerCertificates`](super::PeerCertificates), before anything is sent.
///
/// # Errors
///
/// When certificate and key do not belong together, or cannot be used, or when there is no provider of
/// cryptography.
pub fn client_config_any_server(
    identity: Option<Identity>,
) -> Result<Arc<ClientConfig>, TlsConfigError> {
    unnamed(None, identity)
}

fn unnamed(
    authorities: Option<Authorities>,
    identity: Option<Identity>,
) -> Result<Arc<ClientConfig>, TlsConfigError> {
    let signatures = Signatures(provider()?.signature_verification_algorithms);
    let verifier = Arc::new(UnnamedVerifier { authorities, signatures });
    let builder = client_builder()?.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = with_identity(builder, identity)?;
    config.enable_sni = false;
    // Sessions are kept by name, and the name means nothing here.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Verifies servers of any name: those that an authority vouches for, or all if there are none.
#[derive(Debug)]
struct UnnamedVerifier {
    authorities: Option<Authorities>,
    signatures: Signatures,
}

impl ServerCertVerifier for UnnamedVerifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(authorities) = &self.authorities {
            verify_server(authorities, own, chain, now, &self.signatures.0)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.verify_tls12(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.verify_tls13(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.schemes()
    }
}
