//! `Command`, `OneWay` and `ProtocolSwitch`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::parse_quote;

use crate::ast::{CommandAttributes, Struct};
use crate::generics;

/// Implements `Command`, `OneWay` for a command that wants no answer, and `ProtocolSwitch` for one that asks
/// for a switch.
pub(crate) fn command(item: &Struct<'_>, attributes: &CommandAttributes) -> TokenStream {
    let CommandAttributes {
        krate, name, one_way, idempotent, switch, response, error, docs, ..
    } = attributes;
    let ident = item.ident;
    let generics = generics::of_command(item, krate);
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let span = Span::mixed_site();

    let marked = |name: &str| {
        let name = Ident::new(name, span);
        quote_spanned! {span=>
            #[automatically_derived]
            #[allow(deprecated)]
            impl #impl_generics #krate::__private::#name for #ident #ty_generics #where_clause {}
        }
    };
    let one_way_impl = one_way.then(|| marked("OneWay"));
    let switch_impl = switch.as_ref().map(|_| marked("ProtocolSwitch"));
    let requires_answer = one_way
        .then(|| quote_spanned!(span=> const REQUIRES_ANSWER: ::core::primitive::bool = false;));
    let is_switch = switch
        .as_ref()
        .map(|_| quote_spanned!(span=> const IS_SWITCH: ::core::primitive::bool = true;));
    // Where it has none, a mistake has been said, and the trait would say it once more.
    let has_response = !one_way && switch.is_none();
    let response = response.clone().filter(|_| has_response).unwrap_or_else(|| parse_quote!(()));
    let error = error.clone().unwrap_or_else(|| parse_quote!(#krate::__private::NoError));
    let idempotent = idempotent
        .then(|| quote_spanned!(span=> const IS_IDEMPOTENT: ::core::primitive::bool = true;));
    let docs = (!docs.is_empty())
        .then(|| quote_spanned!(span=> const DOCS: &'static ::core::primitive::str = #docs;));

    let command_impl = quote_spanned! {span=>
        #[automatically_derived]
        #[allow(deprecated)]
        impl #impl_generics #krate::__private::Command for #ident #ty_generics #where_clause {
            const NAME: &'static ::core::primitive::str = #name;
            #requires_answer
            #idempotent
            #is_switch
            #docs
            type Response = #response;
            type Error = #error;
        }
    };
    quote!(#command_impl #one_way_impl #switch_impl)
}
