//! The commands of the compliance suite, whose names on the wire are those of
//! `python/commands.py`.

use amp_core::argument::{DateTime, Decimal};
use amp_core::{Arguments, Command, CommandError};
use amp_unix::Descriptor;
use bytes::Bytes;
use num_bigint::BigInt;
use std::path::PathBuf;

/// Adds two integers.
#[derive(Command, Clone, Debug)]
#[amp(response = Total)]
pub struct Sum {
    /// One.
    pub a: BigInt,
    /// The other.
    pub b: BigInt,
}

/// What two integers are together.
#[derive(Arguments, Debug, PartialEq)]
pub struct Total {
    /// The sum.
    pub total: BigInt,
}

/// Divides one integer by another.
#[derive(Command, Clone, Debug)]
#[amp(response = Quotient, error = DivideError)]
pub struct Divide {
    /// What is divided.
    pub numerator: i128,
    /// What it is divided by.
    pub denominator: i128,
}

/// What comes of a division.
#[derive(Arguments, Debug, PartialEq)]
pub struct Quotient {
    /// The quotient.
    pub result: f64,
}

/// Why a division is impossible.
#[derive(CommandError, Debug, PartialEq, thiserror::Error)]
pub enum DivideError {
    /// The denominator is 0.
    #[error("division by zero")]
    ZeroDivision,
}

/// Puts two texts behind one another.
#[derive(Command, Clone, Debug)]
#[amp(name = "concatenate-text", response = Concatenated)]
pub struct Concatenate {
    /// The first.
    #[amp(rename = "left-hand")]
    pub left_hand: String,
    /// The second.
    #[amp(rename = "right-hand")]
    pub right_hand: String,
}

/// Two texts in one.
#[derive(Arguments, Debug, PartialEq)]
pub struct Concatenated {
    /// Both.
    pub both: String,
}

/// Decodes every argument that is there and answers with it, encoded again.
#[derive(Command, Clone, Debug, Default, PartialEq)]
#[amp(response = EchoScalars)]
pub struct EchoScalars {
    /// An Integer.
    pub integer: Option<BigInt>,
    /// A String.
    pub string: Option<Bytes>,
    /// A Unicode.
    pub unicode: Option<String>,
    /// A Float.
    pub float: Option<f64>,
    /// A Boolean.
    pub boolean: Option<bool>,
    /// A Decimal.
    pub decimal: Option<Decimal>,
    /// A `DateTime`.
    pub datetime: Option<DateTime>,
    /// A Path.
    pub path: Option<PathBuf>,
    /// A Unicode whose key comes before the protocol's own.
    #[amp(rename = "Zone")]
    pub zone: Option<String>,
}

/// [`EchoScalars`] for lists.
#[derive(Command, Clone, Debug, Default, PartialEq)]
#[amp(response = EchoLists)]
pub struct EchoLists {
    /// A `ListOf` Integer.
    pub integers: Option<Vec<BigInt>>,
    /// A `ListOf` String.
    pub strings: Option<Vec<Bytes>>,
    /// A `ListOf` Unicode.
    pub texts: Option<Vec<String>>,
    /// A `ListOf` Float.
    pub floats: Option<Vec<f64>>,
    /// A `ListOf` Boolean.
    pub booleans: Option<Vec<bool>>,
    /// A `ListOf` Decimal.
    pub decimals: Option<Vec<Decimal>>,
    /// A `ListOf` `DateTime`.
    pub datetimes: Option<Vec<DateTime>>,
    /// A `ListOf` `ListOf` Integer.
    pub nested: Option<Vec<Vec<BigInt>>>,
    /// An `AmpList`.
    pub points: Option<Vec<Point>>,
    /// An `AmpList` with another inside.
    pub polygons: Option<Vec<Polygon>>,
}

/// A point that may have a label.
#[derive(Arguments, Clone, Debug, PartialEq)]
pub struct Point {
    /// To the right.
    pub x: BigInt,
    /// Up.
    pub y: f64,
    /// What is written beside it.
    pub label: Option<String>,
}

/// Points with a name.
#[derive(Arguments, Clone, Debug, PartialEq)]
pub struct Polygon {
    /// The name.
    pub name: String,
    /// The corners.
    pub points: Vec<Point>,
}

/// Fails the way `how` says: `friendly`, `deadly`, `bad-response`, or anything else for an error
/// that the command does not declare.
#[derive(Command, Clone, Debug)]
#[amp(response = NoNumber, error = FailError)]
pub struct Fail {
    /// Which way.
    pub how: String,
    /// The description of the error.
    pub text: String,
}

