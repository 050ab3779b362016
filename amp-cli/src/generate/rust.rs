//! Commands as Rust: structs and enums with derives.

use amp_core::schema::{
    ArgumentSchema, BoxSchema, CommandSchema, ErrorSchema, InnerBox, Presence, Schema, WireType,
};
use std::collections::{BTreeMap, BTreeSet};

use super::boxes::{has_one_owner, is_outer};
use super::names::{field, pascal, singular};
use super::rust_docs::doc_comment;
use super::rust_items::{
    Field, allowed_of_fields, allowed_of_variants, attribute, body, joined, variants,
};
use super::rust_names::{Names, check_names};
use super::rust_types::{Hole, Uses, check_integer, has_default, plain, wrapper};
use super::styles::{code_of, style_of, styled};
use super::text::{code, says_nothing};
use crate::hints::RustHints;
use crate::mistake::Mistake;

/// What was written, and what it was given as names.
pub(super) struct Written {
    pub(super) text: String,
    /// The names of types, by the places that have them.
    pub(super) names: BTreeMap<String, String>,
    pub(super) uses: Uses,
    /// By the names of their commands.
    pub(super) signatures: BTreeMap<String, Signature>,
    /// Places of hints that are nowhere in the schema.
    pub(super) unused: Vec<String>,
    /// What is said of places that have not the name that the hints keep for them.
    pub(super) renamed: Vec<String>,
    /// What the derive macros cannot say.
    pub(super) lost: BTreeSet<String>,
    /// Places whose kept name is that of another type in more places.
    outvoted: BTreeSet<String>,
}

/// The types of a command.
pub(super) struct Signature {
    pub(super) command: String,
    pub(super) response: Option<String>,
    pub(super) error: Option<String>,
    pub(super) is_switch: bool,
}

pub(super) fn write(schema: &Schema, hints: &RustHints, header: &str) -> Result<Written, Mistake> {
    for (place, integer) in &hints.integers {
        check_integer(place, integer)?;
    }
    check_names(&hints.names)?;
    let written = write_with(schema, hints, header, BTreeSet::new())?;
    if written.outvoted.is_empty() {
        return Ok(written);
    }
    write_with(schema, hints, header, written.outvoted)
}

/// Writes it, where some places do not have the name that the hints keep for them.
fn write_with(
    schema: &Schema,
    hints: &RustHints,
    header: &str,
    outvoted: BTreeSet<String>,
) -> Result<Written, Mistake> {
    let mut writer = Writer::new(hints, Names::new(&hints.names, outvoted));
    let commands: Vec<_> = schema
        .commands()
        // The library has it, with what it does.
        .filter(|(name, _)| *name != "StartTLS")
        .map(|(name, command)| {
            let wanted = pascal(name);
            let candidates = [wanted.clone(), format!("{wanted}Command")];
            let shape = format!("command {name}");
            // Commands have their names before anything else has one.
            let (type_name, _) = writer.names.taken_by(name, &candidates, &shape);
            (name, command, type_name)
        })
        .collect();
    for (name, command, type_name) in &commands {
        writer.command(name, command, type_name)?;
    }
    writer.schema(&commands);
    let Writer { items, names, uses, signatures, used, lost, .. } = writer;
    let unused = hints.integers.keys().filter(|place| !used.contains(*place));
    let unused = names.nowhere().chain(unused).cloned().collect();
    let (renamed, outvoted) = (names.renamed(), names.outvoted());
    let mut lines = vec![header.to_owned()];
    lines.extend(uses.lines());
    if !uses.by_hand.is_empty() {
        lines.extend([String::new(), "use super::by_hand;".to_owned()]);
    }
    let text = format!("{}\n\n{}\n", lines.join("\n"), items.join("\n\n"));
    Ok(Written {
        text,
        names: names.into_chosen(),
        uses,
        signatures,
        unused,
        renamed,
        lost,
        outvoted,
    })
}

