//! What serde, and the types that it is derived for, report.

use std::fmt::Display;

use ::serde::{de, ser};

use crate::argument::{DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind};
use crate::shorten::{self, Shortened};

impl ser::Error for EncodeError {
    fn custom<T: Display>(message: T) -> Self {
        EncodeError::custom(message.to_string())
    }
}

impl de::Error for DecodeError {
    fn custom<T: Display>(message: T) -> Self {
        DecodeError::custom(shorten::message(&message))
    }

    fn missing_field(field: &'static str) -> Self {
        DecodeError::missing().at(field)
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        DecodeErrorKind::UnknownKey { key: Shortened::new(field) }.into()
    }
}

/// The error of a value that has no form on the wire.
pub(super) fn no_form(what: &'static str) -> EncodeError {
    EncodeErrorKind::NoForm { what }.into()
}
