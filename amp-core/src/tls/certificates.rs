use std::fmt;
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{CommonState, RootCertStore};

use super::TlsConfigError;

/// A certificate to show to the peer, those that lead from it to an authority, and its private key.
#[derive(Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads PEM text with one private key and one or more certificates: first the one that
    /// belongs to the key, then each that the one before it is signed with. The key may come
    /// before, between or behind them. If they are in two files, join the texts.
    ///
    /// A certificate for a test that OpenSSL makes needs some options: see the recipe
    /// [`encryption`](crate::cookbook::encryption).
    ///
    /// # Errors
    ///
    /// When the text is not PEM, or has no certificate, or no key. A key that is encrypted with a
    /// password does not count.
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Result<Self, TlsConfigError> {
        let pem = pem.as_ref();
        let chain = certificates(pem, "certificate")?;
        let key = PrivateKeyDer::pem_slice_iter(pem).next();
        let key = key.ok_or(TlsConfigError::Missing { what: "private key" })?;
        Ok(Self { chain, key: key.map_err(TlsConfigError::Pem)? })
    }

    /// Takes it apart, for a configuration of your own.
    pub fn into_parts(self) -> IdentityParts {
        let Self { chain, key } = self;
        IdentityParts { chain, key }
    }
}

/// The parts of an [`Identity`].
#[derive(Debug)]
#[non_exhaustive]
pub struct IdentityParts {
    /// The certificates: first the one that belongs to the key, then each that the one before it is
    /// signed with.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key.
    pub key: PrivateKeyDer<'static>,
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

/// Certificates of authorities. Everything that they have signed is trusted.
#[derive(Clone, Debug)]
pub struct Authorities {
    certificates: Arc<[CertificateDer<'static>]>,
    roots: Arc<RootCertStore>,
}

impl Authorities {
    /// Reads PEM text with one or more certificates.
    ///
    /// # Errors
    ///
    /// When the text is not PEM, has no certificate, or has one that is malformed.
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Result<Self, TlsConfigError> {
        let certificates = certificates(pem.as_ref(), "authority's certificate")?;
        let mut roots = RootCertStore::empty();
        for (certificate, number) in certificates.iter().zip(1..) {
            roots
                .add(certificate.clone())
                .map_err(|source| TlsConfigError::Authority { number, source })?;
        }
        Ok(Self { certificates: certificates.into(), roots: Arc::new(roots) })
    }

    /// Returns the certificates, for a configuration of your own.
    pub fn roots(&self) -> &Arc<RootCertStore> {
        &self.roots
    }

    /// Returns whether this very certificate is one of the authorities.
    pub(super) fn contains(&self, certificate: &CertificateDer<'_>) -> bool {
        self.certificates.iter().any(|authority| **authority == **certificate)
    }
}

/// The certificates that the peer has shown, checked as the configuration says: its own first, then
/// each that the one before it is signed with.
///
/// They are data of a TLS connection whose peer has shown any: see
/// [`Context::get`](crate::Context::get) and [`Peer::get`](crate::Peer::get). A client sees those
/// of its server; a server sees those of its client if it asked for them.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerCertificates {
    chain: Arc<[CertificateDer<'static>]>,
}

impl PeerCertificates {
    /// Creates the certificates of a peer: its own one, and those that lead from that to an authority.
    ///
    /// Nothing checks them. They are for a test of code that looks at certificates, as
    /// [data](crate::Connection::data) of its connection.
    pub fn new(
        own: CertificateDer<'static>,
        intermediates: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Self {
        Self { chain: std::iter::once(own).chain(intermediates).collect() }
    }

    /// Returns what the peer has shown, unless that is nothing.
    pub(super) fn of(session: &CommonState) -> Option<Self> {
        let chain = session.peer_certificates().filter(|chain| !chain.is_empty())?;
        Some(Self { chain: chain.iter().map(|one| one.clone().into_owned()).collect() })
    }

    /// Returns the peer's own certificate, as DER.
    pub fn own(&self) -> &CertificateDer<'static> {
        // There is at least one.
        &self.chain[0]
    }

    /// Returns all of them, as DER.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }
}

impl fmt::Debug for PeerCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerCertificates").field("len", &self.chain.len()).finish()
    }
}

/// Returns all certificates of the text; at least one.
fn certificates(
    pem: &[u8],
    what: &'static str,
) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let certificates = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(TlsConfigError::Pem)?;
    if certificates.is_empty() {
        return Err(TlsConfigError::Missing { what });
    }
    Ok(certificates)
}
