//! Completions and manual pages, for packages of the program.

use clap::CommandFactory;
use clap_complete::Shell;
use std::path::Path;
use std::process::ExitCode;

use crate::mistake::Mistake;
use crate::options::Options;

pub(crate) fn completions(shell: Shell, out: &mut Vec<u8>) {
    clap_complete::generate(shell, &mut Options::command(), "ampctl", out);
}

/// Writes `ampctl.1`, and a page for each subcommand.
pub(crate) fn manuals(folder: &Path) -> Result<ExitCode, Mistake> {
    clap_mangen::generate_to(Options::command(), folder).map_err(|error| {
        let folder = folder.display();
        Mistake::new(format!("cannot write manual pages into {folder}: {error}"))
    })?;
    Ok(ExitCode::SUCCESS)
}
