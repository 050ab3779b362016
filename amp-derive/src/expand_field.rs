//! The code that writes one field to a box, and reads it from one.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned;
use syn::{ExprPath, GenericArgument, Ident, LitByteStr, Path, PathArguments, Type};

use crate::ast::{DefaultValue, Field};

/// The code of one field.
pub(crate) struct FieldCode {
    /// A statement in `write_to`.
    pub(crate) write: TokenStream,
    /// An expression in `read_from`: the field, or none and an `error`.
    pub(crate) read: TokenStream,
    /// A statement that reads the field when another one could not be read.
    pub(crate) read_on: TokenStream,
}

/// Expands `field`; `place` is an expression that refers to it in `write_to`.
pub(crate) fn expand(field: &Field<'_>, place: &TokenStream, krate: &Path) -> FieldCode {
    match &field.with {
        _ if field.flatten => flattened(field, place, krate),
        Some(codec) => with(field, place, codec, krate),
        None => plain(field, place, krate),
    }
}

/// Returns where the compiler reports that the field's type is not an argument, with names of ours.
fn span_of(ty: &Type) -> Span {
    ty.span().resolved_at(Span::mixed_site())
}

fn plain(field: &Field<'_>, place: &TokenStream, krate: &Path) -> FieldCode {
    let Field { ty, wire_name, .. } = field;
    let span = span_of(ty);
    let argument = quote_spanned!(span=> <#ty as #krate::__private::Argument>);
    let write = quote_spanned! {span=>
        #argument::to_box(#place, #wire_name, out, proto)?;
    };
    let mut read = quote_spanned! {span=>
        #argument::read_field(#wire_name, input, proto, &mut error)
    };
    if let Some(default) = default_of(field) {
        read = no_block(&quote_spanned! {span=>
            if #argument::is_in(#wire_name, input) {
                #read
            } else #default
        });
    }
    let read_on = quote_spanned! {span=>
        #argument::read_field_on(#wire_name, input, proto);
    };
    FieldCode { write, read, read_on }
}

