//! Structs that are one argument, as their authors meant them.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{DataStruct, DeriveInput, Fields, Generics, Ident, Path, WherePredicate};

use crate::ast::{Field, default_crate};
use crate::attributes::{self, Known};
use crate::mistakes::Mistakes;

/// A struct that is its one field on the wire.
pub(crate) struct Newtype<'a> {
    pub(crate) krate: Path,
    pub(crate) ident: &'a Ident,
    pub(crate) generics: &'a Generics,
    /// The one that is on the wire, and those that are not.
    pub(crate) fields: Vec<Field<'a>>,
    /// The bounds of its type parameters, where it says them itself.
    pub(crate) bound: Option<Vec<WherePredicate>>,
}

impl<'a> Newtype<'a> {
    pub(crate) fn parse(
        input: &'a DeriveInput,
        data: &'a DataStruct,
        mistakes: &mut Mistakes,
    ) -> Self {
        const KNOWN: Known =
            Known { place: "a struct that is its one field", items: &["bound", "crate"] };

        let ident = &input.ident;
        let mut parsed = Self {
            krate: default_crate(),
            ident,
            generics: &input.generics,
            fields: Vec::new(),
            bound: None,
        };
        attributes::read(&input.attrs, &KNOWN, mistakes, |name, input| {
            if name == "crate" {
                parsed.krate = attributes::crate_path(name, input)?;
            } else {
                parsed.bound = Some(attributes::bounds(name, input)?);
            }
            Ok(())
        });
        match &data.fields {
            Fields::Unnamed(unnamed) => {
                for (at, field) in (0..).zip(&unnamed.unnamed) {
                    parsed.fields.push(Field::of_newtype(ident, at, field, mistakes));
                }
                parsed.check(unnamed.to_token_stream(), mistakes);
            }
            Fields::Named(named) => mistakes.at(
                named,
                "a struct with named fields is a box on the wire: derive `Arguments`; `Argument` is derived for \
                 one that is its only field, which has no name",
            ),
            Fields::Unit => mistakes.at(ident, no_field(ident)),
        }
        parsed
    }

    /// Returns the field that is on the wire, in a struct without mistakes.
    pub(crate) fn inner(&self) -> Option<&Field<'a>> {
        self.fields.iter().find(|field| !field.skip)
    }

    fn check(&self, fields: TokenStream, mistakes: &mut Mistakes) {
        match self.fields.iter().filter(|field| !field.skip).count() {
            1 => {}
            0 if self.fields.is_empty() => mistakes.at(self.ident, no_field(self.ident)),
            0 => mistakes.at(fields, "one field has to be on the wire, without `skip`"),
            several => mistakes.at(
                fields,
                format_args!(
                    "an argument is one value, and these are {several}: give the fields names and derive \
                     `Arguments`, which makes them a box, or mark what is not on the wire with `#[amp(skip)]`"
                ),
            ),
        }
    }
}

fn no_field(ident: &Ident) -> String {
    format!(
        "`Argument` is derived for a struct that is its only field, and this one has none; `struct {ident} {{}}` \
         derives `Arguments`, and is an empty box on the wire"
    )
}
