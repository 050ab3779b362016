//! TLS as it is asked for on the command line.

use amp_core::Report;
use amp_core::tls::rustls::crypto::ring;
use amp_core::tls::rustls::{ClientConfig, RootCertStore};
use amp_core::tls::{
    self, Authorities, ClientCertificates, Identity, Role, TlsConfigError, dangerous,
};
use clap::{Args, ValueEnum};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::address::Address;
use crate::mistake::{Mistake, none_of};

/// Where the flags are in the help: they alone, and not what comes behind them.
const HEADING: &str = "TLS";

#[expect(clippy::struct_field_names, reason = "the fields are named as the flags are")]
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Tls {
    /// Begins the connection with TLS, as `tls:HOST:PORT` does
    #[arg(long, help_heading = HEADING, conflicts_with = "start_tls")]
    pub(crate) tls: bool,
    /// Starts TLS by the command `StartTLS`, as this side of it; nothing else is answered before that, in
    /// clear text
    #[arg(long, help_heading = HEADING, value_name = "SIDE", num_args = 0..=1, require_equals = true, default_missing_value = "auto")]
    pub(crate) start_tls: Option<TlsSide>,
    /// Trusts the certificates in this PEM file, and not those of the system; a server wants one of its
    /// clients that they vouch for
    #[arg(long, help_heading = HEADING, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The certificate to show, a PEM file; it may have the key in it
    #[arg(long, help_heading = HEADING, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// The private key that belongs to the certificate, a PEM file
    #[arg(long, help_heading = HEADING, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// The name that the server's certificate has to be for, where that is not the host
    #[arg(long, help_heading = HEADING, value_name = "NAME")]
    pub(crate) server_name: Option<String>,
    /// Takes any certificate: whoever is on the way may read and change what is said
    #[arg(long, help_heading = HEADING, conflicts_with = "ca")]
    pub(crate) no_verify: bool,
}

/// Which side of TLS this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TlsSide {
    /// The client where this side has connected, the server where it was connected to
    Auto,
    Client,
    Server,
}

