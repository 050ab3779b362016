//! What the compiler says to mistakes in derived items, grouped by kind of mistake.

#[test]
fn mistakes_are_reported_where_they_are() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
