//! `ampctl`, a command line for AMP: see `ampctl --help`.

mod address;
mod ask;
mod bench;
mod call;
mod called;
mod check;
mod comply;
mod config;
mod connecting;
mod decode;
mod describe;
mod duration;
mod exit;
mod files;
mod generate;
mod hints;
mod import;
mod line;
mod listen;
mod mistake;
mod options;
mod output;
mod packages;
mod peering;
mod replay;
mod rules;
mod running;
mod scalars;
mod schemas;
mod serve;
mod session;
mod stream;
mod table;
mod tap;
mod template;
mod tls;
mod watch_options;
mod watching;
mod words;

use clap::Parser;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::options::{Options, Subcommand};

fn main() -> ExitCode {
    let options = Options::parse();
    let mut out = Vec::new();
    let done = match options.subcommand {
        Subcommand::Call(options) => call::call(&options, &mut out),
        Subcommand::Session(options) => session::session(&options),
        Subcommand::Serve(options) => serve::serve(&options),
        Subcommand::Listen(options) => listen::listen(&options),
        Subcommand::Describe(options) => describe::describe(&options, &mut out),
        Subcommand::Check(options) => check::check(&options, &mut out),
        Subcommand::Generate(options) => generate::generate(&options, &mut out),
        Subcommand::Import(options) => import::import(&options, &mut out),
        Subcommand::Tap(options) => tap::tap(&options),
        Subcommand::Replay(options) => replay::replay(&options),
        Subcommand::Bench(options) => bench::bench(&options),
        Subcommand::Comply(options) => comply::comply(&options, &mut out),
        Subcommand::Decode(options) => decode::decode(&options, &mut out),
        Subcommand::Completions { shell } => {
            packages::completions(shell, &mut out);
            Ok(ExitCode::SUCCESS)
        }
        Subcommand::Man { folder } => packages::manuals(&folder),
    };
    // Whoever reads it may have read enough.
    match (done, io::stdout().write_all(&out)) {
        (Err(mistake), _) => {
            eprintln!("ampctl: {mistake}");
            ExitCode::from(exit::WRONG_USE)
        }
        (Ok(_), Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("ampctl: cannot write: {error}");
            ExitCode::from(exit::WRONG_USE)
        }
        (Ok(code), _) => code,
    }
}
