use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::boxes::{BoxError, Value};
use crate::shorten::Shortened;

/// The cause of an error that a user's argument reports, as it is made from other types.
type Cause = Box<dyn Error + Send + Sync>;

/// A value that cannot be written, and which argument it is.
///
/// It fails its call or answer only. Nothing of that was sent, and the connection goes on.
#[doc(alias = "TooLong")]
#[derive(Clone, Debug)]
pub struct EncodeError {
    inner: Box<Inner<EncodeErrorKind>>,
}

/// The fault of a value that cannot be written.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeErrorKind {
    /// The pair or the whole does not fit into a box.
    #[error(transparent)]
    Box(#[from] BoxError),
    /// An element of a list is longer than 65 535 bytes.
    #[error("element {index} has {len} bytes, over the limit of 65535")]
    ElementTooLong {
        /// The number of the element, counted from 0.
        index: usize,
        /// The length of the element in bytes.
        len: usize,
    },
    /// `None` is in a list, where AMP has no form for it.
    #[error("an absent value has no form here")]
    Absent,
    /// The value is `Some(None)`, which would be written and read like `None`.
    #[error("an absent value inside of `Some` would be read as `None`")]
    SomeAbsent,
    /// Boxes and lists are nested in each other too often.
    #[error("boxes are nested more than {limit} deep")]
    TooDeep {
        /// The number of values that may be inside of each other.
        limit: usize,
    },
    /// The connection's transport cannot carry such an attachment, or there is no connection.
    #[error("{what} cannot be sent over this transport")]
    NotCarried {
        /// The kind of attachment that was to be sent.
        what: &'static str,
    },
    /// The value has no form on the wire.
    #[error("{what} cannot be written: {seen}")]
    Unwritable {
        /// The kind of value, with its article and, if it is not obvious, the reason: `a path that is not UTF-8`.
        what: &'static str,
        /// The value, shortened.
        seen: Shortened,
    },
    /// Boxes and lists are nested in each other, and writing them would take too much stack.
    #[error("boxes are nested so deep that they take more than {limit} bytes of stack")]
    TooMuchStack {
        /// The number of bytes that may be taken.
        limit: usize,
    },
    /// A value of such a type cannot stand where it does.
    #[error("{what} has no form on the wire")]
    NoForm {
        /// The kind of value that has no form.
        what: &'static str,
    },
    /// A [dynamic](crate::dynamic) value is not there, and its schema requires it.
    #[error("missing")]
    Missing,
    /// A [dynamic](crate::dynamic) value is there, and its schema has no argument of this name.
    #[error("there is no such argument; there is {known}")]
    Undeclared {
        /// The names that the schema has.
        known: String,
    },
    /// A [dynamic](crate::dynamic) value is not of the type that its schema has.
    #[error("{seen} where its schema has {expected}")]
    OtherType {
        /// The type in the schema.
        expected: String,
        /// The kind of the value, with its article.
        seen: &'static str,
    },
    /// The error that a user's argument reports, in its own words.
    #[error(transparent)]
    Custom(Arc<dyn Error + Send + Sync>),
}

impl EncodeError {
    /// Creates an error of an argument of your own.
    pub fn custom(cause: impl Into<Cause>) -> Self {
        EncodeErrorKind::Custom(cause.into().into()).into()
    }

    /// `seen`, which is `what`, has no form on the wire.
    pub(crate) fn unwritable(what: &'static str, seen: impl AsRef<[u8]>) -> Self {
        EncodeErrorKind::Unwritable { what, seen: Shortened::new(seen) }.into()
    }

    /// `what` cannot be sent over the connection's transport.
    pub(crate) fn not_carried(what: &'static str) -> Self {
        EncodeErrorKind::NotCarried { what }.into()
    }

