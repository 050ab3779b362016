//! Where there is a Python that has Twisted.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::AnyError;

const HELP: &str = "\
This example needs a Python that has Twisted. To install one:

    python3 -m venv target/twisted
    target/twisted/bin/pip install Twisted
    AMP_PYTHON=target/twisted/bin/python cargo run --example NAME

On Debian and Ubuntu the first needs: apt-get install python3-venv
`cargo test --workspace` installs one as well, which this example finds by itself.";

/// The Python that `AMP_PYTHON` names; without that, the one that the tests have installed below
/// the target folder, or else the system's.
pub(crate) fn with_twisted() -> Result<PathBuf, AnyError> {
    let candidates: Vec<PathBuf> = if let Some(python) = env::var_os("AMP_PYTHON") {
        vec![python.into()]
    } else {
        // Cargo puts this program three levels below that folder. Further up the same name would be
        // one in `/tmp`, where anybody may put a program.
        let program = env::current_exe()?;
        let target = program.ancestors().nth(3);
        let installed = target.map(|folder| folder.join("tmp/python/bin/python"));
        installed.filter(|python| python.exists()).into_iter().chain(["python3".into()]).collect()
    };
    for python in &candidates {
        if has_twisted(python).map_err(|error| format!("{}: {error}", python.display()))? {
            return Ok(python.clone());
        }
    }
    Err(format!("no Twisted in any of {candidates:?}\n\n{HELP}").into())
}

fn has_twisted(python: &Path) -> io::Result<bool> {
    let mut command = Command::new(python);
    command.args(["-c", "import twisted.protocols.amp"]).stdin(Stdio::null());
    match command.output() {
        Ok(output) => Ok(output.status.success()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
