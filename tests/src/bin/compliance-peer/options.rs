use amp_core::FailurePolicy;
use amp_tests::{Address, policy_named};
use std::path::PathBuf;

pub(crate) const USAGE: &str = "usage: compliance-peer --listen unix:PATH|tcp:HOST:PORT \
     [--policy stay|close] [--tls CERT_AND_KEY.pem]";

/// What the command line says.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) listen: Address,
    pub(crate) policy: FailurePolicy,
    /// The certificate and key for `StartTLS`; without it, there is none.
    pub(crate) tls: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments behind the program's name; the error is for people.
    pub(crate) fn parse() -> Result<Self, String> {
        let mut arguments = amp_tests::arguments();
        let mut listen = None;
        let mut tls = None;
        // Twisted's, since a run with either peer is to go the same way.
        let mut policy = FailurePolicy::Close;
        while let Some(option) = arguments.next() {
            let option = option?;
            let mut value = || arguments.next().unwrap_or_else(|| Err(format!("{option} what?")));
            match option.as_str() {
                "--listen" => {
                    let address = value()?.parse();
                    listen = Some(
                        address.map_err(|error: amp_tests::UnknownAddress| error.to_string())?,
                    );
                }
                "--tls" => tls = Some(value()?.into()),
                "--policy" => policy = policy_named(&value()?)?,
                _ => return Err(format!("there is no option {option}")),
            }
        }
        let listen = listen.ok_or("--listen is missing")?;
        Ok(Self { listen, policy, tls })
    }
}
