//! The items that are derived for, as their authors meant them.

use syn::ext::IdentExt;
use syn::{
    Attribute, Data, DeriveInput, Expr, ExprLit, ExprPath, Fields, Generics, Ident, Lit, LitStr,
    Meta, MetaNameValue, Path, Type, parse_quote,
};

use crate::attributes::{self, Known};
use crate::mistakes::Mistakes;

/// A struct of named arguments.
pub(crate) struct Struct<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) generics: &'a Generics,
    pub(crate) fields: Vec<Field<'a>>,
}

/// One field of it.
pub(crate) struct Field<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) ty: &'a Type,
    pub(crate) wire_name: LitStr,
    pub(crate) flatten: bool,
    /// Whether its value is not to be shown.
    pub(crate) secret: bool,
    pub(crate) with: Option<ExprPath>,
    pub(crate) default: Option<DefaultValue>,
    /// The names of the attributes that it has.
    pub(crate) attributes: Vec<Ident>,
    pub(crate) docs: String,
}

/// The value of a field when its key is missing.
pub(crate) enum DefaultValue {
    /// `Default::default()`.
    OfType,
    /// The value that this function returns.
    Of(ExprPath),
}

/// The attributes of the whole struct for `#[derive(Command)]`.
pub(crate) struct CommandAttributes {
    pub(crate) krate: Path,
    pub(crate) name: LitStr,
    pub(crate) one_way: bool,
    pub(crate) idempotent: bool,
    pub(crate) strict: bool,
    pub(crate) response: Option<Type>,
    pub(crate) error: Option<Type>,
    pub(crate) docs: String,
}

/// The attributes of the whole struct for `#[derive(Arguments)]`.
pub(crate) struct ArgumentsAttributes {
    pub(crate) krate: Path,
    pub(crate) strict: bool,
}

/// An enum of declared errors.
pub(crate) struct ErrorEnum<'a> {
    pub(crate) krate: Path,
    pub(crate) ident: &'a Ident,
    pub(crate) generics: &'a Generics,
    pub(crate) variants: Vec<Variant<'a>>,
}

/// One error.
pub(crate) struct Variant<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) code: LitStr,
    pub(crate) fatal: bool,
    /// The name of the exception that it is in Python.
    pub(crate) exception: Option<LitStr>,
    /// The type of the field that takes the description.
    pub(crate) description: Option<&'a Type>,
    pub(crate) docs: String,
}

/// An enum whose value is a text out of a fixed set.
pub(crate) struct ChoiceEnum<'a> {
    pub(crate) krate: Path,
    pub(crate) ident: &'a Ident,
    pub(crate) generics: &'a Generics,
    pub(crate) choices: Vec<Choice<'a>>,
}

/// One variant of it.
pub(crate) struct Choice<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) text: LitStr,
}

impl<'a> Struct<'a> {
    /// `derived` is the derive's name.
    pub(crate) fn parse(input: &'a DeriveInput, derived: &str, mistakes: &mut Mistakes) -> Self {
        let mut fields = Vec::new();
        let wrong = format!("`{derived}` is derived for structs with named fields");
        match &input.data {
            Data::Struct(data) => match &data.fields {
                Fields::Named(named) => {
                    fields.extend(named.named.iter().filter_map(|f| Field::parse(f, mistakes)));
                }
                Fields::Unnamed(unnamed) => {
                    mistakes.at(unnamed, wrong + ": each argument needs a name");
                }
                Fields::Unit => {}
            },
            Data::Enum(data) => mistakes.at(data.enum_token, wrong + ", not for enums"),
            Data::Union(data) => mistakes.at(data.union_token, wrong + ", not for unions"),
        }
        Self { ident: &input.ident, generics: &input.generics, fields }
    }
}

impl<'a> Field<'a> {
    /// `None` for a field without a name.
    fn parse(field: &'a syn::Field, mistakes: &mut Mistakes) -> Option<Self> {
        const KNOWN: Known =
            Known { place: "a field", items: &["rename", "flatten", "with", "default", "secret"] };

        let ident = field.ident.as_ref()?;
        let mut parsed = Self {
            ident,
            ty: &field.ty,
            wire_name: name_of(ident),
            flatten: false,
            secret: false,
            with: None,
            default: None,
            attributes: Vec::new(),
            docs: docs_of(&field.attrs),
        };
        attributes::read(&field.attrs, &KNOWN, mistakes, |name, input| {
            parsed.attributes.push(name.clone());
            match name.to_string().as_str() {
                "rename" => parsed.wire_name = attributes::string(name, input)?,
                "with" => parsed.with = Some(attributes::path(name, input)?),
                "default" if input.peek(syn::Token![=]) => {
                    parsed.default = Some(DefaultValue::Of(attributes::path(name, input)?));
                }
                "default" => parsed.default = Some(DefaultValue::OfType),
                "secret" => {
                    attributes::flag(name, input)?;
                    parsed.secret = true;
                }
                _ => {
                    attributes::flag(name, input)?;
                    parsed.flatten = true;
                }
            }
            Ok(())
        });
        Some(parsed)
    }
}

impl CommandAttributes {
    pub(crate) fn parse(input: &DeriveInput, mistakes: &mut Mistakes) -> Self {
        const KNOWN: Known = Known {
            place: "a command",
            items: &["name", "response", "error", "one_way", "idempotent", "strict", "crate"],
        };

        let mut parsed = Self {
            krate: default_crate(),
            name: name_of(&input.ident),
            one_way: false,
            idempotent: false,
            strict: false,
            response: None,
            error: None,
            docs: docs_of(&input.attrs),
        };
        attributes::read(&input.attrs, &KNOWN, mistakes, |name, input| {
            match name.to_string().as_str() {
                "name" => parsed.name = attributes::string(name, input)?,
                "response" => parsed.response = Some(attributes::ty(name, input)?),
                "error" => parsed.error = Some(attributes::ty(name, input)?),
                "crate" => parsed.krate = attributes::crate_path(name, input)?,
                "strict" => {
                    attributes::flag(name, input)?;
                    parsed.strict = true;
                }
                "idempotent" => {
                    attributes::flag(name, input)?;
                    parsed.idempotent = true;
                }
                _ => {
                    attributes::flag(name, input)?;
                    parsed.one_way = true;
                }
            }
            Ok(())
        });
        parsed
    }
}

