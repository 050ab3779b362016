//! Enums whose variants have arguments, as their authors meant them.

use syn::{DataEnum, DeriveInput, Fields, Generics, Ident, WherePredicate};

use crate::ast::{Choice, Field, Shape, docs_of};
use crate::mistakes::Mistakes;

/// An enum whose variants have arguments.
pub(crate) struct TaggedEnum<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) generics: &'a Generics,
    pub(crate) variants: Vec<Tagged<'a>>,
    /// The bounds of its type parameters, where it says them itself.
    pub(crate) bound: Option<Vec<WherePredicate>>,
}

/// One variant of it.
pub(crate) struct Tagged<'a> {
    pub(crate) choice: Choice<'a>,
    pub(crate) fields: Vec<Field<'a>>,
    pub(crate) docs: String,
}

impl<'a> TaggedEnum<'a> {
    pub(crate) fn parse(
        input: &'a DeriveInput,
        data: &'a DataEnum,
        shape: &Shape,
        mistakes: &mut Mistakes,
    ) -> Self {
        let variants = data.variants.iter().map(|variant| Tagged::parse(variant, shape, mistakes));
        let variants = variants.collect();
        let bound = shape.bound.clone();
        Self { ident: &input.ident, generics: &input.generics, variants, bound }
    }

    /// Returns the fields of all variants.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &Field<'a>> {
        self.variants.iter().flat_map(|variant| &variant.fields)
    }
}

impl<'a> Tagged<'a> {
    fn parse(variant: &'a syn::Variant, shape: &Shape, mistakes: &mut Mistakes) -> Self {
        let choice = Choice::named(variant, shape.rename_all, mistakes);
        let mut fields = Vec::new();
        match &variant.fields {
            Fields::Named(named) => {
                fields.extend(named.named.iter().filter_map(|f| Field::parse(f, mistakes)));
            }
            Fields::Unnamed(unnamed) if unnamed.unnamed.len() == 1 => {
                let only = unnamed.unnamed.iter();
                fields.extend(only.map(|field| Field::of_variant(variant, field, mistakes)));
            }
            Fields::Unnamed(unnamed) => mistakes.at(
                unnamed,
                "a variant has named fields, none, or one without a name whose type derives `Arguments`",
            ),
            Fields::Unit => {}
        }
        Self { choice, fields, docs: docs_of(&variant.attrs) }
    }
}
