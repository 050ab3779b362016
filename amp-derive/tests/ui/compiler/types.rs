//! Types that are not what their place needs.

use amp_core::{Arguments, Command, CommandError};
use std::time::Duration;

struct Plain;

#[derive(Command)]
struct NotArguments {
    #[amp(flatten)]
    a: Plain,
    #[amp(flatten)]
    b: Vec<Group>,
}

#[derive(Arguments)]
struct Group {
    #[amp(with = "missing")]
    a: Duration,
    #[amp(default = "missing")]
    b: i64,
    #[amp(default = "wrong")]
    c: i64,
}

fn wrong() -> String {
    String::new()
}

#[derive(Command)]
#[amp(response = Plain, error = Plain)]
struct Call;

#[derive(Debug, CommandError)]
enum Errors {
    Described(i64),
}

impl std::fmt::Display for Errors {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

impl std::error::Error for Errors {}

#[derive(CommandError)]
enum NotAnError {
    A,
}

fn answered() {
    one_way::<Call>();
}

fn one_way<C: amp_core::OneWay>() {}

fn main() {}