pub(super) struct Writer<'a> {
    hints: &'a RustHints,
    items: Vec<String>,
    uses: Uses,
    names: Names<'a>,
    /// The keys of the command that is being written whose values are not to be shown, in whichever of its
    /// boxes they are.
    pub(super) secrets: &'a [String],
    signatures: BTreeMap<String, Signature>,
    pub(super) lost: BTreeSet<String>,
    /// The hints for integers that were asked for.
    used: BTreeSet<String>,
    /// The structs around what is being written; `None` for one whose name is not known yet.
    pub(super) around: Vec<Option<String>>,
    /// In how many enums it stands that are flattened into others.
    pub(super) beside: usize,
    /// Whether the fields are those of a variant, which says no style of its names.
    pub(super) is_variant: bool,
}

impl<'a> Writer<'a> {
    fn new(hints: &'a RustHints, names: Names<'a>) -> Self {
        Self {
            hints,
            items: Vec::new(),
            uses: Uses::default(),
            names,
            secrets: &[],
            lost: BTreeSet::new(),
            signatures: BTreeMap::new(),
            used: BTreeSet::new(),
            around: Vec::new(),
            beside: 0,
            is_variant: false,
        }
    }

    /// The name of what is in this place.
    pub(super) fn name(&mut self, place: &str, candidates: &[String], shape: &str) -> String {
        self.names.of(place, candidates, shape)
    }

    /// Adds an item, unless it is there, and returns its name.
    pub(super) fn item(
        &mut self,
        place: &str,
        candidates: &[String],
        shape: &str,
        written: impl FnOnce(&str) -> String,
    ) -> String {
        let (name, is_new) = self.names.taken_by(place, candidates, shape);
        if is_new {
            self.items.push(written(&name));
        }
        name
    }

    fn command(
        &mut self,
        name: &str,
        command: &'a CommandSchema,
        type_name: &str,
    ) -> Result<(), Mistake> {
        self.secrets = command.secrets();
        // Without an answer nobody could agree to one.
        let is_switch = command.is_switch && command.requires_answer;
        let mut options = Vec::new();
        if name != type_name {
            options.push(format!("name = {name:?}"));
        }
        options.extend((!command.requires_answer).then(|| "one_way".to_owned()));
        options.extend(command.is_idempotent.then(|| "idempotent".to_owned()));
        options.extend(is_switch.then(|| "switch".to_owned()));
        options.extend(command.arguments.is_strict.then(|| "strict".to_owned()));
        let mut response = None;
        let is_empty =
            command.response.arguments().is_empty() && command.response.unknown_types().is_empty();
        if command.requires_answer && !is_switch && !is_empty {
            let place = format!("{name}.response");
            let candidates = [format!("{type_name}Response")];
            response = Some(self.structure(&command.response, &place, &candidates, "An answer")?);
        }
        options.extend(response.iter().map(|response| format!("response = {response}")));
        let error = self.errors(name, command, type_name);
        options.extend(error.iter().map(|error| format!("error = {error}")));

        let arguments = &command.arguments;
        let (fields, style) = if is_outer(arguments, 0, 0) {
            // Boxes inside of it are what it is itself, and a command is no box inside of others.
            let place = format!("{name}.arguments");
            let candidates = [format!("{type_name}Arguments")];
            let inner = self.structure(arguments, &place, &candidates, "A box")?;
            let docs = "Its arguments, which boxes inside of them have too.";
            let field = Field::new("arguments".to_owned(), &inner, &["flatten".to_owned()], docs);
            (vec![field], None)
        } else {
            self.around.push(Some(type_name.to_owned()));
            let found = self.fields(arguments, name, type_name)?;
            self.around.pop();
            found
        };
        options.extend(style);
        let mut docs = command.docs.clone();
        if says_nothing(&docs) {
            docs = format!("The command {}.", code(name));
        }
        let mut lines = doc_comment(&docs, "");
        lines.extend(allowed_of_fields(type_name, &fields));
        lines.push(format!("#[derive({})]", self.derives("Command", &command.arguments)));
        lines.extend(attribute(&options, ""));
        lines.extend(body(type_name, &fields));
        self.items.push(joined(&lines));
        let signature = Signature { command: type_name.to_owned(), response, error, is_switch };
        self.signatures.insert(name.to_owned(), signature);
        Ok(())
    }

