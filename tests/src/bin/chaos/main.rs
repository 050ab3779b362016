//! A server and its clients under everything that can go wrong: connections that are cut at any
//! byte, that stall, or end on one side; clients that drop their calls or do not wait long enough;
//! a server that goes and comes back, gracefully or not; responders that panic, calls and answers
//! that cannot be decoded, calls that nothing responds to; and peers that flood, read slowly, or
//! speak no AMP. Calls go in both directions, over Unix sockets and TCP, with large values and with
//! descriptors, with streams, in lanes and out of them; as they are, over TLS, over TLS that is started on the way, and
//! over routes. Some clients connect again by themselves, with `amp_core::reconnect`, and some sides ping
//! the other, or take silence for the end.
//!
//! ```text
//! cargo run --release --bin chaos -- --clients 200 --seconds 60
//! ```
//!
//! What must hold:
//!
//! - Each call ends, with its own answer or an error that it may end with. One that waits for connections
//!   does once it has had one for long enough; and each attempt to connect ends, for a reason that there is.
//! - A call that was answered was acted upon once. No other call was acted upon twice, unless it is
//!   idempotent, and none that its caller knows was not sent.
//! - A descriptor that arrives is the one that was passed.
//! - The items of a stream come once each and in order, and all of them before it ends well: numbers, bytes
//!   and descriptors. Where one end drops it half way, the other one learns that it has not ended well.
//! - What is sent behind a one-way command on one connection is read behind it.
//! - In a lane, one call is acted upon at a time, and they are in order; one that panics lets the next go on.
//! - Nothing is acted upon in clear text that its client sends once TLS has been started.
//! - No connection between the well-behaved ends for a breach of the protocol, and nothing panics
//!   that is not asked to.
//! - After each of four rounds, as many tasks and descriptors are left as there were before it; and
//!   after the last, no more memory than after any other, but for 16 MiB and 256 KiB for each client.
//! - Each kind of call has been answered, each way has been gone, and streams have come to their ends,
//!   and were dropped half way by either end.
//!
//! A seed gives the same plan again: `--help` says what is planned, and what is not.

mod call;
mod client;
mod commands;
mod ends;
mod expected;
mod fares;
mod hooligan;
mod ledger;
mod line;
mod options;
mod pipes;
mod plan;
mod plot;
mod report;
mod resources;
mod round;
mod secrets;
mod series;
mod server;
mod service;
mod stream;
mod streaming;
mod watchdog;
mod world;

use std::io;
use std::panic;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::options::{Options, USAGE};
use crate::report::{Group, Tally, Violations};
use crate::resources::resident_mib;
use crate::secrets::Secrets;
use crate::series::Series;
use crate::server::Deliberate;
use crate::watchdog::Watchdog;
use crate::world::{Progress, World};

/// How long anything may take that the faults let go on. They last two seconds at most; the rest is
/// for a machine that is very busy.
pub(crate) const HANGS_AFTER: Duration = Duration::from_secs(40);

/// Everything is set up and taken down so often. The allocator keeps some of what is free, so what
/// is left after the last is held to what was left after the others.
const ROUNDS: u32 = 4;

/// How long everything may take, beside the time that was asked for.
const GRACE: Duration = Duration::from_secs(600);

fn main() -> ExitCode {
    let options = match Options::parse() {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(mistake) => return nothing_run(&format!("{mistake}\n{USAGE}")),
    };
    if let Err(mistake) = resources::raise_limit(options.clients) {
        return nothing_run(&mistake);
    }
    println!("chaos {options}");
    let (tally, violations) = <(Arc<Tally>, Arc<Violations>)>::default();
    report_panics(&violations);
    let begun = Instant::now();
    if let Err(error) = run(&options, &tally, &violations) {
        return nothing_run(&error.to_string());
    }
    print!("{tally}");
    expected::look(&options, &tally, &violations);
    let answered = tally.total(Group::Outcomes);
    println!("{answered} outcomes in {:.1?}; {} violations", begun.elapsed(), violations.count());
    if violations.count() == 0 {
        return ExitCode::SUCCESS;
    }
    println!("the same plan again: chaos {options}");
    ExitCode::FAILURE
}

fn nothing_run(mistake: &str) -> ExitCode {
    eprintln!("chaos: {mistake}");
    ExitCode::from(2)
}

fn run(options: &Options, tally: &Arc<Tally>, violations: &Arc<Violations>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let progress = Arc::new(Progress::default());
    let _watchdog = Watchdog::new(options.time + GRACE, Arc::clone(&progress));
    let series = options.series.as_deref();
    let series = series.map(|file| Series::begin(file, runtime.handle(), tally)).transpose()?;
    let secrets = Secrets::new()?;
    let mut left = Vec::new();
    for number in 1..=ROUNDS {
        let folder = tempfile::tempdir()?;
        let world =
            World::new(options, number, folder.path(), tally, violations, &progress, &secrets);
        if let Some(series) = &series {
            series.round(number);
        }
        let (late, time) = (Arc::clone(tally), options.time / ROUNDS);
        let goes_on = {
            let options = options.clone();
            move || number == ROUNDS && expected::is_late(&options, &late)
        };
        runtime.block_on(async { tokio::spawn(round::run(world, time, goes_on)).await })??;
        if let Some((resident, most)) = resident_mib() {
            println!("after round {number}: {resident} MiB resident, {most} MiB at most so far");
            left.push(resident);
        }
    }
    if let Some((last, before)) = left.split_last()
        && let Some(before) = before.iter().max()
        && *last > before + resources::tolerance_mib(options.clients)
    {
        violations.add(format!("{last} MiB are left, and no more than {before} were before"));
    }
    series.map_or(Ok(()), Series::end)
}

/// A panic that nobody has asked for is a violation, wherever it is caught.
fn report_panics(violations: &Arc<Violations>) {
    let violations = Arc::clone(violations);
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !panic.payload().is::<Deliberate>() {
            print(panic);
            violations.add(panic);
        }
    }));
}
