use clap::{Args, Parser, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

/// A command line for AMP, the Asynchronous Messaging Protocol
///
/// Describes what commands look like on the wire, and tells which changes break peers that know them as
/// they were. Commands are known from schemas: the texts that the `SchemaRecord` of the library writes
/// beside the tests.
///
/// The exit code is 0 when all is well, 1 when `check` has found a change that breaks peers, and 2 when
/// something is wrong with what was asked for.
#[derive(Debug, Parser)]
#[command(name = "ampctl", version, about, long_about, subcommand_required = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) subcommand: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Subcommand {
    /// Shows the commands of a schema, or all that is known of one
    Describe(Describe),
    /// Tells which changes of a schema break peers that know it as it was
    Check(Check),
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
