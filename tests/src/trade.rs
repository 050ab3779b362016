// Written from trade.schema by ampctl. What is changed here is lost.
use amp_core::argument::{
    Continued, ContinuedZlib, DateTime, Decimal, Json, Numbered, Packed, Zlib,
};
use amp_core::schema::Schema;
use amp_core::{Argument, Arguments, Command, CommandError};
use bytes::Bytes;
use ipnet::IpNet;
use std::net::IpAddr;
use std::path::PathBuf;

/// An answer with `id`.
#[derive(Arguments, Clone, Debug, PartialEq)]
pub struct BuyResponse {
    /// `Integer` on the wire.
    pub id: i64,
}

/// The errors that commands declare.
#[derive(Clone, CommandError, Debug, PartialEq, thiserror::Error)]
pub enum BuyError {
    /// `DENIED`.
    #[error("{0}")]
    #[amp(exception = "PermissionError")]
    Denied(String),
    /// `FIRE`.
    #[error("{0}")]
    #[amp(fatal, exception = "OnFire")]
    Fire(String),
    /// There is none left.
    #[error("{0}")]
    #[amp(exception = "SoldOut")]
    SoldOut(String),
    /// Something is wrong with the trade.
    #[error("{0}")]
    #[amp(code = "trade-error", exception = "TradeError")]
    TradeError(String),
}

/// Buys an item of `MyShop`, or of \[`another](one`).
///
/// Twice, if it is called twice:
///
/// ~~~text
///     buy(item="x_y")
/// ~~~
#[allow(clippy::struct_excessive_bools)]
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(response = BuyResponse, error = BuyError)]
pub struct Buy {
    /// `Boolean` on the wire.
    #[amp(rename = "0")]
    pub key_0: bool,
    /// `Integer` on the wire.
    pub class: Option<i64>,
    /// `Boolean` on the wire.
    #[amp(rename = "gift-wrap")]
    pub gift_wrap: bool,
    /// `Boolean` on the wire.
    #[amp(rename = "inStock")]
    pub in_stock: bool,
    /// `Unicode` on the wire.
    pub item: String,
    /// `Boolean` on the wire.
    pub paid: bool,
    /// `String` on the wire.
    pub token: Bytes,
    /// `Integer` on the wire.
    pub r#type: u8,
}

/// The errors that commands declare.
#[derive(Clone, CommandError, Debug, PartialEq, thiserror::Error)]
pub enum CloseError {
    /// `UNHANDLED`.
    #[error("{0}")]
    #[amp(code = "UNHANDLED", exception = "NotImplementedError")]
    Unhandled(String),
    /// There is none left.
    #[error("{0}")]
    #[amp(code = "UNKNOWN", exception = "SoldOut")]
    Unknown(String),
}

/// Has neither arguments nor a response, and declares the codes of AMP itself.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(error = CloseError)]
pub struct Close;

/// One of a few texts.
#[derive(Argument, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinds {
    /// The text `2nd-hand`.
    #[amp(rename = "2nd-hand")]
    N2ndHand,
    /// The text `new`.
    #[amp(rename = "new")]
    New,
    /// The text `self`.
    #[amp(rename = "self")]
    SelfN,
}

/// A box with `name`, `price`.
#[derive(Arguments, Clone, Debug, PartialEq)]
pub struct ListsOfBox {
    /// `Unicode` on the wire.
    pub name: String,
    /// `Decimal` on the wire.
    pub price: Option<Decimal>,
}

/// An answer with `address`, `boolean`, `compressed` and others.
#[derive(Arguments, Clone, Debug, PartialEq)]
pub struct EverythingResponse {
    /// `IpAddressBytes` on the wire.
    pub address: Option<Packed<IpAddr>>,
    /// `Boolean` on the wire.
    pub boolean: Option<bool>,
    /// `ListOf(Zlib(Unicode))` on the wire.
    pub compressed: Vec<Zlib<String>>,
    /// `Continued(Zlib(String))` on the wire.
    pub continued: Option<Continued<Zlib<Bytes>>>,
    /// `ContinuedZlib(String)` on the wire.
    pub continued_zlib: ContinuedZlib<Bytes>,
    /// `DateTime` on the wire.
    pub date_time: DateTime,
    /// `Decimal` on the wire.
    pub decimal: Decimal,
    /// `Float` on the wire.
    pub float: f64,
    /// `Integer` on the wire.
    pub integer: i64,
    /// `ListOf(Integer)` on the wire.
    pub integers: Vec<i64>,
    /// `Json` on the wire.
    pub json: Json<serde_json::Value>,
    /// `ListOf(OneOf("2nd-hand", "new", "self"))` on the wire.
    pub kinds: Vec<Kinds>,
    /// `ListOf(ListOf(DateTime))` on the wire.
    pub lists: Option<Vec<Vec<DateTime>>>,
    /// `ListOf(ListOf(AmpList))` on the wire.
    pub lists_of_boxes: Vec<Vec<Vec<ListsOfBox>>>,
    /// `IpNetworkBytes` on the wire.
    pub network: Packed<IpNet>,
    /// `Numbered(ListOf(Unicode))` on the wire.
    pub numbered: Numbered<Vec<String>>,
    /// `Path` on the wire.
    pub path: PathBuf,
    /// `String` on the wire.
    pub string: Bytes,
    /// `Unicode` on the wire.
    pub unicode: Option<String>,
}

