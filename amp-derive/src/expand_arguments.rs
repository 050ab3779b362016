//! `Arguments` for structs, and `Argument` for what stands in a value as a box.
//!
//! Names in the expansion have mixed-site spans: they cannot meet the names of the item.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Generics, Ident, Path};

use crate::ast::{Field, Struct};
use crate::bodies::Bodies;
use crate::expand_field;
use crate::expand_fields::{FieldsCode, of_fields};
use crate::expand_names::{self, NamesCode};
use crate::expand_schema;
use crate::generics;

/// Structs of so many fields are written and read where they are used, in whichever part of a crate that is. Larger ones
/// gain less by that and would be compiled more than once.
const INLINED: usize = 8;

/// Implements `Arguments`.
pub(crate) fn arguments(
    item: &Struct<'_>,
    krate: &Path,
    strict: bool,
    bodies: Bodies,
) -> TokenStream {
    let span = Span::mixed_site();
    let ident = item.ident;
    let generics = generics::of_struct(item, krate);
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();

    let unused = quote_spanned!(span=> _);
    let (input, out, proto) = if item.on_wire().next().is_none() || bodies == Bodies::Stubs {
        (unused.clone(), unused.clone(), unused)
    } else {
        let name = |name| Ident::new(name, span).into_token_stream();
        (name("input"), name("out"), name("proto"))
    };
    let strict =
        strict.then(|| quote_spanned!(span=> const IS_STRICT: ::core::primitive::bool = true;));
    let schema = expand_schema::of_arguments(item, krate, bodies);
    let any_in = (bodies == Bodies::Working).then(|| any_in(item, krate));
    let names =
        (bodies == Bodies::Working).then(|| expand_names::of_struct(item, &generics, krate));
    let NamesCode { constant: names, check_within, check_beside } = names.unwrap_or_default();
    let inline = (item.on_wire().count() <= INLINED).then(|| quote_spanned!(span=> #[inline]));
    let (write_to, read_from) = match bodies {
        Bodies::Working => bodies_of(item, krate),
        Bodies::Stubs => {
            let stub = quote_spanned!(span=> ::core::unreachable!());
            (stub.clone(), stub)
        }
    };

    quote_spanned! {span=>
        #[automatically_derived]
        #[allow(deprecated)]
        impl #impl_generics #krate::__private::Arguments for #ident #ty_generics #where_clause {
            #strict
            #names

            #inline
            fn write_to(
                &self,
                #out: &mut #krate::__private::BoxWriter<'_>,
                #proto: &mut #krate::__private::Proto<'_>,
            ) -> ::core::result::Result<(), #krate::__private::EncodeError> {
                #check_within
                #write_to
            }

            #inline
            fn read_from(
                #input: &mut #krate::__private::BoxReader<'_>,
                #proto: &mut #krate::__private::Proto<'_>,
            ) -> ::core::result::Result<Self, #krate::__private::DecodeError> {
                #check_within
                #read_from
            }

            #any_in

            #schema
        }

        #check_beside
    }
}

/// Implements `Argument`, for the generics of `Arguments`: the value is one box, and a list of such values is an `AmpList`.
pub(crate) fn argument(ident: &Ident, generics: &Generics, krate: &Path) -> TokenStream {
    let span = Span::mixed_site();
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let wire_types = expand_schema::of_boxes(krate);

    quote_spanned! {span=>
        #[automatically_derived]
        #[allow(deprecated)]
        impl #impl_generics #krate::__private::Argument for #ident #ty_generics #where_clause {
            fn to_string_proto(
                &self,
                proto: &mut #krate::__private::Proto<'_>,
                out: &mut #krate::__private::ValueWriter<'_>,
            ) -> ::core::result::Result<(), #krate::__private::EncodeError> {
                #krate::__private::write_box(self, proto, out)
            }

            fn from_string_proto(
                value: #krate::__private::Value<'_>,
                proto: &mut #krate::__private::Proto<'_>,
            ) -> ::core::result::Result<Self, #krate::__private::DecodeError> {
                #krate::__private::read_box(value, proto)
            }

            fn list_to_string_proto<'amp_item>(
                items: impl ::core::iter::ExactSizeIterator<Item = &'amp_item Self>,
                proto: &mut #krate::__private::Proto<'_>,
                out: &mut #krate::__private::ValueWriter<'_>,
            ) -> ::core::result::Result<(), #krate::__private::EncodeError>
            where
                Self: 'amp_item,
            {
                #krate::__private::write_amp_list(items, proto, out)
            }

            fn list_from_string_proto(
                value: #krate::__private::Value<'_>,
                proto: &mut #krate::__private::Proto<'_>,
            ) -> ::core::result::Result<#krate::__private::Vec<Self>, #krate::__private::DecodeError> {
                #krate::__private::read_amp_list(value, proto)
            }

            #wire_types
        }
    }
}

/// `Arguments::any_in`.
fn any_in(item: &Struct<'_>, krate: &Path) -> TokenStream {
    let span = Span::mixed_site();
    let fields: Vec<_> = item.on_wire().map(|field| expand_field::is_in(field, krate)).collect();
    let (input, any) = match fields[..] {
        [] => (quote_spanned!(span=> _), quote_spanned!(span=> false)),
        _ => (quote_spanned!(span=> input), quote_spanned!(span=> #(#fields)||*)),
    };
    quote_spanned! {span=>
        fn any_in(#input: &#krate::__private::BoxReader<'_>) -> ::core::primitive::bool {
            #any
        }
    }
}

/// Returns the bodies of `write_to` and `read_from`.
fn bodies_of(item: &Struct<'_>, krate: &Path) -> (TokenStream, TokenStream) {
    let span = Span::mixed_site();
    let of_self = |field: &Field<'_>| {
        let member = &field.member;
        quote_spanned!(span=> &self.#member)
    };
    let fields: Vec<_> = item.fields.iter().map(|field| (field, of_self(field))).collect();
    let FieldsCode { writes, read_from } = of_fields(fields, &quote_spanned!(span=> Self), krate);
    let writes = writes.iter().map(|write| &write.code);
    let write_to = quote_spanned! {span=>
        #(#writes)*
        ::core::result::Result::Ok(())
    };
    (write_to, read_from)
}

#[cfg(test)]
mod tests {
    use proc_macro2::TokenTree;
    use syn::{DeriveInput, parse_quote};

    use super::*;
    use crate::mistakes::Mistakes;

    fn tokens(stream: TokenStream) -> usize {
        let count = |token| match token {
            TokenTree::Group(group) => 1 + tokens(group.stream()),
            _ => 1,
        };
        stream.into_iter().map(count).sum()
    }

    /// Returns how many tokens a struct of so many fields expands to.
    fn expanded(fields: usize) -> usize {
        let names = (0..fields).map(|n| Ident::new(&format!("f{n:03}"), Span::call_site()));
        let input: DeriveInput = parse_quote!(
            struct Many {
                #(#[amp(default)] #names: Option<String>,)*
            }
        );
        let item = Struct::parse(&input, "Arguments", &mut Mistakes::default());
        tokens(arguments(&item, &parse_quote!(::amp_core), false, Bodies::Working))
    }

    #[test]
    fn each_field_expands_to_as_much() {
        let few = INLINED + 1;
        let each = expanded(few + 1) - expanded(few);
        assert_eq!(expanded(few + 500) - expanded(few), 500 * each);
        assert!(each < 500, "{each} tokens");
    }
}
