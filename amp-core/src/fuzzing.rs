//! What has a fuzzer and is private. It is built for them only, with `--cfg fuzzing`.

/// Two sides of a connection take the steps that `bytes` are, and keep to the protocol's invariants.
///
/// # Panics
///
/// When they do not.
#[cfg(feature = "tokio")]
pub use crate::proto::tests::fuzzed::take as take_steps;

#[cfg(feature = "tls")]
pub use crate::tls::x509::read as read_certificate;
