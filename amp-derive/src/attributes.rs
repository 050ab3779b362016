//! Reads `#[amp(...)]`, item by item.

use proc_macro2::TokenTree;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, ExprPath, Ident, LitStr, Meta, Path, Token, Type, WherePredicate};

use crate::mistakes::Mistakes;
use crate::style::Style;

/// The items that have a meaning somewhere.
pub(crate) struct Known {
    /// Where, for messages: `a field`.
    pub(crate) place: &'static str,
    /// Their names.
    pub(crate) items: &'static [&'static str],
}

impl Known {
    fn unknown(&self, name: &Ident) -> syn::Error {
        let Known { place, items } = self;
        let message = match items {
            [] => format!("unknown attribute `{name}`: {place} has no `amp` attributes"),
            [only] => format!("unknown attribute `{name}` of {place}, did you mean `{only}`?"),
            _ => {
                let items = items.join("`, `");
                format!("unknown attribute `{name}` of {place}, did you mean one of `{items}`?")
            }
        };
        syn::Error::new(name.span(), message)
    }
}

/// Hands the name of each known item to `take`, which reads what follows the name.
///
/// A mistake ends its item only: the others are still read.
pub(crate) fn read(
    attributes: &[Attribute],
    known: &Known,
    mistakes: &mut Mistakes,
    mut take: impl FnMut(&Ident, ParseStream<'_>) -> syn::Result<()>,
) {
    let mut seen = Vec::new();
    let mut item = |input: ParseStream<'_>| {
        let name = input.call(Ident::parse_any)?;
        if !known.items.iter().any(|item| name == item) {
            return Err(known.unknown(&name));
        }
        if seen.contains(&name) {
            return Err(syn::Error::new(name.span(), format!("`{name}` is given twice")));
        }
        take(&name, input)?;
        seen.push(name);
        if input.is_empty() || input.peek(Token![,]) {
            Ok(())
        } else {
            Err(input.error("expected `,`"))
        }
    };
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("amp")) {
        let Meta::List(list) = &attribute.meta else {
            mistakes.at(&attribute.meta, "expected `#[amp(...)]`");
            continue;
        };
        let read = list.parse_args_with(|input: ParseStream<'_>| {
            while !input.is_empty() {
                if let Err(mistake) = item(input) {
                    mistakes.note(mistake);
                    skip_item(input)?;
                }
                input.parse::<Option<Token![,]>>()?;
            }
            Ok(())
        });
        if let Err(mistake) = read {
            mistakes.note(mistake);
        }
    }
}

fn skip_item(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

/// Reads nothing: the item is its name.
pub(crate) fn flag(name: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
    if input.peek(Token![=]) {
        return Err(input.error(format_args!("`{name}` takes no value")));
    }
    Ok(())
}

/// Reads `= "text"`.
pub(crate) fn string(name: &Ident, input: ParseStream<'_>) -> syn::Result<LitStr> {
    value(name, input, "a string", "\"...\"")
}

/// Reads `= "style"`: the style of names.
pub(crate) fn style(name: &Ident, input: ParseStream<'_>) -> syn::Result<Style> {
    let text = string(name, input)?;
    Style::named(&text.value()).map_err(|message| syn::Error::new(text.span(), message))
}

/// Reads `= "T: Trait, U: Trait"`: bounds, of which there may be none.
pub(crate) fn bounds(name: &Ident, input: ParseStream<'_>) -> syn::Result<Vec<WherePredicate>> {
    let text = string(name, input)?;
    let bounds = text.parse_with(Punctuated::<WherePredicate, Token![,]>::parse_terminated);
    bounds.map(|bounds| bounds.into_iter().collect()).map_err(|_| {
        let message = format!("`{name}` takes bounds in the string: `{name} = \"T: Trait\"`");
        syn::Error::new(text.span(), message)
    })
}

/// Reads `= "a::path"`: something that is called, or that has functions to call.
pub(crate) fn path(name: &Ident, input: ParseStream<'_>) -> syn::Result<ExprPath> {
    in_string(name, input, ExprPath::parse)
}

/// Reads `= "a::path"`: a crate.
pub(crate) fn crate_path(name: &Ident, input: ParseStream<'_>) -> syn::Result<Path> {
    in_string(name, input, Path::parse_mod_style)
}

/// Reads `= Type`.
pub(crate) fn ty(name: &Ident, input: ParseStream<'_>) -> syn::Result<Type> {
    value(name, input, "a type, without quotes", "Type")
}

fn value<T: Parse>(
    name: &Ident,
    input: ParseStream<'_>,
    kind: &str,
    example: &str,
) -> syn::Result<T> {
    let wrong = |place| {
        let message = format!("`{name}` takes {kind}: `{name} = {example}`");
        Err(syn::Error::new(place, message))
    };
    if !input.peek(Token![=]) {
        return wrong(name.span());
    }
    input.parse::<Token![=]>()?;
    let place = input.span();
    input.parse().or_else(|_| wrong(place))
}

fn in_string<T>(
    name: &Ident,
    input: ParseStream<'_>,
    parse: fn(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<T> {
    let text = string(name, input)?;
    text.parse_with(parse).map_err(|_| {
        let message = format!("`{name}` takes a path in the string: `{name} = \"some::path\"`");
        syn::Error::new(text.span(), message)
    })
}
