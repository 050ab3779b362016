//! Certificates and keys as PEM: what can be shown and trusted, and what is said where something is missing.

use super::over_tls::{Authority, no_clients, params};
use amp_core::tls::{self, Authorities, ClientCertificates, Identity, TlsConfigError};
use rcgen::KeyPair;

#[test]
fn pem_that_is_no_good_says_what_is_missing() {
    let authority = Authority::new();
    let (certificate, key) = (&authority.pem, KeyPair::generate().unwrap().serialize_pem());
    let missing = |what| format!("there is no {what} in the PEM text");
    for (pem, message) in [
        (String::new(), missing("certificate")),
        (key.clone(), missing("certificate")),
        (certificate.clone(), missing("private key")),
        (
            format!("{certificate}{}", key.replace("PRIVATE", "ENCRYPTED PRIVATE")),
            missing("private key"),
        ),
    ] {
        assert_eq!(Identity::from_pem(pem).unwrap_err().to_string(), message);
    }
    let cut = certificate.replace("-----END CERTIFICATE-----", "");
    let error = Identity::from_pem(&cut).unwrap_err().to_string();
    let message = "cannot read PEM: a section has no end; it should be \"CERTIFICATE\"";
    assert_eq!(error, message);
    let cut = certificate.clone() + &key.replace("-----END PRIVATE KEY-----", "");
    let error = Identity::from_pem(&cut).unwrap_err().to_string();
    let message = "cannot read PEM: a section has no end; it should be \"PRIVATE KEY\"";
    assert_eq!(error, message);

    let error = Authorities::from_pem("").unwrap_err().to_string();
    assert_eq!(error, missing("authority's certificate"));
    let bad =
        format!("{certificate}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let error = Authorities::from_pem(bad).unwrap_err();
    assert!(matches!(error, TlsConfigError::Authority { number: 2, .. }), "{error}");
}

#[test]
fn a_key_of_another_certificate_is_said() {
    let pem = Authority::new().pem + &KeyPair::generate().unwrap().serialize_pem();
    let identity = Identity::from_pem(pem).unwrap();
    let error = tls::server_config(identity.clone(), ClientCertificates::NotAsked).unwrap_err();
    assert!(matches!(error, TlsConfigError::Identity(_)), "{error}");
    let trusted = Authority::new().trusted();
    let error = tls::client_config(&trusted, Some(identity)).unwrap_err();
    assert!(matches!(error, TlsConfigError::Identity(_)), "{error}");
}

#[test]
fn a_certificate_that_twisted_made_cannot_be_shown() {
    let key = KeyPair::generate().unwrap().serialize_pem();
    let identity =
        Identity::from_pem(include_str!("../data/version_1.pem").to_owned() + &key).unwrap();
    let error = tls::server_config(identity.clone(), ClientCertificates::NotAsked).unwrap_err();
    let expected =
        "the certificate and its key cannot be used: the certificate is not of X.509 version 3";
    assert_eq!(error.to_string(), expected);
    let trusted = Authority::new().trusted();
    let error = tls::client_config(&trusted, Some(identity)).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn key_and_certificates_may_come_in_any_order() {
    let authority = Authority::new();
    let key = KeyPair::generate().unwrap();
    let own = params("localhost").signed_by(&key, &authority.issuer).unwrap().pem();
    let key = key.serialize_pem();
    for pem in [
        format!("{key}{own}{}", authority.pem),
        format!("{own}{key}{}", authority.pem),
        format!("what this is\n{own}{}{key}", authority.pem),
    ] {
        let identity = Identity::from_pem(pem).unwrap();
        assert_eq!(identity.clone().into_parts().chain.len(), 2);
        no_clients(identity);
    }
}