    /// A struct with these fields.
    fn structure(
        &mut self,
        schema: &BoxSchema,
        place: &str,
        candidates: &[String],
        what: &str,
    ) -> Result<String, Mistake> {
        if let [only] = schema.arguments()
            && !schema.cases().is_empty()
            && schema.unknown_types().is_empty()
            && only.presence == Presence::Required
        {
            return self.tagged(schema, only, place, candidates, schema.is_strict);
        }
        // One that is looked for from inside of other boxes has to have its name before them.
        let early = is_outer(schema, 0, 1).then(|| self.name(place, candidates, place));
        self.around.push(early.clone());
        let owner = early.clone().unwrap_or_else(|| candidates[0].clone());
        let (fields, style) = self.fields(schema, place, &owner)?;
        self.around.pop();
        let shape = if early.is_some() {
            place.to_owned()
        } else {
            let lines: Vec<_> = fields.iter().map(Field::shape).collect();
            let strict = if schema.is_strict { "strict " } else { "" };
            format!("{strict}struct of {what}: {style:?} {}", lines.join(" "))
        };
        let derives = self.derives("Arguments", schema);
        Ok(self.item(place, candidates, &shape, |name| {
            let keys: Vec<_> = schema.arguments().iter().map(|key| code(&key.name)).collect();
            let shown = match &keys[..] {
                [] => "nothing".to_owned(),
                [first, second, third, _, ..] => format!("{first}, {second}, {third} and others"),
                few => few.join(", "),
            };
            let mut lines = vec![format!("/// {what} with {shown}.")];
            lines.extend(allowed_of_fields(name, &fields));
            lines.push(format!("#[derive({derives})]"));
            let strict = schema.is_strict.then(|| "strict".to_owned());
            let options: Vec<_> = strict.into_iter().chain(style).collect();
            lines.extend(attribute(&options, ""));
            lines.extend(body(name, &fields));
            joined(&lines)
        }))
    }

    /// The fields of a box, and the attribute of the struct that they are in, if that says how they are named.
    pub(super) fn fields(
        &mut self,
        schema: &BoxSchema,
        place: &str,
        owner: &str,
    ) -> Result<(Vec<Field>, Option<String>), Mistake> {
        let mut names: Vec<String> = Vec::new();
        for argument in schema.arguments() {
            let mut name = field(&argument.name);
            while names.contains(&name) {
                name.push('_');
            }
            names.push(name);
        }
        let plain = |name: &str| name.trim_start_matches("r#").to_owned();
        let pairs: Vec<_> = names.iter().map(|name| plain(name)).zip(schema.arguments()).collect();
        let pairs: Vec<_> = pairs.iter().map(|(name, key)| (&**name, &*key.name)).collect();
        let is_variant = std::mem::take(&mut self.is_variant);
        let style = style_of(&pairs, plain).filter(|_| !is_variant);
        let mut fields = Vec::new();
        for (name, argument) in names.iter().zip(schema.arguments()) {
            let inside = format!("{place}.{}", argument.name);
            if schema.cases().iter().any(|case| case.tag == argument.name) {
                let wanted = pascal(&argument.name);
                let candidates = [wanted.clone(), format!("{owner}{wanted}")];
                self.beside += 1;
                let mut ty = self.tagged(schema, argument, &inside, &candidates, false)?;
                self.beside -= 1;
                if argument.presence != Presence::Required {
                    ty = format!("Option<{ty}>");
                }
                let docs = docs_of(argument);
                fields.push(Field::new(name.clone(), &ty, &["flatten".to_owned()], &docs));
                continue;
            }
            let mut ty = self.ty(&argument.wire_type, &inside, owner, &argument.name)?;
            let mut options = Vec::new();
            let unsaid = style.map_or_else(|| plain(name), |style| styled(style, &plain(name)));
            options
                .extend((unsaid != argument.name).then(|| format!("rename = {:?}", argument.name)));
            options.extend(self.secrets.contains(&argument.name).then(|| "secret".to_owned()));
            match argument.presence {
                Presence::Required => {}
                Presence::Defaulted if has_default(&argument.wire_type) => {
                    options.push("default".to_owned());
                }
                Presence::Optional | Presence::Defaulted => ty = format!("Option<{ty}>"),
            }
            fields.push(Field::new(name.clone(), &ty, &options, &docs_of(argument)));
        }
        for (at, path) in schema.unknown_types().iter().enumerate() {
            let ty = self.uses.by_hand(&WireType::Unknown(path.clone()), Hole::Arguments);
            let docs = format!("Arguments that are only known as {}.", code(path));
            let mut name = format!("others_{at}");
            while names.contains(&name) {
                name.push('_');
            }
            fields.push(Field::new(name, &ty, &["flatten".to_owned()], &docs));
        }
        Ok((fields, style.map(|style| format!("rename_all = {style:?}"))))
    }

