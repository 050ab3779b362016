//! Printing, and saying something on standard error.

use std::fmt::Display;
use std::io::{self, Write};

use crate::exit::{self, Failure};
use crate::on_line::on_lines;

/// Prints a line at once.
pub(crate) fn print_line(line: impl Display) -> Result<(), Failure> {
    print(format!("{line}\n").as_bytes())
}

/// Prints at once.
pub(crate) fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| not_printed(&error))
}

/// Why it goes no further where nothing more can be printed.
pub(crate) fn not_printed(error: &io::Error) -> Failure {
    match error.kind() {
        // The reader of the output wants no more of it.
        io::ErrorKind::BrokenPipe => Failure { code: 0, said: String::new() },
        _ => Failure::new(exit::NOT_USED, format!("cannot write: {error}")),
    }
}

/// Goes on where whoever reads it has read enough: the exit code is still to be known.
pub(crate) fn ignoring_who_has_read_enough(printed: Result<(), Failure>) -> Result<(), Failure> {
    match printed {
        Err(failure) if failure.said.is_empty() => Ok(()),
        printed => printed,
    }
}

/// Says something on standard error, with the name of the program.
pub(crate) fn tell(said: impl Display) {
    tell_line(format_args!("ampctl: {said}"));
}

/// Says something on standard error. Line breaks stay, and all else that a terminal would act upon is
/// only shown.
pub(crate) fn tell_line(said: impl Display) {
    eprintln!("{}", on_lines(&said.to_string()));
}
