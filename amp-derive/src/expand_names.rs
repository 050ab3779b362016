//! `Arguments::NAMES`, by which the compiler refuses two arguments of one name in a box.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned;
use syn::{Generics, Ident, LitStr, Path};

use crate::ast::{Field, Struct};
use crate::expand_field::inside_option;
use crate::parts::first_number;
use crate::tagged::TaggedEnum;

/// The names of an item's arguments; nothing where there is a mistake.
#[derive(Default)]
pub(crate) struct NamesCode {
    /// The constant of the impl.
    pub(crate) constant: TokenStream,
    /// A statement of a method that checks them, where that takes the type parameters.
    pub(crate) check_within: Option<TokenStream>,
    /// An item that checks them.
    pub(crate) check_beside: Option<TokenStream>,
}

/// Expands the names of a struct.
pub(crate) fn of_struct(item: &Struct<'_>, generics: &Generics, krate: &Path) -> NamesCode {
    let fields: Vec<_> = item.on_wire().collect();
    let names = of_fields(&fields, krate);
    expand(&names, item.ident, generics, &fields, krate)
}

/// Expands the names of an enum.
pub(crate) fn of_tagged(
    item: &TaggedEnum<'_>,
    generics: &Generics,
    tag: &LitStr,
    krate: &Path,
) -> NamesCode {
    let fields = item.variants.iter().map(|variant| {
        let fields = variant.fields.iter().filter(|field| !field.skip);
        fields.collect::<Vec<_>>()
    });
    let fields: Vec<_> = fields.collect();
    let cases = fields.iter().map(|fields| of_fields(fields, krate));
    let names = quote_spanned! {Span::mixed_site()=>
        #krate::__private::Names {
            own: &[#tag],
            numbered: &[],
            flattened: &[],
            cases: &[#(&#cases),*],
        }
    };
    expand(&names, item.ident, generics, &fields.concat(), krate)
}

fn of_fields(fields: &[&Field<'_>], krate: &Path) -> TokenStream {
    let (flattened, own): (Vec<&Field<'_>>, Vec<_>) =
        fields.iter().partition(|field| field.flatten);
    let numbered = own.iter().filter_map(|field| {
        let (first, name) = (first_number(field.ty)?, &field.wire_name);
        Some(quote_spanned!(Span::mixed_site()=> (#name, #first)))
    });
    let numbered: Vec<_> = numbered.collect();
    let mut own: Vec<_> = own.iter().map(|field| field.wire_name.value()).collect();
    own.sort();
    let flattened = flattened.iter().map(|Field { ty, .. }| {
        let ty = inside_option(ty).unwrap_or(ty);
        let span = ty.span().resolved_at(Span::mixed_site());
        quote_spanned!(span=> <#ty as #krate::__private::Arguments>::NAMES)
    });
    quote_spanned! {Span::mixed_site()=>
        #krate::__private::Names {
            own: &[#(#own),*],
            numbered: &[#(#numbered),*],
            flattened: &[#(#flattened),*],
            cases: &[],
        }
    }
}

fn expand(
    names: &TokenStream,
    ident: &Ident,
    generics: &Generics,
    fields: &[&Field<'_>],
    krate: &Path,
) -> NamesCode {
    let span = Span::mixed_site();
    let constant = quote_spanned! {span=>
        const NAMES: &'static #krate::__private::Names = &#names;
    };
    // The names that stand in the code are compared before.
    let flattened = fields.iter().find(|field| field.flatten);
    let span = flattened.map_or(span, |field| field.ty.span().resolved_at(span));
    let check = |of: TokenStream| {
        quote_spanned! {span=>
            #krate::__private::Names::check(<#of as #krate::__private::Arguments>::NAMES)
        }
    };
    let (mut check_within, mut check_beside) = (None, None);
    match flattened {
        None => {}
        Some(_) if generics.params.is_empty() => {
            let check = check(quote_spanned!(span=> #ident));
            check_beside = Some(quote_spanned!(span=> #[allow(deprecated)] const _: () = #check;));
        }
        Some(_) => {
            let check = check(quote_spanned!(span=> Self));
            check_within = Some(quote_spanned!(span=> const { #check };));
        }
    }
    NamesCode { constant, check_within, check_beside }
}
