//! The styles of names that the derive macros know: what they make of a name of the code.

/// All of them, as the attribute `rename_all` asks for them.
pub(super) const STYLES: [&str; 8] = [
    "lowercase",
    "UPPERCASE",
    "PascalCase",
    "camelCase",
    "snake_case",
    "SCREAMING_SNAKE_CASE",
    "kebab-case",
    "SCREAMING-KEBAB-CASE",
];

/// The name on the wire, in the style of this name.
pub(super) fn styled(style: &str, ident: &str) -> String {
    let upper = code_of(ident);
    let words = upper.split('_').filter(|word| !word.is_empty());
    let capital = |word: &str| {
        let (first, rest) = word.split_at(1);
        first.to_owned() + &rest.to_lowercase()
    };
    let lower: Vec<_> = words.clone().map(str::to_lowercase).collect();
    match style {
        "lowercase" => lower.concat(),
        "UPPERCASE" => words.collect(),
        "PascalCase" => words.map(capital).collect(),
        "camelCase" => {
            let others = words.skip(1).map(capital);
            lower.first().cloned().into_iter().chain(others).collect()
        }
        "snake_case" => lower.join("_"),
        "kebab-case" => lower.join("-"),
        "SCREAMING-KEBAB-CASE" => words.collect::<Vec<_>>().join("-"),
        _ => words.collect::<Vec<_>>().join("_"),
    }
}

/// The error code of a variant: `ZERO_DIVISION` of `ZeroDivision`, `HTTP_ERROR` of `HTTPError`. Names in the
/// code are ASCII.
pub(super) fn code_of(ident: &str) -> String {
    let mut code = String::new();
    let mut letters = ident.chars().peekable();
    let mut before = '_';
    while let Some(letter) = letters.next() {
        let ends_acronym =
            before.is_ascii_uppercase() && letters.peek().is_some_and(char::is_ascii_lowercase);
        let ends_word = before != '_' && !before.is_ascii_uppercase();
        if letter.is_ascii_uppercase() && (ends_word || ends_acronym) {
            code.push('_');
        }
        code.push(letter.to_ascii_uppercase());
        before = letter;
    }
    code
}

/// The style that says most of these names, by the names of the code, where it saves two attributes or more
/// over what goes without saying.
pub(super) fn style_of<'a>(
    names: &[(&'a str, &'a str)],
    unsaid: impl Fn(&str) -> String,
) -> Option<&'static str> {
    let others = |written: &dyn Fn(&str) -> String| {
        names.iter().filter(|(ident, wire)| written(ident) != *wire).count()
    };
    let without = others(&unsaid);
    let best = STYLES.into_iter().min_by_key(|style| others(&|ident| styled(style, ident)))?;
    (others(&|ident| styled(best, ident)) + 2 <= without).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As those of amp-derive.
    #[test]
    fn names_are_written_as_the_derive_does() {
        for (ident, code) in [
            ("ZeroDivision", "ZERO_DIVISION"),
            ("HTTPError", "HTTP_ERROR"),
            ("NoHTTP", "NO_HTTP"),
            ("Ipv6Only", "IPV6_ONLY"),
            ("Error404", "ERROR404"),
            ("A", "A"),
            ("ABadThing", "A_BAD_THING"),
            ("Already_Split", "ALREADY_SPLIT"),
        ] {
            assert_eq!(code_of(ident), code);
        }
        let expected = [
            "zerodivision",
            "ZERODIVISION",
            "ZeroDivision",
            "zeroDivision",
            "zero_division",
            "ZERO_DIVISION",
            "zero-division",
            "ZERO-DIVISION",
        ];
        for ident in ["ZeroDivision", "zero_division"] {
            assert_eq!(STYLES.map(|style| styled(style, ident)), expected);
        }
        assert_eq!(styled("kebab-case", "HTTPError404"), "http-error404");
    }

    #[test]
    fn a_style_is_said_where_it_saves_attributes() {
        let unsaid = str::to_owned;
        let names = [("test_name", "testName"), ("stream_id", "streamId"), ("todo", "todo")];
        assert_eq!(style_of(&names, unsaid), Some("camelCase"));
        assert_eq!(style_of(&names[1..], unsaid), None);
        assert_eq!(style_of(&[], unsaid), None);
    }
}
