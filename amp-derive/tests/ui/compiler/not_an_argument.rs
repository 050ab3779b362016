//! Fields whose types are not arguments.

use amp_core::Command;
use std::time::Duration;

struct Plain;

#[derive(Command)]
struct Call {
    a: Duration,
    b: Vec<Option<Plain>>,
    #[amp(default)]
    c: Plain,
}

fn main() {}
