// Written from odd.schema by ampctl. What is changed here is lost.
use amp_core::argument::{Continued, Numbered, Zlib};
use amp_core::schema::Schema;
use amp_core::streams::{ByteStream, SinkOf, StreamOf};
use amp_core::{Argument, Arguments, Command, CommandError};
use amp_unix::Descriptor;
use bytes::Bytes;
use std::path::PathBuf;

use super::by_hand;

/// An answer with `id`, `token`.
#[derive(Arguments, Clone, Debug, PartialEq)]
#[amp(strict)]
pub struct Opened {
    /// The first.
    pub id: i64,
    /// `String` on the wire.
    #[amp(secret)]
    pub token: Bytes,
}

/// The errors that commands declare.
#[derive(Clone, CommandError, Debug, PartialEq, thiserror::Error)]
#[amp(rename_all = "UPPERCASE")]
pub enum Refusal {
    /// `AB1C`.
    #[error("{0}")]
    Ab1C(String),
    /// `A_B`.
    #[error("{0}")]
    #[amp(code = "A_B")]
    AB(String),
    /// `HTTP404ERROR`.
    #[error("{0}")]
    Http404Error(String),
    /// `IPV4ONLY`.
    #[error("{0}")]
    Ipv4Only(String),
    /// `Self`.
    #[error("{0}")]
    #[amp(code = "Self")]
    SelfN(String),
    /// `a b`.
    #[error("{0}")]
    #[amp(code = "a b")]
    ABN(String),
    /// \*/ """ \\
    #[error("{0}")]
    #[amp(code = "loop", exception = "a.b.2fa")]
    Loop(String),
    /// `quo"te`.
    #[error("{0}")]
    #[amp(code = "quo\"te", exception = "NotFound")]
    QuoTe(String),
    /// `self`.
    #[error("{0}")]
    #[amp(code = "self", fatal, exception = "NotFound")]
    SelfNN(String),
}

/// \*/ end of comment, """ quotes, \\ and \\" and \\n, \# heading
/// \# heading
/// \- list
/// ~~~text
///     tab <script>alert(1)</script> [link](nowhere) `open
///
///     indented ~~ ~ ``` block
/// ~~~
/// reversed end
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(name = "Context", idempotent, response = Opened, error = Refusal, rename_all = "snake_case")]
pub struct ContextCommand {
    /// \*/ """ \\
    #[amp(rename = "\"")]
    pub key_: i64,
    /// `Boolean` on the wire.
    #[amp(rename = "*/", default)]
    pub key__: bool,
    /// `Integer` on the wire.
    #[amp(rename = "Self")]
    pub self_: i64,
    /// `Unicode` on the wire.
    #[amp(rename = "a\\b")]
    pub a_b: String,
    /// `Integer` on the wire.
    pub crate_: i64,
    /// `Integer` on the wire.
    pub r#fn: i64,
    /// `Integer` on the wire.
    #[amp(rename = "foo-bar")]
    pub foo_bar: i64,
    /// `Integer` on the wire.
    #[amp(rename = "fooBar")]
    pub foo_bar_: u128,
    /// `Integer` on the wire.
    pub foo_bar__: i64,
    /// `Integer` on the wire.
    pub others_0: i64,
    /// `Integer` on the wire.
    pub self__: i64,
    /// `Integer` on the wire.
    pub super_: i64,
    /// `String` on the wire.
    #[amp(secret)]
    pub token: Bytes,
    /// `Integer` on the wire.
    #[amp(rename = "x\npub const EVIL: u8 = 1;\n//")]
    pub x_pub_const_evil_u8_1: i64,
    /// `Integer` on the wire.
    #[amp(rename = "x`y")]
    pub x_y: i64,
    /// `Integer` on the wire.
    #[amp(rename = "é")]
    pub key___: Option<i64>,
    /// `Integer` on the wire.
    #[amp(rename = "\u{202e}")]
    pub key____: i64,
    /// Arguments that are only known as `a::Rest`.
    #[amp(flatten)]
    pub others_0_: by_hand::Rest,
}

