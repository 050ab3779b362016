//! What a hostile peer can do to a server at worst: attacks one that has its default settings, in a
//! process of its own, and measures what that costs it. `SECURITY.md` has the table.
//!
//! ```text
//! cargo run --release --bin hostile
//! ```
//!
//! Each figure has a bound; one that is over it makes the exit code 1, and one that shows that the attack
//! has missed makes it 2, as does a bound that is not that of the table. With `--small` each attack is
//! made with less, for machines that have other things to do; only the bound of the wait beside
//! flooders is wider then. The bounds are those of an optimised build on Linux.

mod attacks;
mod commands;
mod figure;
mod options;
mod server;
mod target;

use std::io;
use std::process::ExitCode;

use crate::attacks::{ATTACKS, Attack};
use crate::figure::Figure;
use crate::options::{Mode, Options, USAGE};

/// Where the bounds are published.
const TABLE: &str = include_str!("../../../../SECURITY.md");

/// How often an attack is made at most.
const ATTEMPTS: usize = 3;

fn main() -> ExitCode {
    match Options::parse() {
        Ok(Mode::Help) => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        Ok(Mode::Serve(path)) => match server::run(&path) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => nothing_run(&error.to_string()),
        },
        Ok(Mode::Attack(options)) => attack(&options),
        Err(mistake) => nothing_run(&format!("{mistake}\n{USAGE}")),
    }
}

fn nothing_run(mistake: &str) -> ExitCode {
    eprintln!("hostile: {mistake}");
    ExitCode::from(2)
}

/// The figures of an attack. It is made again while no more than a time is over its bound: what else the
/// machine has to do makes times longer and never shorter.
fn least_of(options: &Options, attack: Attack) -> io::Result<Vec<Figure>> {
    let mut figures = attack(options)?;
    for _ in 1..ATTEMPTS {
        let mut over = figures.iter().filter(|figure| !figure.is_within()).peekable();
        if over.peek().is_none() || !over.all(Figure::is_a_time) {
            break;
        }
        for (seen, again) in figures.iter_mut().zip(attack(options)?) {
            // Of times the least counts, and of everything else the most.
            if (again.seen < seen.seen) == seen.is_a_time() {
                *seen = again;
            }
        }
    }
    Ok(figures)
}

fn attack(options: &Options) -> ExitCode {
    println!("| attack | what it costs the server | seen | bound |\n|---|---|---|---|");
    let (mut over, mut failed) = (0, 0);
    for (name, attack) in ATTACKS {
        if options.only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let figures = match least_of(options, attack) {
            Ok(figures) => figures,
            Err(error) => {
                eprintln!("hostile: {name}: {error}");
                failed += 1;
                continue;
            }
        };
        for figure in figures {
            let Figure { what, seen, bound, unit, .. } = &figure;
            // What has no unit was counted.
            let digits = usize::from(!unit.is_empty());
            if figure.has_missed() {
                eprintln!(
                    "hostile: {name}: {what} was {seen:.digits$} {unit}: the attack has missed"
                );
                failed += 1;
            }
            // With `--small`, those of this one are wider.
            if !(options.small && name == "flooded" || figure.is_in(TABLE, name)) {
                eprintln!(
                    "hostile: {name}: SECURITY.md has no row of {what:?} with {bound} {unit}"
                );
                failed += 1;
            }
            let mark = if figure.is_within() { "" } else { " **over**" };
            over += usize::from(!figure.is_within());
            println!("| {name} | {what} | {seen:.digits$} {unit}{mark} | {bound} {unit} |");
        }
    }
    match (over, failed) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => nothing_run(&format!("{failed} attacks say nothing")),
        _ => {
            println!("{over} figures are over their bounds");
            ExitCode::FAILURE
        }
    }
}
