use std::path::PathBuf;

use crate::attacks::ATTACKS;

pub(crate) const USAGE: &str = "\
usage: hostile [--small] [--only ATTACK]

--small  fewer connections and less time for each attack, and more patience with the machine
--only   that attack alone, by its name in the first column

The exit code is 0 when every figure is within its bound, 1 when any is not, and 2 when one was not
measured, has missed, or is not in SECURITY.md.";

/// What the program is to do.
pub(crate) enum Mode {
    Attack(Options),
    /// Be the server that is attacked, which listens at this path.
    Serve(PathBuf),
    Help,
}

/// What the command line says of the attacks.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) small: bool,
    pub(crate) only: Option<String>,
}

impl Options {
    /// Reads the arguments behind the program's name; the error is for people.
    pub(crate) fn parse() -> Result<Mode, String> {
        let mut arguments = amp_tests::arguments();
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            let argument = argument?;
            let mut value = || arguments.next().unwrap_or_else(|| Err(format!("{argument} what?")));
            match argument.as_str() {
                "--small" => options.small = true,
                "--only" => {
                    let only = value()?;
                    if !ATTACKS.iter().any(|(name, _)| *name == only) {
                        let names = ATTACKS.map(|(name, _)| name).join(", ");
                        return Err(format!("there is no attack {only:?}, but {names}"));
                    }
                    options.only = Some(only);
                }
                "--serve" => return Ok(Mode::Serve(value()?.into())),
                "--help" | "-h" => return Ok(Mode::Help),
                _ => return Err(format!("there is no option {argument}")),
            }
        }
        Ok(Mode::Attack(options))
    }

    /// How many, by how much there is to be.
    pub(crate) fn pick(&self, small: usize, large: usize) -> usize {
        if self.small { small } else { large }
    }
}
