//! Fields whose types are not arguments.

use amp_core::Command;
use std::time::Instant;

struct Plain;

#[derive(Command)]
struct Call {
    a: Instant,
    b: Vec<Option<Plain>>,
    #[amp(default)]
    c: Plain,
}

fn main() {}

#[derive(amp_core::Arguments)]
#[amp(tag = "kind")]
enum Shape {
    Circle(f64),
}
