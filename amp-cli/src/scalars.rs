//! Single values as they are written on the command line.

use amp_core::argument::DateTime;
use amp_core::dynamic::{Integer, Scope, Value};
use amp_core::schema::WireType;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigUint;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fmt};

use crate::address::descriptor_number;
use crate::mistake::Mistake;
use crate::opening::Opening;
use crate::{hex, on_line};

/// The types of single values, which are arguments of Twisted's by the same names.
pub(crate) const SCALARS: [&str; 9] = [
    "Boolean",
    "DateTime",
    "Decimal",
    "Descriptor",
    "Float",
    "Integer",
    "Path",
    "String",
    "Unicode",
];

/// The length that is told of a value that does not fit, in characters.
const SHOWN: usize = 60;

/// The source of a value.
#[derive(Debug)]
pub(crate) enum Source {
    Text(String),
    /// The text of a variable of the environment, which may be a secret.
    Variable {
        name: String,
        text: String,
    },
    Json(String),
    Bytes(Vec<u8>),
    /// A file to read, or to open: with which access.
    File {
        path: String,
        access: String,
    },
    /// A descriptor that the program was started with.
    Inherited(i32),
}

impl Source {
    /// What stands before the `=` behind the key, and what stands behind it; and the type that it
    /// declares.
    pub(crate) fn parse(how: &str, value: &str) -> Result<(Self, Option<String>), String> {
        let text = || Ok((Self::Text(value.to_owned()), None));
        let bytes = |bytes| (Self::Bytes(bytes), Some("String".to_owned()));
        match how {
            "" => text(),
            ":" | ":json" => Ok((Self::Json(value.to_owned()), None)),
            "@" | "@r" | "@w" | "@rw" | "@a" => {
                let (path, access) = (value.to_owned(), how[1..].to_owned());
                Ok((Self::File { path, access }, None))
            }
            ":hex" => {
                let read = hex::bytes(value.as_bytes());
                read.map(bytes).map_err(|error| format!("{value:?} is no hex: {error}"))
            }
            ":base64" => {
                let read = STANDARD.decode(value);
                read.map(bytes).map_err(|error| format!("{value:?} is no base64: {error}"))
            }
            ":fd" => match descriptor_number(value) {
                Some(number) => Ok((Self::Inherited(number), None)),
                None => Err(format!("{value:?} is no number of a descriptor")),
            },
            ":env" => match env::var(value) {
                Ok(text) => Ok((Self::Variable { name: value.to_owned(), text }, None)),
                Err(env::VarError::NotPresent) => {
                    Err(format!("there is no environment variable {value}"))
                }
                Err(env::VarError::NotUnicode(_)) => {
                    Err(format!("the environment variable {value} is not UTF-8"))
                }
            },
            _ => match how.strip_prefix(':') {
                Some(name) => Ok((Self::Text(value.to_owned()), Some(name.to_owned()))),
                None => {
                    Err("a file is KEY@=FILE, opened KEY@w=FILE, KEY@rw=FILE or KEY@a=FILE".into())
                }
            },
        }
    }

    pub(crate) fn is_json(&self) -> bool {
        matches!(self, Self::Json(_))
    }

    /// Returns whether it says that there is no value.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Json(text) if text.trim() == "null")
    }

    /// Returns whether nothing but a descriptor can be made of it.
    pub(crate) fn is_descriptor(&self) -> bool {
        match self {
            Self::File { access, .. } => !access.is_empty(),
            Self::Inherited(_) => true,
            _ => false,
        }
    }
}

/// A value of this type.
pub(crate) fn read(
    source: &Source,
    wire_type: &WireType,
    scope: &Scope<'_>,
    opening: &mut Opening,
) -> Result<Value, Mistake> {
    let named = match wire_type {
        WireType::Named(name) => &**name,
        _ => "",
    };
    match source {
        Source::Json(text) => of_json(text, wire_type, scope, opening),
        Source::Bytes(bytes) if named == "String" => Ok(Value::Bytes(bytes.clone().into())),
        Source::Bytes(bytes) => of_text(&utf8(bytes.clone())?, named, wire_type, scope, opening),
        Source::Text(text) => of_text(text, named, wire_type, scope, opening),
        Source::Variable { name, text } => of_text(text, named, wire_type, scope, opening)
            .map_err(|_| unfit(format_args!("the environment variable {name}"), wire_type)),
        Source::File { path, access } if named == "Descriptor" => {
            opening.open(path, access).map(Value::Attachment)
        }
        Source::Inherited(number) if named == "Descriptor" => {
            opening.inputs.inherited(*number).map(Value::Attachment)
        }
        Source::Inherited(_) => {
            Err(Mistake::new(format!("a {wire_type} is no Descriptor, and has no KEY:fd=NUMBER")))
        }
        Source::File { path, access } => {
            if !access.is_empty() {
                return Err(Mistake::new(format!(
                    "a {wire_type} is no Descriptor, and is read: KEY@=FILE"
                )));
            }
            let bytes = opening.inputs.read(path)?;
            match named {
                "String" => Ok(Value::Bytes(bytes.into())),
                _ => of_text(&utf8(bytes)?, named, wire_type, scope, opening)
                    .map_err(|_| unfit(path, wire_type)),
            }
        }
    }
}

