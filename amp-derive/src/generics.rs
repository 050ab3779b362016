//! The bounds that the fields of a generic item need.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Generics, Path, TypeParam, WherePredicate, parse_quote};

use crate::ast::{DefaultValue, Field, Struct};
use crate::newtype::Newtype;
use crate::tagged::TaggedEnum;

/// Returns the generics of a struct: see [`of_fields`].
pub(crate) fn of_struct(item: &Struct<'_>, krate: &Path) -> Generics {
    of_fields(item.generics, item.bound.as_deref(), &item.fields.iter().collect::<Vec<_>>(), krate)
}

/// Returns the generics of an enum: see [`of_fields`].
pub(crate) fn of_tagged(item: &TaggedEnum<'_>, krate: &Path) -> Generics {
    of_fields(item.generics, item.bound.as_deref(), &item.fields().collect::<Vec<_>>(), krate)
}

/// Returns the generics of a struct that is its one field: see [`of_fields`].
pub(crate) fn of_newtype(item: &Newtype<'_>) -> Generics {
    let fields: Vec<_> = item.fields.iter().collect();
    of_fields(item.generics, item.bound.as_deref(), &fields, &item.krate)
}

/// Returns the generics of an item with these fields, with the bounds that it says itself, or each type
/// parameter bound to what the fields it is in require.
fn of_fields(
    generics: &Generics,
    bound: Option<&[WherePredicate]>,
    fields: &[&Field<'_>],
    krate: &Path,
) -> Generics {
    if let Some(bound) = bound {
        return with_bounds(generics.clone(), bound.to_vec());
    }
    let mut bounds: Vec<WherePredicate> = Vec::new();
    for TypeParam { ident: param, .. } in generics.type_params() {
        let mentioned = |field: &&&Field<'_>| mentions(field.ty.to_token_stream(), param);
        let fields: Vec<_> = fields.iter().filter(mentioned).collect();
        if fields.iter().any(|field| !field.flatten && !field.skip && field.with.is_none()) {
            bounds.push(parse_quote!(#param: #krate::__private::Argument));
        }
        if fields.iter().any(|field| field.flatten) {
            bounds.push(parse_quote!(#param: #krate::__private::Arguments));
        }
        for field in fields {
            let is_default = match field.default {
                Some(DefaultValue::OfType) => true,
                Some(DefaultValue::Of(_)) => false,
                None => field.skip,
            };
            if is_default {
                let ty = field.ty;
                bounds.push(parse_quote!(#ty: ::core::default::Default));
            }
        }
    }
    with_bounds(generics.clone(), bounds)
}

/// Returns the same for a command, which must be able to go to another task.
pub(crate) fn of_command(item: &Struct<'_>, krate: &Path) -> Generics {
    let mut bounds: Vec<WherePredicate> = Vec::new();
    for TypeParam { ident: param, .. } in item.generics.type_params() {
        bounds.push(parse_quote!(#param: ::core::marker::Send + 'static));
    }
    if item.generics.lifetimes().next().is_some() {
        bounds.push(parse_quote!(Self: 'static));
    }
    with_bounds(of_struct(item, krate), bounds)
}

fn with_bounds(mut generics: Generics, bounds: Vec<WherePredicate>) -> Generics {
    if !bounds.is_empty() {
        generics.make_where_clause().predicates.extend(bounds);
    }
    generics
}

fn mentions(tokens: TokenStream, param: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == *param,
        TokenTree::Group(group) => mentions(group.stream(), param),
        _ => false,
    })
}
