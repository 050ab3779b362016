//! `Arguments`, and `Argument` for structs that stand in a value.
//!
//! Names in the expansion have mixed-site spans: they cannot meet the names of the item.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Ident, Path};

use crate::ast::Struct;
use crate::bodies::Bodies;
use crate::expand_field::{self, FieldCode};
use crate::expand_schema;
use crate::generics;

/// Implements `Arguments`.
pub(crate) fn arguments(
    item: &Struct<'_>,
    krate: &Path,
    strict: bool,
    bodies: Bodies,
) -> TokenStream {
    let span = Span::mixed_site();
    let ident = item.ident;
    let generics = generics::of_arguments(item, krate);
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();

    let unused = quote_spanned!(span=> _);
    let (input, out, proto) = if item.fields.is_empty() || bodies == Bodies::Stubs {
        (unused.clone(), unused.clone(), unused)
    } else {
        let name = |name| Ident::new(name, span).into_token_stream();
        (name("input"), name("out"), name("proto"))
    };
    let strict =
        strict.then(|| quote_spanned!(span=> const STRICT: ::core::primitive::bool = true;));
    let schema = expand_schema::of_arguments(item, krate, bodies);
    let (to_box, from_box) = match bodies {
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

            fn to_box(
                &self,
                #out: &mut #krate::__private::BoxWriter<'_>,
                #proto: &mut #krate::__private::Proto<'_>,
            ) -> ::core::result::Result<(), #krate::__private::EncodeError> {
                #to_box
            }

            fn from_box(
                #input: &mut #krate::__private::BoxReader<'_>,
                #proto: &mut #krate::__private::Proto<'_>,
            ) -> ::core::result::Result<Self, #krate::__private::DecodeError> {
                #from_box
            }

            #schema
        }
    }
}

/// Implements `Argument`: the value is one box, and a list of such values is an `AmpList`.
pub(crate) fn argument(item: &Struct<'_>, krate: &Path) -> TokenStream {
    let span = Span::mixed_site();
    let ident = item.ident;
    let generics = generics::of_arguments(item, krate);
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
            ) -> ::core::result::Result<::std::vec::Vec<Self>, #krate::__private::DecodeError> {
                #krate::__private::read_amp_list(value, proto)
            }

            #wire_types
        }
    }
}

/// The bodies of `to_box` and `from_box`.
fn bodies_of(item: &Struct<'_>, krate: &Path) -> (TokenStream, TokenStream) {
    let mut fields: Vec<_> = item.fields.iter().collect();
    // Written in the order that the box has in the end, which spares its writer the sorting, and
    // read in the same. What is flattened comes last: its names are not known here.
    fields.sort_by_key(|field| (field.flatten, field.wire_name.value()));
    let code = fields.iter().map(|field| expand_field::expand(field, krate));
    let (writes, reads): (Vec<_>, Vec<_>) =
        code.map(|FieldCode { write, read }| (write, read)).unzip();
    let idents = fields.iter().map(|field| field.ident);

    let span = Span::mixed_site();
    let to_box = quote_spanned! {span=>
        #(#writes)*
        ::core::result::Result::Ok(())
    };
    // All are read before the first failure is looked at: what a box names beside its bytes is
    // taken by whoever reads it, and is dropped with what was read. Without optimisation a `?` takes
    // more of the stack than the field, once for each.
    let results: Vec<_> =
        (0..fields.len()).map(|index| Ident::new(&format!("field_{index}"), span)).collect();
    let from_box = quote_spanned! {span=>
        #(let #results = #reads;)*
        ::core::result::Result::Ok(Self {
            #(#idents: match #results {
                ::core::result::Result::Ok(field) => field,
                ::core::result::Result::Err(error) => {
                    return ::core::result::Result::Err(error);
                }
            },)*
        })
    };
    (to_box, from_box)
}
