//! The lines of structs and enums of Rust, and of what they have.

use super::names::{pascal, words};
use super::rust_docs::doc_comment;

/// The width of a line, in characters.
pub(super) const WIDTH: usize = 100;

/// One field of a struct.
pub(super) struct Field {
    pub(super) name: String,
    docs: Vec<String>,
    /// Empty where it has none.
    attribute: String,
    line: String,
    is_bool: bool,
}

impl Field {
    pub(super) fn new(name: String, ty: &str, options: &[String], docs: &str) -> Self {
        Self {
            docs: doc_comment(docs, "    "),
            attribute: attribute(options, "    ").join("\n"),
            line: format!("    pub {name}: {ty},"),
            is_bool: ty == "bool",
            name,
        }
    }

    /// All of it, by which structs are told apart.
    pub(super) fn shape(&self) -> String {
        format!("{}{}{}", self.docs.concat(), self.attribute, self.line)
    }
}

/// One variant of an enum by a tag.
pub(super) struct Variant {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) docs: String,
    pub(super) fields: Vec<Field>,
}

impl Variant {
    pub(super) fn lines(&self) -> Vec<String> {
        let Self { name, text, docs, fields } = self;
        let mut lines = doc_comment(docs, "    ");
        lines.extend((name != text).then(|| format!("    #[amp(rename = {text:?})]")));
        if fields.is_empty() {
            lines.push(format!("    {name},"));
            return lines;
        }
        lines.push(format!("    {name} {{"));
        for Field { docs, attribute, line, .. } in fields {
            lines.extend(docs.iter().map(|line| format!("    {line}")));
            lines.extend(attribute.lines().map(|line| format!("    {line}")));
            lines.push(line.replacen("    pub ", "        ", 1));
        }
        lines.push("    },".to_owned());
        lines
    }
}

/// The lines of a struct behind its derives.
pub(super) fn body(name: &str, fields: &[Field]) -> Vec<String> {
    if fields.is_empty() {
        return vec![format!("pub struct {name};")];
    }
    let mut lines = vec![format!("pub struct {name} {{")];
    for Field { docs, attribute, line, .. } in fields {
        lines.extend(docs.iter().cloned());
        lines.extend((!attribute.is_empty()).then(|| attribute.clone()));
        lines.push(line.clone());
    }
    lines.push("}".to_owned());
    lines
}

/// `#[amp(...)]`, if there is anything to say: on one line, or on several.
pub(super) fn attribute(options: &[String], indent: &str) -> Vec<String> {
    if options.is_empty() {
        return Vec::new();
    }
    let line = format!("{indent}#[amp({})]", options.join(", "));
    if line.len() <= WIDTH {
        return vec![line];
    }
    options.iter().map(|option| format!("{indent}#[amp({option})]")).collect()
}

/// An item whose lines rustfmt would break in ways of its own stays as it is.
pub(super) fn joined(lines: &[String]) -> String {
    let is_long = |line: &str| line.chars().count() > WIDTH && !line.trim_start().starts_with("//");
    let mut text = lines.join("\n");
    if text.lines().any(is_long) {
        // Documentation may have attributes in it, as text.
        let documentation =
            text.split_inclusive('\n').take_while(|line| line.trim_start().starts_with("//"));
        let at = documentation.map(str::len).sum();
        text.insert_str(at, "#[rustfmt::skip]\n");
    }
    text
}

/// What the lints of names would say of fields, which are those of the peer's.
pub(super) fn allowed_of_fields(name: &str, fields: &[Field]) -> Option<String> {
    let mut lints = Vec::new();
    lints.extend(
        (fields.iter().filter(|field| field.is_bool).count() > 3)
            .then_some("struct_excessive_bools"),
    );
    // Clippy counts more, but a type with fewer is never too complex.
    lints.extend(
        fields.iter().any(|field| field.line.matches('<').count() > 5).then_some("type_complexity"),
    );
    let names = fields.iter().map(|field| &*field.name);
    lints.extend(are_alike(name, names).then_some("struct_field_names"));
    let lints: Vec<_> = lints.iter().map(|lint| format!("clippy::{lint}")).collect();
    (!lints.is_empty()).then(|| format!("#[allow({})]", lints.join(", ")))
}

pub(super) fn allowed_of_variants<'a>(
    name: &str,
    variants: impl Iterator<Item = &'a str>,
) -> Option<String> {
    are_alike(name, variants).then(|| "#[allow(clippy::enum_variant_names)]".to_owned())
}

/// Whether names all begin or end with the same word, or one with those of the item that they are in.
fn are_alike<'a>(item: &str, names: impl Iterator<Item = &'a str>) -> bool {
    let words =
        |name: &str| -> Vec<_> { words(name).iter().map(|word| word.to_lowercase()).collect() };
    let item = words(item);
    let all: Vec<_> = names.map(words).collect();
    let same = |word: fn(&[String]) -> Option<&String>| {
        all.iter().all(|name| name.len() > 1 && word(name) == word(&all[0]))
    };
    all.len() >= 3
        && (same(<[String]>::first)
            || same(<[String]>::last)
            || all.iter().any(|name| name.starts_with(&item) || name.ends_with(&item)))
}

/// A variant for each text, of which no two have one name.
pub(super) fn variants<T>(
    all: impl IntoIterator<Item = T>,
    text: impl Fn(&T) -> &str,
) -> Vec<(String, T)> {
    let mut variants: Vec<(String, T)> = Vec::new();
    for one in all {
        let mut variant = match pascal(text(&one)) {
            name if name == "Self" => "SelfN".to_owned(),
            name => name,
        };
        while variants.iter().any(|(other, _)| *other == variant) {
            variant.push('N');
        }
        variants.push((variant, one));
    }
    variants
}
