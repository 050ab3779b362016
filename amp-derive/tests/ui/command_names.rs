//! Names that commands cannot have.

use amp_core::Command;

#[derive(Command)]
#[amp(name = "")]
struct Empty;

fn main() {
    let _ = Empty::NAME;
}
