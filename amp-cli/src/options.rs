use clap::{Args, Parser, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;
use std::time::Duration;

use crate::connecting::Connecting;
use crate::duration::duration;
use crate::generate::Generate;
use crate::import::Import;
use crate::output::{Color, Output};
use crate::peering::PeerOptions;
use crate::tls::Tls;
use crate::watch_options::{Bench, Comply, Decode, Replay, Tap};

/// A command line for AMP, the Asynchronous Messaging Protocol
///
/// Calls peers and answers them, describes what commands look like on the wire, and tells which changes
/// break peers that know them as they were. Commands are known from schemas: the texts that the
/// `SchemaRecord` of the library writes beside the tests, or that a server hands out.
///
/// A peer is an address, or a name of `ampctl.toml`, which is looked for in this folder, in those around
/// it, and in the user's folder for configuration:
///
///     [peers.calculator]
///     address = "unix:/run/calculator"
///     schema = ["calculator.schema"]
///
/// It takes the flags of `ampctl call` that are about the peer, by the same names. Paths begin where the
/// file is.
///
/// Exit codes: 0 when all is well; 1 for an error that the command declares, and when `check` has found a
/// change that breaks peers; 2 when something is wrong with what was asked for, and nothing was sent but
/// what `--reflect` asks; 3 without a connection; 4 for an error that is not declared; 5 when the peer does not handle the command;
/// 6 when the connection ended before the answer; 7 when the answer does not fit the schema; 8 when it came
/// and could not be printed, copied or handed on; 124 when it did not come in time; 130 when the user
/// interrupted the call.
#[derive(Debug, Parser)]
#[command(
    name = "ampctl",
    version,
    about,
    long_about,
    subcommand_required = true,
    verbatim_doc_comment
)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) subcommand: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Subcommand {
    /// Makes one call, and prints the answer as JSON
    Call(Call),
    /// Prints what the peer calls, a line of JSON for each call, and answers by rules, if there are some
    Listen(Listen),
    /// Makes many calls on one connection: lines in, and a line of JSON out for each
    ///
    /// A line of standard input is a call as `ampctl call` has it, NAME KEY=VALUE..., or JSON:
    /// `{"command": NAME, "arguments": {..}, "one_way": true}`, of which only the command has to be there.
    /// Empty lines and those that begin with # are left out. What is printed has the command and one of
    /// "answer", "error" with "description", "sent" and "failed"; or "line" and "mistake" for a line that
    /// was not understood, of which nothing was sent. Each call is answered before the next is made. The
    /// exit code is that of the first call that was not answered.
    Session(Session),
    /// Answers calls by rules, or by a program: a test double of a server
    ///
    /// Prints `listening ADDRESS`, and then a line of JSON for each call, until it is interrupted. Rules
    /// are tables of TOML, and the first that is for a call answers it:
    ///
    ///     [[rule]]
    ///     command = "Divide"
    ///     when = { denominator = 0 }     # a part of the arguments
    ///     error = "ZERO_DIVISION"
    ///     description = "division by zero"
    ///
    ///     [[rule]]
    ///     command = "Divide"
    ///     answer = { result = 0.5 }
    ///
    /// A rule has one of `answer`, `answers` (in turn), `error` with a `description`, `close = true`, and
    /// `exec`, a program that reads the call as JSON and prints {"answer": {..}} or {"error": CODE,
    /// "description": TEXT}; for a protocol switch, the program is joined to the stream. `delay = "1s"`
    /// waits before, `call = [{ command = NAME, arguments = {..} }]` calls the peer back before, of a
    /// protocol switch with one-way commands only, and after `times = N` the rule is used up. A program that has not answered within a minute is ended. A
    /// Descriptor is { file = PATH, access = "r" }. The exit code is 1 when a rule with `times` was not
    /// used as often.
    #[command(verbatim_doc_comment)]
    Serve(Serve),
    /// Shows the commands of a schema, or all that is known of one
    Describe(Describe),
    /// Tells which changes of a schema break peers that know it as it was
    Check(Check),
    /// Prints code, or a document, that is made of a schema
    Generate(Generate),
    /// Prints the schema of commands that are in another language
    Import(Import),
    /// Stands between clients and a server, and shows what they say to each other
    ///
    /// Bytes and descriptors are passed on as they came, whatever they are. There is a line for each box
    /// that a copy of them has: when it came, since the beginning, in seconds; which connection it was
    /// on; `->` when the client has sent it, and `<-` when the server has; and what it is. An answer says
    /// how long it took. Behind the answer to `StartTLS`, or to a command that the schema calls a switch,
    /// bytes are passed on unread. It ends when it is interrupted.
    ///
    /// The server does not see who its clients are, but this program: checks of the user or of the
    /// address that a connection comes from are made of whoever runs it. Only this user can connect to a
    /// Unix socket that is listened on, and read the files that are written.
    Tap(Tap),
    /// Makes the calls of a record again, and compares the answers
    ///
    /// The record is one of `ampctl tap --record`. Each of its connections is made again, one after the
    /// other, with its calls in their order; calls that were under way together are so again. There is a
    /// line for each answer that differs, and one at the end. Calls of the peer are answered as the client
    /// has answered them. Descriptors are compared by what they are; files are sent again that were saved
    /// by `--save-descriptors`, and need a schema. A call whose values were hidden and a protocol switch
    /// are not made again, which is said. The exit code is 1 when an answer differs, or a call was not
    /// made.
    Replay(Replay),
    /// Makes one call again and again, and measures how long its answers take
    ///
    /// The call is written once. Each caller calls again as soon as it was answered, or calls begin at a
    /// rate. What is measured does not count the half second before.
    Bench(Bench),
    /// Holds the conversations of the compliance suite with a peer that serves its commands
    ///
    /// There is a line for each as soon as it and those before it are over, and one at the end. They
    /// compare bytes: with those of Twisted, or with those of `compliance-peer` in this repository, which
    /// differs on purpose here and there. The exit code is 0 when all went as expected, and 1 when any
    /// did not.
    Comply(Comply),
    /// Shows boxes that were kept: as bytes, in a capture or in a record
    Decode(Decode),
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

#[derive(Args, Debug)]
pub(crate) struct Call {
    #[command(flatten)]
    pub(crate) peer: PeerOptions,
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
    #[arg(long, conflicts_with_all = ["accept", "copies", "exec", "output"])]
    pub(crate) one_way: bool,
    /// Takes an error with this code for an answer: exit code 0
    #[arg(long, value_name = "CODE")]
    pub(crate) accept: Vec<String>,
    /// Copies what a received descriptor reads into a file
    #[arg(long = "fd", value_name = "KEY=FILE")]
    pub(crate) copies: Vec<String>,
    /// Runs a program once the answer is there, with the descriptor that came under KEY in place of
    /// {KEY}: `--exec 'wc -c /dev/fd/{file}'`
    ///
    /// The program inherits those descriptors, and each {KEY} becomes the number of one. What it ends
    /// with is the exit code.
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) exec: Option<String>,
    /// Joins standard input and output to the stream afterwards: the command asks for a protocol
    /// switch, as a schema says itself
    #[arg(long, conflicts_with_all = ["one_way", "copies", "exec", "output"])]
    pub(crate) switch: bool,
    /// How the answer is printed: `json`, `pretty`, `table`, `value:KEY`, `raw` as on the wire, or `none`;
    /// pretty on a terminal, json otherwise
    ///
    /// Values that the schema calls secret are shown as `(hidden)`, but for one that `value:KEY` asks for.
    /// An optional value that is not in the answer is nothing.
    #[arg(long, value_parser = Output::parse)]
    pub(crate) output: Option<Output>,
    /// Whether what is printed for people has colours
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,
}