/// An answer with `id`, `token`.
#[derive(Arguments, Clone, Debug, PartialEq)]
#[amp(strict)]
pub struct NoErrorCommandResponse {
    /// The second.
    pub id: i64,
    /// `String` on the wire.
    pub token: Bytes,
}

/// The second.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(name = "NoError", response = NoErrorCommandResponse, error = by_hand::NoErrorCommandError)]
pub struct NoErrorCommand;

/// One of a few texts.
#[derive(Argument, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letter {
    /// The text `""`.
    #[amp(rename = "")]
    N,
    /// The text `*/`.
    #[amp(rename = "*/")]
    NN,
    /// The text `Self`.
    #[amp(rename = "Self")]
    SelfN,
    /// The text `a"b`.
    #[amp(rename = "a\"b")]
    AB,
    /// The text `fooBar`.
    #[amp(rename = "fooBar")]
    FooBar,
    /// The text `foo_bar`.
    #[amp(rename = "foo_bar")]
    FooBarN,
    /// The text `self`.
    #[amp(rename = "self")]
    SelfNN,
}

/// A box with `id`.
#[derive(Arguments, Clone, Debug, PartialEq)]
pub struct K {
    /// `Integer` on the wire.
    pub id: i64,
}

/// The command `Responders`.
#[allow(clippy::type_complexity)]
#[derive(Command, Debug)]
#[amp(name = "Responders", strict)]
pub struct RespondersCommand {
    /// `Foo(Integer)` on the wire.
    pub a: by_hand::Foo,
    /// `Foo(String)` on the wire.
    pub b: by_hand::Foo2,
    /// `unknown("x.Price")` on the wire.
    pub c: by_hand::Price,
    /// `unknown("y.Price")` on the wire.
    pub d: Option<by_hand::Price2>,
    /// `ListOf(Descriptor)` on the wire.
    pub e: Vec<Descriptor>,
    /// `Descriptor` on the wire.
    pub f: Option<Descriptor>,
    /// `OneOf("", "*/", "Self", "a\\"b", "fooBar", "foo_bar", "self")` on the wire.
    pub g: Letter,
    /// `ListOf(ListOf(ListOf(Zlib(ListOf(Numbered(ListOf(Continued(ListOf(ListOf(ListOf(Unicode)))))))))))` on the wire.
    pub h: Option<Vec<Vec<Vec<Zlib<Vec<Numbered<Vec<Continued<Vec<Vec<Vec<String>>>>>>>>>>>>,
    /// `Path` on the wire.
    #[amp(default)]
    pub i: PathBuf,
    /// `ByteStream` on the wire.
    pub j: ByteStream,
    /// `ListOf(StreamOf(Box))` on the wire.
    pub k: Option<Vec<StreamOf<K>>>,
}

/// An answer with `addressOfThisVeryLongStreetInATownWhoseNameNobodyHasEverHeardOfAndThatIsLongerThanALineOfTheFormatter`.
#[rustfmt::skip]
#[derive(Arguments, Clone, Debug, PartialEq)]
pub struct ResultCommandResponse {
    /// `Integer` on the wire.
    #[amp(rename = "addressOfThisVeryLongStreetInATownWhoseNameNobodyHasEverHeardOfAndThatIsLongerThanALineOfTheFormatter")]
    pub address_of_this_very_long_street_in_a_town_whose_name_nobody_has_ever_heard_of_and_that_is_longer_than_a_line_of_the_formatter: i64,
}

/// A box with `addressOfCity`, `addressOfHouse`, `addressOfStreet` and others.
#[allow(clippy::struct_field_names)]
#[derive(Arguments, Clone, Debug, PartialEq)]
#[amp(rename_all = "camelCase")]
pub struct Street {
    /// `Unicode` on the wire.
    pub address_of_city: String,
    /// `Unicode` on the wire.
    pub address_of_house: String,
    /// `Unicode` on the wire.
    pub address_of_street: String,
    /// `AmpList(^1)` on the wire.
    pub children: Option<Vec<Self>>,
}

/// The command `Result`.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(name = "Result", response = ResultCommandResponse)]
pub struct ResultCommand {
    /// Its arguments, which boxes inside of them have too.
    #[amp(flatten)]
    pub arguments: Street,
}

