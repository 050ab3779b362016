//! The derive macros of `amp-core`. That crate re-exports them: read their documentation there, since
//! its links lead to that crate.

#![forbid(unsafe_code)]

mod ast;
mod attributes;
mod bodies;
mod check;
mod code_name;
mod expand_arguments;
mod expand_choice;
mod expand_command;
mod expand_error;
mod expand_field;
mod expand_fields;
mod expand_names;
mod expand_newtype;
mod expand_schema;
mod expand_tagged;
mod generics;
mod mistakes;
mod newtype;
mod parts;
mod style;
mod tagged;

use proc_macro::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, parse_macro_input};

use crate::ast::{ArgumentsAttributes, ChoiceEnum, CommandAttributes, ErrorEnum, Struct};
use crate::bodies::Bodies;
use crate::mistakes::Mistakes;
use crate::newtype::Newtype;
use crate::tagged::TaggedEnum;

/// Implements [`Command`] and [`Arguments`] for a struct with named fields or without fields.
///
/// Each field is an argument, and its type implements [`Argument`]. Arguments are written in the order
/// of their wire names, whatever the order of the fields. They are read in that order too, so if two
/// arguments are wrong, the error names the one that comes first.
///
/// ```
/// use amp_core::{Arguments, Command, CommandError};
///
/// /// Puts a note on a page.
/// #[derive(Command)]
/// #[amp(name = "Annotate", response = Annotated, error = AnnotateError)]
/// struct AddNote {
///     page: u32,
///     text: String,
///     /// Not on the wire when it is `None`.
///     color: Option<String>,
/// }
///
/// #[derive(Arguments)]
/// struct Annotated {
///     id: u64,
/// }
///
/// #[derive(CommandError, Debug, thiserror::Error)]
/// enum AnnotateError {
///     #[error("there is no such page")]
///     NoSuchPage,
/// }
///
/// let bytes = AddNote { page: 3, text: "sic".to_owned(), color: None }.encode()?;
/// assert_eq!(AddNote::NAME, "Annotate");
/// assert_eq!(&bytes[..], b"\0\x04page\0\x013\0\x04text\0\x03sic\0\0");
/// # Ok::<(), amp_core::EncodeError>(())
/// ```
///
/// # Attributes of the struct
///
/// | `#[amp(...)]` | Meaning | Without it |
/// |---|---|---|
/// | `name = "text"` | the command's name on the wire | the struct's name |
/// | `rename_all = "style"` | the style of the wire names, such as `camelCase` or `kebab-case` (see below) | the fields' names |
/// | `response = Type` | the contents of a successful answer: a type that derives [`Arguments`] | `()` |
/// | `error = Type` | the declared errors: a type that derives [`CommandError`] | `NoError` |
/// | `one_way` | the command has no answer, and implements [`OneWay`]. A caller may ask for an answer all the same (`Answered`), and then gets its errors. A fatal error closes the connection | the command has an answer |
/// | `idempotent` | a call may be sent again when its connection is lost: see `Command::IS_IDEMPOTENT` | a call is sent once |
/// | `switch` | the command asks for a protocol switch, and implements [`ProtocolSwitch`]. The peer agrees by an answer without contents | boxes go on |
/// | `bound = "T: Trait"` | the bounds of type parameters, in place of those that the fields need | see below |
/// | `strict` | a call with a key that belongs to no argument is refused | such a key is ignored, unless the connection refuses it |
/// | `crate = "path"` | the path of `amp-core`, if it was renamed or re-exported | `::amp_core` |
///
/// # Attributes of a field
///
/// | `#[amp(...)]` | Meaning | Without it |
/// |---|---|---|
/// | `rename = "text"` | the wire name: 1 to 255 bytes | the field's name |
/// | `flatten` | the field's type derives [`Arguments`], which are written beside the other arguments. All names must differ, or the struct does not compile (see below for type parameters). An `Option` of such a type is `None` when none of its keys is present | |
/// | `skip` | the field is not on the wire. When it is read, it is `Default::default()`, or the value of `default` | |
/// | `with = "path"` | the functions `to_string_proto` and `from_string_proto` of this module or type write and read the value | the type's [`Argument`] |
/// | `default` | a missing key is read as `Default::default()` | an error, or `None` |
/// | `default = "path"` | a missing key is read as the return value of this function. So a `None`, which has no key, is read as that value | an error, or `None` |
/// | `secret` | the value must not be shown. A [schema](../amp_core/schema/index.html) says so, and tools obey | it may be shown |
///
/// The styles of `rename_all` are `lowercase`, `UPPERCASE`, `PascalCase`, `camelCase`, `snake_case`,
/// `SCREAMING_SNAKE_CASE`, `kebab-case` and `SCREAMING-KEBAB-CASE`. A `rename` of a field takes
/// precedence.
///
/// `flatten` cannot be combined with other attributes, and `skip` only with `default`. All others can
/// be combined. The functions of `with` have the signatures below, where `T` is the field's type. If
/// the type is written `Option<U>`, they take and return `U`, and the argument is optional.
///
/// ```
/// use amp_core::{Arguments, Command};
/// use std::time::Duration;
///
/// #[derive(Command)]
/// #[amp(one_way)]
/// struct Snooze {
///     #[amp(rename = "snooze-for", with = "seconds")]
///     time: Duration,
///     #[amp(default = "once")]
///     times: u8,
///     #[amp(flatten)]
///     sender: Sender,
/// }
///
/// /// Several commands have these arguments in common.
/// #[derive(Arguments)]
/// struct Sender {
///     user: String,
/// }
///
/// fn once() -> u8 {
///     1
/// }
///
/// mod seconds {
///     use amp_core::{Argument, DecodeError, EncodeError, Proto, Value, ValueWriter};
///     use std::time::Duration;
///
///     pub fn to_string_proto(
///         time: &Duration,
///         proto: &mut Proto<'_>,
///         out: &mut ValueWriter<'_>,
///     ) -> Result<(), EncodeError> {
///         time.as_secs().to_string_proto(proto, out)
///     }
///
///     pub fn from_string_proto(
///         value: Value<'_>,
///         proto: &mut Proto<'_>,
///     ) -> Result<Duration, DecodeError> {
///         u64::from_string_proto(value, proto).map(Duration::from_secs)
///     }
/// }
///
/// let snooze = Snooze {
///     time: Duration::from_secs(90),
///     times: 2,
///     sender: Sender { user: "ann".to_owned() },
/// };
/// let bytes = snooze.encode()?;
/// assert_eq!(&bytes[..], b"\0\x0asnooze-for\0\x0290\0\x05times\0\x012\0\x04user\0\x03ann\0\0");
/// # Ok::<(), amp_core::EncodeError>(())
/// ```
///
/// Two arguments with the same name do not compile. If one of them is in a flattened type parameter,
/// only code generation finds that, and `cargo check` does not:
///
/// ```compile_fail,E0080
/// use amp_core::Arguments;
///
/// #[derive(Arguments)]
/// struct Label {
///     size: u8,
/// }
///
/// #[derive(Arguments)]
/// struct Around<T> {
///     size: u8,
///     #[amp(flatten)]
///     inner: T,
/// }
///
/// let _ = Around { size: 1, inner: Label { size: 2 } }.encode();
/// ```
///
/// # Generics
///
/// Type parameters get the bounds that their fields need: [`Argument`], or [`Arguments`] for a
/// `flatten` field. They also get `Send + 'static`, since commands move between tasks.
///
/// [`Argument`]: ../amp_core/trait.Argument.html
/// [`Arguments`]: ../amp_core/trait.Arguments.html
/// [`Command`]: ../amp_core/trait.Command.html
/// [`CommandError`]: ../amp_core/trait.CommandError.html
/// [`OneWay`]: ../amp_core/trait.OneWay.html
/// [`ProtocolSwitch`]: ../amp_core/trait.ProtocolSwitch.html
#[proc_macro_derive(Command, attributes(amp))]
pub fn derive_command(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let mut mistakes = Mistakes::default();
    let mut item = Struct::parse(&input, "Command", &mut mistakes);
    let attributes = CommandAttributes::parse(&input, &mut mistakes);
    item.take(&attributes.shape);
    check::arguments(&item.fields, &mut mistakes);
    check::command(&attributes, &mut mistakes);

    let bodies = Bodies::unless(&mistakes);
    let CommandAttributes { krate, strict, .. } = &attributes;
    let arguments = expand_arguments::arguments(&item, krate, *strict, bodies);
    let command = expand_command::command(&item, &attributes);
    let errors = mistakes.into_compile_errors();
    quote!(#arguments #command #errors).into()
}

/// Implements [`Arguments`] for a struct with named fields or without fields, and for an enum. Use it
/// for a response, or for a group of arguments that commands share with `flatten`.
///
/// It implements [`Argument`] as well, so such a struct or enum can also be a value: a single one is
/// written as its box, and a `Vec` of them as an `AmpList`.
///
/// ```
/// use amp_core::Arguments;
///
/// #[derive(Arguments, Debug, PartialEq)]
/// struct Line {
///     points: Vec<Point>,
/// }
///
/// #[derive(Arguments, Debug, PartialEq)]
/// struct Point {
///     x: i64,
///     y: i64,
/// }
///
/// let line = Line { points: vec![Point { x: 1, y: 2 }, Point { x: 3, y: 4 }] };
/// assert_eq!(Line::decode(line.encode()?)?, line);
///
/// // The value of `points` is cut short, in the middle of its second box.
/// let cut = &b"\0\x06points\0\x10\0\x01x\0\x011\0\x01y\0\x012\0\0\0\x01\0\0"[..];
/// let error = Line::decode(cut.into()).unwrap_err();
/// assert_eq!(error.to_string(), "argument points: the list ends in the middle of element 1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Enums
///
/// One key, the *tag*, says which variant it is. The variant's arguments stand beside it in the same
/// box. A variant has named fields, no fields, or one unnamed field whose type derives `Arguments`. In
/// the last case, that type's arguments are the variant's. Any other text of the tag is an error that
/// names the tag and the possible texts. A key that belongs to another variant is treated like any
/// other unknown key.
///
/// With `flatten`, the tag and the arguments of all variants must differ in their names from the other
/// arguments, or the struct does not compile. An `Option` of an enum is `Some` when any of its keys is
/// present. Arguments without the tag are then an error.
///
/// Twisted has no such type. There, declare the tag as an `amp.Unicode()`, and arguments that not all
/// variants have with `optional=True`.
///
/// ```
/// use amp_core::{Arguments, Command};
///
/// #[derive(Arguments, Debug, PartialEq)]
/// #[amp(tag = "kind", rename_all = "lowercase")]
/// enum Shape {
///     Circle { radius: f64 },
///     Rectangle(Size),
///     Dot,
/// }
///
/// #[derive(Arguments, Debug, PartialEq)]
/// struct Size {
///     height: f64,
///     width: f64,
/// }
///
/// #[derive(Command)]
/// struct Draw {
///     shapes: Vec<Shape>,
/// }
///
/// let bytes = Shape::Circle { radius: 0.5 }.encode()?;
/// assert_eq!(&bytes[..], b"\0\x04kind\0\x06circle\0\x06radius\0\x030.5\0\0");
/// let bytes = Shape::Rectangle(Size { height: 1.0, width: 2.0 }).encode()?;
/// assert_eq!(
///     &bytes[..],
///     b"\0\x06height\0\x031.0\0\x04kind\0\x09rectangle\0\x05width\0\x032.0\0\0",
/// );
/// let error = Shape::decode(b"\0\x04kind\0\x06square\0\0"[..].into()).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     r#"argument kind: "square" is not one of "circle", "rectangle", "dot""#,
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Attributes
///
/// These are the attributes of the struct or the enum. A field has the attributes that
/// `#[derive(Command)]` explains: `rename`, `flatten`, `skip`, `with`, `default` and `secret`. A variant
/// has `rename = "text"`, which replaces its name as its text on the wire.
///
/// | `#[amp(...)]` | Meaning | Without it |
/// |---|---|---|
/// | `tag = "text"` | the key whose value says which variant of an enum it is: 1 to 255 bytes | an enum must have it |
/// | `rename_all = "style"` | the style of a struct's wire names, or of the texts of an enum's variants, as for a command | the names in the code |
/// | `bound = "T: Trait"` | the bounds of type parameters, in place of those that the fields need | as for a command |
/// | `strict` | a box with a key that belongs to no argument is refused | such a key is ignored, unless the connection refuses it |
/// | `crate = "path"` | the path of `amp-core`, if it was renamed or re-exported | `::amp_core` |
///
/// [`Argument`]: ../amp_core/trait.Argument.html
/// [`Arguments`]: ../amp_core/trait.Arguments.html
#[proc_macro_derive(Arguments, attributes(amp))]
pub fn derive_arguments(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let mut mistakes = Mistakes::default();
    let attributes = ArgumentsAttributes::parse(&input, &mut mistakes);
    let ArgumentsAttributes { krate, strict, tag, shape } = attributes;
    let (ident, generics, arguments);
    if let Data::Enum(data) = &input.data {
        let item = TaggedEnum::parse(&input, data, &shape, &mut mistakes);
        let tag = check::tagged(&item, tag, &mut mistakes);
        let bodies = Bodies::unless(&mistakes);
        (ident, generics) = (item.ident, generics::of_tagged(&item, &krate));
        arguments = expand_tagged::arguments(&item, &generics, &tag, &krate, strict, bodies);
    } else {
        let mut item = Struct::parse(&input, "Arguments", &mut mistakes);
        item.take(&shape);
        check::arguments(&item.fields, &mut mistakes);
        let bodies = Bodies::unless(&mistakes);
        (ident, generics) = (item.ident, generics::of_struct(&item, &krate));
        arguments = expand_arguments::arguments(&item, &krate, strict, bodies);
    }
    let argument = expand_arguments::argument(ident, &generics, &krate);
    let errors = mistakes.into_compile_errors();
    quote!(#arguments #argument #errors).into()
}

/// Implements [`CommandError`] for an enum whose variants are the errors that a command declares. The
/// enum must implement [`std::error::Error`] too, as by the derive macro of `thiserror`.
///
/// The description that is sent is what the enum displays. A variant has no field, or one unnamed field
/// that takes the received description. Its type is `String`, or implements `From<String>`.
///
/// A variant with named fields sends them in the description, as a JSON object. This needs the feature
/// `json` of amp-core, and types that implement serde's traits. If a received description is not such
/// an object, for example because it was cut at 65 535 bytes, the error counts as undeclared.
///
/// A variant with `include` has another such enum in its field. All errors of that enum are errors of
/// this one too. If both have the same code, it is that of the outer enum.
///
/// ```
/// use amp_core::CommandError;
///
/// #[derive(CommandError, Debug, PartialEq, thiserror::Error)]
/// enum TransferError {
///     #[error("no such account")]
///     NoSuchAccount,
///     #[error("{0}")]
///     #[amp(code = "REFUSED", fatal)]
///     Refused(String),
/// }
///
/// assert_eq!(TransferError::NoSuchAccount.code(), "NO_SUCH_ACCOUNT");
/// let refused = TransferError::Refused("closed on Sundays".to_owned());
/// assert!(refused.is_fatal());
/// assert_eq!(TransferError::from_wire(b"REFUSED", "closed on Sundays"), Some(refused));
/// assert_eq!(TransferError::from_wire(b"OTHER", ""), None);
/// ```
///
/// # Attributes of the enum
///
/// | `#[amp(...)]` | Meaning | Without it |
/// |---|---|---|
/// | `rename_all = "style"` | the style of the codes: one of those of [`Command`](macro@Command) | `SCREAMING_SNAKE_CASE` |
/// | `crate = "path"` | the path of `amp-core`, if it was renamed or re-exported | `::amp_core` |
///
/// # Attributes of a variant
///
/// | `#[amp(...)]` | Meaning | Without it |
/// |---|---|---|
/// | `code = "text"` | the code on the wire | the variant's name in upper case, its words joined by `_` |
/// | `fatal` | the connection is closed after this error was answered | it stays open |
/// | `exception = "text"` | the name of the corresponding exception in Python, for a [schema](../amp_core/schema/index.html) | the schema names none |
/// | `include` | the errors of the field's type are errors of this enum too | |
///
/// AMP itself uses the codes `UNKNOWN`, for undeclared failures, and `UNHANDLED`, for calls that have no
/// responder. A variant whose name would give one of these codes needs a `code`. That `code` may be one
/// of the two, for a Twisted command that declares it. The caller then gets this variant for AMP's own
/// answers too. A caller in Twisted still gets `UnhandledCommand` for `UNHANDLED`.
///
/// [`CommandError`]: ../amp_core/trait.CommandError.html
#[proc_macro_derive(CommandError, attributes(amp))]
pub fn derive_command_error(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let mut mistakes = Mistakes::default();
    let item = ErrorEnum::parse(&input, &mut mistakes);
    check::error_enum(&item, &mut mistakes);

    let command_error = expand_error::command_error(&item, Bodies::unless(&mistakes));
    let errors = mistakes.into_compile_errors();
    quote!(#command_error #errors).into()
}

/// Implements [`Argument`] for an enum without fields, which is a Unicode out of a fixed set, and for a struct
/// with one unnamed field, which is that field on the wire.
///
/// # Structs
///
/// A struct with one unnamed field looks on the wire exactly like that field: in a box, in lists, as the key of
/// a map, and in a [schema](../amp_core/schema/index.html). So peers do not notice when a program replaces a
/// number or a text by a type of its own.
///
/// ```
/// use amp_core::{Argument, Arguments, Command};
/// use std::marker::PhantomData;
///
/// #[derive(Argument, Debug, PartialEq)]
/// struct UserId(u64);
///
/// /// The number of one kind of thing.
/// #[derive(Argument, Debug, PartialEq)]
/// struct Id<T>(u64, #[amp(skip)] PhantomData<T>);
///
/// #[derive(Debug, PartialEq)]
/// struct Event;
///
/// #[derive(Command, Debug, PartialEq)]
/// struct Befriend {
///     who: UserId,
///     whom: Vec<UserId>,
///     at: Option<Id<Event>>,
/// }
///
/// let befriend =
///     Befriend { who: UserId(1), whom: vec![UserId(2), UserId(3)], at: Some(Id(4, PhantomData)) };
/// let bytes = befriend.encode()?;
/// assert_eq!(&bytes[..], b"\0\x02at\0\x014\0\x03who\0\x011\0\x04whom\0\x06\0\x012\0\x013\0\0");
/// assert_eq!(Befriend::decode(bytes)?, befriend);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// If there are more fields, mark those that are not on the wire with `#[amp(skip)]`. They are
/// `Default::default()` when the struct is read. A struct with several arguments, or whose field has a name,
/// derives [`Arguments`](macro@Arguments) instead, and is a box on the wire. Type parameters of the field on the
/// wire get the bound [`Argument`].
///
/// # Enums
///
/// On the wire, a variant is its name exactly as in the code, unless it is renamed. Any other text is
/// an error that names the possible ones. Twisted has no such argument: use an `amp.Unicode()` there.
///
/// ```
/// use amp_core::{Argument, Arguments, Command};
///
/// #[derive(Argument)]
/// enum Color {
///     Red,
///     #[amp(rename = "dark-blue")]
///     DarkBlue,
/// }
///
/// #[derive(Command)]
/// struct Paint {
///     color: Color,
/// }
///
/// let bytes = Paint { color: Color::DarkBlue }.encode()?;
/// assert_eq!(&bytes[..], b"\0\x05color\0\x09dark-blue\0\0");
/// # Ok::<(), amp_core::EncodeError>(())
/// ```
///
/// # Attributes
///
/// | `#[amp(...)]` | of | Meaning | Without it |
/// |---|---|---|---|
/// | `crate = "path"` | both | the path of `amp-core`, if it was renamed or re-exported | `::amp_core` |
/// | `bound = "T: Trait"` | a struct | the bounds of type parameters, in place of those that its fields need | see above |
/// | `skip` | a field of a struct | the field is not on the wire, and is `Default::default()` when it is read | the field is the argument |
/// | `rename_all = "style"` | an enum | the style of the texts: one of those of [`Command`](macro@Command) | the variants' names |
/// | `rename = "text"` | a variant | the text on the wire | the variant's name |
///
/// [`Argument`]: ../amp_core/trait.Argument.html
#[proc_macro_derive(Argument, attributes(amp))]
pub fn derive_argument(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let mut mistakes = Mistakes::default();
    let argument = if let Data::Struct(data) = &input.data {
        let item = Newtype::parse(&input, data, &mut mistakes);
        expand_newtype::argument(&item, Bodies::unless(&mistakes))
    } else {
        let item = ChoiceEnum::parse(&input, &mut mistakes);
        check::choices(&item, &mut mistakes);
        expand_choice::argument(&item, Bodies::unless(&mistakes))
    };
    let errors = mistakes.into_compile_errors();
    quote!(#argument #errors).into()
}