impl ArgumentsAttributes {
    pub(crate) fn parse(input: &DeriveInput, mistakes: &mut Mistakes) -> Self {
        const KNOWN: Known = Known { place: "a struct of arguments", items: &["strict", "crate"] };

        let mut parsed = Self { krate: default_crate(), strict: false };
        attributes::read(&input.attrs, &KNOWN, mistakes, |name, input| {
            if name == "crate" {
                parsed.krate = attributes::crate_path(name, input)?;
            } else {
                attributes::flag(name, input)?;
                parsed.strict = true;
            }
            Ok(())
        });
        parsed
    }
}

impl<'a> ErrorEnum<'a> {
    pub(crate) fn parse(input: &'a DeriveInput, mistakes: &mut Mistakes) -> Self {
        const KNOWN: Known = Known { place: "an enum of errors", items: &["crate"] };
        const WRONG: &str = "`CommandError` is derived for enums, whose variants are the errors";

        let krate = read_crate(&input.attrs, &KNOWN, mistakes);
        let mut variants = Vec::new();
        match &input.data {
            Data::Enum(data) => {
                variants.extend(data.variants.iter().map(|v| Variant::parse(v, mistakes)));
            }
            Data::Struct(data) => mistakes.at(data.struct_token, WRONG),
            Data::Union(data) => mistakes.at(data.union_token, WRONG),
        }
        Self { krate, ident: &input.ident, generics: &input.generics, variants }
    }
}

impl<'a> Variant<'a> {
    fn parse(variant: &'a syn::Variant, mistakes: &mut Mistakes) -> Self {
        const KNOWN: Known = Known { place: "an error", items: &["code", "fatal", "exception"] };
        const OF_DESCRIPTION: Known = Known { place: "an error's description", items: &[] };

        let ident = &variant.ident;
        let code = crate::code_name::screaming_snake_case(&ident.unraw().to_string());
        let code = LitStr::new(&code, ident.span());
        let docs = docs_of(&variant.attrs);
        let mut parsed =
            Self { ident, code, fatal: false, exception: None, description: None, docs };
        attributes::read(&variant.attrs, &KNOWN, mistakes, |name, input| {
            if name == "code" {
                parsed.code = attributes::string(name, input)?;
            } else if name == "exception" {
                parsed.exception = Some(attributes::string(name, input)?);
            } else {
                attributes::flag(name, input)?;
                parsed.fatal = true;
            }
            Ok(())
        });
        match &variant.fields {
            Fields::Unit => {}
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                parsed.description = fields.unnamed.first().map(|field| &field.ty);
            }
            fields => mistakes.at(
                fields,
                "an error has no field, or one without a name, which takes the description",
            ),
        }
        for field in &variant.fields {
            attributes::read(&field.attrs, &OF_DESCRIPTION, mistakes, |_, _| Ok(()));
        }
        parsed
    }
}

impl<'a> ChoiceEnum<'a> {
    pub(crate) fn parse(input: &'a DeriveInput, mistakes: &mut Mistakes) -> Self {
        const KNOWN: Known = Known { place: "an enum of texts", items: &["crate"] };
        const WRONG: &str = "`Argument` is derived for enums; for structs derive `Arguments`";

        let krate = read_crate(&input.attrs, &KNOWN, mistakes);
        let mut choices = Vec::new();
        match &input.data {
            Data::Enum(data) => {
                choices.extend(data.variants.iter().map(|v| Choice::parse(v, mistakes)));
            }
            Data::Struct(data) => mistakes.at(data.struct_token, WRONG),
            Data::Union(data) => mistakes.at(data.union_token, WRONG),
        }
        Self { krate, ident: &input.ident, generics: &input.generics, choices }
    }
}

impl<'a> Choice<'a> {
    fn parse(variant: &'a syn::Variant, mistakes: &mut Mistakes) -> Self {
        const KNOWN: Known = Known { place: "a variant", items: &["rename"] };

        let mut parsed = Self { ident: &variant.ident, text: name_of(&variant.ident) };
        attributes::read(&variant.attrs, &KNOWN, mistakes, |name, input| {
            parsed.text = attributes::string(name, input)?;
            Ok(())
        });
        if !matches!(variant.fields, Fields::Unit) {
            mistakes.at(&variant.fields, "a variant is a text on the wire, and cannot have fields");
        }
        parsed
    }
}

/// Returns what the doc comments of an item say, in lines.
fn docs_of(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(MetaNameValue {
            path,
            value: Expr::Lit(ExprLit { lit: Lit::Str(text), .. }),
            ..
        }) if path.is_ident("doc") => Some(text.value()),
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Reads the attributes of an item that only has `crate`.
fn read_crate(attributes: &[Attribute], known: &Known, mistakes: &mut Mistakes) -> Path {
    let mut krate = default_crate();
    attributes::read(attributes, known, mistakes, |name, input| {
        krate = attributes::crate_path(name, input)?;
        Ok(())
    });
    krate
}

fn default_crate() -> Path {
    parse_quote!(::amp_core)
}

/// The name on the wire of what has this name in the code.
fn name_of(ident: &Ident) -> LitStr {
    LitStr::new(&ident.unraw().to_string(), ident.span())
}