    fn ty(
        &mut self,
        wire_type: &WireType,
        place: &str,
        owner: &str,
        key: &str,
    ) -> Result<String, Mistake> {
        match wire_type {
            WireType::Named(name) => {
                let integers = &self.hints.integers;
                let hint = [place, key].into_iter().find(|hint| integers.contains_key(*hint));
                let integer = hint.map_or("i64", |hint| &integers[hint]);
                self.used.extend(hint.filter(|_| &**name == "Integer").map(str::to_owned));
                Ok(plain(name, integer, &mut self.uses)
                    .unwrap_or_else(|| self.uses.by_hand(wire_type, Hole::Argument)))
            }
            WireType::OneOf(texts) => Ok(self.choices(texts, place, owner, key)),
            WireType::Of(form, inner)
                if &**form == "ListOf" && !matches!(**inner, WireType::Box(_)) =>
            {
                let inner = self.ty(inner, place, owner, key)?;
                if inner == "u8" {
                    let what =
                        "a list of u8 would be a String on the wire; a wider integer is a list";
                    return Err(Mistake::new(format!("the hint for {place}: {what}")));
                }
                Ok(format!("Vec<{inner}>"))
            }
            WireType::Of(form, inner) => match wrapper(form, &mut self.uses) {
                Some(wrapper) => Ok(format!("{wrapper}<{}>", self.ty(inner, place, owner, key)?)),
                None => Ok(self.uses.by_hand(wire_type, Hole::Argument)),
            },
            WireType::Box(inner) => {
                let found = self.boxes(inner, place, owner, &pascal(key))?;
                let is_around = matches!(inner, InnerBox::Outer(_));
                Ok(if is_around { format!("Box<{found}>") } else { found })
            }
            WireType::AmpList(inner) => {
                Ok(format!("Vec<{}>", self.boxes(inner, place, owner, &singular(&pascal(key)))?))
            }
            _ => Ok(self.uses.by_hand(wire_type, Hole::Argument)),
        }
    }

    fn boxes(
        &mut self,
        inner: &InnerBox,
        place: &str,
        owner: &str,
        wanted: &str,
    ) -> Result<String, Mistake> {
        match inner {
            InnerBox::Of(schema) => {
                let candidates = [wanted.to_owned(), format!("{owner}{wanted}")];
                self.structure(schema, place, &candidates, "A box")
            }
            InnerBox::Outer(1) if self.beside > 0 => Err(Mistake::new(format!(
                "{place}: the box around it has other arguments beside those of its cases, which cannot be \
                 written as Rust"
            ))),
            InnerBox::Outer(1) => Ok("Self".to_owned()),
            InnerBox::Outer(levels) => {
                let around = self.around.len().checked_sub(*levels).map(|at| &self.around[at]);
                let name = around.and_then(Option::as_ref).cloned();
                name.ok_or_else(|| {
                    Mistake::new(format!("{place}: there are no {levels} boxes around it"))
                })
            }
        }
    }

    /// An enum of texts.
    fn choices(&mut self, texts: &[String], place: &str, owner: &str, key: &str) -> String {
        let wanted = pascal(key);
        let candidates = [wanted.clone(), format!("{owner}{wanted}")];
        self.uses.name("amp_core", "Argument");
        self.item(place, &candidates, &format!("enum {texts:?}"), |name| {
            let variants = variants(texts, |text| text);
            let pairs: Vec<_> = variants.iter().map(|(name, text)| (&**name, &***text)).collect();
            let style = style_of(&pairs, str::to_owned);
            let mut lines = vec!["/// One of a few texts.".to_owned()];
            lines.extend(allowed_of_variants(name, pairs.iter().map(|(variant, _)| *variant)));
            lines.push("#[derive(Argument, Clone, Copy, Debug, PartialEq, Eq)]".to_owned());
            lines.extend(style.map(|style| format!("#[amp(rename_all = {style:?})]")));
            lines.push(format!("pub enum {name} {{"));
            for (variant, text) in pairs {
                let unsaid =
                    style.map_or_else(|| variant.to_owned(), |style| styled(style, variant));
                lines.push(format!("    /// The text {}.", code(text)));
                lines.extend((unsaid != text).then(|| format!("    #[amp(rename = {text:?})]")));
                lines.push(format!("    {variant},"));
            }
            lines.push("}".to_owned());
            joined(&lines)
        })
    }

