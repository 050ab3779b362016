//! `Arguments`, and `Argument` for structs that stand in a value.
//!
//! Names in the expansion have mixed-site spans: they cannot meet the names of the item.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Ident, Lifetime, Path};

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
    let (input, out, proto) = if item.on_wire().next().is_none() || bodies == Bodies::Stubs {
        (unused.clone(), unused.clone(), unused)
    } else {
        let name = |name| Ident::new(name, span).into_token_stream();
        (name("input"), name("out"), name("proto"))
    };
    let strict =
        strict.then(|| quote_spanned!(span=> const STRICT: ::core::primitive::bool = true;));
    let schema = expand_schema::of_arguments(item, krate, bodies);
    let any_in = (bodies == Bodies::Working).then(|| any_in(item, krate));
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

            #any_in

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

/// Returns the bodies of `to_box` and `from_box`.
fn bodies_of(item: &Struct<'_>, krate: &Path) -> (TokenStream, TokenStream) {
    let mut fields: Vec<_> = item.on_wire().collect();
    let skipped: Vec<_> =
        item.fields.iter().filter(|field| field.skip).map(expand_field::skipped).collect();
    // Written in the order that the box has in the end, which spares its writer the sorting, and
    // read in the same. What is flattened comes last: its names are not known here.
    fields.sort_by_key(|field| (field.flatten, field.wire_name.value()));
    let code: Vec<_> = fields.iter().map(|field| expand_field::expand(field, krate)).collect();
    let writes = code.iter().map(|FieldCode { write, .. }| write);
    let reads = code.iter().map(|FieldCode { read, .. }| read);
    let idents = fields.iter().map(|field| field.ident);

    let span = Span::mixed_site();
    let to_box = quote_spanned! {span=>
        #(#writes)*
        ::core::result::Result::Ok(())
    };
    // What a box names beside its bytes is taken by whoever reads it, and is dropped with what was
    // read. So when a field cannot be read, those behind it are. That is a function of its own, and
    // there is one way out: if each failure had to drop what is behind it, there would be as many
    // ways through the code as pairs of fields. Without optimisation each way out takes of the
    // stack, too.
    let behind = code.iter().enumerate().skip(1).map(|(index, FieldCode { read_on, .. })| {
        let index = Literal::usize_unsuffixed(index);
        quote_spanned!(span=> if failed < #index { #read_on })
    });
    let rest = if fields.len() > 1 {
        quote_spanned!(span=> |failed, input, proto| { #(#behind)* })
    } else {
        quote_spanned!(span=> |_, _, _| {})
    };
    let values: Vec<_> =
        (0..fields.len()).map(|index| Ident::new(&format!("field_{index}"), span)).collect();
    let indices = (0..fields.len()).map(Literal::usize_unsuffixed);
    let from_box = if fields.is_empty() {
        quote_spanned!(span=> ::core::result::Result::Ok(Self { #(#skipped,)* }))
    } else {
        let fields = Lifetime::new("'fields", span);
        quote_spanned! {span=>
            let mut error = ::core::option::Option::None;
            let failed = #fields: {
                #(let ::core::option::Option::Some(#values) = #reads else {
                    break #fields #indices;
                };)*
                return ::core::result::Result::Ok(Self {
                    #(#idents: #values,)*
                    #(#skipped,)*
                });
            };
            #krate::__private::read_on(#rest, failed, error, input, proto)
        }
    };
    (to_box, from_box)
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
        let each = expanded(3) - expanded(2);
        assert_eq!(expanded(503) - expanded(3), 500 * each);
        assert!(each < 500, "{each} tokens");
    }
}