    /// The same error without the value, which a log should not have.
    #[cfg(feature = "tokio")]
    pub(crate) fn hide_value(mut self) -> Self {
        // Each kind is named, so that none is added without a decision.
        match &mut self.inner.kind {
            EncodeErrorKind::Unwritable { seen, .. } => seen.hide(),
            EncodeErrorKind::Box(error) => error.hide_value(),
            EncodeErrorKind::ElementTooLong { .. }
            | EncodeErrorKind::Absent
            | EncodeErrorKind::SomeAbsent
            | EncodeErrorKind::TooDeep { .. }
            | EncodeErrorKind::NotCarried { .. }
            | EncodeErrorKind::TooMuchStack { .. }
            | EncodeErrorKind::NoForm { .. }
            | EncodeErrorKind::Missing
            | EncodeErrorKind::Undeclared { .. }
            | EncodeErrorKind::OtherType { .. }
            | EncodeErrorKind::Custom(_) => {}
        }
        self
    }

    /// Returns this error, inside of the argument `name`.
    pub fn at(mut self, name: impl fmt::Display) -> Self {
        self.inner.path.prepend(name);
        self
    }

    /// Returns the argument that is at fault, from the outermost: `points[3].label`. Empty when it is
    /// none in particular.
    pub fn argument(&self) -> &str {
        &self.inner.path.0
    }

    /// Returns the fault.
    pub fn kind(&self) -> &EncodeErrorKind {
        &self.inner.kind
    }
}

impl From<EncodeErrorKind> for EncodeError {
    fn from(kind: EncodeErrorKind) -> Self {
        Self { inner: Box::new(Inner { path: Path::default(), kind }) }
    }
}

impl From<BoxError> for EncodeError {
    fn from(error: BoxError) -> Self {
        EncodeErrorKind::Box(error).into()
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.inner.path, self.inner.kind)
    }
}

impl Error for EncodeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.inner.kind.source()
    }
}

/// Received bytes that are not what an argument expects, and which argument it is.
///
/// It fails the one call that it belongs to.
#[derive(Clone, Debug)]
pub struct DecodeError {
    inner: Box<Inner<DecodeErrorKind>>,
}

