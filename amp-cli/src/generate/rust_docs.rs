//! Documentation of any kind, as a doc comment that neither rustdoc nor clippy stumbles over.

use super::text::clean;

/// The lines of a doc comment.
pub(super) fn doc_comment(docs: &str, indent: &str) -> Vec<String> {
    let comment = |line: String| format!("{indent}/// {line}").trim_end().to_owned();
    markdown(docs).into_iter().map(comment).collect()
}

/// The lines as Markdown.
///
/// What somebody wrote for Python is none: but for code between backticks, and what is indented, which becomes
/// a block of text, it is to be read as it stands.
pub(super) fn markdown(docs: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut fenced = false;
    for line in clean(docs).lines() {
        let line = line.replace('\t', "    ");
        let indented = line.starts_with("    ");
        if !line.trim().is_empty() && indented != fenced {
            lines.push(if indented { "~~~text" } else { "~~~" }.to_owned());
            fenced = indented;
        }
        // What would end the block is no line of it.
        let line = if fenced { line.replace("~~~", "~~ ~") } else { plain(line.trim()) };
        lines.push(line.trim_end().to_owned());
    }
    if fenced {
        lines.push("~~~".to_owned());
    }
    lines
}

/// A line whose words are what they look like.
fn plain(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((start, end)) = span_of_code(rest) {
        join(&mut out, &words(&rest[..start]));
        join(&mut out, &rest[start..end]);
        rest = &rest[end..];
    }
    join(&mut out, &words(rest));
    // The mark of a list, whose following lines would have to be indented.
    match out.chars().next() {
        Some('-' | '+' | '=') => format!("\\{out}"),
        Some(digit) if digit.is_ascii_digit() => {
            out.replacen(". ", "\\. ", 1).replacen(") ", "\\) ", 1)
        }
        _ => out,
    }
}

/// Where code is that begins with the first backticks of a text: it ends with as many, and no more.
fn span_of_code(text: &str) -> Option<(usize, usize)> {
    let run = |from: usize| {
        let start = from + text[from..].find('`')?;
        Some((start, start + text[start..].bytes().take_while(|byte| *byte == b'`').count()))
    };
    let (start, mut at) = run(0)?;
    let ticks = at - start;
    loop {
        let (closing, end) = run(at)?;
        if end - closing == ticks {
            return Some((start, end));
        }
        at = end;
    }
}

/// Appends to a line. The backticks of two pieces of code would be taken for one mark, and what is in them for
/// text and tags.
fn join(line: &mut String, piece: &str) {
    if line.ends_with('`') && piece.starts_with('`') {
        line.push(' ');
    }
    line.push_str(piece);
}

fn words(text: &str) -> String {
    text.split_inclusive(' ').map(word).collect()
}

/// A word, as code where it looks like it.
fn word(word: &str) -> String {
    let is_edge = |c: char| c.is_whitespace() || (c.is_ascii_punctuation() && c != '_');
    let start = word.len() - word.trim_start_matches(is_edge).len();
    let mut core = word[start..].trim_end_matches(is_edge);
    // What closes the only bracket of the name is part of it.
    if let [open] = core.matches(|c: char| "[](){}<>".contains(c)).collect::<Vec<_>>()[..] {
        let end = start + core.len();
        let closes = [("[", ']'), ("(", ')'), ("{", '}'), ("<", '>')];
        if closes.iter().any(|&(of, close)| of == open && word[end..].starts_with(close)) {
            core = &word[start..=end];
        }
    }
    let (before, after) = (&word[..start], &word[start + core.len()..]);
    let is_link = core.starts_with("http://") || core.starts_with("https://");
    if is_link && !core.contains(['<', '>', '`', '\\']) {
        return format!("{}<{core}>{}", escaped(before), escaped(after));
    }
    // A genitive is no part of the name.
    let name = core.strip_suffix("'s").unwrap_or(core);
    let humps =
        name.chars().skip(1).any(char::is_uppercase) && name.chars().any(char::is_lowercase);
    let marks = core.chars().any(|c| "_<>[](){}*&\\|=:$#@~^".contains(c));
    if (humps || marks) && !word.contains('`') {
        format!("{}`{core}`{}", escaped(before), escaped(after))
    } else {
        format!("{}{}{}", escaped(before), escaped(core), escaped(after))
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if "\\`*_<>[]&|~#$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_look_like_code_are_code() {
        for (docs, expected) in [
            ("Answers ZERO_DIVISION, always.", "/// Answers `ZERO_DIVISION`, always."),
            ("See `how_ever` and ``that``.", "/// See `how_ever` and ``that``."),
            ("(see [Foo] <bar>)", "/// (see \\[Foo\\] \\<bar\\>)"),
            ("a list[int] of MyType", "/// a `list[int]` of `MyType`"),
            ("At http://a.b/c_d.", "/// At <http://a.b/c_d>."),
            // Neither tags nor programs in disguise.
            ("http://a><script>b", "/// `http://a><script>b`"),
            ("javascript://a.b", "/// `javascript://a.b`"),
            ("a_b``<img>```", "/// a\\_b\\`\\`\\<img\\>\\`\\`\\`"),
            ("a_b``<img>``c_d", "/// `a_b` ``<img>`` `c_d`"),
            ("`a``<b>`", "/// `a``<b>`"),
            ("- one", "/// \\- one"),
            ("1. one", "/// 1\\. one"),
            ("an odd ` tick", "/// an odd \\` tick"),
            ("OK, HTTP", "/// OK, HTTP"),
        ] {
            assert_eq!(doc_comment(docs, ""), [expected]);
        }
    }

    #[test]
    fn docs_end_no_comment() {
        let lines = doc_comment("a */ b\rc \"\"\" \\\n# d\r\n\u{202e}e", "");
        assert_eq!(lines, ["/// a \\*/ b c \"\"\" \\\\", "/// \\# d", "/// e"]);
    }

    #[test]
    fn what_is_indented_is_no_program_of_rust() {
        let lines = doc_comment("Like this:\n\n    x = [1]\n\nOr not.", "  ");
        let expected = "  /// Like this:\n  ///\n  /// ~~~text\n  ///     x = [1]\n  ///\n  /// ~~~\n  /// Or not.";
        assert_eq!(lines.join("\n"), expected);
    }
}
