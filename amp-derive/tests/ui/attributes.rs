//! Attributes that mean nothing, or not this.

use amp_core::{Arguments, Command, CommandError};

#[derive(Command)]
#[amp(nam = "x", rename_fields = "kebab-case")]
struct Unknown {
    #[amp(renam = "b", omit, with = "text")]
    a: i64,
}

#[derive(Arguments)]
#[amp(response = Unknown, strict = true)]
struct OfAnother {
    #[amp(name = "b")]
    a: i64,
}

#[derive(Command)]
#[amp(name = "x", one_way)]
#[amp(name = "y", one_way)]
struct Twice {
    #[amp(default, rename = "b", default = "zero", rename = "c")]
    a: i64,
}

#[derive(Command)]
#[amp(name = Wrong, response = "Unknown", error, one_way = true, crate = crate)]
struct Wrong {
    #[amp(rename = 3)]
    a: i64,
    #[amp(rename)]
    b: i64,
    #[amp(rename("c"))]
    c: i64,
    #[amp(flatten = true)]
    d: i64,
    #[amp(with = text)]
    e: i64,
    #[amp(with = "not a path")]
    f: i64,
    #[amp(default = 5)]
    g: i64,
    #[amp(default = "5")]
    h: i64,
    #[amp]
    i: i64,
    #[amp = "j"]
    j: i64,
    #[amp(default "k")]
    k: i64,
    #[amp(, default)]
    l: i64,
}

#[derive(Debug, CommandError)]
#[amp(fatal)]
enum Errors {
    #[amp(cod = "x")]
    Unknown,
    #[amp(fatal, fatal)]
    Twice,
    #[amp(code = 5, fatal = "yes")]
    Wrong,
    Description(#[amp(rename = "x")] String),
}

impl std::fmt::Display for Errors {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

impl std::error::Error for Errors {}

fn main() {}
