//! A manager for Twisted's trial: it runs tests in Python on several of trial's own workers, and speaks
//! with them as `trial --jobs` does.
//!
//! ```text
//! cargo run --example trial
//! cargo run --example trial FOLDER MODULE...
//! ```
//!
//! Without arguments it runs `suite.py` beside this file. Its tests end in every possible way, and some of them end their
//! workers too. `suite.txt` says how many end in which way. This needs a Python that has Twisted, such as the one that the
//! tests install. `AMP_PYTHON` names another.
//!
//! Read `worker.rs` first, which has one worker, and then `manager.rs`, which has several. `commands.rs` was not written by
//! hand: `ampctl import python` has printed `trial.schema` from trial's classes, and `ampctl generate rust` has made the
//! code from that.

// It has all of trial's protocol, and is as it would be in a library.
#[allow(dead_code, unreachable_pub)]
mod commands;
mod manager;
#[path = "../python.rs"]
mod python;
mod report;
mod worker;

use std::env;
use std::error::Error;
use std::num::NonZero;
use std::path::Path;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

use crate::manager::Manager;
use crate::report::Report;

type AnyError = Box<dyn Error + Send + Sync>;

const OWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/trial");

/// How long a test may take. Trial itself gives up a Deferred after two minutes.
const LONGEST: Duration = Duration::from_secs(150);

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match &arguments[..] {
        [] => run(OWN, &["suite".to_owned()]).await.and_then(|report| is_as_expected(&report)),
        [folder, modules @ ..] if !modules.is_empty() => {
            run(folder, modules).await.map(|report| report.is_well())
        }
        _ => {
            eprintln!("trial: it takes a folder and names of modules, or nothing");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("trial: {}", amp_core::Report::new(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Runs tests, with a line for each that has ended, and a summary.
async fn run(folder: &str, modules: &[String]) -> Result<Report, AnyError> {
    let manager = Manager {
        python: python::with_twisted()?,
        // Its workers are elsewhere.
        folder: Path::new(folder).canonicalize()?,
        workers: available_parallelism().map_or(2, NonZero::get).max(2),
        longest: LONGEST,
    };
    let report =
        manager.run(modules, |done, all, ended| println!("{done:>4}/{all} {ended}")).await?;
    println!("\n{report}");
    Ok(report)
}

/// Whether the tests of `suite.py` have ended as they are to end.
fn is_as_expected(report: &Report) -> Result<bool, AnyError> {
    let expected = include_str!("suite.txt").trim_end();
    if report.to_string().lines().next_back() != Some(expected) {
        return Err(format!("there were to be {expected}").into());
    }
    println!("all as it is to be");
    Ok(true)
}
