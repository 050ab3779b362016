//! Structs that are not one argument.

use amp_core::{Argument, Arguments};

#[derive(Argument)]
struct Two(i64, i64);

#[derive(Argument)]
struct TwoOfThree(i64, #[amp(skip)] i64, i64);

#[derive(Argument)]
struct NoneOnTheWire(#[amp(skip)] i64);

#[derive(Argument)]
struct Named {
    a: i64,
}

#[derive(Argument)]
struct Unit;

#[derive(Argument)]
struct NoField();

#[derive(Argument)]
union Union {
    a: i64,
}

#[derive(Argument)]
#[amp(rename_all = "lowercase", bound = 5)]
struct Attributes(#[amp(rename = "a", skip = true, secret)] i64);

#[derive(Arguments)]
struct Box(i64);

#[derive(Arguments)]
struct Boxes(i64, i64);

fn main() {
    fn is_argument<T: Argument>() {}
    // One message for each mistake, and none about a missing impl.
    is_argument::<Two>();
    is_argument::<NoneOnTheWire>();
    is_argument::<Named>();
    is_argument::<Unit>();
    is_argument::<NoField>();
    is_argument::<Attributes>();
    is_argument::<Box>();
}