/// The value of a field that is not on the wire.
pub(crate) fn skipped(field: &Field<'_>) -> TokenStream {
    let Field { member, ty, .. } = field;
    let default = if let Some(DefaultValue::Of(function)) = &field.default {
        quote_spanned!(function.span()=> #function())
    } else {
        quote_spanned!(span_of(ty)=> <#ty as ::core::default::Default>::default())
    };
    quote_spanned!(Span::mixed_site()=> #member: #default)
}

/// Whether anything of the field is in a box: an expression.
pub(crate) fn is_in(field: &Field<'_>, krate: &Path) -> TokenStream {
    let Field { ty, wire_name, .. } = field;
    let span = span_of(ty);
    if field.flatten {
        let ty = inside_option(ty).unwrap_or(ty);
        quote_spanned!(span=> <#ty as #krate::__private::Arguments>::any_in(input))
    } else if field.with.is_some() {
        quote_spanned!(span=> #krate::__private::AmpBox::contains_key(input.ampbox(), #wire_name))
    } else {
        quote_spanned!(span=> <#ty as #krate::__private::Argument>::is_in(#wire_name, input))
    }
}

/// Arguments all of which may be missing.
fn flattened_option(inner: &Type, place: &TokenStream, krate: &Path) -> FieldCode {
    let span = span_of(inner);
    let arguments = quote_spanned!(span=> <#inner as #krate::__private::Arguments>);
    let read = no_block(&quote_spanned! {span=>
        if #arguments::any_in(input) {
            ::core::option::Option::map(
                #krate::__private::or_error(#arguments::read_from(input, proto), &mut error),
                ::core::option::Option::Some,
            )
        } else {
            ::core::option::Option::Some(::core::option::Option::None)
        }
    });
    FieldCode {
        write: quote_spanned! {span=>
            if let ::core::option::Option::Some(group) = #place {
                #arguments::write_to(group, out, proto)?;
            }
        },
        read,
        read_on: quote_spanned! {span=>
            if #arguments::any_in(input) {
                ::core::mem::drop(#arguments::read_from(input, proto));
            }
        },
    }
}

fn flattened(field: &Field<'_>, place: &TokenStream, krate: &Path) -> FieldCode {
    let ty = field.ty;
    if let Some(inner) = inside_option(ty) {
        return flattened_option(inner, place, krate);
    }
    let span = span_of(ty);
    let arguments = quote_spanned!(span=> <#ty as #krate::__private::Arguments>);
    FieldCode {
        write: quote_spanned!(span=> #arguments::write_to(#place, out, proto)?;),
        read: quote_spanned! {span=>
            #krate::__private::or_error(#arguments::read_from(input, proto), &mut error)
        },
        read_on: quote_spanned! {span=>
            ::core::mem::drop(#arguments::read_from(input, proto));
        },
    }
}

fn with(field: &Field<'_>, place: &TokenStream, codec: &ExprPath, krate: &Path) -> FieldCode {
    let Field { ty, wire_name, .. } = field;
    let optional = inside_option(ty);
    let key = LitByteStr::new(wire_name.value().as_bytes(), wire_name.span());
    // The functions are looked up where the codec's path is written.
    let to_string_proto = Ident::new("to_string_proto", codec.span());
    let from_string_proto = Ident::new("from_string_proto", codec.span());

    let span = Span::mixed_site();
    let write_value = |value: TokenStream| {
        quote_spanned! {span=>
            #krate::__private::BoxWriter::put_with::<#krate::__private::EncodeError>(
                out,
                #key,
                |out| #codec::#to_string_proto(#value, proto, out),
            )
            .map_err(|error| error.at(#wire_name))?;
        }
    };
    let write = if optional.is_some() {
        let write_some = write_value(quote_spanned!(span=> value));
        quote_spanned! {span=>
            if let ::core::option::Option::Some(value) = #place {
                #write_some
            }
        }
    } else {
        write_value(place.clone())
    };

    let value_ty = optional.unwrap_or(ty);
    let value = quote_spanned! {span=>
        ::core::result::Result::<#value_ty, #krate::__private::DecodeError>::map_err(
            #codec::#from_string_proto(value, proto),
            |error| error.at(#wire_name),
        )
    };
    let read_on = quote_spanned! {span=>
        if let ::core::option::Option::Some(value) =
            #krate::__private::BoxReader::take(input, #wire_name)
        {
            ::core::mem::drop(#value);
        }
    };
    let value = quote_spanned!(span=> #krate::__private::or_error(#value, &mut error));
    let (value, absent) = match optional {
        None => (
            value,
            quote_spanned! {span=>
                #krate::__private::or_error(
                    ::core::result::Result::Err(
                        #krate::__private::DecodeError::missing().at(#wire_name),
                    ),
                    &mut error,
                )
            },
        ),
        Some(_) => (
            quote_spanned! {span=>
                ::core::option::Option::map(#value, ::core::option::Option::Some)
            },
            quote_spanned! {span=>
                ::core::option::Option::Some(::core::option::Option::None)
            },
        ),
    };
    let absent = default_of(field).unwrap_or(absent);
    let read = no_block(&quote_spanned! {span=>
        match #krate::__private::BoxReader::take(input, #wire_name) {
            ::core::option::Option::Some(value) => #value,
            ::core::option::Option::None => #absent,
        }
    });
    FieldCode { write, read, read_on }
}

/// The same expression, which an `else` may follow.
fn no_block(expression: &TokenStream) -> TokenStream {
    quote_spanned!(Span::mixed_site()=> ::core::convert::identity(#expression))
}

/// Returns what the field is when its argument is absent: a block, so that the compiler compares
/// the types of the default and of the field themselves.
fn default_of(field: &Field<'_>) -> Option<TokenStream> {
    let ty = field.ty;
    let default = match field.default.as_ref()? {
        DefaultValue::OfType => {
            quote_spanned!(span_of(ty)=> <#ty as ::core::default::Default>::default())
        }
        DefaultValue::Of(function) => quote_spanned!(function.span()=> #function()),
    };
    Some(quote_spanned! {Span::mixed_site()=> {
        let default: #ty = #default;
        ::core::option::Option::Some(default)
    }})
}

/// `U` of a type that is written `Option<U>`.
pub(crate) fn inside_option(ty: &Type) -> Option<&Type> {
    match ty {
        Type::Group(group) => inside_option(&group.elem),
        Type::Paren(paren) => inside_option(&paren.elem),
        Type::Path(path) => {
            let last = path.path.segments.last().filter(|last| last.ident == "Option")?;
            let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
            match arguments.args.first()? {
                GenericArgument::Type(inner) if arguments.args.len() == 1 => Some(inner),
                _ => None,
            }
        }
        _ => None,
    }
}
