//! `Argument` for enums: the text of a variant.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::LitByteStr;

use crate::ast::{Choice, ChoiceEnum};
use crate::bodies::Bodies;
use crate::expand_schema;

/// The number of bytes of the texts that a message shows, of all of them and of each.
const SHOWN: usize = 200;
const SHOWN_OF_ONE: usize = 40;

/// Implements `Argument`.
pub(crate) fn argument(item: &ChoiceEnum<'_>, bodies: Bodies) -> TokenStream {
    let ChoiceEnum { krate, ident, generics, choices } = item;
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let span = Span::mixed_site();
    let wire_type = expand_schema::of_choices(item);

    let (out, value, to_string_body, from_string_body) = match bodies {
        Bodies::Working => (
            quote_spanned!(span=> out),
            quote_spanned!(span=> value),
            to_string(choices),
            from_string(item),
        ),
        Bodies::Stubs => {
            let unused = quote_spanned!(span=> _);
            let stub = quote_spanned!(span=> ::core::unreachable!());
            (unused.clone(), unused, stub.clone(), stub)
        }
    };

    quote_spanned! {span=>
        #[automatically_derived]
        #[allow(deprecated)]
        impl #impl_generics #krate::__private::Argument for #ident #ty_generics #where_clause {
            fn to_string_proto(
                &self,
                _: &mut #krate::__private::Proto<'_>,
                #out: &mut #krate::__private::ValueWriter<'_>,
            ) -> ::core::result::Result<(), #krate::__private::EncodeError> {
                #to_string_body
            }

            fn from_string_proto(
                #value: #krate::__private::Value<'_>,
                _: &mut #krate::__private::Proto<'_>,
            ) -> ::core::result::Result<Self, #krate::__private::DecodeError> {
                #from_string_body
            }

            #wire_type
        }
    }
}

fn to_string(choices: &[Choice<'_>]) -> TokenStream {
    let span = Span::mixed_site();
    let arms =
        choices.iter().map(|Choice { ident, text }| quote_spanned!(span=> Self::#ident => #text,));
    quote_spanned! {span=>
        let text: &::core::primitive::str = match self { #(#arms)* };
        out.put_slice(text.as_bytes());
        ::core::result::Result::Ok(())
    }
}

fn from_string(item: &ChoiceEnum<'_>) -> TokenStream {
    let ChoiceEnum { krate, choices, .. } = item;
    let span = Span::mixed_site();
    let expected = expected(choices.iter());
    let arms = choices.iter().map(|Choice { ident, text }| {
        let text = LitByteStr::new(text.value().as_bytes(), text.span());
        quote_spanned!(span=> #text => Self::#ident,)
    });
    quote_spanned! {span=>
        ::core::result::Result::Ok(match value.as_slice() {
            #(#arms)*
            _ => return ::core::result::Result::Err(
                #krate::__private::DecodeError::malformed(#expected, value),
            ),
        })
    }
}

/// Returns what a text that is none of these should have been: `one of "a", "b"`.
pub(crate) fn expected<'a, 't: 'a>(
    choices: impl ExactSizeIterator<Item = &'a Choice<'t>>,
) -> String {
    let len = choices.len();
    let mut expected = String::from(if len == 1 { "" } else { "one of " });
    for (at, Choice { text, .. }) in choices.enumerate() {
        let text = text.value();
        let shown: String = text.chars().take(SHOWN_OF_ONE).collect();
        let cut = if shown.len() < text.len() { "..." } else { "" };
        let shown = format!("{}\"{}{cut}\"", if at == 0 { "" } else { ", " }, shown.escape_debug());
        if expected.len() + shown.len() > SHOWN {
            return format!("{expected}, ... ({len} in all)");
        }
        expected += &shown;
    }
    expected
}

#[cfg(test)]
mod tests {
    use syn::{DeriveInput, Ident, parse_quote};

    use super::*;
    use crate::mistakes::Mistakes;

    #[test]
    fn messages_name_the_texts_as_far_as_they_are_short() {
        let expected = |input: DeriveInput| {
            expected(ChoiceEnum::parse(&input, &mut Mistakes::default()).choices.iter())
        };
        assert_eq!(
            expected(parse_quote!(
                enum One {
                    A,
                }
            )),
            r#""A""#
        );
        let long = "x".repeat(50);
        let cut = "x".repeat(40);
        assert_eq!(
            expected(parse_quote!(
                enum Two {
                    #[amp(rename = "a\"\n")]
                    A,
                    #[amp(rename = #long)]
                    B,
                }
            )),
            format!(r#"one of "a\"\n", "{cut}...""#)
        );
        let variants = (0..99).map(|n| Ident::new(&format!("V{n}"), Span::call_site()));
        let many = expected(parse_quote!(enum Many { #(#variants),* }));
        assert!(many.starts_with(r#"one of "V0", "V1", "#), "{many}");
        assert!(many.ends_with(", ... (99 in all)") && many.len() < 230, "{many}");
    }
}
