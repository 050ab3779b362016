use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem;

use crate::shorten::Shortened;

/// The reason why there is no TLS connection.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The server cannot be reached.
    #[error("cannot connect")]
    Connect(#[source] Arc<io::Error>),
    /// The name of the server is neither a DNS name nor an IP address.
    #[error("{name:?} is not the name of a server")]
    ServerName {
        /// The text that was given as the name.
        name: Box<str>,
    },
    /// The two sides did not agree: a certificate is not good enough for the other side, there is
    /// no version of TLS that both have, or what came is not TLS at all.
    #[error("the TLS handshake failed{}", because_of(.0))]
    Handshake(#[from] rustls::Error),
    /// The stream broke or ended during the handshake.
    #[error("the stream broke during the TLS handshake")]
    Io(#[source] Arc<io::Error>),
    /// The handshake was not done in time.
    #[error("no TLS connection within {after:?}")]
    Timeout {
        /// The time that was waited.
        after: Duration,
    },
}

impl TlsError {
    pub(super) fn in_handshake(error: io::Error) -> Self {
        match error.downcast::<rustls::Error>() {
            Ok(error) => Self::Handshake(error),
            Err(error) => Self::Io(Arc::new(error)),
        }
    }

    /// Returns whether the handshake took too long.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout { .. })
    }
}

/// The reason why certificates and keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// The text is not PEM.
    #[error("cannot read PEM: {}", describe(.0))]
    Pem(pem::Error),
    /// The PEM text does not have this.
    #[error("there is no {what} in the PEM text")]
    Missing {
        /// The thing that was to be read.
        what: &'static str,
    },
    /// A certificate cannot be an authority.
    #[error("authority {number} of the PEM text cannot be used")]
    Authority {
        /// The number of the certificate in the text, counted from 1.
        number: usize,
        /// The reason, from rustls.
        source: rustls::Error,
    },
    /// Certificate and key cannot be used: they may not belong together, or be of a kind that
    /// rustls does not support, such as certificates of X.509 version 1.
    #[error("the certificate and its key cannot be used: {}", of_own(.0))]
    Identity(rustls::Error),
    /// The provider of cryptography that this process has installed cannot be used.
    #[error("the provider of cryptography cannot be used")]
    Provider(#[source] rustls::Error),
    /// This process has no provider of cryptography: the feature `tls-ring` brings one, and
    /// [`CryptoProvider::install_default`](rustls::crypto::CryptoProvider::install_default) installs another.
    #[error("there is no provider of cryptography: enable the feature `tls-ring`, or install one")]
    NoProvider,
}

/// Returns the reason in words, where it is one that the usual tools lead to.
fn because_of(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(error) => {
            in_words(error).map(|words| format!(", since {words}")).unwrap_or_default()
        }
        _ => String::new(),
    }
}

/// Returns the message of an error that is about a certificate of this side. For rustls, each certificate is the
/// peer's.
fn of_own(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(error) => {
            in_words(error).map_or_else(|| error.to_string(), str::to_owned)
        }
        error => error.to_string(),
    }
}

/// Returns words for two reasons that rustls passes on from webpki, as no more than their names.
fn in_words(error: &rustls::CertificateError) -> Option<&'static str> {
    let rustls::CertificateError::Other(error) = error else { return None };
    match error.to_string().as_str() {
        "CaUsedAsEndEntity" => {
            Some("the certificate is that of an authority, not of a server or client")
        }
        "UnsupportedCertVersion" => Some("the certificate is not of X.509 version 3"),
        _ => None,
    }
}

/// Returns the message of the error, with text where that has numbers.
fn describe(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            format!("a section has no end; it should be {}", Shortened::new(end_marker))
        }
        pem::Error::IllegalSectionStart { line } => {
            format!("a section begins with {}", Shortened::new(line))
        }
        error => error.to_string(),
    }
}
