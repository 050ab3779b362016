//! Load: one call, made again and again.

mod bound;
mod report;

use amp_core::dynamic::Values;
use amp_core::{AmpBox, CallError, Peer, RemoteError, Responders};
use amp_probe::load::{AnyError, Callers, Repeated};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use self::bound::Bound;
use self::report::Report;
use crate::ask::{Ask, failure_of, find};
use crate::exit::{self, Failure};
use crate::listen::print;
use crate::mistake::Mistake;
use crate::peering::Known;
use crate::running::until_interrupted;
use crate::watch_options::Bench;

/// How long it is called before that counts.
const WARM_UP: Duration = Duration::from_millis(500);

pub(crate) fn bench(options: &Bench) -> Result<ExitCode, Mistake> {
    let known = options.peering.known()?;
    let bounds = options.bounds.iter().map(|text| Bound::parse(text));
    let bounds = bounds.collect::<Result<Vec<_>, _>>()?;
    if options.rate.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
        return Err(Mistake::new("--rate: it is a number of calls a second, above 0"));
    }
    let ask = if known.reflects() { None } else { Some(Once::new(options, &known)?) };
    until_interrupted(run(options, known, ask, bounds))
}

async fn run(
    options: &Bench,
    mut known: Known,
    once: Option<Once>,
    bounds: Vec<Bound>,
) -> Result<ExitCode, Failure> {
    let mut peers = Vec::new();
    for _ in 0..options.connections {
        peers.push(known.connect(Responders::new(())).await?);
    }
    let once = match once {
        Some(once) => once,
        None => Once::new(options, &known)?,
    };
    let (in_flight, rate) = (options.in_flight, options.rate);
    let callers = Callers { load: Arc::new(once), peers, in_flight, rate, paced: false };
    let failed = |error: AnyError| match error.downcast_ref::<CallError>() {
        Some(error) => failure_of(error, None),
        None => Failure::new(exit::NOT_IN_TIME, error),
    };
    callers.run(WARM_UP.min(options.duration), |_, _| {}).await.map_err(failed)?;
    callers.load.errors.store(0, Ordering::Relaxed);
    let measured = callers.run(options.duration, |_, _| {}).await.map_err(failed)?;
    for peer in &callers.peers {
        peer.close().await;
    }
    let report = Report::new(&measured, callers.load.errors.load(Ordering::Relaxed));
    print(&if options.json { report.json() } else { report.to_string() })?;
    let broken: Vec<_> = bounds.iter().filter(|bound| bound.is_broken(&report)).collect();
    for bound in &broken {
        eprintln!("ampctl: {} is {}: --fail-if '{bound}'", bound.name(), bound.seen(&report));
    }
    Ok(ExitCode::from(if broken.is_empty() { 0 } else { exit::DECLARED }))
}

/// The call, written once.
struct Once {
    command: String,
    arguments: AmpBox,
    accepted: Vec<String>,
    errors: AtomicU64,
}

impl Once {
    fn new(options: &Bench, known: &Known) -> Result<Self, Mistake> {
        let Bench { command, words, accept, .. } = options;
        let schema = find(&known.schema, known.has_schema, command)?;
        let ask = Ask::new(command, schema, words, Values::new())?;
        if ask.is_switch {
            return Err(Mistake::new(format!(
                "{command} asks for another protocol, and only once"
            )));
        }
        let arguments = ask.encoded().map_err(|error| Mistake::new(error.to_string()))?;
        let (command, accepted) = (command.clone(), accept.clone());
        Ok(Self { command, arguments, accepted, errors: AtomicU64::new(0) })
    }

    fn is_accepted(&self, error: &RemoteError) -> bool {
        self.accepted.iter().any(|code| error.code == code.as_str())
    }
}

impl Repeated for Once {
    async fn call(&self, peer: &Peer, _: usize, _: u64) -> Result<(), AnyError> {
        match peer.call_by_name(&self.command, &self.arguments).await {
            Ok(_) => Ok(()),
            Err(CallError::Remote(error)) => {
                if !self.is_accepted(&error) {
                    self.errors.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}
