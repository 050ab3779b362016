//! `Argument` for structs that are their one field: all that this is on the wire, in lists too.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned;

use crate::ast::Field;
use crate::bodies::Bodies;
use crate::expand_field;
use crate::generics;
use crate::newtype::Newtype;

/// Implements `Argument`.
pub(crate) fn argument(item: &Newtype<'_>, bodies: Bodies) -> TokenStream {
    let span = Span::mixed_site();
    let Newtype { krate, ident, .. } = item;
    let generics = generics::of_newtype(item);
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let hooks = match item.inner() {
        Some(inner) if bodies == Bodies::Working => hooks(item, inner),
        _ => stubs(item),
    };
    quote_spanned! {span=>
        #[automatically_derived]
        #[allow(deprecated)]
        impl #impl_generics #krate::__private::Argument for #ident #ty_generics #where_clause {
            #hooks
        }
    }
}

fn hooks(item: &Newtype<'_>, inner: &Field<'_>) -> TokenStream {
    let span = Span::mixed_site();
    let Newtype { krate, fields, .. } = item;
    let Field { ty, member, .. } = inner;
    let in_type = ty.span().resolved_at(span);
    let argument = quote_spanned!(in_type=> <#ty as #krate::__private::Argument>);
    let skipped = fields.iter().filter(|field| field.skip).map(expand_field::skipped);
    let make = quote_spanned!(span=> |inner| Self { #member: inner, #(#skipped),* });

    quote_spanned! {span=>
        fn to_string_proto(
            &self,
            proto: &mut #krate::__private::Proto<'_>,
            out: &mut #krate::__private::ValueWriter<'_>,
        ) -> ::core::result::Result<(), #krate::__private::EncodeError> {
            #argument::to_string_proto(&self.#member, proto, out)
        }

        fn from_string_proto(
            value: #krate::__private::Value<'_>,
            proto: &mut #krate::__private::Proto<'_>,
        ) -> ::core::result::Result<Self, #krate::__private::DecodeError> {
            ::core::result::Result::map(#argument::from_string_proto(value, proto), #make)
        }

        #[inline]
        fn to_box(
            &self,
            name: &::core::primitive::str,
            out: &mut #krate::__private::BoxWriter<'_>,
            proto: &mut #krate::__private::Proto<'_>,
        ) -> ::core::result::Result<(), #krate::__private::EncodeError> {
            #argument::to_box(&self.#member, name, out, proto)
        }

        #[inline]
        fn from_box(
            name: &::core::primitive::str,
            input: &mut #krate::__private::BoxReader<'_>,
            proto: &mut #krate::__private::Proto<'_>,
        ) -> ::core::result::Result<Self, #krate::__private::DecodeError> {
            ::core::result::Result::map(#argument::from_box(name, input, proto), #make)
        }

        fn is_in(
            name: &::core::primitive::str,
            input: &#krate::__private::BoxReader<'_>,
        ) -> ::core::primitive::bool {
            #argument::is_in(name, input)
        }

        fn is_absent(&self) -> ::core::primitive::bool {
            #argument::is_absent(&self.#member)
        }

        fn list_to_string_proto<'amp_item>(
            items: impl ::core::iter::ExactSizeIterator<Item = &'amp_item Self>,
            proto: &mut #krate::__private::Proto<'_>,
            out: &mut #krate::__private::ValueWriter<'_>,
        ) -> ::core::result::Result<(), #krate::__private::EncodeError>
        where
            Self: 'amp_item,
        {
            let items = ::core::iter::Iterator::map(items, |item| &item.#member);
            #argument::list_to_string_proto(items, proto, out)
        }

        fn list_from_string_proto(
            value: #krate::__private::Value<'_>,
            proto: &mut #krate::__private::Proto<'_>,
        ) -> ::core::result::Result<#krate::__private::Vec<Self>, #krate::__private::DecodeError> {
            let items = #argument::list_from_string_proto(value, proto)?;
            #krate::__private::wrap_each(items, proto, #make)
        }

        fn wire_type(types: &mut #krate::__private::WireTypes) -> #krate::__private::WireType {
            #krate::__private::WireTypes::of::<#ty>(types)
        }

        fn list_wire_type(types: &mut #krate::__private::WireTypes) -> #krate::__private::WireType {
            #krate::__private::WireTypes::list_of::<#ty>(types)
        }

        fn box_schema(
            name: &::core::primitive::str,
            types: &mut #krate::__private::WireTypes,
        ) -> #krate::__private::BoxSchema {
            #argument::box_schema(name, types)
        }
    }
}

fn stubs(item: &Newtype<'_>) -> TokenStream {
    let Newtype { krate, .. } = item;
    quote_spanned! {Span::mixed_site()=>
        fn to_string_proto(
            &self,
            _: &mut #krate::__private::Proto<'_>,
            _: &mut #krate::__private::ValueWriter<'_>,
        ) -> ::core::result::Result<(), #krate::__private::EncodeError> {
            ::core::unreachable!()
        }

        fn from_string_proto(
            _: #krate::__private::Value<'_>,
            _: &mut #krate::__private::Proto<'_>,
        ) -> ::core::result::Result<Self, #krate::__private::DecodeError> {
            ::core::unreachable!()
        }
    }
}
