//! What the compiler says to mistakes in derived items, grouped by kind of mistake.
//!
//! In `ui` the wording is the macros', the same with every compiler. In `ui/compiler` it is the
//! compiler's, and so is its choice of types to list. When a new argument type appears in a list,
//! or after a step to a new compiler in [`RECORDED_WITH`]: `TRYBUILD=overwrite cargo test -p
//! amp-derive --test errors`, and read the difference.

use std::process::Command;

/// The compiler whose words `ui/compiler` holds. With another one those files are not compared, as
/// it may word the same mistakes differently.
const RECORDED_WITH: &str = "rustc 1.95.";

#[test]
fn mistakes_are_reported_where_they_are() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    let compiler = Command::new("rustc").arg("--version").output().expect("rustc is on the path");
    let compiler = String::from_utf8_lossy(&compiler.stdout);
    if compiler.starts_with(RECORDED_WITH) {
        cases.compile_fail("tests/ui/compiler/*.rs");
    } else {
        println!("tests/ui/compiler is of {RECORDED_WITH} and not compared with {compiler}");
    }
}
