//! `Arguments` for enums: a key says which variant it is, and the variant's fields stand beside it.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::{Generics, Ident, LitByteStr, LitStr, Path};

use crate::ast::{Choice, Field};
use crate::bodies::Bodies;
use crate::expand_choice;
use crate::expand_field;
use crate::expand_fields::{FieldsCode, Place, Write, of_fields};
use crate::expand_names::{self, NamesCode};
use crate::expand_schema;
use crate::tagged::{Tagged, TaggedEnum};

/// Implements `Arguments`.
pub(crate) fn arguments(
    item: &TaggedEnum<'_>,
    generics: &Generics,
    tag: &LitStr,
    krate: &Path,
    strict: bool,
    bodies: Bodies,
) -> TokenStream {
    let span = Span::mixed_site();
    let ident = item.ident;
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let strict =
        strict.then(|| quote_spanned!(span=> const IS_STRICT: ::core::primitive::bool = true;));
    let (others, names, write_to, read_from) = match bodies {
        Bodies::Working => {
            let schema = expand_schema::of_tagged(item, tag, krate);
            let (write_to, read_from) = bodies_of(item, tag, krate);
            let fields = item.fields().filter(|field| !field.skip);
            let fields = fields.map(|field| expand_field::is_in(field, krate));
            let others = quote_spanned! {span=>
                fn any_in(input: &#krate::__private::BoxReader<'_>) -> ::core::primitive::bool {
                    #krate::__private::AmpBox::contains_key(input.ampbox(), #tag) #(|| #fields)*
                }

                #schema
            };
            let names = expand_names::of_tagged(item, generics, tag, krate);
            (Some(others), names, write_to, read_from)
        }
        Bodies::Stubs => {
            let stub = quote_spanned!(span=> ::core::unreachable!());
            (None, NamesCode::default(), stub.clone(), stub)
        }
    };
    let NamesCode { constant: names, check_within, check_beside } = names;

    quote_spanned! {span=>
        #[automatically_derived]
        #[allow(deprecated, unused_variables)]
        impl #impl_generics #krate::__private::Arguments for #ident #ty_generics #where_clause {
            #strict
            #names

            fn write_to(
                &self,
                out: &mut #krate::__private::BoxWriter<'_>,
                proto: &mut #krate::__private::Proto<'_>,
            ) -> ::core::result::Result<(), #krate::__private::EncodeError> {
                #check_within
                #write_to
            }

            fn read_from(
                input: &mut #krate::__private::BoxReader<'_>,
                proto: &mut #krate::__private::Proto<'_>,
            ) -> ::core::result::Result<Self, #krate::__private::DecodeError> {
                #check_within
                #read_from
            }

            #others
        }

        #check_beside
    }
}

/// Returns the bodies of `write_to` and `read_from`.
fn bodies_of(item: &TaggedEnum<'_>, tag: &LitStr, krate: &Path) -> (TokenStream, TokenStream) {
    let span = Span::mixed_site();
    let variants = item.variants.iter().map(|variant| of_variant(variant, tag, krate));
    let (writes, reads): (Vec<_>, Vec<_>) = variants.unzip();
    let expected = expand_choice::expected(item.variants.iter().map(|variant| &variant.choice));
    let write_to = quote_spanned! {span=>
        match self { #(#writes)* }
        ::core::result::Result::Ok(())
    };
    let read_from = quote_spanned! {span=>
        let ::core::option::Option::Some(tag) = #krate::__private::BoxReader::take(input, #tag)
        else {
            return ::core::result::Result::Err(
                #krate::__private::DecodeError::missing().at(#tag),
            );
        };
        match tag.as_slice() {
            #(#reads)*
            _ => ::core::result::Result::Err(
                #krate::__private::DecodeError::malformed(#expected, tag).at(#tag),
            ),
        }
    };
    (write_to, read_from)
}

/// Returns the arms that write and read one variant.
fn of_variant(variant: &Tagged<'_>, tag: &LitStr, krate: &Path) -> (TokenStream, TokenStream) {
    let span = Span::mixed_site();
    let Tagged { choice: Choice { ident, text }, fields, .. } = variant;
    let key = LitByteStr::new(tag.value().as_bytes(), tag.span());
    let text = LitByteStr::new(text.value().as_bytes(), text.span());
    let name_of = |at: usize| Ident::new(&format!("place_{at}"), span);
    let places: Vec<_> = (0..fields.len()).map(name_of).collect();
    let bound = fields.iter().zip(&places).filter(|(field, _)| !field.skip);
    let bound = bound.map(|(Field { member, .. }, place)| quote_spanned!(span=> #member: #place,));
    let pattern = quote_spanned!(span=> Self::#ident { #(#bound)* .. });
    let referred = fields.iter().zip(&places);
    let referred = referred.map(|(field, place)| (field, quote_spanned!(span=> #place)));
    let made = quote_spanned!(span=> Self::#ident);
    let FieldsCode { mut writes, read_from } = of_fields(referred.collect(), &made, krate);

    let code = quote_spanned! {span=>
        #krate::__private::BoxWriter::put_with::<#krate::__private::EncodeError>(
            out,
            #key,
            |out| {
                out.put_slice(#text);
                ::core::result::Result::Ok(())
            },
        )
        .map_err(|error| error.at(#tag))?;
    };
    let place = Place::Of(tag.value());
    let at = writes.partition_point(|write| write.place < place);
    writes.insert(at, Write { place, code });
    let writes = writes.iter().map(|write| &write.code);
    (
        quote_spanned!(span=> #pattern => { #(#writes)* }),
        quote_spanned!(span=> #text => { #read_from }),
    )
}