/// The fault of a received value.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The key is not there and the argument is not optional.
    #[error("missing")]
    Missing,
    /// The box has a key that belongs to no argument, and such keys are [rejected](super::UnknownKeys::Reject).
    #[error("the key {key} is unknown")]
    UnknownKey {
        /// The first such key, shortened.
        key: Shortened,
    },
    /// The bytes are not the form of such a value.
    #[error("{seen} is not {expected}")]
    Malformed {
        /// The kind that was expected, with its article: `an Integer`.
        expected: Cow<'static, str>,
        /// The value, shortened.
        seen: Shortened,
    },
    /// The value is well formed, and too large or too small for its Rust type.
    #[error("{seen} does not fit into {expected}")]
    OutOfRange {
        /// The Rust type.
        expected: &'static str,
        /// The value, shortened.
        seen: Shortened,
    },
    /// A list ends in the middle of an element.
    #[error("the list ends in the middle of element {index}")]
    Truncated {
        /// The number of the element, counted from 0.
        index: usize,
    },
    /// A list does not have as many elements as its Rust type.
    #[error("{seen} elements where {expected} are expected")]
    WrongLength {
        /// The number that there must be.
        expected: usize,
        /// The number that there are.
        seen: usize,
    },
    /// A map has two entries with one key.
    #[error("{seen} is the key of an earlier entry")]
    DuplicateKey {
        /// The key, shortened.
        seen: Shortened,
    },
    /// The bytes of a box inside of a value are not a box.
    #[error(transparent)]
    Box(#[from] BoxError),
    /// Bytes follow behind the one box that should be all.
    #[error("{len} bytes follow the box")]
    Trailing {
        /// The number of them.
        len: usize,
    },
    /// Boxes and lists are nested in each other's values too often.
    #[error("lists or boxes are nested more than {limit} deep")]
    TooDeep {
        /// The number of values that may be inside of each other.
        limit: usize,
    },
    /// Boxes and lists are nested in each other's values, and reading them would take too much stack. They have fewer
    /// levels than [`TooDeep`](Self::TooDeep) says, but structs with many fields.
    #[error("lists or boxes are nested so deep that they take more than {limit} bytes of stack")]
    TooMuchStack {
        /// The number of bytes that may be taken.
        limit: usize,
    },
    /// The box would take more memory, once it is decoded, than
    /// [`Limits::decoded_bytes`](field@crate::Limits::decoded_bytes) allows for one of that length.
    #[error("what is decoded takes more than {limit} bytes of memory")]
    TooMuchMemory {
        /// The number of bytes that may be taken.
        limit: usize,
    },
    /// The integers of a box that have more digits than Python reads have too many digits together: reading them would
    /// take long.
    #[error("integers of more than 4300 digits have more than {limit} digits together")]
    TooManyDigits {
        /// The number of digits that they may have.
        limit: usize,
    },
    /// The argument is data of the connection, and the connection has none of that type.
    #[error("the connection has no data of type {expected}")]
    NoData {
        /// The Rust type.
        expected: &'static str,
    },
    /// The connection's transport cannot carry such an attachment, or there is no connection.
    #[error("{what} cannot be received over this transport")]
    NotCarried {
        /// The kind of attachment that was to be received.
        what: &'static str,
    },
    /// There is no attachment with this ordinal to take.
    #[error("{}", unclaimable_message(*ordinal, *received))]
    Unclaimable {
        /// The ordinal, counted from 0.
        ordinal: u64,
        /// The number of attachments that have arrived on the connection so far.
        received: u64,
    },
    /// The attachment with this ordinal was dropped, since more waited than
    /// [`Limits::unclaimed_attachments`](field@crate::Limits::unclaimed_attachments) allows.
    #[error("attachment {ordinal} was dropped: more than {limit} waited, which is the limit")]
    TooManyUnclaimed {
        /// The ordinal, counted from 0.
        ordinal: u64,
        /// The number of attachments that may wait.
        limit: usize,
    },
    /// The attachment with this ordinal was dropped, since all connections had more than
    /// [`Limits::attachments_in_all`](field@crate::Limits::attachments_in_all) allows, and this one had most.
    #[error(
        "attachment {ordinal} was dropped: all connections had more than {limit}, which is the limit"
    )]
    TooManyInAll {
        /// The ordinal, counted from 0.
        ordinal: u64,
        /// The number of attachments that all connections may have.
        limit: usize,
    },
    /// A value of such a type cannot stand where it does.
    #[error("{what} has no form on the wire")]
    NoForm {
        /// The kind of value that has no form.
        what: &'static str,
    },
    /// The error that a user's argument reports, in its own words.
    #[error(transparent)]
    Custom(Arc<dyn Error + Send + Sync>),
}

impl DecodeError {
    /// Creates an error of an argument of your own.
    pub fn custom(cause: impl Into<Cause>) -> Self {
        DecodeErrorKind::Custom(cause.into().into()).into()
    }

    /// Creates the error that `value` is not `expected`, which has its article: `an Integer`.
    pub fn malformed(expected: impl Into<Cow<'static, str>>, value: Value<'_>) -> Self {
        DecodeErrorKind::Malformed { expected: expected.into(), seen: value.shortened() }.into()
    }

    /// Creates the error that `value` does not fit into the Rust type `expected`.
    pub fn out_of_range(expected: &'static str, value: Value<'_>) -> Self {
        DecodeErrorKind::OutOfRange { expected, seen: value.shortened() }.into()
    }

    /// Creates the error that the key is missing.
    pub fn missing() -> Self {
        DecodeErrorKind::Missing.into()
    }

    pub(crate) fn not_carried(what: &'static str) -> Self {
        DecodeErrorKind::NotCarried { what }.into()
    }

