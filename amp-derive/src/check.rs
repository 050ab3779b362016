//! Schemas that cannot work on the wire.

use syn::{Ident, LitStr};

use crate::ast::{Choice, ChoiceEnum, CommandAttributes, ErrorEnum, Field};
use crate::mistakes::Mistakes;
use crate::parts::{first_number, is_part};
use crate::tagged::TaggedEnum;

/// The longest key, in bytes: a rule of the protocol.
const MAX_KEY: usize = 255;
/// The longest value, in bytes: a rule of the protocol.
const MAX_VALUE: usize = 65_535;
/// `amp_core::keys::RESERVED`, which cannot be reached from here.
const RESERVED_KEYS: [&str; 6] =
    ["_ask", "_answer", "_error", "_command", "_error_code", "_error_description"];

/// Checks the arguments.
pub(crate) fn arguments(fields: &[Field<'_>], mistakes: &mut Mistakes) {
    let mut named: Vec<&Field<'_>> = Vec::new();
    for field in fields {
        if field.flatten || field.skip {
            stands_alone(field, mistakes);
            continue;
        }
        wire_name(&field.wire_name, mistakes);
        match named.iter().find(|other| other.wire_name.value() == field.wire_name.value()) {
            Some(other) => mistakes.at(
                &field.wire_name,
                format_args!(
                    "the wire name `{}` is that of the field `{}` already",
                    field.wire_name.value(),
                    other.ident
                ),
            ),
            None => named.push(field),
        }
    }
    parts(&named, mistakes);
}

/// Checks that no argument has a key that is one of another's.
fn parts(fields: &[&Field<'_>], mistakes: &mut Mistakes) {
    for whole in fields {
        for field in fields {
            let key = field.wire_name.value();
            if is_part_of(whole, &key) {
                mistakes.at(
                    &field.wire_name,
                    format_args!(
                        "the wire name `{key}` is that of a part of the field `{}`: rename one of them",
                        whole.ident
                    ),
                );
            }
        }
    }
}

fn is_part_of(whole: &Field<'_>, key: &str) -> bool {
    let first = first_number(whole.ty);
    first.is_some_and(|first| is_part(&whole.wire_name.value(), first, key))
}

/// Checks what is said about the command as a whole.
pub(crate) fn command(attributes: &CommandAttributes, mistakes: &mut Mistakes) {
    text("a command's name", &attributes.name, MAX_VALUE, mistakes);
    if let Some(response) = attributes.response.as_ref().filter(|_| attributes.one_way) {
        mistakes.at(response, "a `one_way` command is never answered: it has no response");
    }
    let Some(switch) = &attributes.switch else { return };
    if attributes.one_way {
        mistakes
            .at(switch, "a `switch` is agreed to by an answer, which a `one_way` command has not");
    } else if let Some(response) = &attributes.response {
        mistakes.at(response, "a `switch` is agreed to without saying more: it has no response");
    }
}

/// Checks the codes.
pub(crate) fn error_enum(item: &ErrorEnum<'_>, mistakes: &mut Mistakes) {
    // What is included has codes of its own.
    let own: Vec<_> = item.variants.iter().filter(|variant| !variant.include).collect();
    for (at, variant) in own.iter().enumerate() {
        let code = variant.code.value();
        text("an error's code", &variant.code, MAX_VALUE, mistakes);
        if let Some(when) = reserved_code(&code).filter(|_| !variant.is_named) {
            mistakes.at(
                &variant.code,
                format_args!(
                    "the code `{code}` is AMP's own, for {when}; choose another one, or say that it is \
                     meant: `#[amp(code = \"...\")]`"
                ),
            );
        }
        if let Some(other) = own[..at].iter().find(|other| other.code.value() == code) {
            mistakes.at(
                &variant.code,
                format_args!("the code `{code}` is that of the error `{}` already", other.ident),
            );
        }
    }
}

/// Checks the texts of an enum's variants.
pub(crate) fn choices(item: &ChoiceEnum<'_>, mistakes: &mut Mistakes) {
    texts(item.ident, &item.choices.iter().collect::<Vec<_>>(), mistakes);
}

/// Checks an enum whose variants have arguments, and returns its tag.
pub(crate) fn tagged(
    item: &TaggedEnum<'_>,
    tag: Option<LitStr>,
    mistakes: &mut Mistakes,
) -> LitStr {
    let choices: Vec<_> = item.variants.iter().map(|variant| &variant.choice).collect();
    texts(item.ident, &choices, mistakes);
    for variant in &item.variants {
        arguments(&variant.fields, mistakes);
    }
    let Some(tag) = tag else {
        mistakes.at(
            item.ident,
            "an enum of arguments needs `#[amp(tag = \"...\")]`, the key whose value says which variant \
             it is; for an enum that is nothing but a text derive `Argument`",
        );
        return LitStr::new("", item.ident.span());
    };
    wire_name(&tag, mistakes);
    let is_on_wire = |field: &&Field<'_>| !field.flatten && !field.skip;
    for field in item.fields().filter(is_on_wire) {
        if field.wire_name.value() == tag.value() {
            mistakes.at(
                &field.wire_name,
                format_args!("the wire name `{}` is that of the tag already", tag.value()),
            );
        }
        if is_part_of(field, &tag.value()) {
            mistakes.at(
                &field.wire_name,
                format_args!("the tag `{}` has the key of a part of this field", tag.value()),
            );
        }
    }
    tag
}

fn texts(ident: &Ident, choices: &[&Choice<'_>], mistakes: &mut Mistakes) {
    if choices.is_empty() && mistakes.is_empty() {
        mistakes.at(ident, "an argument needs a variant: without one it has no value");
    }
    for (at, choice) in choices.iter().enumerate() {
        let text = choice.text.value();
        length("a variant's text", &choice.text, MAX_VALUE, mistakes);
        if let Some(other) = choices[..at].iter().find(|other| other.text.value() == text) {
            mistakes.at(
                &choice.text,
                format_args!("the text `{text}` is that of the variant `{}` already", other.ident),
            );
        }
    }
}

fn stands_alone(field: &Field<'_>, mistakes: &mut Mistakes) {
    let why = if field.flatten {
        "beside `flatten`, which adds arguments with names and forms of their own"
    } else {
        "beside `skip`, as the field is not on the wire"
    };
    for attribute in &field.attributes {
        let goes_along = if field.flatten {
            attribute == "flatten"
        } else {
            attribute == "skip" || attribute == "default"
        };
        if !goes_along {
            mistakes.at(attribute, format_args!("`{attribute}` has no meaning {why}"));
        }
    }
}

fn wire_name(name: &LitStr, mistakes: &mut Mistakes) {
    text("a wire name", name, MAX_KEY, mistakes);
    let key = name.value();
    if RESERVED_KEYS.contains(&key.as_str()) {
        mistakes.at(
            name,
            format_args!(
                "the key `{key}` is AMP's own; choose another wire name: `#[amp(rename = \"...\")]`"
            ),
        );
    }
}

fn text(what: &str, text: &LitStr, limit: usize, mistakes: &mut Mistakes) {
    if text.value().is_empty() {
        mistakes.at(text, format_args!("{what} cannot be empty"));
    }
    length(what, text, limit, mistakes);
}

fn length(what: &str, text: &LitStr, limit: usize, mistakes: &mut Mistakes) {
    let len = text.value().len();
    if len > limit {
        mistakes.at(
            text,
            format_args!("{what} of {len} bytes is over the protocol's limit of {limit}"),
        );
    }
}

/// When AMP itself answers with `code`.
fn reserved_code(code: &str) -> Option<&'static str> {
    match code {
        "UNKNOWN" => Some("failures that a command does not declare"),
        "UNHANDLED" => Some("calls that nothing responds to"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use syn::{DeriveInput, parse_quote};

    use super::*;
    use crate::ast::Struct;

    fn of_struct(input: &DeriveInput) -> String {
        let mut mistakes = Mistakes::default();
        let item = Struct::parse(input, "Command", &mut mistakes);
        arguments(&item.fields, &mut mistakes);
        command(&CommandAttributes::parse(input, &mut mistakes), &mut mistakes);
        mistakes.into_compile_errors().to_string()
    }

    fn of_enum(input: &DeriveInput) -> String {
        let mut mistakes = Mistakes::default();
        error_enum(&ErrorEnum::parse(input, &mut mistakes), &mut mistakes);
        mistakes.into_compile_errors().to_string()
    }

    #[test]
    fn names_end_at_the_limits_of_the_protocol() {
        let fits = "n".repeat(65_535);
        let long = "n".repeat(65_536);
        assert_eq!(
            of_struct(&parse_quote!(
                #[amp(name = #fits)]
                struct A;
            )),
            ""
        );
        let mistakes = of_struct(&parse_quote!(
            #[amp(name = #long)]
            struct A;
        ));
        assert!(mistakes.contains("a command's name of 65536 bytes is over"), "{mistakes}");
        assert_eq!(
            of_enum(&parse_quote!(
                enum E {
                    #[amp(code = #fits)]
                    A,
                }
            )),
            ""
        );
        let mistakes = of_enum(&parse_quote!(
            enum E {
                #[amp(code = #long)]
                A,
            }
        ));
        assert!(mistakes.contains("an error's code of 65536 bytes is over"), "{mistakes}");

        let of_choices = |text: &str| {
            let input = parse_quote!(
                enum E {
                    #[amp(rename = #text)]
                    A,
                }
            );
            let mut mistakes = Mistakes::default();
            choices(&ChoiceEnum::parse(&input, &mut mistakes), &mut mistakes);
            mistakes.into_compile_errors().to_string()
        };
        assert_eq!(of_choices(&fits), "");
        let mistakes = of_choices(&long);
        assert!(mistakes.contains("a variant's text of 65536 bytes is over"), "{mistakes}");

        // A name is counted in bytes.
        let fits = "ß".repeat(127) + "s";
        let long = "ß".repeat(128);
        assert_eq!(
            of_struct(&parse_quote!(
                struct A {
                    #[amp(rename = #fits)]
                    a: u8,
                }
            )),
            ""
        );
        let mistakes = of_struct(&parse_quote!(
            struct A {
                #[amp(rename = #long)]
                a: u8,
            }
        ));
        assert!(mistakes.contains("a wire name of 256 bytes is over"), "{mistakes}");
    }

    #[test]
    fn names_that_were_not_given_are_checked_as_well() {
        let long = Ident::new(&"n".repeat(256), proc_macro2::Span::call_site());
        let item = parse_quote!(struct A { #long: u8, #[amp(flatten)] _ask: u8 });
        let mistakes = of_struct(&item);
        assert!(mistakes.contains("a wire name of 256 bytes is over"), "{mistakes}");
        assert!(!mistakes.contains("_ask"), "what is flattened has no name: {mistakes}");
        assert!(
            of_enum(&parse_quote!(
                enum E {
                    Unhandled,
                }
            ))
            .contains("the code `UNHANDLED` is AMP's own")
        );
    }
}
