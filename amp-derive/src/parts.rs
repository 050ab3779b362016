//! Arguments over several keys, as far as their types are written out: `Numbered`, `Continued` and
//! `ContinuedZlib` of `amp_core::argument`, also inside of `Option`, `Box` or `Arc`.

use syn::{GenericArgument, PathArguments, Type};

/// Returns the number that is at the end of the first key with one, such as `0` of `name.0`, if a value of this
/// type has several keys.
pub(crate) fn first_number(ty: &Type) -> Option<u64> {
    match ty {
        Type::Group(group) => first_number(&group.elem),
        Type::Paren(paren) => first_number(&paren.elem),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
            match last.ident.to_string().as_str() {
                "Numbered" => Some(0),
                "Continued" | "ContinuedZlib" => Some(2),
                "Option" | "Box" | "Arc" => match arguments.args.first()? {
                    GenericArgument::Type(inner) => first_number(inner),
                    _ => None,
                },
                _ => None,
            }
        }
        _ => None,
    }
}

/// Returns whether the key is one that a value of this name has from that number on.
pub(crate) fn is_part(name: &str, first: u64, key: &str) -> bool {
    let number = key.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
    number.is_some_and(|number| {
        // No key has zeros in front, or a sign.
        number.parse().is_ok_and(|part: u64| part >= first && part.to_string() == number)
    })
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[test]
    fn types_over_several_keys_are_known_by_their_names() {
        assert_eq!(first_number(&parse_quote!(Numbered<String>)), Some(0));
        assert_eq!(first_number(&parse_quote!(amp_core::argument::Continued<i64>)), Some(2));
        assert_eq!(first_number(&parse_quote!(Option<Box<ContinuedZlib<Vec<u8>>>>)), Some(2));
        assert_eq!(first_number(&parse_quote!(std::sync::Arc<Numbered<i64>>)), Some(0));
        assert_eq!(first_number(&parse_quote!(Zlib<Vec<u8>>)), None);
        assert_eq!(first_number(&parse_quote!(Vec<Numbered<i64>>)), None);
    }

    #[test]
    fn parts_are_the_keys_that_are_written() {
        for (name, first, key, is) in [
            ("a", 0, "a.0", true),
            ("a", 0, "a.17", true),
            ("a", 2, "a.2", true),
            ("a", 2, "a.1", false),
            ("a", 0, "a.02", false),
            ("a", 0, "a.+2", false),
            ("a", 0, "a.", false),
            ("a", 0, "a", false),
            ("a", 0, "ab.0", false),
            ("a.0", 0, "a.0.0", true),
            ("a", 0, "a.0.0", false),
        ] {
            assert_eq!(is_part(name, first, key), is, "{name} {key}");
        }
    }
}
