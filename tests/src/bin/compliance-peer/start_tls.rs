use amp_core::Responders;
use amp_core::tls::{self, ClientCertificates, Identity, Role, StartTls};
use std::io;

/// Agrees to `StartTLS`, as the server, with this certificate and key.
pub(crate) fn responder(certificate_and_key: &[u8]) -> io::Result<Responders> {
    let identity = Identity::from_pem(certificate_and_key).map_err(io::Error::other)?;
    let config = tls::server_config(identity, ClientCertificates::NotAsked);
    let config = config.map_err(io::Error::other)?;
    Ok(Responders::new(()).respond_start_tls(move |_, _: StartTls| {
        let config = config.clone();
        async { Ok(Role::Server(config)) }
    }))
}