/// An answer with `numbers`.
#[derive(Arguments, Debug)]
pub struct StreamOfCommandResponse {
    /// `StreamOf(Integer)` on the wire.
    pub numbers: Option<StreamOf<i64>>,
}

/// The command `StreamOf`.
#[derive(Command, Debug)]
#[amp(name = "StreamOf", response = StreamOfCommandResponse)]
pub struct StreamOfCommand {
    /// `SinkOf(Unicode)` on the wire.
    pub into: SinkOf<String>,
    /// `StreamOf(ListOf(Integer))` on the wire.
    pub lines: StreamOf<Vec<i64>>,
}

/// The command `String`.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(name = "String", switch)]
pub struct StringCommand;

/// A box with `aKeyThatIsLongerThanALineOfTheFormatterSoThatTheWholeItemStaysAsItIsAndNothingIsPutIntoTheDocumentationOfIt`, `more`.
#[rustfmt::skip]
#[derive(Arguments, Clone, Debug, PartialEq)]
pub struct ListArguments {
    /// `ListOf(Unicode)` on the wire.
    #[amp(rename = "aKeyThatIsLongerThanALineOfTheFormatterSoThatTheWholeItemStaysAsItIsAndNothingIsPutIntoTheDocumentationOfIt")]
    pub a_key_that_is_longer_than_a_line_of_the_formatter_so_that_the_whole_item_stays_as_it_is_and_nothing_is_put_into_the_documentation_of_it: Vec<String>,
    /// `AmpList(^1)` on the wire.
    pub more: Option<Vec<Self>>,
}

/// Attributes as text: `#[allow(unused)]`
///
/// ~~~text
///     #[allow(unused)] pub const EVIL: u8 = 1; //
///
///     pub const EVIL: u8 = 1;
/// ~~~
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(name = "list")]
pub struct List {
    /// Its arguments, which boxes inside of them have too.
    #[amp(flatten)]
    pub arguments: ListArguments,
}

/// The errors that commands declare.
#[derive(Clone, CommandError, Debug, PartialEq, thiserror::Error)]
#[amp(rename_all = "kebab-case")]
pub enum ListStockError {
    /// `never-there`.
    #[error("{0}")]
    NeverThere(String),
    /// `out-of-order`.
    #[error("{0}")]
    OutOfOrder(String),
    /// `sold-out`.
    #[error("{0}")]
    SoldOut(String),
}

/// The command `list stock`.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(name = "list stock", error = ListStockError)]
pub struct ListStock;

/// The errors that commands declare.
#[derive(Clone, CommandError, Debug, PartialEq, thiserror::Error)]
pub enum ListStockCommandError {
    /// `UNHANDLED`.
    #[error("{0}")]
    #[amp(code = "UNHANDLED", fatal)]
    Unhandled(String),
    /// `UNKNOWN`.
    #[error("{0}")]
    #[amp(code = "UNKNOWN")]
    Unknown(String),
}

/// The command `list-stock`.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(name = "list-stock", one_way, error = ListStockCommandError)]
pub struct ListStockCommand;

/// The command `listStock`.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(name = "listStock")]
pub struct StockOfList;

/// The errors that commands declare.
#[derive(Clone, CommandError, Debug, PartialEq, thiserror::Error)]
pub enum TypeError {
    /// `ONE`.
    #[error("{0}")]
    #[amp(exception = "ValueError")]
    One(String),
    /// `TWO`.
    #[error("{0}")]
    #[amp(exception = "ValueError")]
    Two(String),
}

/// The command `type`.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(name = "type", error = TypeError)]
pub struct Type {
    /// `Integer` on the wire.
    pub class: i64,
}

/// Returns what these commands are on the wire, to be compared with what they were written from.
#[must_use]
pub fn schema() -> Schema {
    let mut schema = Schema::default();
    schema.add::<ContextCommand>();
    schema.add::<NoErrorCommand>();
    schema.add::<RespondersCommand>();
    schema.add::<ResultCommand>();
    schema.add::<StreamOfCommand>();
    schema.add::<StringCommand>();
    schema.add::<List>();
    schema.add::<ListStock>();
    schema.add::<ListStockCommand>();
    schema.add::<StockOfList>();
    schema.add::<Type>();
    schema
}
