//! Codes that cannot tell errors apart.

use amp_core::CommandError;

#[allow(non_camel_case_types)]
#[derive(Debug, CommandError)]
enum Errors {
    ZeroDivision,
    #[amp(code = "ZERO_DIVISION")]
    Same,
    Zero_Division,
    Unknown,
    #[amp(code = "UNHANDLED")]
    Reserved,
    #[amp(code = "")]
    Empty,
    #[amp(code = "Unknown")]
    Fine,
}

impl std::fmt::Display for Errors {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

impl std::error::Error for Errors {}

fn main() {
    let _ = Errors::from_wire(b"", "");
}
