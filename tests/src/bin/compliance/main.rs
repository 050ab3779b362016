//! Holds the conversations of the compliance suite with whatever listens at an address and serves
//! the suite's commands, and prints how each went, one line a conversation.
//!
//! The exit code is 0 when all went as expected, 1 when any did not, and 2 when none was held.

mod options;

use amp_tests::RawClient;
use amp_tests::conversations::hold_all;
use std::process::ExitCode;

use crate::options::{Options, USAGE};

fn main() -> ExitCode {
    let Options { address, expected } = match Options::parse() {
        Ok(options) => options,
        Err(mistake) => {
            eprintln!("{mistake}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    // Said once here rather than in every line.
    if let Err(error) = RawClient::connect(&address) {
        eprintln!("cannot connect to {address}: {error}");
        return ExitCode::from(2);
    }
    let outcomes = hold_all(&address, expected);
    for outcome in &outcomes {
        println!("{outcome}");
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.is_ok()).count();
    println!("{failed} of {} conversations differ", outcomes.len());
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