#[derive(Args, Debug)]
pub(crate) struct Session {
    #[command(flatten)]
    pub(crate) peer: PeerOptions,
}

#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// Where to listen: `unix:PATH`, `unix:@ABSTRACT`, `tcp:HOST:PORT`, `tls:HOST:PORT`, `systemd:`; or
    /// one peer: `exec:PROGRAM`, `pipes:READ,WRITE`, `stdio:`
    pub(crate) address: String,
    /// The rules, a file of TOML that is read again when it changes
    #[arg(long, value_name = "FILE", required_unless_present = "exec")]
    pub(crate) rules: Option<PathBuf>,
    /// Lets a program answer what no rule does: it reads a call as a line of JSON, and prints
    /// {"answer": {..}} or {"error": CODE, "description": TEXT}
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) exec: Option<String>,
    /// Where the schema is: a file, or `git:REVISION:PATH`; may be given more than once
    #[arg(long = "schema", value_name = "SCHEMA")]
    pub(crate) schemas: Vec<String>,
    /// Shows `(hidden)` in place of the values with this key; may be given more than once
    #[arg(long = "hide", value_name = "KEY")]
    pub(crate) hidden: Vec<String>,
    /// Speaks on a route of this name
    #[arg(long, value_name = "NAME", conflicts_with = "start_tls")]
    pub(crate) route: Option<String>,
    #[command(flatten)]
    pub(crate) tls: Tls,
}

#[derive(Args, Debug)]
pub(crate) struct Listen {
    #[command(flatten)]
    pub(crate) peer: PeerOptions,
    /// Ends after so many calls
    #[arg(long, value_name = "N", value_parser = count)]
    pub(crate) count: Option<u64>,
    /// Ends after such a time
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
}

#[derive(Args, Debug)]
pub(crate) struct Describe {
    /// The command; all of them, a line for each, without
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Option<String>,
    /// Where the schema is: a file, or `git:REVISION:PATH`; may be given more than once
    #[arg(long = "schema", value_name = "SCHEMA", required_unless_present = "reflect")]
    pub(crate) schemas: Vec<String>,
    /// Asks this peer, an address or a name that `ampctl.toml` has, what it answers
    #[arg(long, value_name = "PEER")]
    pub(crate) reflect: Option<String>,
    #[command(flatten)]
    pub(crate) connecting: Connecting,
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

fn count(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "it is a number of calls, as 10".to_owned())
}
