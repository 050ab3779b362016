//! The items that are derived for, as their authors meant them.

use syn::ext::IdentExt;
use syn::{
    Attribute, Data, DeriveInput, Expr, ExprLit, ExprPath, Fields, Generics, Ident, Index, Lit,
    LitStr, Member, Meta, MetaNameValue, Path, Type, WherePredicate, parse_quote,
};

use crate::attributes::{self, Known};
use crate::mistakes::Mistakes;
use crate::style::Style;

/// A struct of named arguments.
pub(crate) struct Struct<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) generics: &'a Generics,
    pub(crate) fields: Vec<Field<'a>>,
    /// The bounds of its type parameters, where it says them itself.
    pub(crate) bound: Option<Vec<WherePredicate>>,
}

/// What the attributes of a whole struct say of its fields, and those of an enum of its variants.
#[derive(Default)]
pub(crate) struct Shape {
    pub(crate) rename_all: Option<Style>,
    pub(crate) bound: Option<Vec<WherePredicate>>,
}

/// One field of it.
pub(crate) struct Field<'a> {
    /// Its name; that of the variant whose only field has none.
    pub(crate) ident: &'a Ident,
    /// How code names it.
    pub(crate) member: Member,
    pub(crate) ty: &'a Type,
    pub(crate) wire_name: LitStr,
    pub(crate) flatten: bool,
    /// Whether its value is not to be shown.
    pub(crate) secret: bool,
    /// Whether it is not on the wire.
    pub(crate) skip: bool,
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
    /// The attribute that says that it asks for a protocol switch.
    pub(crate) switch: Option<Ident>,
    pub(crate) strict: bool,
    pub(crate) response: Option<Type>,
    pub(crate) error: Option<Type>,
    pub(crate) docs: String,
    pub(crate) shape: Shape,
}

/// The attributes of the whole struct for `#[derive(Arguments)]`.
pub(crate) struct ArgumentsAttributes {
    pub(crate) krate: Path,
    pub(crate) strict: bool,
    /// The key whose value is the variant of an enum.
    pub(crate) tag: Option<LitStr>,
    pub(crate) shape: Shape,
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
    /// Whether the code is one that somebody has asked for, and not made of the name.
    pub(crate) is_named: bool,
    pub(crate) fatal: bool,
    /// The name of the exception that it is in Python.
    pub(crate) exception: Option<LitStr>,
    /// Whether its field has errors of another enum.
    pub(crate) include: bool,
    /// The type of the field that takes the description, or has errors of another enum.
    pub(crate) description: Option<&'a Type>,
    /// The fields that are in the description, as JSON.
    pub(crate) fields: Vec<&'a Ident>,
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
                    let is_newtype = derived == "Arguments" && unnamed.unnamed.len() == 1;
                    let hint = "; for one that is its only field on the wire derive `Argument`";
                    let hint = if is_newtype { hint } else { "" };
                    mistakes.at(unnamed, wrong + ": each argument needs a name" + hint);
                }
                Fields::Unit => {}
            },
            Data::Enum(data) => mistakes.at(data.enum_token, wrong + ", not for enums"),
            Data::Union(data) => mistakes.at(
                data.union_token,
                wrong
                    + if derived == "Arguments" { " and for enums" } else { "" }
                    + ", not for unions",
            ),
        }
        Self { ident: &input.ident, generics: &input.generics, fields, bound: None }
    }

    /// Takes what the attributes of the whole struct say.
    pub(crate) fn take(&mut self, shape: &Shape) {
        self.bound.clone_from(&shape.bound);
        let Some(style) = shape.rename_all else { return };
        for field in &mut self.fields {
            if !field.attributes.iter().any(|attribute| attribute == "rename") {
                field.wire_name = in_style(style, field.ident);
            }
        }
    }

    /// Returns the fields that are on the wire.
    pub(crate) fn on_wire(&self) -> impl Iterator<Item = &Field<'a>> {
        self.fields.iter().filter(|field| !field.skip)
    }
}

