//! Arguments of one name in a box, some of which are flattened.

use amp_core::{Arguments, Command};

#[derive(Arguments)]
struct Label {
    kind: String,
    size: u8,
}

#[derive(Command)]
struct BesideAField {
    size: u8,
    #[amp(flatten)]
    label: Option<Label>,
}

#[derive(Arguments)]
#[amp(tag = "kind")]
enum TagInAVariant {
    Labelled(Label),
}

#[derive(Arguments)]
#[amp(tag = "size")]
enum Shape {
    Large { kind: u8 },
    Small { color: u8 },
}

#[derive(Arguments)]
#[amp(tag = "size")]
enum Other {
    Other,
}

#[derive(Arguments)]
struct TwoOfOneTag {
    #[amp(flatten)]
    shape: Shape,
    #[amp(flatten)]
    other: Other,
}

#[derive(Arguments)]
struct OneVariant {
    color: u8,
    #[amp(flatten)]
    shape: Shape,
}

#[derive(Arguments)]
struct Nested {
    #[amp(flatten)]
    pair: (i64, i64),
    #[amp(flatten)]
    outer: Outer,
}

#[derive(Arguments)]
struct Outer {
    #[amp(rename = "1")]
    one: u8,
}

fn main() {}
