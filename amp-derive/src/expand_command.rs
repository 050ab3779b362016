//! `Command`, and `OneWay`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::parse_quote;

use crate::ast::{CommandAttributes, Struct};
use crate::generics;

/// Implements `Command`, and `OneWay` for a command that wants no answer.
pub(crate) fn command(item: &Struct<'_>, attributes: &CommandAttributes) -> TokenStream {
    let CommandAttributes { krate, name, one_way, idempotent, response, error, docs, .. } =
        attributes;
    let ident = item.ident;
    let generics = generics::of_command(item, krate);
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let span = Span::mixed_site();

    let (mut requires_answer, mut one_way_impl) = (None, None);
    let (mut response, error) = (response.clone(), error.clone());
    if *one_way {
        response = None;
        requires_answer =
            Some(quote_spanned!(span=> const REQUIRES_ANSWER: ::core::primitive::bool = false;));
        one_way_impl = Some(quote_spanned! {span=>
            #[automatically_derived]
            #[allow(deprecated)]
            impl #impl_generics #krate::__private::OneWay for #ident #ty_generics #where_clause {}
        });
    }
    let idempotent = idempotent
        .then(|| quote_spanned!(span=> const IDEMPOTENT: ::core::primitive::bool = true;));
    let docs = (!docs.is_empty())
        .then(|| quote_spanned!(span=> const DOCS: &'static ::core::primitive::str = #docs;));
    let response = response.unwrap_or_else(|| parse_quote!(()));
    let error = error.unwrap_or_else(|| parse_quote!(#krate::__private::NoError));

    let command_impl = quote_spanned! {span=>
        #[automatically_derived]
        #[allow(deprecated)]
        impl #impl_generics #krate::__private::Command for #ident #ty_generics #where_clause {
            const NAME: &'static ::core::primitive::str = #name;
            #requires_answer
            #idempotent
            #docs
            type Response = #response;
            type Error = #error;
        }
    };
    quote!(#command_impl #one_way_impl)
}
