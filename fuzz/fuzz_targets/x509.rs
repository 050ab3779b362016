//! Certificates are read, or refused, and nothing worse; and where rustls reads one too, its key is the
//! same.

#![no_main]

use amp_core::fuzzing::read_certificate;
use amp_core::tls::rustls::pki_types::CertificateDer;
use amp_core::tls::rustls::server::ParsedCertificate;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let der = CertificateDer::from(bytes);
    let Some((_, key)) = read_certificate(&der) else { return };
    if let Ok(parsed) = ParsedCertificate::try_from(&der) {
        assert_eq!(parsed.subject_public_key_info().as_ref(), key);
    }
});
