//! Items of the wrong kind.

use amp_core::{Arguments, Command, CommandError};

#[derive(Command)]
struct Tuple(i64, #[amp(rename = "b")] i64);

#[derive(Arguments)]
struct EmptyTuple();

#[derive(Command)]
enum Choice {
    A,
}

#[derive(Arguments)]
enum Group {
    A { a: i64 },
}

#[derive(Command)]
union Either {
    a: i64,
    b: u64,
}

#[derive(Debug, CommandError)]
struct Failure;

#[derive(CommandError)]
union Failures {
    a: i64,
    b: u64,
}

#[derive(Debug, CommandError)]
enum Errors {
    Two(String, String),
    NoneAtAll(),
    Nothing {},
}

macro_rules! error {
    ($($name:ident)*) => {$(
        impl std::fmt::Display for $name {
            fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                Ok(())
            }
        }

        impl std::error::Error for $name {}
    )*};
}

impl std::fmt::Debug for Failures {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

error!(Failure Failures Errors);

fn main() {}
