use bytes::Bytes;
use std::sync::Arc;

use super::{Integer, Values};
use crate::argument::{Attachment, DateTime, Decimal};

/// One value, which says itself what it is: see the table of [`dynamic`](super).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Value {
    /// A String, or a value whose type nothing is known of.
    Bytes(Bytes),
    /// Unicode, a Path, or one text out of a fixed set.
    Text(String),
    /// An Integer of any size.
    Integer(Integer),
    /// A Float.
    Float(f64),
    /// A Boolean.
    Boolean(bool),
    /// A Decimal.
    Decimal(Decimal),
    /// A `DateTime`.
    DateTime(DateTime),
    /// JSON, as its text.
    #[cfg(feature = "json")]
    Json(String),
    /// A list, of values or of boxes.
    List(Vec<Value>),
    /// A box.
    Box(Values),
    /// What travels beside the bytes: a descriptor.
    Attachment(Attachment),
}

impl Value {
    /// What it is, with its article, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Bytes(_) => "bytes",
            Value::Text(_) => "a text",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Boolean(_) => "a boolean",
            Value::Decimal(_) => "a decimal",
            Value::DateTime(_) => "a date",
            #[cfg(feature = "json")]
            Value::Json(_) => "JSON",
            Value::List(_) => "a list",
            Value::Box(_) => "a box",
            Value::Attachment(_) => "an attachment",
        }
    }
}

/// Attachments are equal when they are the same one.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Integer(a), Value::Integer(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a == b,
            (Value::Boolean(a), Value::Boolean(b)) => a == b,
            (Value::Decimal(a), Value::Decimal(b)) => a == b,
            (Value::DateTime(a), Value::DateTime(b)) => a == b,
            #[cfg(feature = "json")]
            (Value::Json(a), Value::Json(b)) => a == b,
            (Value::List(a), Value::List(b)) => a == b,
            (Value::Box(a), Value::Box(b)) => a == b,
            (Value::Attachment(a), Value::Attachment(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}
