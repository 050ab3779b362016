//! `CommandError`.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::LitByteStr;
use syn::spanned::Spanned;

use crate::ast::{ErrorEnum, Variant};
use crate::bodies::Bodies;
use crate::expand_schema;

/// Implements `CommandError`.
pub(crate) fn command_error(item: &ErrorEnum<'_>, bodies: Bodies) -> TokenStream {
    let ErrorEnum { krate, ident, generics, variants } = item;
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let span = Span::mixed_site();

    let schema = expand_schema::of_errors(item);
    let described = variants.iter().any(|variant| variant.description.is_some());
    let working = bodies == Bodies::Working;
    let name = |used: bool, name: TokenStream| if used { name } else { quote_spanned!(span=> _) };
    let code = name(working && !variants.is_empty(), quote_spanned!(span=> code));
    let description = name(working && described, quote_spanned!(span=> description));
    let (code_body, from_wire_body) = match bodies {
        Bodies::Working => (code_of(variants), from_wire(item)),
        Bodies::Stubs => {
            let stub = quote_spanned!(span=> ::core::unreachable!());
            (stub.clone(), stub)
        }
    };

    let mut fatal =
        variants.iter().filter(|variant| variant.fatal).map(|variant| variant.ident).peekable();
    let is_fatal = fatal.peek().is_some().then(|| {
        quote_spanned! {span=>
            fn is_fatal(&self) -> ::core::primitive::bool {
                ::core::matches!(self, #(Self::#fatal { .. })|*)
            }
        }
    });

    quote_spanned! {span=>
        #[automatically_derived]
        #[allow(deprecated)]
        impl #impl_generics #krate::__private::CommandError for #ident #ty_generics #where_clause {
            fn code(&self) -> &::core::primitive::str {
                #code_body
            }

            #is_fatal

            fn from_wire(
                #code: &[::core::primitive::u8],
                #description: &::core::primitive::str,
            ) -> ::core::option::Option<Self> {
                #from_wire_body
            }

            #schema
        }
    }
}

fn code_of(variants: &[Variant<'_>]) -> TokenStream {
    let span = Span::mixed_site();
    if variants.is_empty() {
        return quote_spanned!(span=> match *self {});
    }
    let arms = variants
        .iter()
        .map(|Variant { ident, code, .. }| quote_spanned!(span=> Self::#ident { .. } => #code,));
    quote_spanned!(span=> match self { #(#arms)* })
}

fn from_wire(item: &ErrorEnum<'_>) -> TokenStream {
    let ErrorEnum { krate, variants, .. } = item;
    let span = Span::mixed_site();
    if variants.is_empty() {
        return quote_spanned!(span=> ::core::option::Option::None);
    }
    let arms = variants.iter().map(|Variant { ident, code, description, .. }| {
        let code = LitByteStr::new(code.value().as_bytes(), code.span());
        let description = description.map(|ty| {
            // A type that does not take a description is reported at its own place.
            let span = ty.span().resolved_at(Span::mixed_site());
            quote_spanned! {span=>
                (<#ty as ::core::convert::From<#krate::__private::String>>::from(
                    #krate::__private::owned(description),
                ))
            }
        });
        quote_spanned!(span=> #code => Self::#ident #description,)
    });
    quote_spanned! {span=>
        ::core::option::Option::Some(match code {
            #(#arms)*
            _ => return ::core::option::Option::None,
        })
    }
}
