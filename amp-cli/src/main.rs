//! `ampctl`, a command line for AMP: see `ampctl --help`.
//!
//! Each subcommand is a file or a folder of its name, but for `completions` and `man`, which are in
//! `packaging`. These files are shared:
//!
//! | subject | files |
//! |---|---|
//! | the command line | `options`; `peering`, `connecting`, `tls` and `watch_options` have what several subcommands take, `help` the texts with examples |
//! | a peer, its schemas and its login | `peering`; `config` knows peers by their names, of files that nobody else can have written (`trust`) |
//! | streams to a peer | `address` says where it is, `stream` makes one, `listening` gets one from a client, `connecting` begins TLS (`tls`), `StartTLS` and routes on it |
//! | programs | `programs` starts them as peers and to answer, and ends them; `running` is the runtime |
//! | a call that a user writes | `words` reads it by the schema, `scalars` single values, `line` a whole line; `opening` opens its files; `ask` is a call that fits its schema, so that only the connection can fail; `template` has arguments to fill in |
//! | a call of the peer | `called`, which `rules` answer |
//! | schemas | `schemas` reads them, `hints` says what they do not; `type_words` finds words that are nearly types |
//! | what is shown | `output`, `table` and `descriptors`; `hide` takes values out, `on_line` takes out what a terminal would act upon, `printing` prints; `hex`, `duration` and `whole_file` are for single forms |
//! | what goes wrong | a `mistake` is said before anything is done; `exit` has the codes |
//!
//! `import` gives the files of Python in its folder to the user's `interpreter`. `syntax.py` and `meanings.py`
//! find by reading what names stand for. `slicing.py` executes of a program what its commands need, with
//! `stand_ins.py` for what is not found and within the bounds of `limits.py`. `doubts.py` names what is not
//! executed and might matter, `wire_types.py` finds out what arguments are, and `record.py` writes the schema.
//!
//! `generate` makes code of a schema: `rust`, `python` and `markdown`. `styles` knows what the derive macros
//! make of names. `text` stands between the text of a schema, which anybody may have written, and code. Its
//! tests compile `tests/src/odd/`, of names that are none, and `tests/src/trade.rs`, which speaks with Twisted.
//!
//! `watching` is what `tap`, `replay` and `decode` share: the boxes of a conversation of others, which answer
//! belongs to which call, records and captures. `tap` passes bytes on and looks at a copy of them, so it cannot
//! change what is said.

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
mod trust;
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