    /// The enum of what a command declares.
    fn errors(&mut self, name: &str, command: &CommandSchema, type_name: &str) -> Option<String> {
        let Some(errors) = command.errors() else {
            let wire_type = WireType::Unknown(format!("{type_name}Error"));
            return Some(self.uses.by_hand(&wire_type, Hole::Errors));
        };
        if errors.is_empty() {
            return None;
        }
        self.uses.name("amp_core", "CommandError");
        let candidates = [format!("{type_name}Error")];
        let place = format!("{name}.errors");
        Some(self.item(&place, &candidates, &format!("errors {errors:?}"), |name| {
            let variants = variants(errors, |error| &error.code);
            let pairs: Vec<_> =
                variants.iter().map(|(name, error)| (&**name, &*error.code)).collect();
            let style = style_of(&pairs, code_of);
            let mut lines = vec!["/// The errors that commands declare.".to_owned()];
            lines.extend(allowed_of_variants(name, pairs.iter().map(|(variant, _)| *variant)));
            lines.push(
                "#[derive(Clone, CommandError, Debug, PartialEq, thiserror::Error)]".to_owned(),
            );
            lines.extend(style.map(|style| format!("#[amp(rename_all = {style:?})]")));
            lines.push(format!("pub enum {name} {{"));
            for (variant, error) in &variants {
                lines.extend(doc_comment(&docs_of_error(error), "    "));
                lines.push("    #[error(\"{0}\")]".to_owned());
                let mut options = Vec::new();
                // The derive wants AMP's own codes to be said.
                let is_own = matches!(&*error.code, "UNKNOWN" | "UNHANDLED");
                let unsaid = style.map_or_else(|| code_of(variant), |style| styled(style, variant));
                options.extend(
                    (is_own || unsaid != error.code).then(|| format!("code = {:?}", error.code)),
                );
                options.extend(error.is_fatal.then(|| "fatal".to_owned()));
                let exception = error.exception.as_ref();
                options.extend(exception.map(|exception| format!("exception = {exception:?}")));
                lines.extend(attribute(&options, "    "));
                lines.push(format!("    {variant}(String),"));
            }
            lines.push("}".to_owned());
            joined(&lines)
        }))
    }

    /// The traits that a struct derives. What has one owner is equal to nothing.
    pub(super) fn derives(&mut self, own: &'static str, schema: &BoxSchema) -> String {
        self.uses.name("amp_core", own);
        if has_one_owner(schema) {
            return if own < "Debug" { format!("{own}, Debug") } else { "Debug".to_owned() };
        }
        let mut all = ["Clone", "Debug", "PartialEq", own];
        all.sort_unstable();
        all.join(", ")
    }

    /// A function that says what all of it is on the wire.
    fn schema(&mut self, commands: &[(&str, &CommandSchema, String)]) {
        self.uses.name("amp_core::schema", "Schema");
        let added = commands.iter().map(|(_, _, name)| format!("    schema.add::<{name}>();"));
        let body = match &*added.collect::<Vec<_>>() {
            [] => "    Schema::default()".to_owned(),
            added => {
                let added = added.join("\n");
                format!("    let mut schema = Schema::default();\n{added}\n    schema")
            }
        };
        self.items.push(format!(
            "/// Returns what these commands are on the wire, to be compared with what they were written from.\n\
             #[must_use]\npub fn schema() -> Schema {{\n{body}\n}}"
        ));
    }
}

fn docs_of(argument: &ArgumentSchema) -> String {
    if says_nothing(&argument.docs) {
        format!("{} on the wire.", code(&argument.wire_type.to_string()))
    } else {
        argument.docs.clone()
    }
}

fn docs_of_error(error: &ErrorSchema) -> String {
    if says_nothing(&error.docs) { format!("{}.", code(&error.code)) } else { error.docs.clone() }
}
