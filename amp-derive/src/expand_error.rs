//! `CommandError`.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::LitByteStr;
use syn::ext::IdentExt;
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
    let working = bodies == Bodies::Working;
    let takes_description =
        |variant: &Variant<'_>| variant.description.is_some() || !variant.fields.is_empty();
    let described = variants.iter().any(takes_description);
    let name = |used: bool, name: TokenStream| if used { name } else { quote_spanned!(span=> _) };
    let code = name(working && !variants.is_empty(), quote_spanned!(span=> code));
    let description = name(working && described, quote_spanned!(span=> description));
    let (code_body, from_wire_body) = match bodies {
        Bodies::Working => (code_of(item), from_wire(item)),
        Bodies::Stubs => {
            let stub = quote_spanned!(span=> ::core::unreachable!());
            (stub.clone(), stub)
        }
    };
    let is_fatal = (bodies == Bodies::Working).then(|| is_fatal(item));
    let said = (bodies == Bodies::Working).then(|| said(item));

    quote_spanned! {span=>
        #[automatically_derived]
        #[allow(deprecated)]
        impl #impl_generics #krate::__private::CommandError for #ident #ty_generics #where_clause {
            fn code(&self) -> &::core::primitive::str {
                #code_body
            }

            #is_fatal

            #said

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

fn code_of(item: &ErrorEnum<'_>) -> TokenStream {
    let ErrorEnum { krate, variants, .. } = item;
    let span = Span::mixed_site();
    if variants.is_empty() {
        return quote_spanned!(span=> match *self {});
    }
    let arms = variants.iter().map(|Variant { ident, code, include, .. }| {
        if *include {
            quote_spanned!(span=> Self::#ident(error) => #krate::__private::CommandError::code(error),)
        } else {
            quote_spanned!(span=> Self::#ident { .. } => #code,)
        }
    });
    quote_spanned!(span=> match self { #(#arms)* })
}

/// `CommandError::is_fatal`, unless none is.
fn is_fatal(item: &ErrorEnum<'_>) -> Option<TokenStream> {
    let ErrorEnum { krate, variants, .. } = item;
    let span = Span::mixed_site();
    if !variants.iter().any(|variant| variant.fatal || variant.include) {
        return None;
    }
    let arms = variants.iter().map(|Variant { ident, fatal, include, .. }| {
        if *include {
            quote_spanned! {span=>
                Self::#ident(error) => #krate::__private::CommandError::is_fatal(error),
            }
        } else {
            quote_spanned!(span=> Self::#ident { .. } => #fatal,)
        }
    });
    Some(quote_spanned! {span=>
        fn is_fatal(&self) -> ::core::primitive::bool {
            match self { #(#arms)* }
        }
    })
}

/// `CommandError::describe`, unless all say what they display.
fn said(item: &ErrorEnum<'_>) -> Option<TokenStream> {
    let ErrorEnum { krate, variants, .. } = item;
    let span = Span::mixed_site();
    if !variants.iter().any(|variant| !variant.fields.is_empty() || variant.include) {
        return None;
    }
    let arms = variants.iter().map(|Variant { ident, fields, include, .. }| {
        if *include {
            quote_spanned! {span=>
                Self::#ident(error) => #krate::__private::CommandError::describe(error),
            }
        } else if fields.is_empty() {
            quote_spanned! {span=>
                Self::#ident { .. } => #krate::__private::displayed(self),
            }
        } else {
            let names = fields.iter().map(|field| field.unraw().to_string());
            quote_spanned! {span=>
                Self::#ident { #(#fields),* } => {
                    let mut described =
                        <#krate::__private::DescribedInJson as ::core::default::Default>::default();
                    #(described.put(#names, #fields);)*
                    described.into_text()
                }
            }
        }
    });
    Some(quote_spanned! {span=>
        fn describe(&self) -> #krate::__private::String {
            match self { #(#arms)* }
        }
    })
}

fn from_wire(item: &ErrorEnum<'_>) -> TokenStream {
    let ErrorEnum { krate, variants, .. } = item;
    let span = Span::mixed_site();
    if variants.is_empty() {
        return quote_spanned!(span=> ::core::option::Option::None);
    }
    let own = variants.iter().filter(|variant| !variant.include);
    let arms = own.map(|Variant { ident, code, description, fields, .. }| {
        let code = LitByteStr::new(code.value().as_bytes(), code.span());
        if !fields.is_empty() {
            let names = fields.iter().map(|field| field.unraw().to_string());
            return quote_spanned! {span=>
                #code => {
                    let mut described = #krate::__private::DescribedInJson::read(description)?;
                    Self::#ident { #(#fields: described.take(#names)?),* }
                }
            };
        }
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
    let included = variants.iter().filter(|variant| variant.include);
    let others = included.map(|Variant { ident, description, .. }| {
        quote_spanned! {span=>
            if let ::core::option::Option::Some(error) =
                <#description as #krate::__private::CommandError>::from_wire(code, description)
            {
                return ::core::option::Option::Some(Self::#ident(error));
            }
        }
    });
    quote_spanned! {span=>
        ::core::option::Option::Some(match code {
            #(#arms)*
            _ => {
                #(#others)*
                return ::core::option::Option::None;
            }
        })
    }
}
