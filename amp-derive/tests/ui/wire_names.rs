//! Wire names that cannot be keys of one box.

use amp_core::argument::{self, Numbered};
use amp_core::{Arguments, Command};

#[derive(Arguments)]
struct Twice {
    a: i64,
    #[amp(rename = "a")]
    b: i64,
    #[amp(rename = "c d")]
    c: i64,
    #[amp(rename = "c d")]
    d: i64,
    r#type: i64,
    #[amp(rename = "type")]
    kind: i64,
}

#[derive(Command)]
struct Reserved {
    _ask: i64,
    #[amp(rename = "_answer")]
    answer: i64,
    #[amp(rename = "_error")]
    error: i64,
    _command: i64,
    #[amp(rename = "_error_code")]
    code: i64,
    #[amp(rename = "_error_description")]
    description: i64,
    #[amp(rename = "_Ask")]
    fine: i64,
}

#[derive(Arguments)]
struct Lengths {
    #[amp(rename = "")]
    empty: i64,
    #[amp(
        rename = "0123456789012345678901234567890123456789012345678901234567890123456789\
        0123456789012345678901234567890123456789012345678901234567890123456789\
        0123456789012345678901234567890123456789012345678901234567890123456789\
        0123456789012345678901234567890123456789012345"
    )]
    long: i64,
}

#[derive(Arguments)]
struct Parts {
    a: Option<Box<Numbered<Vec<u8>>>>,
    #[amp(rename = "a.2")]
    b: i64,
    #[amp(rename = "a.02")]
    fine: i64,
    c: argument::Continued<String>,
    #[amp(rename = "c.1")]
    also: i64,
    #[amp(rename = "c.2")]
    d: i64,
}

#[derive(Arguments)]
#[amp(tag = "e.0")]
enum PartIsTag {
    A { e: Numbered<String> },
    B { f: i64 },
}

fn main() {
    // The impls are there in spite of the mistakes.
    let _ = Twice::decode;
    let _ = Reserved::NAME;
    let _ = Lengths::encode;
    let _ = Parts::encode;
    let _ = PartIsTag::encode;
}