/// The command `Everything`.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(response = EverythingResponse)]
pub struct Everything {
    /// `IpAddressBytes` on the wire.
    pub address: Option<Packed<IpAddr>>,
    /// `Boolean` on the wire.
    pub boolean: Option<bool>,
    /// `ListOf(Zlib(Unicode))` on the wire.
    pub compressed: Vec<Zlib<String>>,
    /// `Continued(Zlib(String))` on the wire.
    pub continued: Option<Continued<Zlib<Bytes>>>,
    /// `ContinuedZlib(String)` on the wire.
    pub continued_zlib: ContinuedZlib<Bytes>,
    /// `DateTime` on the wire.
    pub date_time: DateTime,
    /// `Decimal` on the wire.
    pub decimal: Decimal,
    /// `Float` on the wire.
    pub float: f64,
    /// `Integer` on the wire.
    pub integer: i64,
    /// `ListOf(Integer)` on the wire.
    pub integers: Vec<i64>,
    /// `Json` on the wire.
    pub json: Json<serde_json::Value>,
    /// `ListOf(OneOf("2nd-hand", "new", "self"))` on the wire.
    pub kinds: Vec<Kinds>,
    /// `ListOf(ListOf(DateTime))` on the wire.
    pub lists: Option<Vec<Vec<DateTime>>>,
    /// `ListOf(ListOf(AmpList))` on the wire.
    pub lists_of_boxes: Vec<Vec<Vec<ListsOfBox>>>,
    /// `IpNetworkBytes` on the wire.
    pub network: Packed<IpNet>,
    /// `Numbered(ListOf(Unicode))` on the wire.
    pub numbered: Numbered<Vec<String>>,
    /// `Path` on the wire.
    pub path: PathBuf,
    /// `String` on the wire.
    pub string: Bytes,
    /// `Unicode` on the wire.
    pub unicode: Option<String>,
}

/// The errors that commands declare.
#[derive(Clone, CommandError, Debug, PartialEq, thiserror::Error)]
pub enum SellError {
    /// There is none left.
    #[error("{0}")]
    #[amp(exception = "SoldOut")]
    SoldOut(String),
    /// Something is wrong with the trade.
    #[error("{0}")]
    #[amp(code = "trade-error", exception = "TradeError")]
    TradeError(String),
}

/// A box with `name`, `price`.
#[derive(Arguments, Clone, Debug, PartialEq)]
pub struct Item {
    /// `Unicode` on the wire.
    pub name: String,
    /// `Decimal` on the wire.
    pub price: Option<Decimal>,
}

/// The command `Sell`.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(response = BuyResponse, error = SellError)]
pub struct Sell {
    /// `Box` on the wire.
    pub item: Item,
    /// `OneOf("2nd-hand", "new", "self")` on the wire.
    pub kind: Kinds,
}

/// The errors that commands declare.
#[derive(Clone, CommandError, Debug, PartialEq, thiserror::Error)]
pub enum TalkError {
    /// `NO_SUCH_PROTOCOL`.
    #[error("{0}")]
    #[amp(exception = "ValueError")]
    NoSuchProtocol(String),
}

/// Speaks something else afterwards.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(switch, error = TalkError)]
pub struct Talk {
    /// `Unicode` on the wire.
    pub protocol: String,
}

/// The errors that commands declare.
#[derive(Clone, CommandError, Debug, PartialEq, thiserror::Error)]
pub enum TickError {
    /// `FIRE`.
    #[error("{0}")]
    #[amp(fatal, exception = "OnFire")]
    Fire(String),
    /// There is none left.
    #[error("{0}")]
    #[amp(exception = "SoldOut")]
    SoldOut(String),
}

/// Never answered, and may fail all the same.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(one_way, error = TickError)]
pub struct Tick {
    /// `DateTime` on the wire.
    pub at: DateTime,
}

/// A box with `items`, `self`.
#[derive(Arguments, Clone, Debug, PartialEq)]
pub struct Shelf {
    /// `AmpList` on the wire.
    pub items: Vec<ListsOfBox>,
    /// `Integer` on the wire.
    #[amp(rename = "self")]
    pub self_: i64,
}

/// A box with `shelves`.
#[derive(Arguments, Clone, Debug, PartialEq)]
pub struct Room {
    /// `AmpList` on the wire.
    pub shelves: Vec<Shelf>,
}

/// A box with `rooms`.
#[derive(Arguments, Clone, Debug, PartialEq)]
pub struct Floor {
    /// `AmpList` on the wire.
    pub rooms: Option<Vec<Room>>,
}

/// A box with `folders`, `name`.
#[derive(Arguments, Clone, Debug, PartialEq)]
pub struct Tree {
    /// `AmpList(^1)` on the wire.
    pub folders: Vec<Self>,
    /// `Unicode` on the wire.
    pub name: String,
}

/// An answer with `changed`, `floors`, `tree`.
#[derive(Arguments, Clone, Debug, PartialEq)]
pub struct ListStockResponse {
    /// `Zlib(AmpList)` on the wire.
    pub changed: Zlib<Vec<ListsOfBox>>,
    /// `AmpList` on the wire.
    pub floors: Vec<Floor>,
    /// `AmpList` on the wire.
    pub tree: Option<Vec<Tree>>,
}

/// The command `list-stock`.
#[derive(Clone, Command, Debug, PartialEq)]
#[amp(name = "list-stock", response = ListStockResponse)]
pub struct ListStock {
    /// `Integer` on the wire.
    pub serial: u128,
}

/// Returns what these commands are on the wire, to be compared with what they were written from.
#[must_use]
pub fn schema() -> Schema {
    let mut schema = Schema::default();
    schema.add::<Buy>();
    schema.add::<Close>();
    schema.add::<Everything>();
    schema.add::<Sell>();
    schema.add::<Talk>();
    schema.add::<Tick>();
    schema.add::<ListStock>();
    schema
}
