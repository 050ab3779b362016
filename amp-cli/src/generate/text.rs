//! Text of a schema's, which may come from anybody, inside of code.

/// Documentation without what ends a line for some compiler, hides from its reader, or turns the direction of
/// what is shown.
pub(super) fn clean(docs: &str) -> String {
    docs.replace("\r\n", "\n").chars().filter_map(clean_char).collect()
}

/// Whether nothing of it can be seen, as where it is empty.
pub(super) fn says_nothing(docs: &str) -> bool {
    clean(docs).trim().is_empty()
}

/// Whether a character is not itself in documentation.
pub(super) fn is_unclean(c: char) -> bool {
    clean_char(c) != Some(c)
}

/// One line, as the names of files.
pub(super) fn clean_line(text: &str) -> String {
    clean(text).replace('\n', " ")
}

fn clean_char(c: char) -> Option<char> {
    match c {
        '\n' | '\t' => Some(c),
        c if c.is_control() => Some(' '),
        '\u{2028}' | '\u{2029}' => Some(' '),
        '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{e0000}'..='\u{e007f}' => None,
        c => Some(c),
    }
}

/// A name between backticks.
pub(super) fn code(name: &str) -> String {
    if name.is_empty() {
        return "`\"\"`".to_owned();
    }
    let escaped = name.replace('`', "'").escape_debug().to_string();
    // Quotes end nothing here.
    format!("`{}`", escaped.replace("\\'", "'").replace("\\\"", "\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on_line::is_active;

    #[test]
    fn what_a_terminal_acts_upon_is_in_no_documentation() {
        let plain = |c: &char| matches!(c, '\n' | '\t');
        let mut active = (char::MIN..=char::MAX).filter(|c| is_active(*c) && !plain(c));
        assert_eq!(active.find(|c| !is_unclean(*c)), None);
    }

    #[test]
    fn nothing_ends_a_line_but_its_end() {
        assert_eq!(clean("a\r\nb\rc\0d\u{85}e\u{2028}f\tg"), "a\nb c d e f\tg");
        assert_eq!(clean("a\u{202e}b\u{2066}c\u{feff}\u{61c}d\u{e0041}"), "abcd");
        assert!(says_nothing("\u{200b}\n\0") && !says_nothing("\u{200b}a"));
        assert_eq!(code("a`b\n\u{202e}'"), "`a'b\\n\\u{202e}'`");
    }
}
