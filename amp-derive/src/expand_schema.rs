//! The code by which an item says what it is on the wire: `schema`, `wire_type`, `list_wire_type`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::{LitStr, Path};

use crate::ast::{Choice, ChoiceEnum, ErrorEnum, Field, Struct, Variant};
use crate::bodies::Bodies;
use crate::expand_field::inside_option;
use crate::tagged::{Tagged, TaggedEnum};

/// `Arguments::schema`.
pub(crate) fn of_arguments(item: &Struct<'_>, krate: &Path, bodies: Bodies) -> Option<TokenStream> {
    if bodies == Bodies::Stubs {
        return None;
    }
    let span = Span::mixed_site();
    let fields: Vec<_> = item.on_wire().collect();
    let types = types_for(&fields);
    let (schema, extend) = match &fields[..] {
        [] => (quote_spanned!(span=> #krate::__private::BoxSchema::new()), None),
        fields => {
            let name = quote_spanned!(span=> schema);
            let extend = of_fields(fields, &name, krate);
            (name, Some(extend))
        }
    };
    Some(quote_spanned! {span=>
        fn schema(#types: &mut #krate::__private::WireTypes) -> #krate::__private::BoxSchema {
            #extend
            #schema
        }
    })
}

/// `Arguments::schema` of an enum.
pub(crate) fn of_tagged(item: &TaggedEnum<'_>, tag: &LitStr, krate: &Path) -> TokenStream {
    let span = Span::mixed_site();
    let all: Vec<_> = item.fields().filter(|field| !field.skip).collect();
    let types = types_for(&all);
    let cases = item.variants.iter().map(|Tagged { choice, fields, docs }| {
        let fields: Vec<_> = fields.iter().filter(|field| !field.skip).collect();
        let (text, docs) = (&choice.text, documented(docs, span));
        let extend = of_fields(&fields, &quote_spanned!(span=> case), krate);
        quote_spanned! {span=> {
            #extend
            #krate::__private::BoxSchema::add_case(
                &mut schema,
                #krate::__private::CaseSchema::new(#tag, #text, case) #docs,
            );
        }}
    });
    quote_spanned! {span=>
        fn schema(#types: &mut #krate::__private::WireTypes) -> #krate::__private::BoxSchema {
            let mut schema = #krate::__private::BoxSchema::new();
            #(#cases)*
            schema
        }
    }
}

/// Returns what the types are called that these fields ask.
fn types_for(fields: &[&Field<'_>]) -> TokenStream {
    let span = Span::mixed_site();
    let asks = |field: &&Field<'_>| field.flatten || field.secret || field.with.is_none();
    if fields.iter().any(asks) { quote_spanned!(span=> types) } else { quote_spanned!(span=> _) }
}

/// Makes `schema` one with these fields.
fn of_fields(fields: &[&Field<'_>], schema: &TokenStream, krate: &Path) -> TokenStream {
    let span = Span::mixed_site();
    if fields.is_empty() {
        return quote_spanned!(span=> let #schema = #krate::__private::BoxSchema::new(););
    }
    let secrets = fields.iter().filter(|field| field.secret).map(|field| &field.wire_name);
    let fields = fields.iter().map(|field| of_field(field, krate));
    quote_spanned! {span=>
        let mut #schema = #krate::__private::BoxSchema::new();
        #(#krate::__private::WireTypes::secret(types, #secrets);)*
        #(#krate::__private::BoxSchema::extend(&mut #schema, #fields);)*
    }
}

/// `Argument::wire_type` of an item whose value is a box.
pub(crate) fn of_boxes(krate: &Path) -> TokenStream {
    let span = Span::mixed_site();
    quote_spanned! {span=>
        fn wire_type(
            types: &mut #krate::__private::WireTypes,
        ) -> #krate::__private::WireType {
            #krate::__private::WireTypes::ampbox::<Self>(types)
        }

        fn list_wire_type(
            types: &mut #krate::__private::WireTypes,
        ) -> #krate::__private::WireType {
            #krate::__private::WireTypes::amp_list::<Self>(types)
        }
    }
}

/// `Argument::wire_type` of an enum.
pub(crate) fn of_choices(item: &ChoiceEnum<'_>) -> TokenStream {
    let ChoiceEnum { krate, choices, .. } = item;
    let span = Span::mixed_site();
    let texts = choices.iter().map(|Choice { text, .. }| text);
    quote_spanned! {span=>
        fn wire_type(_: &mut #krate::__private::WireTypes) -> #krate::__private::WireType {
            #krate::__private::WireType::one_of([#(#texts),*])
        }
    }
}

/// `CommandError::schema`.
pub(crate) fn of_errors(item: &ErrorEnum<'_>) -> TokenStream {
    let ErrorEnum { krate, variants, .. } = item;
    let span = Span::mixed_site();
    let own = variants.iter().filter(|variant| !variant.include);
    let errors = own.map(|Variant { code, fatal, exception, docs, .. }| {
        let docs = documented(docs, span);
        let exception = exception.as_ref().map(|name| quote_spanned!(span=> .raised_as(#name)));
        quote_spanned!(span=> #krate::__private::ErrorSchema::new(#code, #fatal) #docs #exception)
    });
    let included: Vec<_> = variants
        .iter()
        .filter(|variant| variant.include)
        .filter_map(|variant| variant.description)
        .collect();
    if !included.is_empty() {
        return quote_spanned! {span=>
            fn schema() -> ::core::option::Option<
                #krate::__private::Vec<#krate::__private::ErrorSchema>,
            > {
                let mut errors = #krate::__private::list([#(#errors),*]);
                #(#krate::__private::include_errors(
                    &mut errors,
                    <#included as #krate::__private::CommandError>::schema()?,
                );)*
                ::core::option::Option::Some(errors)
            }
        };
    }
    quote_spanned! {span=>
        fn schema() -> ::core::option::Option<
            #krate::__private::Vec<#krate::__private::ErrorSchema>,
        > {
            ::core::option::Option::Some(#krate::__private::list([#(#errors),*]))
        }
    }
}

/// The schema of what one field is in a box.
fn of_field(field: &Field<'_>, krate: &Path) -> TokenStream {
    let Field { ty, wire_name, .. } = field;
    let span = ty.span().resolved_at(Span::mixed_site());
    let mut schema = match &field.with {
        _ if field.flatten => {
            let optional = inside_option(ty).map(|_| quote_spanned!(span=> .optional()));
            let ty = inside_option(ty).unwrap_or(ty);
            return quote_spanned! {span=>
                <#ty as #krate::__private::Arguments>::schema(types) #optional
            };
        }
        None => quote_spanned! {span=>
            <#ty as #krate::__private::Argument>::box_schema(#wire_name, types)
        },
        Some(codec) => {
            let path = codec.to_token_stream().to_string().replace(' ', "");
            let optional = inside_option(ty).map(|_| quote_spanned!(span=> .optional()));
            quote_spanned! {span=>
                #krate::__private::BoxSchema::required(
                    #wire_name,
                    #krate::__private::WireType::Unknown(
                        #krate::__private::owned(#path),
                    ),
                )
                #optional
            }
        }
    };
    if field.default.is_some() {
        schema = quote_spanned!(span=> #krate::__private::BoxSchema::with_default(#schema));
    }
    let docs = documented(&field.docs, span);
    quote_spanned!(span=> #schema #docs)
}

/// Returns a call that adds what the documentation says, if there is any.
fn documented(docs: &str, span: Span) -> Option<TokenStream> {
    (!docs.is_empty()).then(|| quote_spanned!(span=> .documented(#docs)))
}
