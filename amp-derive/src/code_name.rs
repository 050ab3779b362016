/// Returns the error code of a variant: `ZERO_DIVISION` for `ZeroDivision`, `HTTP_ERROR` for
/// `HTTPError`.
pub(crate) fn screaming_snake_case(ident: &str) -> String {
    let mut code = String::new();
    let mut letters = ident.chars().peekable();
    let mut before = '_';
    while let Some(letter) = letters.next() {
        let ends_acronym =
            before.is_uppercase() && letters.peek().is_some_and(|next| next.is_lowercase());
        let ends_word = before != '_' && !before.is_uppercase();
        if letter.is_uppercase() && (ends_word || ends_acronym) {
            code.push('_');
        }
        code.extend(letter.to_uppercase());
        before = letter;
    }
    code
}

#[cfg(test)]
mod tests {
    use super::screaming_snake_case;

    #[test]
    fn codes_are_words_in_upper_case() {
        let cases = [
            ("ZeroDivision", "ZERO_DIVISION"),
            ("HTTPError", "HTTP_ERROR"),
            ("NoHTTP", "NO_HTTP"),
            ("Ipv6Only", "IPV6_ONLY"),
            ("Error404", "ERROR404"),
            ("A", "A"),
            ("ABadThing", "A_BAD_THING"),
            ("Already_Split", "ALREADY_SPLIT"),
            ("ÄußerstGroß", "ÄUSSERST_GROSS"),
        ];
        for (ident, code) in cases {
            assert_eq!(screaming_snake_case(ident), code);
        }
    }
}
