use std::any::type_name;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The commands of a program, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    pub(crate) commands: BTreeMap<String, CommandSchema>,
}

/// The schema of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandSchema {
    /// The documentation of the command, in lines of text; empty when there is none.
    pub docs: String,
    /// True if the caller wants an answer.
    pub requires_answer: bool,
    /// True if the command asks for a [protocol switch](crate::ProtocolSwitch).
    pub is_switch: bool,
    /// True if the command may be sent again when its answer was lost: see
    /// [`Command::IS_IDEMPOTENT`](crate::Command::IS_IDEMPOTENT).
    pub is_idempotent: bool,
    /// Keys whose values are not to be shown, in their order.
    pub(crate) secrets: Vec<String>,
    /// The arguments of the command.
    pub arguments: BoxSchema,
    /// The arguments of a successful answer.
    pub response: BoxSchema,
    /// In the order of their codes. `None` when nothing is known of them.
    pub(crate) errors: Option<Vec<ErrorSchema>>,
}

/// An error that a command declares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct ErrorSchema {
    /// The code on the wire.
    pub code: String,
    /// True if the connection is closed once the error was answered.
    pub is_fatal: bool,
    /// The documentation of the error, in lines of text; empty when there is none.
    pub docs: String,
    /// The name of the exception that it is in Python.
    pub exception: Option<String>,
}

/// Named arguments: the contents of a box, without the protocol's own keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BoxSchema {
    /// In the order of their names.
    pub(crate) arguments: Vec<ArgumentSchema>,
    /// True if a box with any other key is refused.
    pub is_strict: bool,
    /// In their order.
    pub(crate) unknown: Vec<String>,
    /// In the order of their tags and texts.
    pub(crate) cases: Vec<CaseSchema>,
}

/// The arguments that are in a box only if another argument of it, the tag, is a certain text. They are those of a variant
/// of an enum.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CaseSchema {
    /// The name of the argument that decides, which is one of the box.
    pub tag: String,
    /// The text that the tag is in this case.
    pub text: String,
    /// The documentation of the case, in lines of text; empty when there is none.
    pub docs: String,
    /// The arguments that are then in the box, beside those that are always in it.
    pub arguments: BoxSchema,
}

/// The schema of an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArgumentSchema {
    /// The name on the wire.
    pub name: String,
    /// The form of the value.
    pub wire_type: WireType,
    /// Says whether the argument may be missing.
    pub presence: Presence,
    /// The documentation of the argument, in lines of text; empty when there is none.
    pub docs: String,
}

/// The ways in which an argument may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The argument is always there.
    Required,
    /// The argument may be left out: an `Option`.
    Optional,
    /// The argument is always sent, but may be missing in a received box: `#[amp(default)]`.
    Defaulted,
}

/// The form of a value on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireType {
    /// A type by its name: AMP's own, such as `Integer`, or a name that both sides have agreed on.
    Named(Cow<'static, str>),
    /// A text, which is one of these, in their order.
    OneOf(Vec<String>),
    /// Values of one type in a form of that name: `ListOf`, `Zlib`, `Numbered`.
    Of(Cow<'static, str>, Box<WireType>),
    /// A single box.
    Box(InnerBox),
    /// Boxes one after another.
    AmpList(InnerBox),
    /// A type without a known form on the wire: its path in the program.
    Unknown(String),
}

/// A box inside of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InnerBox {
    /// The box has these arguments.
    Of(BoxSchema),
    /// The box looks like the box that the argument stands in (1), like the one around that (2), and so on.
    Outer(usize),
}

impl Schema {
    /// Returns the command of this name.
    pub fn command(&self, name: &str) -> Option<&CommandSchema> {
        self.commands.get(name)
    }

    /// Returns the commands, by their names.
    pub fn commands(&self) -> impl Iterator<Item = (&str, &CommandSchema)> {
        self.commands.iter().map(|(name, command)| (name.as_str(), command))
    }
}

impl CommandSchema {
    /// Creates a command with these arguments and this response. It wants an answer, and declares no errors.
    pub fn new(arguments: BoxSchema, response: BoxSchema) -> Self {
        Self {
            docs: String::new(),
            requires_answer: true,
            is_switch: false,
            is_idempotent: false,
            secrets: Vec::new(),
            arguments,
            response,
            errors: Some(Vec::new()),
        }
    }