impl<'a> Field<'a> {
    /// `None` for a field without a name.
    pub(crate) fn parse(field: &'a syn::Field, mistakes: &mut Mistakes) -> Option<Self> {
        const KNOWN: Known = Known {
            place: "a field",
            items: &["rename", "flatten", "skip", "with", "default", "secret"],
        };

        let ident = field.ident.as_ref()?;
        let mut parsed = Self::plain(ident, Member::Named(ident.clone()), field);
        parsed.docs = docs_of(&field.attrs);
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
                "skip" => {
                    attributes::flag(name, input)?;
                    parsed.skip = true;
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

impl<'a> Field<'a> {
    /// The only field of a variant, which has no name: what it has stands beside the tag.
    pub(crate) fn of_variant(
        variant: &'a syn::Variant,
        field: &'a syn::Field,
        mistakes: &mut Mistakes,
    ) -> Self {
        const KNOWN: Known = Known { place: "a field without a name", items: &[] };

        attributes::read(&field.attrs, &KNOWN, mistakes, |_, _| Ok(()));
        let member = Member::Unnamed(Index::from(0));
        Self { flatten: true, ..Self::plain(&variant.ident, member, field) }
    }
}

impl<'a> Field<'a> {
    /// A field of a struct that is called `item`, which is one argument.
    pub(crate) fn of_newtype(
        item: &'a Ident,
        at: u32,
        field: &'a syn::Field,
        mistakes: &mut Mistakes,
    ) -> Self {
        const KNOWN: Known = Known { place: "a field without a name", items: &["skip"] };

        let member = Member::Unnamed(Index { index: at, span: item.span() });
        let mut parsed = Self::plain(item, member, field);
        attributes::read(&field.attrs, &KNOWN, mistakes, |name, input| {
            attributes::flag(name, input)?;
            parsed.skip = true;
            Ok(())
        });
        parsed
    }

    /// A field of which no attribute says anything.
    fn plain(ident: &'a Ident, member: Member, field: &'a syn::Field) -> Self {
        Self {
            ident,
            member,
            ty: &field.ty,
            wire_name: name_of(ident),
            flatten: false,
            secret: false,
            skip: false,
            with: None,
            default: None,
            attributes: Vec::new(),
            docs: String::new(),
        }
    }
}

impl CommandAttributes {
    pub(crate) fn parse(input: &DeriveInput, mistakes: &mut Mistakes) -> Self {
        const KNOWN: Known = Known {
            place: "a command",
            items: &[
                "name",
                "rename_all",
                "response",
                "error",
                "one_way",
                "idempotent",
                "switch",
                "strict",
                "bound",
                "crate",
            ],
        };

        let mut parsed = Self {
            krate: default_crate(),
            name: name_of(&input.ident),
            one_way: false,
            idempotent: false,
            switch: None,
            strict: false,
            response: None,
            error: None,
            docs: docs_of(&input.attrs),
            shape: Shape::default(),
        };
        attributes::read(&input.attrs, &KNOWN, mistakes, |name, input| {
            match name.to_string().as_str() {
                "rename_all" => parsed.shape.rename_all = Some(attributes::style(name, input)?),
                "bound" => parsed.shape.bound = Some(attributes::bounds(name, input)?),
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
                "switch" => {
                    attributes::flag(name, input)?;
                    parsed.switch = Some(name.clone());
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
        const OF_STRUCTS: Known = Known {
            place: "a struct of arguments",
            items: &["rename_all", "strict", "bound", "crate"],
        };
        const OF_ENUMS: Known = Known {
            place: "an enum of arguments",
            items: &["tag", "rename_all", "strict", "bound", "crate"],
        };

        let known = if matches!(input.data, Data::Enum(_)) { &OF_ENUMS } else { &OF_STRUCTS };
        let shape = Shape::default();
        let mut parsed = Self { krate: default_crate(), strict: false, tag: None, shape };
        attributes::read(&input.attrs, known, mistakes, |name, input| {
            match name.to_string().as_str() {
                "tag" => parsed.tag = Some(attributes::string(name, input)?),
                "crate" => parsed.krate = attributes::crate_path(name, input)?,
                "rename_all" => parsed.shape.rename_all = Some(attributes::style(name, input)?),
                "bound" => parsed.shape.bound = Some(attributes::bounds(name, input)?),
                _ => {
                    attributes::flag(name, input)?;
                    parsed.strict = true;
                }
            }
            Ok(())
        });
        parsed
    }
}

impl<'a> ErrorEnum<'a> {
    pub(crate) fn parse(input: &'a DeriveInput, mistakes: &mut Mistakes) -> Self {
        const KNOWN: Known = Known { place: "an enum of errors", items: &["rename_all", "crate"] };
        const WRONG: &str = "`CommandError` is derived for enums, whose variants are the errors";

        let (krate, style) = read_enum(&input.attrs, &KNOWN, mistakes);
        let mut variants = Vec::new();
        match &input.data {
            Data::Enum(data) => {
                variants.extend(data.variants.iter().map(|v| Variant::parse(v, mistakes)));
            }
            Data::Struct(data) => mistakes.at(data.struct_token, WRONG),
            Data::Union(data) => mistakes.at(data.union_token, WRONG),
        }
        if let Some(style) = style {
            for variant in
                variants.iter_mut().filter(|variant: &&mut Variant<'_>| !variant.is_named)
            {
                variant.code = in_style(style, variant.ident);
            }
        }
        Self { krate, ident: &input.ident, generics: &input.generics, variants }
    }
}

impl<'a> Variant<'a> {
    fn parse(variant: &'a syn::Variant, mistakes: &mut Mistakes) -> Self {
        const KNOWN: Known =
            Known { place: "an error", items: &["code", "fatal", "exception", "include"] };
        const OF_DESCRIPTION: Known = Known { place: "an error's description", items: &[] };

        let ident = &variant.ident;
        let code = crate::code_name::screaming_snake_case(&ident.unraw().to_string());
        let code = LitStr::new(&code, ident.span());
        let docs = docs_of(&variant.attrs);
        let mut parsed = Self {
            ident,
            code,
            is_named: false,
            fatal: false,
            include: false,
            exception: None,
            description: None,
            fields: Vec::new(),
            docs,
        };
        attributes::read(&variant.attrs, &KNOWN, mistakes, |name, input| {
            match name.to_string().as_str() {
                "code" => {
                    parsed.code = attributes::string(name, input)?;
                    parsed.is_named = true;
                }
                "include" => {
                    attributes::flag(name, input)?;
                    parsed.include = true;
                }
                "exception" => parsed.exception = Some(attributes::string(name, input)?),
                _ => {
                    attributes::flag(name, input)?;
                    parsed.fatal = true;
                }
            }
            Ok(())
        });
        match &variant.fields {
            Fields::Unit => {}
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                parsed.description = fields.unnamed.first().map(|field| &field.ty);
            }
            Fields::Named(fields) if !fields.named.is_empty() => {
                parsed.fields = fields.named.iter().filter_map(|field| field.ident.as_ref()).collect();
            }
            fields => mistakes.at(
                fields,
                "an error has no field, one without a name, which takes the description, or named ones",
            ),
        }
        if parsed.include && (parsed.is_named || parsed.fatal || parsed.description.is_none()) {
            mistakes.at(
                ident,
                "`include` stands alone, and its variant has one field: the enum whose errors these are",
            );
        }
        for field in &variant.fields {
            attributes::read(&field.attrs, &OF_DESCRIPTION, mistakes, |_, _| Ok(()));
        }
        parsed
    }
}

impl<'a> ChoiceEnum<'a> {
    pub(crate) fn parse(input: &'a DeriveInput, mistakes: &mut Mistakes) -> Self {
        const KNOWN: Known = Known { place: "an enum of texts", items: &["rename_all", "crate"] };
        let (krate, style) = read_enum(&input.attrs, &KNOWN, mistakes);
        let mut choices = Vec::new();
        match &input.data {
            Data::Enum(data) => {
                choices.extend(data.variants.iter().map(|v| Choice::parse(v, style, mistakes)));
            }
            // It is one argument, or a box: neither is read here.
            Data::Struct(_) => {}
            Data::Union(data) => mistakes.at(
                data.union_token,
                "`Argument` is derived for enums and for structs that are their one field, not for unions",
            ),
        }
        Self { krate, ident: &input.ident, generics: &input.generics, choices }
    }
}

impl<'a> Choice<'a> {
    fn parse(variant: &'a syn::Variant, style: Option<Style>, mistakes: &mut Mistakes) -> Self {
        if !matches!(variant.fields, Fields::Unit) {
            mistakes.at(
                &variant.fields,
                "a variant is a text on the wire, and cannot have fields; for an enum whose variants do \
                 derive `Arguments` with `#[amp(tag = \"...\")]`",
            );
        }
        Self::named(variant, style, mistakes)
    }

    /// Reads what a variant is called, whatever fields it has.
    pub(crate) fn named(
        variant: &'a syn::Variant,
        style: Option<Style>,
        mistakes: &mut Mistakes,
    ) -> Self {
        const KNOWN: Known = Known { place: "a variant", items: &["rename"] };

        let ident = &variant.ident;
        let text = style.map_or_else(|| name_of(ident), |style| in_style(style, ident));
        let mut parsed = Self { ident, text };
        attributes::read(&variant.attrs, &KNOWN, mistakes, |name, input| {
            parsed.text = attributes::string(name, input)?;
            Ok(())
        });
        parsed
    }
}

/// Returns what the doc comments of an item say, in lines.
pub(crate) fn docs_of(attributes: &[Attribute]) -> String {
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

/// Reads the attributes of an enum: the crate, and the style of its names.
fn read_enum(
    attributes: &[Attribute],
    known: &Known,
    mistakes: &mut Mistakes,
) -> (Path, Option<Style>) {
    let (mut krate, mut style) = (default_crate(), None);
    attributes::read(attributes, known, mistakes, |name, input| {
        if name == "crate" {
            krate = attributes::crate_path(name, input)?;
        } else {
            style = Some(attributes::style(name, input)?);
        }
        Ok(())
    });
    (krate, style)
}

/// The name on the wire of what has this name in the code, in a style.
fn in_style(style: Style, ident: &Ident) -> LitStr {
    LitStr::new(&style.of(&ident.unraw().to_string()), ident.span())
}

pub(crate) fn default_crate() -> Path {
    parse_quote!(::amp_core)
}

/// The name on the wire of what has this name in the code.
fn name_of(ident: &Ident) -> LitStr {
    LitStr::new(&ident.unraw().to_string(), ident.span())
}
