use std::any::type_name;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The commands of a program, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    pub(crate) commands: BTreeMap<String, CommandSchema>,
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandSchema {
    /// Whether the caller wants an answer.
    pub requires_answer: bool,
    /// Its arguments.
    pub arguments: BoxSchema,
    /// What a successful answer holds.
    pub response: BoxSchema,
    /// The errors that it declares, in the order of their codes; `None` when they do not say.
    pub errors: Option<Vec<ErrorSchema>>,
}

/// An error that a command declares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct ErrorSchema {
    /// The code on the wire.
    pub code: String,
    /// Whether the connection is closed once it was answered.
    pub fatal: bool,
}

/// Named arguments: what is in a box beside the protocol's own keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BoxSchema {
    /// In the order of their names.
    pub arguments: Vec<ArgumentSchema>,
    /// Whether a box with any other key is refused.
    pub strict: bool,
    /// Groups of arguments that do not say what they are: their types.
    pub unknown: Vec<String>,
}

/// One argument.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArgumentSchema {
    /// The name on the wire.
    pub name: String,
    /// What the value is.
    pub wire_type: WireType,
    /// Whether it may be missing.
    pub presence: Presence,
}

/// Whether an argument may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is always there.
    Required,
    /// It may be left out: an `Option`.
    Optional,
    /// It is always sent, and may be missing in what is received: `#[amp(default)]`.
    Defaulted,
}

/// What a value is on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireType {
    /// A type by its name: AMP's own, such as `Integer`, or a name that both sides have agreed on.
    Named(Cow<'static, str>),
    /// One of these texts, in their order.
    OneOf(Vec<String>),
    /// Values of one type in a form of that name: `ListOf`, `Zlib`, `Numbered`.
    Of(Cow<'static, str>, Box<WireType>),
    /// One box.
    Box(Inner),
    /// Boxes one after another.
    AmpList(Inner),
    /// A type that does not say what it is: its path in the program.
    Unknown(String),
}

/// A box inside of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inner {
    /// With these arguments.
    Of(BoxSchema),
    /// Once more the box that the argument stands in (1), the one around that (2), and so on.
    Outer(usize),
}

impl Schema {
    /// The commands, by their names.
    pub fn commands(&self) -> impl Iterator<Item = (&str, &CommandSchema)> {
        self.commands.iter().map(|(name, command)| (name.as_str(), command))
    }
}

impl ErrorSchema {
    /// An error with this code.
    pub fn new(code: impl Into<String>, fatal: bool) -> Self {
        Self { code: code.into(), fatal }
    }
}

impl BoxSchema {
    /// No arguments at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// A single argument, which is always there.
    pub fn required(name: impl Into<String>, wire_type: WireType) -> Self {
        let argument =
            ArgumentSchema { name: name.into(), wire_type, presence: Presence::Required };
        Self { arguments: vec![argument], ..Self::default() }
    }

    /// Arguments that nothing is known of but the type `T` that they are in the program.
    pub fn unknown<T>() -> Self {
        Self { unknown: vec![type_name::<T>().to_owned()], ..Self::default() }
    }

    /// The same, each of which may be left out.
    pub fn optional(mut self) -> Self {
        self.arguments.iter_mut().for_each(|argument| argument.presence = Presence::Optional);
        self
    }

    /// The same, each of which may be missing in what is received.
    pub fn with_default(mut self) -> Self {
        let required = |argument: &&mut ArgumentSchema| argument.presence == Presence::Required;
        for argument in self.arguments.iter_mut().filter(required) {
            argument.presence = Presence::Defaulted;
        }
        self
    }

    /// Adds the arguments of another schema.
    pub fn extend(&mut self, other: BoxSchema) {
        self.arguments.extend(other.arguments);
        self.arguments.sort_by(|a, b| a.name.cmp(&b.name));
        self.unknown.extend(other.unknown);
        self.unknown.sort();
    }

    /// Whether nothing can be in it, or everything.
    pub(super) fn is_plain_and_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl WireType {
    /// A type by its name: AMP's own, such as `Integer`, or one that both sides have agreed on.
    pub const fn named(name: &'static str) -> Self {
        WireType::Named(Cow::Borrowed(name))
    }

    /// One of these texts.
    pub fn one_of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut texts: Vec<_> = texts.into_iter().map(str::to_owned).collect();
        texts.sort();
        WireType::OneOf(texts)
    }

    /// A type that nothing is known of but the type `T` that it is in the program.
    pub fn unknown<T>() -> Self {
        WireType::Unknown(type_name::<T>().to_owned())
    }

    /// Values of this type in a form of that name.
    pub fn in_form(self, form: &'static str) -> Self {
        WireType::Of(Cow::Borrowed(form), Box::new(self))
    }
}
