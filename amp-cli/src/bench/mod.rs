//! Load: one call, made again and again.

mod bound;
mod report;

use amp_core::dynamic::Values;
use amp_core::{AmpBox, CallError, Peer, RemoteError};
use amp_probe::load::{AnyError, Callers, Repeated};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::timeout;

use self::bound::Bound;
use self::report::Report;
use crate::ask::{Ask, failure_of, not_in_time};
use crate::exit::{self, Failure};
use crate::mistake::Mistake;
use crate::opening::Opening;
use crate::options::Bench;
use crate::peering::Target;
use crate::printing::{ignoring_who_has_read_enough, print_line, tell};
use crate::running::{say_farewell, until_interrupted};
use crate::schemas::find;

/// The time for which it is called before that counts.
const WARM_UP: Duration = Duration::from_millis(500);

pub(crate) fn bench(options: &Bench) -> Result<ExitCode, Mistake> {
    let target = options.peer.target()?;
    let bounds = options.bounds.iter().map(|text| Bound::parse(text));
    let bounds = bounds.collect::<Result<Vec<_>, _>>()?;
    let once = if target.reflects() { None } else { Some(Once::new(options, &target)?) };
    until_interrupted(run(options, target, once, bounds))
}

async fn run(
    options: &Bench,
    mut target: Target,
    once: Option<Once>,
    bounds: Vec<Bound>,
) -> Result<ExitCode, Failure> {
    let mut peers = Vec::new();
    for _ in 0..options.connections {
        let responders = target.calls(None).responders();
        peers.push(target.connect(responders).await?);
    }
    let once = match once {
        Some(once) => once,
        None => Once::new(options, &target)?,
    };
    for peer in &peers {
        target.log_in(peer).await?;
    }
    let (in_flight, rate) = (options.in_flight, options.rate);
    let (together, paced) = (false, false);
    let callers = Callers { load: Arc::new(once), peers, in_flight, rate, together, paced };
    let failed = |error: AnyError| match error.downcast_ref::<CallError>() {
        Some(error) => failure_of(error),
        None => Failure::new(exit::NOT_IN_TIME, error),
    };
    callers.run(WARM_UP.min(options.duration), |_, _| {}).await.map_err(failed)?;
    callers.load.errors.store(0, Ordering::Relaxed);
    let measured = callers.run(options.duration, |_, _| {}).await.map_err(failed)?;
    for peer in &callers.peers {
        say_farewell(peer).await;
    }
    let report = Report::new(&measured, callers.load.errors.load(Ordering::Relaxed));
    let printed = print_line(if options.json { report.json() } else { report.to_string() });
    ignoring_who_has_read_enough(printed)?;
    let broken: Vec<_> = bounds.iter().filter(|bound| bound.is_broken(&report)).collect();
    for bound in &broken {
        tell(format_args!("{} is {}: --fail-if '{bound}'", bound.name(), bound.seen(&report)));
    }
    Ok(ExitCode::from(if broken.is_empty() { 0 } else { exit::DECLARED }))
}

/// The call, written once.
struct Once {
    command: String,
    arguments: AmpBox,
    accepted: Vec<String>,
    timeout: Duration,
    errors: AtomicU64,
}

impl Once {
    fn new(options: &Bench, target: &Target) -> Result<Self, Mistake> {
        let Bench { command, words, accept, .. } = options;
        let known = find(&target.schema, target.has_schema, command)?;
        let ask = Ask::new(command, known, words, Values::new(), Opening::trial(&target.inputs))?;
        if ask.is_switch {
            return Err(Mistake::new(format!(
                "{command} asks for another protocol, and only once"
            )));
        }
        if !ask.requires_answer {
            let what = "wants no answer, so there is nothing to be measured";
            return Err(Mistake::new(format!("{command} {what}")));
        }
        if ask.descriptors > 0 {
            return Err(Mistake::new(format!(
                "{command}: descriptors are not sent again and again"
            )));
        }
        let (command, accepted) = (command.clone(), accept.clone());
        let (arguments, timeout) = (ask.encoded()?, target.timeout);
        Ok(Self { command, arguments, accepted, timeout, errors: AtomicU64::new(0) })
    }

    fn is_accepted(&self, error: &RemoteError) -> bool {
        self.accepted.iter().any(|code| error.code == code.as_str())
    }
}

impl Repeated for Once {
    async fn call(&self, peer: &Peer, _: usize, _: u64) -> Result<(), AnyError> {
        let called = timeout(self.timeout, peer.call_by_name(&self.command, &self.arguments)).await;
        match called.map_err(|_| not_in_time(self.timeout).said)? {
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
