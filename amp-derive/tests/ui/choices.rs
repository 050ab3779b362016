//! Enums that are not a text out of a fixed set.

use amp_core::Argument;

#[derive(Argument)]
enum Same {
    Red,
    #[amp(rename = "Red")]
    Crimson,
    #[amp(rename = "blue")]
    Blue,
    #[amp(rename = "blue")]
    Azure,
}

#[derive(Argument)]
enum Fields {
    Unnamed(i64),
    Named { a: i64 },
    NoneAtAll(),
    Nothing {},
    Fine,
}

#[derive(Argument)]
enum Empty {}

#[derive(Argument)]
struct Struct;

#[derive(Argument)]
union Union {
    a: i64,
    b: u64,
}

#[derive(Argument)]
#[amp(rename_each = "lowercase", rename = "x")]
enum Attributes {
    #[amp(renam = "a")]
    Unknown,
    #[amp(rename = "b", rename = "c")]
    Twice,
    #[amp(rename)]
    WithoutText,
    #[amp(rename = 5)]
    Number,
    #[amp(code = "d", fatal)]
    OfAnother,
}

fn main() {
    fn is_argument<T: Argument>() {}
    // One message for each mistake, and none about a missing impl.
    is_argument::<Same>();
    is_argument::<Fields>();
    is_argument::<Empty>();
    is_argument::<Attributes>();
}
