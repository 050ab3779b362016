use bytes::Bytes;
use std::sync::Arc;
use std::vec;

use super::Integer;
use crate::argument::{Attachment, DateTime, Decimal};

/// A value that says itself what it is: see the table of [`dynamic`](super).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Value {
    /// A String, or a value of an unknown type.
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
    /// A value that travels beside the bytes: a descriptor.
    Attachment(Attachment),
}

impl Value {
    /// Returns what kind it is, with its article, for messages.
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

/// Values by their names: the contents of a box.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    /// In the order of their names.
    pairs: Vec<(String, Value)>,
}

impl Values {
    /// Creates an empty set of values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value, and returns the one that had its name before.
    pub fn insert(&mut self, name: impl Into<String>, value: Value) -> Option<Value> {
        let name = name.into();
        match self.place(&name) {
            Ok(at) => Some(std::mem::replace(&mut self.pairs[at].1, value)),
            Err(at) => {
                self.pairs.insert(at, (name, value));
                None
            }
        }
    }

    /// Returns the value of this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.place(name).ok().map(|at| &self.pairs[at].1)
    }

    /// Returns the value of this name, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.place(name).ok().map(|at| &mut self.pairs[at].1)
    }

    /// Takes the value of this name out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.place(name).ok().map(|at| self.pairs.remove(at).1)
    }

    /// Returns names and values, in the order of the names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Returns whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.pairs.binary_search_by(|(other, _)| other.as_str().cmp(name))
    }
}

impl<N: Into<String>> FromIterator<(N, Value)> for Values {
    /// Of two values with one name, the last one counts.
    fn from_iter<I: IntoIterator<Item = (N, Value)>>(pairs: I) -> Self {
        let mut values = Self::new();
        values.extend(pairs);
        values
    }
}

impl<N: Into<String>> Extend<(N, Value)> for Values {
    /// Of two values with one name, the last one counts.
    fn extend<I: IntoIterator<Item = (N, Value)>>(&mut self, pairs: I) {
        for (name, value) in pairs {
            self.insert(name, value);
        }
    }
}

impl IntoIterator for Values {
    type Item = (String, Value);
    type IntoIter = vec::IntoIter<(String, Value)>;

    /// In the order of their names.
    fn into_iter(self) -> Self::IntoIter {
        self.pairs.into_iter()
    }
}
