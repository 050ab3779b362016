//! Names of one language, made of those that are on the wire.

/// Words that Rust keeps for itself, but for those that cannot be raw.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
    "static", "struct", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use",
    "virtual", "where", "while", "yield",
];
const NOT_RAW: &[&str] = &["self", "super", "crate"];

/// The words of a name: `["get", "HTTP", "Page"]` of `get_HTTPPage`.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let letters: Vec<char> = name.chars().collect();
    for (at, &letter) in letters.iter().enumerate() {
        if !letter.is_ascii_alphanumeric() {
            words.push(String::new());
            continue;
        }
        let before = at.checked_sub(1).map_or('_', |at| letters[at]);
        let next = letters.get(at + 1).copied().unwrap_or('_');
        let begins = before.is_ascii_lowercase() || before.is_ascii_digit();
        let ends_acronym = before.is_ascii_uppercase() && next.is_ascii_lowercase();
        if letter.is_ascii_uppercase() && (begins || ends_acronym) {
            words.push(String::new());
        }
        words.last_mut().expect("there is one").push(letter);
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A name of a type: `ListStock` of `list-stock`, and `HttpPage` of `HTTP_PAGE`.
pub(super) fn pascal(name: &str) -> String {
    let words = words(name);
    let capital = |word: &String| {
        let (first, rest) = word.split_at(1);
        let all_upper = word.chars().all(|letter| !letter.is_ascii_lowercase());
        let rest = if all_upper { rest.to_ascii_lowercase() } else { rest.to_owned() };
        first.to_ascii_uppercase() + &rest
    };
    after_a_letter(words.iter().map(capital).collect(), "N")
}

/// A name of a field, before Rust's keywords are made raw.
fn snake(name: &str) -> String {
    let lower: Vec<_> = words(name).iter().map(|word| word.to_ascii_lowercase()).collect();
    after_a_letter(lower.join("_"), "key_")
}

/// Names cannot begin with a digit, nor be nothing.
fn after_a_letter(name: String, letter: &str) -> String {
    match name.chars().next() {
        Some(first) if first.is_ascii_alphabetic() => name,
        _ => format!("{letter}{name}"),
    }
}

/// The field of a key.
pub(super) fn field(key: &str) -> String {
    let name = snake(key);
    if NOT_RAW.contains(&name.as_str()) {
        format!("{name}_")
    } else if KEYWORDS.contains(&name.as_str()) {
        format!("r#{name}")
    } else {
        name
    }
}

/// The name of one of these: `Lease` of `Leases`. What is many in a way of its own is a rule or two in
/// English, and a few words that no rule has.
pub(super) fn singular(name: &str) -> String {
    const WORDS: &[(&str, &str)] = &[
        ("caches", "cache"),
        ("cookies", "cookie"),
        ("halves", "half"),
        ("leaves", "leaf"),
        ("movies", "movie"),
        ("news", "news"),
        ("selves", "self"),
        ("series", "series"),
        ("shelves", "shelf"),
        ("species", "species"),
    ];
    const ENDS: &[(&str, &str)] = &[
        ("ies", "y"),
        ("xes", "x"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("sses", "ss"),
        ("ss", "ss"),
        ("us", "us"),
        ("is", "is"),
        ("s", ""),
    ];
    let last = words(name).pop().unwrap_or_default().to_ascii_lowercase();
    let is_known = |(many, _): &&(&str, &str)| *many == last;
    // `Ties` are no `Ty`.
    let is_end = |(end, _): &&(&str, &str)| last.ends_with(end) && last.len() > end.len() + 1;
    let found = WORDS.iter().find(is_known).or_else(|| ENDS.iter().find(is_end));
    let Some((many, one)) = found else { return name.to_owned() };
    let same = many.bytes().zip(one.bytes()).take_while(|(a, b)| a == b).count();
    format!("{}{}", &name[..name.len() - many.len() + same], &one[same..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_types_are_words_with_capitals() {
        for (name, expected) in [
            ("Sum", "Sum"),
            ("list-stock", "ListStock"),
            ("GetDNSServer", "GetDnsServer"),
            ("ZERO_DIVISION", "ZeroDivision"),
            ("_Hidden", "Hidden"),
            ("2fa", "N2fa"),
            ("é", "N"),
        ] {
            assert_eq!(pascal(name), expected);
        }
    }

    #[test]
    fn names_of_fields_are_never_keywords() {
        for (key, name) in [
            ("left", "left"),
            ("left-hand", "left_hand"),
            ("leftHand", "left_hand"),
            ("class", "class"),
            ("type", "r#type"),
            ("Type", "r#type"),
            ("self", "self_"),
            ("0", "key_0"),
            ("_route", "route"),
            ("", "key_"),
            ("*/", "key_"),
        ] {
            assert_eq!(field(key), name);
        }
    }

    #[test]
    fn lists_are_named_for_one() {
        for (many, one) in [
            ("Leases", "Lease"),
            ("Policies", "Policy"),
            ("Mess", "Mess"),
            ("Shelves", "Shelf"),
            ("ListsOfBoxes", "ListsOfBox"),
            ("Status", "Status"),
            ("Moves", "Move"),
            ("Branches", "Branch"),
            ("Leaves", "Leaf"),
            ("TeaLeaves", "TeaLeaf"),
            ("Selves", "Self"),
            ("Valves", "Valve"),
            ("Caches", "Cache"),
            ("Movies", "Movie"),
            ("Series", "Series"),
            ("TimeSeries", "TimeSeries"),
            ("Ties", "Tie"),
            ("Glasses", "Glass"),
            ("S", "S"),
            ("N", "N"),
        ] {
            assert_eq!(singular(many), one);
        }
    }
}