    /// Returns this error, inside of the argument `name`.
    pub fn at(mut self, name: impl fmt::Display) -> Self {
        self.inner.path.prepend(name);
        self
    }

    /// Creates the error that a value is not `expected`, since it has no such box.
    pub(crate) fn of_box_inside(error: BoxError, expected: &'static str, value: Value<'_>) -> Self {
        match error {
            // Here it is not the peer that speaks something else.
            BoxError::NotAmp { .. } => Self::malformed(expected, value),
            error => error.into(),
        }
    }

    /// The same error without the value, which a log should not have.
    #[cfg(feature = "tokio")]
    pub(crate) fn hide_value(mut self) -> Self {
        // Each kind is named, so that none is added without a decision.
        match &mut self.inner.kind {
            DecodeErrorKind::Malformed { seen, .. }
            | DecodeErrorKind::OutOfRange { seen, .. }
            | DecodeErrorKind::DuplicateKey { seen } => seen.hide(),
            DecodeErrorKind::Box(error) => error.hide_value(),
            DecodeErrorKind::Missing
            | DecodeErrorKind::UnknownKey { .. }
            | DecodeErrorKind::Truncated { .. }
            | DecodeErrorKind::WrongLength { .. }
            | DecodeErrorKind::Trailing { .. }
            | DecodeErrorKind::TooDeep { .. }
            | DecodeErrorKind::TooMuchStack { .. }
            | DecodeErrorKind::TooMuchMemory { .. }
            | DecodeErrorKind::TooManyDigits { .. }
            | DecodeErrorKind::NoData { .. }
            | DecodeErrorKind::NotCarried { .. }
            | DecodeErrorKind::Unclaimable { .. }
            | DecodeErrorKind::TooManyUnclaimed { .. }
            | DecodeErrorKind::TooManyInAll { .. }
            | DecodeErrorKind::NoForm { .. }
            | DecodeErrorKind::Custom(_) => {}
        }
        self
    }

    /// Returns the argument that is at fault, from the outermost: `points[3].label`. Empty when it is
    /// none in particular.
    pub fn argument(&self) -> &str {
        &self.inner.path.0
    }

    /// Returns the fault.
    pub fn kind(&self) -> &DecodeErrorKind {
        &self.inner.kind
    }
}

impl From<DecodeErrorKind> for DecodeError {
    fn from(kind: DecodeErrorKind) -> Self {
        Self { inner: Box::new(Inner { path: Path::default(), kind }) }
    }
}

impl From<BoxError> for DecodeError {
    fn from(error: BoxError) -> Self {
        DecodeErrorKind::Box(error).into()
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.inner.path, self.inner.kind)
    }
}

impl Error for DecodeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.inner.kind.source()
    }
}

fn unclaimable_message(ordinal: u64, received: u64) -> String {
    if ordinal < received {
        format!("attachment {ordinal} was already taken or has waited for too long")
    } else {
        format!("attachment {ordinal} has not arrived: {received} have")
    }
}

/// What an error holds, on the heap. So results are as small as their values, and so are the frames of functions that
/// have a result for each field.
#[derive(Clone, Debug)]
struct Inner<K> {
    path: Path,
    kind: K,
}

/// Where in a box a value is: `points[3].label`.
#[derive(Clone, Debug, Default)]
struct Path(String);

impl Path {
    fn prepend(&mut self, name: impl fmt::Display) {
        let dot = if self.0.is_empty() || self.0.starts_with('[') { "" } else { "." };
        self.0 = format!("{name}{dot}{}", self.0);
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "argument {}: ", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_where_they_are() {
        let error = DecodeError::malformed("an Integer", Value::from(&b"x"[..]))
            .at("label")
            .at("[3]")
            .at("points");
        assert_eq!(error.argument(), "points[3].label");
        assert_eq!(error.to_string(), r#"argument points[3].label: "x" is not an Integer"#);
        assert_eq!(DecodeError::missing().to_string(), "missing");
    }
}
