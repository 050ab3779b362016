//! Single values as they are written on the command line.

use amp_core::Attachment;
use amp_core::argument::DateTime;
use amp_core::dynamic::{Integer, Scope, Value};
use amp_core::schema::WireType;
use amp_unix::{Descriptor, inherited};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::address::descriptor_number;
use crate::mistake::Mistake;

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

/// Where a value comes from.
#[derive(Debug)]
pub(crate) enum Source {
    Text(String),
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
            ":hex" => hex(value).map(bytes).ok_or_else(|| format!("{value:?} is no hex")),
            ":base64" => {
                let read = STANDARD.decode(value);
                read.map(bytes).map_err(|error| format!("{value:?} is no base64: {error}"))
            }
            ":fd" => match descriptor_number(value) {
                Some(number) => Ok((Self::Inherited(number), None)),
                None => Err(format!("{value:?} is no number of a descriptor")),
            },
            ":env" => match env::var(value) {
                Ok(value) => Ok((Self::Text(value), None)),
                Err(error) => Err(format!("the environment variable {value}: {error}")),
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

    /// Whether it says that there is no value.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Json(text) if text.trim() == "null")
    }

    /// Whether nothing but a descriptor can be made of it.
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
) -> Result<Value, Mistake> {
    let named = match wire_type {
        WireType::Named(name) => &**name,
        _ => "",
    };
    match source {
        Source::Json(text) => of_json(text, wire_type, scope),
        Source::Bytes(bytes) if named == "String" => Ok(Value::Bytes(bytes.clone().into())),
        Source::Bytes(bytes) => of_text(&utf8(bytes.clone())?, named, wire_type, scope),
        Source::Text(text) => of_text(text, named, wire_type, scope),
        Source::File { path, access } if named == "Descriptor" => {
            open(path, access).map(Value::Attachment)
        }
        Source::Inherited(number) if named == "Descriptor" => {
            let taken = inherited::take(*number);
            let taken = taken.map_err(|error| Mistake::new(error.to_string()))?;
            Ok(Value::Attachment(Attachment::from(Descriptor::from(taken))))
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
            let mut bytes = Vec::new();
            let read = match &**path {
                "-" => io::stdin().read_to_end(&mut bytes).map(drop),
                path => fs::read(path).map(|read| bytes = read),
            };
            read.map_err(|error| Mistake::new(format!("cannot read {path}: {error}")))?;
            match named {
                "String" => Ok(Value::Bytes(bytes.into())),
                _ => of_text(&utf8(bytes)?, named, wire_type, scope),
            }
        }
    }
}

fn utf8(bytes: Vec<u8>) -> Result<String, Mistake> {
    String::from_utf8(bytes).map_err(|_| Mistake::new("it is not UTF-8"))
}

fn open(path: &str, access: &str) -> Result<Attachment, Mistake> {
    let opened = match access {
        "w" => File::create(path),
        "rw" => OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path),
        "a" => OpenOptions::new().append(true).create(true).open(path),
        _ => File::open(path),
    };
    let file = opened.map_err(|error| Mistake::new(format!("cannot open {path}: {error}")))?;
    Ok(Attachment::from(Descriptor::from(OwnedFd::from(file))))
}

pub(crate) fn of_json(
    text: &str,
    wire_type: &WireType,
    scope: &Scope<'_>,
) -> Result<Value, Mistake> {
    Ok(Value::from_json_with(wire_type, scope, text, &mut attach)?)
}

/// A descriptor as it is written in JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenFile {
    file: String,
    #[serde(default)]
    access: String,
}

/// Reads what stands for a descriptor in JSON.
pub(crate) fn file_of(json: &str) -> Result<WrittenFile, String> {
    let read = serde_json::from_str::<WrittenFile>(json).ok();
    let read = read.filter(|file| matches!(&*file.access, "" | "r" | "w" | "rw" | "a"));
    read.ok_or_else(|| {
        r#"a Descriptor is {"file": PATH}, with "access" r, w, rw or a, and as a word KEY@=FILE"#
            .to_owned()
    })
}

/// Opens what stands for a descriptor in JSON.
pub(crate) fn attach(json: &str) -> Result<Attachment, String> {
    let WrittenFile { file, access } = file_of(json)?;
    open(&file, &access).map_err(|mistake| mistake.to_string())
}

fn of_text(
    text: &str,
    named: &str,
    wire_type: &WireType,
    scope: &Scope<'_>,
) -> Result<Value, Mistake> {
    let wrong = |hint: &str| Mistake::new(format!("'{text}' is no {wire_type}{hint}"));
    match (named, wire_type) {
        ("Integer", _) => integer(text).map(Value::Integer).ok_or_else(|| wrong("")),
        ("Float", _) => text.parse().map(Value::Float).map_err(|_| wrong("")),
        ("Boolean", _) => {
            text.parse().map(Value::Boolean).map_err(|_| wrong(": it is true or false"))
        }
        ("String", _) | (_, WireType::Unknown(_)) => Ok(Value::Bytes(text.to_owned().into())),
        ("DateTime", _) => date(text)
            .map(Value::DateTime)
            .ok_or_else(|| wrong(": it is `now`, or has an offset, as 2026-01-31T12:00:00+01:00")),
        ("Json", _) => of_json(text, wire_type, scope),
        ("Descriptor", _) => Err(Mistake::new("a Descriptor is written KEY@=FILE")),
        ("", WireType::Of(..) | WireType::Box(_) | WireType::AmpList(_)) => {
            Err(Mistake::new(format!("a value of type {wire_type} is written KEY:=JSON")))
        }
        _ => of_json(&serde_json::Value::from(text).to_string(), wire_type, scope),
    }
}

fn integer(text: &str) -> Option<Integer> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = digits.strip_prefix(prefix) {
            let magnitude = u128::from_str_radix(&digits.replace('_', ""), radix).ok()?;
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
        offset: 0,
    })
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<_> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}