fn utf8(bytes: Vec<u8>) -> Result<String, Mistake> {
    String::from_utf8(bytes).map_err(|_| Mistake::new("it is not UTF-8"))
}

/// The mistake does not tell what was read from somewhere, as it may be long or a secret.
fn unfit(what: impl fmt::Display, wire_type: &WireType) -> Mistake {
    Mistake::new(format!("{what} has no {wire_type} in it"))
}

pub(crate) fn of_json(
    text: &str,
    wire_type: &WireType,
    scope: &Scope<'_>,
    opening: &mut Opening,
) -> Result<Value, Mistake> {
    let mut attach = |json: &str| opening.attach(json);
    Ok(Value::from_json_with(wire_type, scope, text, &mut attach)?)
}

fn of_text(
    text: &str,
    named: &str,
    wire_type: &WireType,
    scope: &Scope<'_>,
    opening: &mut Opening,
) -> Result<Value, Mistake> {
    let wrong = |hint: &str| Mistake::new(format!("{} is no {wire_type}{hint}", quoted(text)));
    match (named, wire_type) {
        ("Integer", _) => integer(text).map(Value::Integer).ok_or_else(|| wrong("")),
        ("Float", _) => match text.parse::<f64>() {
            Ok(number) if number.is_infinite() && !text.to_lowercase().contains("inf") => {
                Err(Mistake::new(format!("{} is too large for a Float: see inf", quoted(text))))
            }
            read => read.map(Value::Float).map_err(|_| wrong("")),
        },
        ("Boolean", _) => {
            text.parse().map(Value::Boolean).map_err(|_| wrong(": it is true or false"))
        }
        ("String", _) | (_, WireType::Unknown(_)) => Ok(Value::Bytes(text.to_owned().into())),
        ("DateTime", _) => date(text)
            .map(Value::DateTime)
            .ok_or_else(|| wrong(": it is `now`, or has an offset, as 2026-01-31T12:00:00+01:00")),
        ("Json", _) => of_json(text, wire_type, scope, opening),
        ("Descriptor", _) => Err(Mistake::new("a Descriptor is written KEY@=FILE")),
        ("", WireType::Of(..) | WireType::Box(_) | WireType::AmpList(_)) => {
            Err(Mistake::new(format!("a value of type {wire_type} is written KEY:=JSON")))
        }
        _ => of_json(&on_line::json_text(text), wire_type, scope, opening),
    }
}

/// A value as a user has written it, of which a part says enough.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => format!("'{text}'"),
        Some((end, _)) => format!("'{}...'", &text[..end]),
    }
}

fn integer(text: &str) -> Option<Integer> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = digits.strip_prefix(prefix) {
            let is_one = digits.starts_with(|c: char| c.is_digit(radix));
            let magnitude = BigUint::parse_bytes(digits.as_bytes(), radix).filter(|_| is_one)?;
            return format!("{sign}{magnitude}").parse().ok();
        }
    }
    text.parse().ok()
}

/// RFC 3339 with an offset, or `now`.
fn date(text: &str) -> Option<DateTime> {
    if text == "now" {
        return now();
    }
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let (time, offset) = match time.strip_suffix(['Z', 'z']) {
        Some(time) => (time, "+00:00"),
        None => time.split_at_checked(time.rfind(['+', '-'])?)?,
    };
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, "0"));
    if seconds.len() != 8 || fraction.len() > 6 {
        return None;
    }
    format!("{date}T{seconds}.{fraction:0<6}{offset}").parse().ok()
}

fn now() -> Option<DateTime> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Days from the first of March of the year 0, in eras of 400 years.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    Some(DateTime {
        year: u16::try_from(era * 400 + year + u64::from(date.1 <= 2)).ok()?,
        month: u8::try_from(date.1).ok()?,
        day: u8::try_from(date.0).ok()?,
        hour: u8::try_from(second / 3600).ok()?,
        minute: u8::try_from(second / 60 % 60).ok()?,
        second: u8::try_from(second % 60).ok()?,
        microsecond: since.subsec_micros(),
        offset_minutes: 0,
    })
}
