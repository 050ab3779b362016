use clap::{Args, Parser, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;
use std::time::Duration;

use crate::connecting::Connecting;
use crate::duration::duration;
use crate::generate::Generate;
use crate::help::{PROGRAM, SERVE};
use crate::import::Import;
use crate::output::{Color, Output};
use crate::peering::PeerOptions;
use crate::tls::Tls;
use crate::watch_options::{Decode, Replay, Tap};

#[derive(Debug, Parser)]
#[command(
    name = "ampctl",
    version,
    about = "A command line for AMP, the Asynchronous Messaging Protocol",
    long_about = PROGRAM,
    subcommand_required = true,
    max_term_width = 100
)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) subcommand: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Subcommand {
    /// Makes one call, and prints the answer as JSON
    Call(Call),
    /// Prints what the peer calls, a line of JSON for each call, and answers by rules
    ///
    /// Without rules, no command is handled. Lines are the same wherever they are printed, as programs read
    /// them.
    Listen(Listen),
    /// Makes many calls on one connection: lines in, and a line of JSON out for each
    ///
    /// A line of standard input is a call as `ampctl call` has it, NAME KEY=VALUE..., or JSON:
    /// `{"command": NAME, "arguments": {..}, "one_way": true}`, of which only the command has to be there.
    /// Empty lines and those that begin with # are left out. What is printed has the command and one of
    /// "answer", "error" with "description", "sent" and "failed"; or "line" and "mistake" for a line that
    /// was not understood, of which nothing was sent. Lines are the same wherever they are printed, as
    /// programs read them; one call has other forms (`ampctl call --output`). Each call is answered before
    /// the next is made. The exit code is that of the first call that was not answered.
    Session(Session),
    /// Answers calls by rules, or by a program: a test double of a server
    #[command(long_about = SERVE)]
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
    ///
    /// Nothing is passed on while nobody reads what is printed: all connections wait for that.
    Tap(Tap),
    /// Makes the calls of a record again, and compares the answers
    ///
    /// The record is one of `ampctl tap --record`. Each of its connections is made again, one after the
    /// other, with its calls in their order; calls that were under way together are so again. There is a
    /// line for each answer that differs, and one at the end. Calls of the peer are answered as the client
    /// has answered them. Descriptors are compared by what they are; files are sent again that were saved
    /// by `--save-descriptors`, from the folder that `--saved` names, and need a schema. A call whose values were hidden and a protocol switch
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
    /// KEY=TEXT is a value of the type that the schema has, as n=-5, n=0x1f, f=inf or, of a date,
    /// at=now; KEY:=JSON is any value, and KEY@=FILE what is in a file, or in `-`, standard input.
    /// KEY:hex=00ff, KEY:base64=AP8= and KEY:env=VARIABLE are other ways to write one. Without a schema, a
    /// value is a String unless KEY:TYPE=TEXT declares it.
    ///
    /// A key that comes again is one more element of a list, and a path leads into boxes: `points[0].x=1`. A
    /// backslash takes what is behind it for a part of the key.
    ///
    /// A Descriptor is KEY@=FILE, opened to be read, KEY@w=FILE to be written anew, KEY@rw=FILE, KEY@a=FILE
    /// to be appended to, or KEY:fd=NUMBER, one that this program was started with.
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
    /// An optional value that is not in the answer is nothing. A terminal shows what it would act upon in that one.
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

#[derive(Args, Debug)]
pub(crate) struct Comply {
    /// The peer: `unix:PATH`, `tcp:HOST:PORT`, `tls:HOST:PORT`, or a name that `ampctl.toml` has
    ///
    /// Of what `ampctl.toml` says, the address and TLS count. The times of the suite are its own: it waits
    /// a minute for what a peer does not say.
    #[arg(value_name = "PEER")]
    pub(crate) peer: String,
    #[command(flatten)]
    pub(crate) tls: Tls,
    /// What the peer does after a failure that its command does not declare: Twisted closes
    #[arg(long, value_enum, default_value_t = Policy::Close)]
    pub(crate) policy: Policy,
    /// Whose differences from Twisted are expected, and say why: those of `compliance-peer`, or none
    #[arg(long, value_enum, default_value_t = Differences::None)]
    pub(crate) differences: Differences,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Policy {
    Close,
    Stay,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Differences {
    None,
    Ours,
}

#[derive(Args, Debug)]
pub(crate) struct Bench {
    #[command(flatten)]
    pub(crate) peer: PeerOptions,
    /// The name of the command
    pub(crate) command: String,
    /// The arguments, as of `call`
    #[arg(value_name = "KEY=VALUE")]
    pub(crate) words: Vec<String>,
    /// How many calls are under way at once on each connection
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) in_flight: usize,
    /// How many connections there are
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) connections: usize,
    /// Begins so many calls a second, whether others are answered or not; at most `--in-flight` are
    /// under way on each connection, and what waits for that counts as waiting for its answer
    #[arg(long, value_name = "CALLS", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// How long it is called, behind half a second that does not count
    #[arg(long = "for", value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// Does not count an error with this code; may be given more than once
    #[arg(long, value_name = "CODE")]
    pub(crate) accept: Vec<String>,
    /// Ends with exit code 1 where this is so: `p99>5ms`, `errors>0`, `rate<1000`; may be given more
    /// than once
    #[arg(long = "fail-if", value_name = "BOUND")]
    pub(crate) bounds: Vec<String>,
    /// Prints one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A rate whose calls are apart by a time that can be waited for.
fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if (0.001..=1e6).contains(&rate) {
        Ok(rate)
    } else {
        Err("there is a call every 1000 seconds at least, and 1000000 a second at most".to_owned())
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=65_535) => Ok(number),
        _ => Err("it is a number from 1 to 65535".to_owned()),
    }
}

fn count(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "it is a number of calls, as 10".to_owned())
}
