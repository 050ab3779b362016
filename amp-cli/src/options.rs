use clap::{Args, Parser, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;
use std::time::Duration;

use crate::address::Address;
use crate::connecting::Connecting;
use crate::import::Import;

/// A command line for AMP, the Asynchronous Messaging Protocol
///
/// Calls peers, describes what commands look like on the wire, and tells which changes break peers that know them as
/// they were. Commands are known from schemas: the texts that the `SchemaRecord` of the library writes
/// beside the tests.
///
/// Exit codes: 0 when all is well; 1 for an error that the command declares, and when `check` has found a
/// change that breaks peers; 2 when something is wrong with what was asked for, and nothing was sent; 3
/// without a connection; 4 for an error that is not declared; 5 when the peer does not handle the command;
/// 6 when the connection ended before the answer; 7 when the answer does not fit the schema; 124 when the
/// answer did not come in time; 130 when the user interrupted the call.
#[derive(Debug, Parser)]
#[command(name = "ampctl", version, about, long_about, subcommand_required = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) subcommand: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Subcommand {
    /// Makes one call, and prints the answer as JSON
    Call(Call),
    /// Prints what the peer calls, a line of JSON for each call, and answers that it is not handled
    Listen(Listen),
    /// Shows the commands of a schema, or all that is known of one
    Describe(Describe),
    /// Tells which changes of a schema break peers that know it as it was
    Check(Check),
    /// Prints the schema of commands that are in another language
    Import(Import),
    /// Prints a script that completes the command line in a shell
    ///
    /// For bash: `ampctl completions bash > ~/.local/share/bash-completion/completions/ampctl`
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Writes the manual pages into a folder
    Man {
        /// The folder, which has to be there
        folder: PathBuf,
    },
}

/// Whom to talk to, and what is known of it.
#[derive(Args, Debug)]
pub(crate) struct Peering {
    /// The peer: `unix:PATH`, `unix:@ABSTRACT`, `tcp:HOST:PORT`, `tls:HOST:PORT`, `exec:PROGRAM`,
    /// `pipes:READ,WRITE` or `stdio:`
    pub(crate) peer: Address,
    /// Where the schema is: a file, or `git:REVISION:PATH`; may be given more than once
    #[arg(long = "schema", value_name = "SCHEMA")]
    pub(crate) schemas: Vec<String>,
    /// Asks the peer for its schema first
    #[arg(long)]
    pub(crate) reflect: bool,
    /// How long the answer may take: `10s`, `500ms`, `2m`
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) connecting: Connecting,
}

#[derive(Args, Debug)]
pub(crate) struct Call {
    #[command(flatten)]
    pub(crate) peering: Peering,
    /// The name of the command
    pub(crate) command: String,
    /// The arguments
    ///
    /// KEY=TEXT is a value of the type that the schema has; KEY:=JSON, or KEY@=FILE with what is in a file,
    /// or in `-`, standard input. KEY:hex=00ff, KEY:base64=AP8= and KEY:env=VARIABLE are others. A key that
    /// comes again is one more element of a list, and a path leads into boxes: `points[0].x=1`. Without a
    /// schema, a value is a String unless KEY:TYPE=TEXT declares it. A Descriptor is KEY@=FILE, opened to
    /// be read, KEY@w=FILE to be written anew, KEY@rw=FILE or KEY@a=FILE to be appended to. A backslash
    /// takes what is behind it for a part of the key.
    #[arg(value_name = "KEY=VALUE")]
    pub(crate) words: Vec<String>,
    /// A whole box of arguments: JSON, `@FILE` or `-`; further arguments are added
    #[arg(long, value_name = "JSON")]
    pub(crate) json: Option<String>,
    /// Wants no answer; a schema says so itself
    #[arg(long)]
    pub(crate) one_way: bool,
    /// Takes an error with this code for an answer: exit code 0
    #[arg(long, value_name = "CODE")]
    pub(crate) accept: Vec<String>,
    /// Copies what a received descriptor reads into a file
    #[arg(long = "fd", value_name = "KEY=FILE")]
    pub(crate) copies: Vec<String>,
    /// How the answer is printed: `json`, `pretty`, `value:KEY` or `none`; pretty on a terminal
    #[arg(long, value_parser = output)]
    pub(crate) output: Option<Output>,
}

#[derive(Args, Debug)]
pub(crate) struct Listen {
    /// The peer: `unix:PATH`, `unix:@ABSTRACT`, `tcp:HOST:PORT`, `tls:HOST:PORT`, `exec:PROGRAM`,
    /// `pipes:READ,WRITE` or `stdio:`
    pub(crate) peer: Address,
    /// Where the schema of what the peer calls is: a file, or `git:REVISION:PATH`
    #[arg(long = "schema", value_name = "SCHEMA")]
    pub(crate) schemas: Vec<String>,
    /// Ends after so many calls
    #[arg(long)]
    pub(crate) count: Option<u64>,
    /// Ends after such a time
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    #[command(flatten)]
    pub(crate) connecting: Connecting,
}

/// How an answer is printed.
#[derive(Clone, Debug)]
pub(crate) enum Output {
    Json,
    Pretty,
    Value(String),
    None,
}

fn output(text: &str) -> Result<Output, String> {
    match text {
        "json" => Ok(Output::Json),
        "pretty" => Ok(Output::Pretty),
        "none" => Ok(Output::None),
        _ => match text.strip_prefix("value:") {
            Some(key) => Ok(Output::Value(key.to_owned())),
            None => Err("it is json, pretty, value:KEY or none".to_owned()),
        },
    }
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let scale = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("a time is a number and ms, s, m or h, as 10s".to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| format!("{number:?} is no number"))?;
    Duration::try_from_secs_f64(number * scale).map_err(|error| error.to_string())
}

#[derive(Args, Debug)]
pub(crate) struct Describe {
    /// The command; all of them, a line for each, without
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Option<String>,
    /// Where the schema is: a file, or `git:REVISION:PATH`; may be given more than once
    #[arg(long = "schema", value_name = "SCHEMA", required = true)]
    pub(crate) schemas: Vec<String>,
    /// Prints arguments to fill in, as one JSON object
    #[arg(long, requires = "command", conflicts_with = "json")]
    pub(crate) template: bool,
    /// Prints what is known as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Check {
    /// The schema as peers know it: a file, or `git:REVISION:PATH`
    pub(crate) old: String,
    /// The schema as it is to be: a file, or `git:REVISION:PATH`
    pub(crate) new: String,
    /// How the changes are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// A line for each change; those that break peers begin with `breaks`
    Text,
    /// One JSON array
    Json,
    /// Annotations of GitHub Actions
    Github,
}
