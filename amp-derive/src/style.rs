//! The ways in which a peer may write names of several words.

use crate::code_name::screaming_snake_case;

/// One way to write such names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

impl Style {
    /// All of them, each as it is asked for.
    const ALL: [(&str, Style); 8] = [
        ("lowercase", Style::Lower),
        ("UPPERCASE", Style::Upper),
        ("PascalCase", Style::Pascal),
        ("camelCase", Style::Camel),
        ("snake_case", Style::Snake),
        ("SCREAMING_SNAKE_CASE", Style::ScreamingSnake),
        ("kebab-case", Style::Kebab),
        ("SCREAMING-KEBAB-CASE", Style::ScreamingKebab),
    ];

    /// Returns the style of this name.
    ///
    /// # Errors
    ///
    /// The message lists the names that there are.
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|(known, _)| *known == name);
        known.map(|(_, style)| *style).ok_or_else(|| {
            let all = Self::ALL.map(|(known, _)| known).join("`, `");
            format!("`{name}` is no style of names, did you mean one of `{all}`?")
        })
    }

    /// Returns a name of the code in this style.
    pub(crate) fn of(self, ident: &str) -> String {
        let upper = screaming_snake_case(ident);
        let words = upper.split('_').filter(|word| !word.is_empty());
        let lower = |word: &str| word.to_lowercase();
        let capital = |word: &str| {
            let mut letters = word.chars();
            let first = letters.next().map(String::from).unwrap_or_default();
            first + &letters.as_str().to_lowercase()
        };
        match self {
            Style::Lower => words.map(lower).collect(),
            Style::Upper => words.collect(),
            Style::Pascal => words.map(capital).collect(),
            Style::Camel => {
                let word = |(at, word)| if at == 0 { lower(word) } else { capital(word) };
                words.enumerate().map(word).collect()
            }
            Style::Snake => words.map(lower).collect::<Vec<_>>().join("_"),
            Style::ScreamingSnake => words.collect::<Vec<_>>().join("_"),
            Style::Kebab => words.map(lower).collect::<Vec<_>>().join("-"),
            Style::ScreamingKebab => words.collect::<Vec<_>>().join("-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_in_every_style() {
        let all = |ident: &str| Style::ALL.map(|(_, style)| style.of(ident));
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
        assert_eq!(all("ZeroDivision"), expected);
        assert_eq!(all("zero_division"), expected);
        assert_eq!(Style::Camel.of("http_only"), "httpOnly");
        assert_eq!(Style::Kebab.of("HTTPError404"), "http-error404");
    }

    #[test]
    fn a_style_that_is_none_is_told_those_that_are() {
        assert_eq!(Style::named("camelCase"), Ok(Style::Camel));
        let error = Style::named("camel").unwrap_err();
        assert!(error.starts_with("`camel` is no style of names, did you mean one of `lower"));
    }
}
