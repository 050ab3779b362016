//! Vouching for a certificate, where that is not left to rustls alone.
//!
//! Twisted's `selfSignedCert` makes certificates of X.509 version 1, and `openssl req -x509` makes
//! ones that say of themselves to be authorities. Peers show them all the same, and the other side
//! is given the same certificate as the one authority that it trusts. OpenSSL takes that; webpki
//! takes neither kind from a peer. So a certificate that is itself in the list of authorities is
//! good, for as long as it is valid.

use std::fmt;
use std::sync::Arc;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature,
    verify_tls13_signature_with_raw_key,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use tokio_rustls::rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::x509::Certificate;
use super::{Authorities, TlsConfigError};

/// Returns whether one of `authorities` vouches for a server's certificate. Which names it is for
/// does not matter.
pub(super) fn verify_server(
    authorities: &Authorities,
    own: &CertificateDer<'_>,
    chain: &[CertificateDer<'_>],
    now: UnixTime,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<(), Error> {
    if authorities.contains(own) {
        return Ok(Certificate::read(own)?.verify_time(now)?);
    }
    let own = ParsedCertificate::try_from(own)?;
    verify_server_cert_signed_by_trust_anchor(&own, authorities.roots(), chain, now, algorithms.all)
}

/// Checks that the peer has the key of its certificate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signatures(pub(super) WebPkiSupportedAlgorithms);

impl Signatures {
    pub(super) fn verify_tls12(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    /// By the key alone, since rustls does not read certificates of version 1.
    pub(super) fn verify_tls13(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = Certificate::read(certificate)?.public_key();
        verify_tls13_signature_with_raw_key(message, &key, signature, &self.0)
    }

    pub(super) fn schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// Verifies clients as rustls does, and takes those whose certificate is an authority.
pub(super) struct ClientVerifier {
    authorities: Authorities,
    rustls: Arc<dyn ClientCertVerifier>,
    signatures: Signatures,
}

impl ClientVerifier {
    pub(super) fn new(
        authorities: Authorities,
        required: bool,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TlsConfigError> {
        let roots = Arc::clone(authorities.roots());
        let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
        let builder = if required { builder } else { builder.allow_unauthenticated() };
        let rustls = builder
            .build()
            .map_err(|error| TlsConfigError::Provider(Error::General(error.to_string())))?;
        let signatures = Signatures(provider.signature_verification_algorithms);
        Ok(Self { authorities, rustls, signatures })
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn offer_client_auth(&self) -> bool {
        self.rustls.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.rustls.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.rustls.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.authorities.contains(own) {
            Certificate::read(own)?.verify_time(now)?;
            return Ok(ClientCertVerified::assertion());
        }
        self.rustls.verify_client_cert(own, chain, now)
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

impl fmt::Debug for ClientVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientVerifier").field("rustls", &self.rustls).finish_non_exhaustive()
    }
}