    /// Sets the errors that it declares. `None` when nothing is known of them.
    #[must_use]
    pub fn with_errors(self, errors: impl Into<Option<Vec<ErrorSchema>>>) -> Self {
        let errors = errors.into().map(|mut errors| {
            errors.sort();
            errors.dedup();
            errors
        });
        Self { errors, ..self }
    }

    /// Sets the keys of its arguments and its response whose values are not to be shown.
    #[must_use]
    pub fn with_secrets<K: Into<String>>(self, keys: impl IntoIterator<Item = K>) -> Self {
        let keys: BTreeSet<_> = keys.into_iter().map(Into::into).collect();
        Self { secrets: keys.into_iter().collect(), ..self }
    }

    /// Returns the errors that it declares, in the order of their codes, or `None` when nothing is known of them.
    pub fn errors(&self) -> Option<&[ErrorSchema]> {
        self.errors.as_deref()
    }

    /// Returns the keys of its arguments and its response whose values are not to be shown, in their order.
    pub fn secrets(&self) -> &[String] {
        &self.secrets
    }
}

impl ErrorSchema {
    /// Creates an error with this code.
    pub fn new(code: impl Into<String>, is_fatal: bool) -> Self {
        Self { code: code.into(), is_fatal, docs: String::new(), exception: None }
    }

    /// Sets the documentation.
    #[must_use]
    pub fn documented(self, docs: &str) -> Self {
        Self { docs: lines_of(docs), ..self }
    }

    /// Sets the name of the exception that the error is in Python.
    #[must_use]
    pub fn raised_as(self, exception: impl Into<String>) -> Self {
        Self { exception: Some(exception.into()), ..self }
    }
}

impl BoxSchema {
    /// Creates the schema of a box without arguments.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a single argument, which is always there.
    pub fn required(name: impl Into<String>, wire_type: WireType) -> Self {
        let presence = Presence::Required;
        let argument =
            ArgumentSchema { name: name.into(), wire_type, presence, docs: String::new() };
        Self { arguments: vec![argument], ..Self::default() }
    }

    /// Sets the documentation of each argument that has none.
    #[must_use]
    pub fn documented(mut self, docs: &str) -> Self {
        for argument in self.arguments.iter_mut().filter(|argument| argument.docs.is_empty()) {
            argument.docs = lines_of(docs);
        }
        self
    }

    /// Returns arguments of which only the type `T` in this program is known.
    pub fn unknown<T>() -> Self {
        Self::unknown_type(type_name::<T>())
    }

    /// Returns arguments of which only this type in another program is known.
    pub fn unknown_type(path: impl Into<String>) -> Self {
        Self { unknown: vec![path.into()], ..Self::default() }
    }

