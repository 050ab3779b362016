//! Arguments of one name in a box, or with that of a part of another, some of which are flattened.

use amp_core::argument::Continued;
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

#[derive(Arguments)]
struct Page {
    text: Continued<String>,
}

#[derive(Arguments)]
struct PartOfAnArgument {
    #[amp(flatten)]
    page: Page,
    #[amp(rename = "text.2")]
    second: String,
}

#[derive(Arguments)]
struct Part {
    #[amp(rename = "text.3")]
    third: String,
}

#[derive(Arguments)]
struct TwoOfWhichOneIsAPart {
    #[amp(flatten)]
    part: Part,
    #[amp(flatten)]
    page: Option<Page>,
}

fn main() {}
