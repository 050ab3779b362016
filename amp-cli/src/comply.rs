//! The conversations of the compliance suite.

use amp_core::FailurePolicy;
use amp_probe::conversations::{Expected, Standard, hold_all};
use amp_probe::{Address as Place, RawClient};
use std::io::Write;
use std::process::ExitCode;

use crate::address::{Address, Kind};
use crate::exit::{self, Failure};
use crate::mistake::Mistake;
use crate::peering::profile_of;
use crate::watch_options::{Comply, Differences, Policy};

pub(crate) fn comply(options: &Comply, out: &mut Vec<u8>) -> Result<ExitCode, Mistake> {
    let address: Address = profile_of(&options.peer)?.address.parse().map_err(Mistake::new)?;
    let place = match &address.kind {
        Kind::Unix(path) => Place::Unix(path.clone()),
        Kind::Tcp { host, port, tls: false } if host.contains(':') => {
            Place::Tcp(format!("[{host}]:{port}"))
        }
        Kind::Tcp { host, port, tls: false } => Place::Tcp(format!("{host}:{port}")),
        _ => {
            let what = "the conversations are held over unix:PATH and tcp:HOST:PORT";
            return Err(Mistake::new(format!("{address}: {what}")));
        }
    };
    // Said once here rather than in every line.
    if let Err(error) = RawClient::connect(&place) {
        let said = format!("cannot connect to {address}: {error}");
        eprintln!("{}", Failure::new(exit::NO_CONNECTION, said).said);
        return Ok(ExitCode::from(exit::NO_CONNECTION));
    }
    let standard = match options.differences {
        Differences::None => Standard::Twisted,
        Differences::Ours => Standard::Ours,
    };
    let policy = match options.policy {
        Policy::Close => FailurePolicy::Close,
        Policy::Stay => FailurePolicy::Stay,
    };
    let outcomes = hold_all(&place, Expected { standard, policy });
    let differing = outcomes.iter().filter(|outcome| !outcome.is_ok()).count();
    let written = outcomes.iter().try_for_each(|outcome| writeln!(out, "{outcome}"));
    written
        .and_then(|()| writeln!(out, "{differing} of {} conversations differ", outcomes.len()))
        .map_err(|error| Mistake::new(error.to_string()))?;
    Ok(ExitCode::from(if differing == 0 { 0 } else { exit::DECLARED }))
}