/// The response of [`Fail`]: a number that nobody has, so that it cannot be written.
#[derive(Arguments, Debug)]
pub struct NoNumber {
    /// An Integer on the wire.
    #[amp(with = "unwritable")]
    pub number: i128,
}

mod unwritable {
    use amp_core::{Argument, DecodeError, EncodeError, Proto, Value, ValueWriter};

    pub(super) fn to_string_proto(
        _: &i128,
        _: &mut Proto<'_>,
        _: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        Err(EncodeError::custom("not a number"))
    }

    pub(super) fn from_string_proto(
        value: Value<'_>,
        proto: &mut Proto<'_>,
    ) -> Result<i128, DecodeError> {
        i128::from_string_proto(value, proto)
    }
}

/// How [`Fail`] may fail; both carry the description.
#[derive(CommandError, Debug, PartialEq, thiserror::Error)]
pub enum FailError {
    /// The connection goes on.
    #[error("{0}")]
    Friendly(String),
    /// The connection ends.
    #[error("{0}")]
    #[amp(fatal)]
    Deadly(String),
}

/// Is remembered by the connection.
#[derive(Command, Clone, Debug)]
#[amp(one_way)]
pub struct Note {
    /// What to remember.
    pub text: String,
}

/// Counts the [`Note`]s that came over the connection.
#[derive(Command, Clone, Debug)]
#[amp(response = Count)]
pub struct CountNotes;

/// A number of things.
#[derive(Arguments, Debug, PartialEq)]
pub struct Count {
    /// How many.
    pub count: usize,
}

/// Answers after some time, so that answers overtake each other.
#[derive(Command, Clone, Debug)]
#[amp(response = Waited)]
pub struct Wait {
    /// How long.
    pub seconds: f64,
    /// Comes back.
    pub token: Bytes,
}

/// The answer to a [`Wait`].
#[derive(Arguments, Debug, PartialEq)]
pub struct Waited {
    /// The call's token.
    pub token: Bytes,
}

/// Makes the answering side call [`Sum`] on the asking side, and answer with what it got.
#[derive(Command, Clone, Debug)]
#[amp(response = Total)]
pub struct CallBack {
    /// For the sum.
    pub a: BigInt,
    /// For the sum.
    pub b: BigInt,
}

/// Tells the asking side where it is, as the answering side sees it.
#[derive(Command, Clone, Debug)]
#[amp(response = Who)]
pub struct WhoAmI;

/// The address of the asking side.
#[derive(Arguments, Debug, PartialEq)]
pub struct Who {
    /// As Twisted displays it: `IPv4Address(type='TCP', host='127.0.0.1', port=1234)`.
    pub peer: String,
}

/// Makes the answering side echo every byte from its answer on.
#[derive(Command, Clone, Debug)]
#[amp(error = SwitchError, switch)]
pub struct SwitchToEcho {
    /// Whether it is to be refused.
    pub refuse: Option<bool>,
}

/// Why there is no switch.
#[derive(CommandError, Debug, PartialEq, thiserror::Error)]
pub enum SwitchError {
    /// It was asked to be refused; carries the description.
    #[error("{0}")]
    Friendly(String),
}

/// Tells how long the file behind a descriptor is.
#[derive(Command, Debug)]
#[amp(response = Size)]
pub struct FileSize {
    /// The file.
    pub file: Descriptor,
}

/// The length of a file.
#[derive(Arguments, Debug, PartialEq)]
pub struct Size {
    /// In bytes.
    pub size: u64,
}

/// Writes a fresh file.
#[derive(Command, Clone, Debug)]
#[amp(response = Opened)]
pub struct OpenTemporary {
    /// What to write.
    pub content: Bytes,
}

/// A file at its start.
#[derive(Arguments, Debug)]
pub struct Opened {
    /// The file.
    pub file: Descriptor,
}

/// Reads all files to their end, in the order given.
#[derive(Command, Debug)]
#[amp(response = Content)]
pub struct ConcatenateFiles {
    /// The files. Twisted has a list of boxes here because its `ListOf` cannot hold descriptors.
    pub files: Vec<Opened>,
}

/// What files hold.
#[derive(Arguments, Debug, PartialEq)]
pub struct Content {
    /// All of it.
    pub content: Bytes,
}
