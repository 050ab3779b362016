//! `ampctl`, a command line for AMP: see `ampctl --help`.
//!
//! Each subcommand is a file or a folder of its name, but for `completions` and `man`, which are in
//! `packaging`. The command lines are in `options`, `peering`, `connecting`, `tls` and `watch_options`, and
//! what has examples of their help in `help`. A call that a user has written goes through `words` and
//! `scalars`, or as a whole line through `line`, with files from `opening`, and is an `ask` once it fits
//! its schema, whose words for types are those of `type_words`. `called` is what a peer calls here, answered by `rules`. An `address` becomes a `stream`, of
//! those that connect by `listening`, and of `programs` that are started.
//! Whatever is wrong is a `mistake`, or a failure of `exit`; what comes from others is shown by `output`,
//! `table` and `descriptors`, without what `hide` takes out, on one line by `on_line`, and printed by
//! `printing`. `watching` is what `tap`, `replay` and `decode` share.

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
mod descriptors;
mod duration;
mod exit;
mod generate;
mod help;
mod hex;
mod hide;
mod hints;
mod import;
mod line;
mod listen;
mod listening;
mod mistake;
mod on_line;
mod opening;
mod options;
mod output;
mod packaging;
mod peering;
mod printing;
mod programs;
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
mod type_words;
mod watch_options;
mod watching;
mod whole_file;
mod words;

use clap::Parser;
use std::process::ExitCode;

use crate::options::{Options, Subcommand};
use crate::printing::{print, tell};

fn main() -> ExitCode {
    let options = Options::parse();
    let mut out = Vec::new();
    let done = match options.subcommand {
        Subcommand::Call(options) => call::call(&options),
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
        Subcommand::Comply(options) => comply::comply(&options),
        Subcommand::Decode(options) => decode::decode(&options, &mut out),
        Subcommand::Completions { shell } => {
            packaging::completions(shell, &mut out);
            Ok(ExitCode::SUCCESS)
        }
        Subcommand::Man { folder } => packaging::manuals(&folder),
    };
    // What is before a mistake is printed too.
    let printed = if out.is_empty() { Ok(()) } else { print(&out) };
    match (done, printed) {
        (Err(mistake), _) => {
            tell(mistake);
            ExitCode::from(exit::WRONG_USE)
        }
        (Ok(code), Ok(())) => code,
        (Ok(code), Err(failure)) if failure.said.is_empty() => code,
        (Ok(_), Err(failure)) => {
            tell(failure.said);
            ExitCode::from(failure.code)
        }
    }
}
