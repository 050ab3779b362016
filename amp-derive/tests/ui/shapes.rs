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

#[derive(Arguments)]
#[amp(tag = "t", rename_all = "lowercase")]
enum Variants {
    Unnamed(i64, i64),
    None(),
    A {
        t: i64,
    },
    #[amp(rename = "a")]
    B {
        b: i64,
        #[amp(rename = "b")]
        c: i64,
    },
    C(#[amp(rename = "c")] Group),
    #[amp(tag = "d")]
    D,
}

#[derive(Arguments)]
#[amp(tag = "t")]
struct Plain {}

#[derive(Arguments)]
#[amp(tag = "_ask")]
enum Empty {}

#[derive(Arguments)]
#[amp(tag)]
enum Tagless {
    A,
}

#[derive(Arguments)]
union EitherOne {
    a: i64,
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
