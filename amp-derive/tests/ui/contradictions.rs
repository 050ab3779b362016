//! Attributes that do not go together.

use amp_core::{Arguments, Command};

#[derive(Command)]
#[amp(one_way, response = Group, error = amp_core::NoError)]
struct Shout {
    a: i64,
}

#[derive(Arguments)]
struct Group {
    b: i64,
}

#[derive(Command)]
struct Whisper {
    #[amp(flatten, rename = "b")]
    renamed: Group,
    #[amp(with = "codec", flatten)]
    coded: Group,
    #[amp(flatten, default, default = "group")]
    defaulted: Group,
}

#[derive(Command)]
#[amp(switch, one_way)]
struct Jump {}

#[derive(Command)]
#[amp(switch, response = Group)]
struct Turn {}

fn main() {}
