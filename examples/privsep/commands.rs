//! What the worker asks of the helper.

use amp_core::{Arguments, Command, CommandError};
use amp_unix::Descriptor;

/// Opens a file below the helper's folder, for reading.
#[derive(Command)]
#[amp(response = Opened, error = OpenError)]
pub(crate) struct Open {
    /// Where it is in the folder, such as `letters/first.txt`.
    pub(crate) name: String,
}

#[derive(Arguments, Debug)]
pub(crate) struct Opened {
    pub(crate) file: Descriptor,
}

#[derive(CommandError, Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The helper does not open such a file, whether there is one or not. It says why.
    #[error("{0}")]
    Refused(String),
    #[error("there is no such file")]
    NotFound,
}
