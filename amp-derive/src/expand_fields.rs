//! The code that writes the fields of a struct or of a variant to a box, and reads them from one.

use proc_macro2::{Literal, Span, TokenStream};
use quote::quote_spanned;
use syn::{Ident, Lifetime, Path};

use crate::ast::Field;
use crate::expand_field::{self, FieldCode};

/// The code of all fields.
pub(crate) struct FieldsCode {
    /// What writes them, in their order on the wire.
    pub(crate) writes: Vec<Write>,
    /// What reads them, and returns what they make.
    pub(crate) read_from: TokenStream,
}

/// A statement that writes a field.
pub(crate) struct Write {
    /// What it is sorted by.
    pub(crate) place: Place,
    pub(crate) code: TokenStream,
}

/// Fields are written in the order that the box has in the end, which spares its writer the sorting, and
/// read in the same. What is flattened comes last: its names are not known here.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Of(String),
    Last,
}

/// Expands fields, each with an expression that refers to it, which make a `made`.
pub(crate) fn of_fields(
    fields: Vec<(&Field<'_>, TokenStream)>,
    made: &TokenStream,
    krate: &Path,
) -> FieldsCode {
    let (skipped, mut fields): (Vec<_>, Vec<_>) =
        fields.into_iter().partition(|(field, _)| field.skip);
    let skipped: Vec<_> = skipped.iter().map(|(field, _)| expand_field::skipped(field)).collect();
    let place_of = |field: &Field<'_>| {
        if field.flatten { Place::Last } else { Place::Of(field.wire_name.value()) }
    };
    fields.sort_by_key(|(field, _)| place_of(field));
    let code = fields.iter().map(|(field, place)| expand_field::expand(field, place, krate));
    let code: Vec<_> = code.collect();
    let writes = fields.iter().zip(&code).map(|((field, _), FieldCode { write, .. })| Write {
        place: place_of(field),
        code: write.clone(),
    });
    let writes = writes.collect();
    let span = Span::mixed_site();
    if fields.is_empty() {
        let read_from = quote_spanned!(span=> ::core::result::Result::Ok(#made { #(#skipped,)* }));
        return FieldsCode { writes, read_from };
    }
    let reads = code.iter().map(|FieldCode { read, .. }| read);
    let members = fields.iter().map(|(field, _)| &field.member);
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
    let label = Lifetime::new("'fields", span);
    let read_from = quote_spanned! {span=>
        let mut error = ::core::option::Option::None;
        let failed = #label: {
            #(let ::core::option::Option::Some(#values) = #reads else {
                break #label #indices;
            };)*
            return ::core::result::Result::Ok(#made {
                #(#members: #values,)*
                #(#skipped,)*
            });
        };
        #krate::__private::read_on(#rest, failed, error, input, proto)
    };
    FieldsCode { writes, read_from }
}
