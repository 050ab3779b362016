//! The command lines of what looks at boxes of others, or has kept some.

use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

use crate::connecting::Connecting;
use crate::duration::duration;
use crate::peering::PeerOptions;

#[derive(Args, Clone, Debug)]
pub(crate) struct Tap {
    /// Where clients connect to, instead of to the server: `unix:PATH`, `unix:@ABSTRACT`, `tcp:HOST:PORT` or
    /// `systemd:`
    pub(crate) address: String,
    /// The server: `unix:PATH`, `unix:@ABSTRACT`, `tcp:HOST:PORT`, `tls:HOST:PORT`, `exec:PROGRAM`,
    /// which is started for each client, or a name that `ampctl.toml` has
    pub(crate) peer: String,
    /// Where the schema of what the server answers is: a file, or `git:REVISION:PATH`; may be given more
    /// than once
    #[arg(long = "schema", value_name = "SCHEMA")]
    pub(crate) schemas: Vec<String>,
    /// Where the schema of what the server calls is, if that is another one
    #[arg(long = "peer-schema", value_name = "SCHEMA")]
    pub(crate) peer_schemas: Vec<String>,
    /// Does not show the values of this key, nor records them, wherever it is; may be given more than
    /// once. Those that a schema calls secret are not shown either
    #[arg(long = "hide", value_name = "KEY")]
    pub(crate) hidden: Vec<String>,
    /// Shows only what is about this command; may be given more than once
    #[arg(long, value_name = "COMMAND")]
    pub(crate) only: Vec<String>,
    /// Shows only answers that took at least so long: `100ms`, `2s`
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) slow: Option<Duration>,
    /// Writes a line of JSON for each box and each descriptor: what `replay` and `decode` read
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Writes a capture, which Wireshark reads with `amp.lua`
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,
    /// Says at the end how often each command was called, and how long its answers took
    #[arg(long)]
    pub(crate) stats: bool,
    /// Copies what is in the files that descriptors are of into this folder, so that they can be replayed:
    /// at most 64 MiB of one, and 1 GiB of all
    #[arg(long, value_name = "FOLDER")]
    pub(crate) save_descriptors: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) connecting: Connecting,
}

#[derive(Args, Debug)]
pub(crate) struct Replay {
    /// The record
    pub(crate) record: PathBuf,
    #[command(flatten)]
    pub(crate) peer: PeerOptions,
    /// Listens at PEER instead, and answers calls as they were answered when they were recorded; of
    /// calls that are alike, in turn
    #[arg(long)]
    pub(crate) serve: bool,
    /// Sends the files of this folder where `tap --save-descriptors` has put them there; without,
    /// calls and answers that have some are not made
    #[arg(long, value_name = "FOLDER")]
    pub(crate) saved: Option<PathBuf>,
    /// Is content when a call was not made again, which is said all the same
    #[arg(long)]
    pub(crate) allow_not_made: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Decode {
    /// The file; standard input without, or when it is `-`
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// What is in the file; what it looks like without
    #[arg(long = "as", value_enum, value_name = "WHAT")]
    pub(crate) form: Option<Form>,
    /// Where the schema is: a file, or `git:REVISION:PATH`; may be given more than once
    #[arg(long = "schema", value_name = "SCHEMA")]
    pub(crate) schemas: Vec<String>,
    /// Does not show the values of this key, wherever it is; may be given more than once
    #[arg(long = "hide", value_name = "KEY")]
    pub(crate) hidden: Vec<String>,
    /// Prints a line of JSON for each box, as `tap --record` writes them
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Form {
    /// Boxes as they are on the wire
    Raw,
    /// Their bytes in hexadecimal digits; spaces and colons between them do not matter
    Hex,
    /// Their bytes in base64
    Base64,
    /// A capture, as `ampctl tap --pcap` writes it
    Capture,
    /// A record, as `ampctl tap --record` writes it
    Record,
}
