//! Styles, bounds, and what goes with them.

use amp_core::{Argument, Arguments, Command, CommandError};

#[derive(Command)]
#[amp(rename_all = "camel")]
struct Camel {
    a: i64,
}

#[derive(Arguments)]
#[amp(bound = "T Trait")]
struct Bound<T> {
    b: T,
}

#[derive(Arguments)]
struct Skipped {
    #[amp(skip, rename = "b")]
    renamed: i64,
    #[amp(skip, flatten)]
    flattened: i64,
    #[amp(skip, default)]
    fine: i64,
}

#[derive(Argument)]
#[amp(rename_all = "lowercase")]
enum Same {
    Ab,
    AB,
}

#[derive(Debug, CommandError)]
enum Errors {
    #[amp(include, code = "CODE")]
    Coded(amp_core::NoError),
    #[amp(include)]
    Nothing,
}

impl std::fmt::Display for Errors {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

impl std::error::Error for Errors {}

fn main() {}