impl Tls {
    /// The flags, and which of them were given.
    pub(crate) fn flags(&self) -> [(&'static str, bool); 7] {
        let Self { tls, start_tls, ca, cert, key, server_name, no_verify } = self;
        [
            ("--tls", *tls),
            ("--start-tls", start_tls.is_some()),
            ("--ca", ca.is_some()),
            ("--cert", cert.is_some()),
            ("--key", key.is_some()),
            ("--server-name", server_name.is_some()),
            ("--no-verify", *no_verify),
        ]
    }

    /// How the connection to an address begins, if that is with TLS.
    pub(crate) fn at_once(&self, address: &Address) -> Result<Option<Role>, Mistake> {
        if self.at_once_or_under_way(address)? && self.start_tls.is_none() {
            return self.client(address).map(Some);
        }
        Ok(None)
    }

    /// How TLS is started under way by whoever has connected, if it is.
    pub(crate) fn under_way(&self, address: &Address) -> Result<Option<Role>, Mistake> {
        match self.start_tls {
            None => Ok(None),
            Some(TlsSide::Auto | TlsSide::Client) => self.client(address).map(Some),
            Some(TlsSide::Server) => self.server().map(Some),
        }
    }

    /// The server's side for those that are accepted, if they are to have TLS.
    pub(crate) fn accepting(&self, address: &Address) -> Result<Option<Role>, Mistake> {
        if self.start_tls == Some(TlsSide::Client) {
            return Err(Mistake::new("--start-tls=client: a server has the server's side"));
        }
        if self.at_once_or_under_way(address)? { self.server().map(Some) } else { Ok(None) }
    }

    /// Whether there is TLS at all; flags that would go unnoticed without it are a mistake.
    fn at_once_or_under_way(&self, address: &Address) -> Result<bool, Mistake> {
        let at_once = self.tls || address.is_tls();
        if at_once && self.start_tls.is_some() {
            return Err(Mistake::new("--start-tls: the connection begins with TLS already"));
        }
        if !at_once && self.start_tls.is_none() && self.is_configured() {
            let what =
                "--ca, --cert, --server-name and --no-verify are of TLS: see --tls and --start-tls";
            return Err(Mistake::new(what));
        }
        Ok(at_once || self.start_tls.is_some())
    }

    fn is_configured(&self) -> bool {
        let Self { ca, cert, server_name, no_verify, .. } = self;
        ca.is_some() || cert.is_some() || server_name.is_some() || *no_verify
    }

    /// The client's side, towards the server at this address.
    pub(crate) fn client(&self, address: &Address) -> Result<Role, Mistake> {
        let identity = self.identity()?;
        let config = if self.no_verify {
            dangerous::client_config_any_server(identity)
        } else if let Some(ca) = &self.ca {
            tls::client_config(&authorities(ca)?, identity)
        } else {
            return self.role(address, trusting_the_system(identity)?);
        };
        self.role(address, config.map_err(|error| self.wrong(&error))?)
    }

    fn role(&self, address: &Address, config: Arc<ClientConfig>) -> Result<Role, Mistake> {
        let name = self.server_name.as_deref().or(address.host());
        let name = match name {
            Some(name) => name,
            // It is looked at by nobody then.
            None if self.no_verify => "localhost",
            None => {
                let what =
                    format!("--server-name is missing: {address} says no name of the server");
                return Err(Mistake::new(what));
            }
        };
        Role::client(name, config).map_err(|error| Mistake::new(format!("--server-name: {error}")))
    }

    /// The server's side.
    pub(crate) fn server(&self) -> Result<Role, Mistake> {
        let of_clients =
            [("--server-name", self.server_name.is_some()), ("--no-verify", self.no_verify)];
        none_of(of_clients, "it is of the client's side of TLS, and this is the server's")?;
        let identity = self.identity()?;
        let identity = identity.ok_or_else(|| {
            Mistake::new("--cert is missing: a TLS server shows a certificate, and has its key")
        })?;
        let clients = match &self.ca {
            None => ClientCertificates::NotAsked,
            Some(ca) => ClientCertificates::Required(authorities(ca)?),
        };
        let config = tls::server_config(identity, clients);
        config.map(Role::Server).map_err(|error| self.wrong(&error))
    }

    fn identity(&self) -> Result<Option<Identity>, Mistake> {
        let Some(cert) = &self.cert else { return Ok(None) };
        let mut pem = read("--cert", cert)?;
        if let Some(key) = &self.key {
            pem.push(b'\n');
            pem.extend(read("--key", key)?);
        }
        let wrong = |error| {
            let option = if self.key.is_some() { "--cert and --key" } else { "--cert" };
            Mistake::new(format!("{option}: {}", Report::new(&error)))
        };
        Identity::from_pem(pem).map(Some).map_err(wrong)
    }

    fn wrong(&self, error: &TlsConfigError) -> Mistake {
        let cert = self.cert.as_deref().unwrap_or(Path::new("")).display();
        Mistake::new(format!("--cert {cert}: {}", Report::new(error)))
    }
}

fn authorities(ca: &Path) -> Result<Authorities, Mistake> {
    Authorities::from_pem(read("--ca", ca)?)
        .map_err(|error| Mistake::new(format!("--ca {}: {}", ca.display(), Report::new(&error))))
}

fn read(option: &str, path: &Path) -> Result<Vec<u8>, Mistake> {
    fs::read(path)
        .map_err(|error| Mistake::new(format!("{option}: cannot read {}: {error}", path.display())))
}

/// For a client that trusts whom the system trusts.
fn trusting_the_system(identity: Option<Identity>) -> Result<Arc<ClientConfig>, Mistake> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(Mistake::new(
            "the system trusts no authorities: say whose certificates count with --ca, or take any \
             with --no-verify",
        ));
    }
    let wrong = |error| Mistake::new(format!("--cert: {error}"));
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(wrong)?
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let own = identity.into_parts();
            builder.with_client_auth_cert(own.chain, own.key).map_err(wrong)?
        }
    };
    Ok(Arc::new(config))
}
