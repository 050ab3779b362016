//! The styles of names that `ampctl generate rust` writes are those that the derive macros read.

#[path = "../../amp-derive/src/code_name.rs"]
mod code_name;
#[path = "../../amp-derive/src/style.rs"]
mod style;
#[allow(dead_code)] // The generator chooses among styles, too.
#[path = "../src/generate/styles.rs"]
mod styles;

use code_name::screaming_snake_case;
use style::Style;
use styles::{STYLES, code_of, styled};

/// All names of up to five characters of these, which begin with no digit: every order in which the cases of
/// letters, digits and underscores may follow each other.
fn identifiers() -> impl Iterator<Item = String> {
    const ALPHABET: &[char] = &['a', 'b', 'C', 'D', '4', '_'];
    let names = |length: u32| (0..ALPHABET.len().pow(length)).map(move |number| (length, number));
    let name = |(length, number): (u32, usize)| -> String {
        let digit = |place| ALPHABET[number / ALPHABET.len().pow(place) % ALPHABET.len()];
        (0..length).map(digit).collect()
    };
    (1..=5).flat_map(names).map(name).filter(|name| !name.starts_with('4'))
}

#[test]
fn names_are_written_as_the_derive_reads_them() {
    let styles = STYLES.map(|name| (name, Style::named(name).unwrap()));
    for ident in identifiers() {
        assert_eq!(code_of(&ident), screaming_snake_case(&ident), "the code of {ident}");
        for (name, style) in styles {
            assert_eq!(styled(name, &ident), style.of(&ident), "{ident} in {name}");
        }
    }
    let unknown = Style::named("none of them").unwrap_err();
    let known = STYLES.iter().all(|name| unknown.contains(name));
    assert!(known && unknown.matches("`, `").count() == STYLES.len() - 1, "{unknown}");
}
