//! What the compiler says to mistakes in derived items, grouped by kind of mistake.
//!
//! Its wording, and its choice of types to list, is the compiler's. When a new one words things
//! differently, or a new argument type appears in a list: `TRYBUILD=overwrite cargo test -p
//! amp-derive --test errors`, and read the difference.

#[test]
fn mistakes_are_reported_where_they_are() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