    /// Lets each of the arguments be left out.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.arguments.iter_mut().for_each(|argument| argument.presence = Presence::Optional);
        self
    }

    /// Lets each of the arguments be missing in a received box.
    #[must_use]
    pub fn with_default(mut self) -> Self {
        let required = |argument: &&mut ArgumentSchema| argument.presence == Presence::Required;
        for argument in self.arguments.iter_mut().filter(required) {
            argument.presence = Presence::Defaulted;
        }
        self
    }

    /// Returns the arguments, in the order of their names.
    pub fn arguments(&self) -> &[ArgumentSchema] {
        &self.arguments
    }

    /// Returns the argument of this name.
    pub fn argument(&self, name: &str) -> Option<&ArgumentSchema> {
        // Several have one name where flattened arguments clash.
        let at = self.arguments.partition_point(|argument| *argument.name < *name);
        self.arguments.get(at).filter(|argument| argument.name == name)
    }

    /// Takes the arguments out, to change them. [`extend`](Self::extend) puts them back, or others.
    pub fn take_arguments(&mut self) -> Vec<ArgumentSchema> {
        std::mem::take(&mut self.arguments)
    }

    /// Returns the types of groups of arguments that are not known.
    pub fn unknown_types(&self) -> &[String] {
        &self.unknown
    }

    /// Returns the cases: arguments that are only there if another one has a certain value. They are in the order of the name
    /// and the values of that one.
    pub fn cases(&self) -> &[CaseSchema] {
        &self.cases
    }

    /// Takes the cases out, to change them and to [add](Self::add_case) them again.
    pub fn take_cases(&mut self) -> Vec<CaseSchema> {
        std::mem::take(&mut self.cases)
    }

    /// Adds the arguments of another schema.
    pub fn extend(&mut self, other: BoxSchema) {
        self.arguments.extend(other.arguments);
        self.arguments.sort_by(|a, b| a.name.cmp(&b.name));
        self.unknown.extend(other.unknown);
        self.unknown.sort();
        self.cases.extend(other.cases);
        self.cases.sort_by(|a, b| a.place().cmp(&b.place()));
    }

    /// Adds a case. Its text becomes one of the texts of the tag. If the tag is not among the arguments, it is added.
    pub fn add_case(&mut self, case: CaseSchema) {
        let tag = self.arguments.iter_mut().find(|argument| argument.name == case.tag);
        match tag.map(|tag| &mut tag.wire_type) {
            Some(WireType::OneOf(texts)) => {
                texts.push(case.text.clone());
                texts.sort();
                texts.dedup();
            }
            Some(_) => {}
            None => self.extend(Self::required(&*case.tag, WireType::one_of([&*case.text]))),
        }
        self.extend(Self { cases: vec![case], ..Self::default() });
    }

    /// Returns the box itself, the arguments of each case, and those of cases inside of cases.
    pub fn parts(&self) -> Vec<&BoxSchema> {
        let mut parts = Vec::new();
        self.add_parts(&|_| true, &mut parts);
        parts
    }

    /// Returns the box itself and the arguments of each case that applies when the tags have the values
    /// that `text_of` returns for them.
    pub fn parts_where<'t>(&self, text_of: impl Fn(&str) -> Option<&'t str>) -> Vec<&BoxSchema> {
        let mut parts = Vec::new();
        self.add_parts(&|case| text_of(&case.tag) == Some(&case.text), &mut parts);
        parts
    }

    fn add_parts<'a>(&'a self, applies: &dyn Fn(&CaseSchema) -> bool, parts: &mut Vec<&'a Self>) {
        parts.push(self);
        for case in self.cases.iter().filter(|case| applies(case)) {
            case.arguments.add_parts(applies, parts);
        }
    }

    /// Returns whether the box can have no arguments, or any.
    pub(super) fn is_plain_and_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl FromIterator<ArgumentSchema> for BoxSchema {
    fn from_iter<I: IntoIterator<Item = ArgumentSchema>>(arguments: I) -> Self {
        let mut schema = Self::new();
        schema.extend(Self { arguments: arguments.into_iter().collect(), ..Self::new() });
        schema
    }
}

impl CaseSchema {
    /// Creates the case in which the argument `tag` is `text`.
    pub fn new(tag: impl Into<String>, text: impl Into<String>, arguments: BoxSchema) -> Self {
        Self { tag: tag.into(), text: text.into(), docs: String::new(), arguments }
    }

    /// Sets the documentation.
    #[must_use]
    pub fn documented(self, docs: &str) -> Self {
        Self { docs: lines_of(docs), ..self }
    }

    /// What tells it from the other cases of a box.
    pub(super) fn place(&self) -> (&str, &str) {
        (&self.tag, &self.text)
    }
}

impl WireType {
    /// Creates a type by its name: AMP's own, such as `Integer`, or one that both sides have agreed
    /// on.
    pub const fn named(name: &'static str) -> Self {
        WireType::Named(Cow::Borrowed(name))
    }

    /// Returns the type of a text that is one of these.
    pub fn one_of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut texts: Vec<_> = texts.into_iter().map(str::to_owned).collect();
        texts.sort();
        WireType::OneOf(texts)
    }

    /// Creates a type of which only the type `T` in this program is known.
    pub fn unknown<T>() -> Self {
        WireType::Unknown(type_name::<T>().to_owned())
    }

    /// Returns values of this type in a form of that name.
    #[must_use]
    pub fn in_form(self, form: &'static str) -> Self {
        WireType::Of(Cow::Borrowed(form), Box::new(self))
    }
}

/// Returns the names of the arguments of a box, for messages.
pub(crate) fn names_of(parts: &[&BoxSchema]) -> String {
    let arguments = parts.iter().flat_map(|part| &part.arguments);
    let mut names: Vec<_> = arguments.map(|argument| &*argument.name).collect();
    names.sort_unstable();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Documentation without the space that comments begin with, and without empty lines around it.
pub(crate) fn lines_of(docs: &str) -> String {
    let lines: Vec<_> =
        docs.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}
