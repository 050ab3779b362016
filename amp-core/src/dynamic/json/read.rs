use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;

use super::JsonError;
use crate::argument::{Attachment, DateTime, Decimal, MAX_NESTING};
use crate::dynamic::form::Form;
use crate::dynamic::{Integer, Scope, Value, Values};
use crate::schema::{BoxSchema, Presence, WireType, names_of};
use crate::shorten::Shortened;

/// Makes an attachment of the text of some JSON.
type Attach<'a> = &'a mut dyn FnMut(&str) -> Result<Attachment, String>;

impl Values {
    /// Reads one JSON object, as the schema says: see the table of [`dynamic`](crate::dynamic).
    ///
    /// # Errors
    ///
    /// When the text is no JSON, when a value is missing, not declared, given twice, or not of the type
    /// that the schema has, and when one is an attachment; the error names the place.
    pub fn from_json(schema: &BoxSchema, text: &str) -> Result<Self, JsonError> {
        let mut attach = |_: &str| Err("an attachment cannot be written as JSON".to_owned());
        Self::from_json_with(&Scope::new(schema), text, &mut attach)
    }

    /// Reads one JSON object as [`from_json`](Values::from_json) does, of a box that may be inside
    /// of others, and with attachments that `attach` makes of the JSON that is in their place, or
    /// says why not.
    ///
    /// # Errors
    ///
    /// As [`from_json`](Values::from_json), and what `attach` says.
    pub fn from_json_with(
        scope: &Scope<'_>,
        text: &str,
        attach: &mut dyn FnMut(&str) -> Result<Attachment, String>,
    ) -> Result<Self, JsonError> {
        read_values(parse(text)?, scope, attach, 0)
    }
}

impl Value {
    /// Reads a value of this type from JSON: see [`Values::from_json_with`].
    ///
    /// # Errors
    ///
    /// As [`Values::from_json_with`].
    pub fn from_json_with(
        wire_type: &WireType,
        scope: &Scope<'_>,
        text: &str,
        attach: &mut dyn FnMut(&str) -> Result<Attachment, String>,
    ) -> Result<Self, JsonError> {
        read_value(parse(text)?, wire_type, scope, attach, 0)
    }
}

fn parse(text: &str) -> Result<&RawValue, JsonError> {
    serde_json::from_str(text).map_err(|error| JsonError::new(format!("it is no JSON: {error}")))
}

/// The members of an object, in its order.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Object(pairs))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

fn read_values(
    json: &RawValue,
    scope: &Scope<'_>,
    attach: Attach<'_>,
    depth: usize,
) -> Result<Values, JsonError> {
    let Ok(Object(pairs)) = serde_json::from_str(json.get()) else {
        return Err(is_no(json, "object"));
    };
    let schema = scope.schema();
    let tags = schema.parts().into_iter().flat_map(|part| &part.cases).map(|case| &*case.tag);
    let tags: HashSet<_> = tags.collect();
    let texts: HashMap<_, _> = pairs
        .iter()
        .filter(|(name, _)| tags.contains(&**name))
        .filter_map(|(name, json)| Some((name.clone(), text_of(json)?)))
        .collect();
    let parts = schema.parts_where(|tag| texts.get(tag).map(String::as_str));
    let mut values = Values::new();
    let mut names = HashSet::new();
    for (name, json) in pairs {
        if !names.insert(name.clone()) {
            return Err(JsonError::new("it is given twice").at(name));
        }
        let argument = parts.iter().find_map(|part| part.argument(&name));
        if json.get() == "null" && !matches!(argument, Some(a) if is_json_type(&a.wire_type)) {
            match argument {
                Some(a) if a.presence == Presence::Required => {
                    return Err(JsonError::new("missing: it is not optional").at(name));
                }
                Some(_) => continue,
                None => {}
            }
        }
        let value = match argument {
            Some(argument) => read_value(json, &argument.wire_type, scope, attach, depth),
            None if parts.iter().all(|part| part.unknown.is_empty()) => {
                let known = names_of(&parts);
                Err(JsonError::new(format!("there is no such argument; there is {known}")))
            }
            None => read_bytes(json),
        };
        let value = value.map_err(|error| error.at(&name))?;
        values.insert(name, value);
    }
    for argument in parts.iter().flat_map(|part| &part.arguments) {
        if argument.presence == Presence::Required && values.get(&argument.name).is_none() {
            return Err(JsonError::new("missing").at(&argument.name));
        }
    }
    Ok(values)
}

fn is_json_type(wire_type: &WireType) -> bool {
    *wire_type == WireType::named("Json")
}

fn read_value(
    json: &RawValue,
    wire_type: &WireType,
    scope: &Scope<'_>,
    attach: Attach<'_>,
    depth: usize,
) -> Result<Value, JsonError> {
    if depth > MAX_NESTING {
        return Err(JsonError::new(format!("it is nested more than {MAX_NESTING} deep")));
    }
    let wrong = || is_no(json, wire_type);
    let text = || text_of(json).ok_or_else(wrong);
    Ok(match Form::of(wire_type, scope) {
        Form::Integer => {
            let is_whole = json.get().bytes().all(|byte| matches!(byte, b'-' | b'0'..=b'9'));
            let read = json.get().parse::<Integer>().ok().filter(|_| is_whole);
            Value::Integer(read.ok_or_else(wrong)?)
        }
        Form::Bytes => return read_bytes(json),
        Form::Text => Value::Text(text()?),
        Form::OneOf(texts) => {
            let text = text()?;
            if !texts.contains(&text) {
                let known = texts.join(", ");
                return Err(JsonError::new(format!("{} is none of {known}", shown(json))));
            }
            Value::Text(text)
        }
        Form::Float => Value::Float(match text_of(json).as_deref() {
            Some("inf") => f64::INFINITY,
            Some("-inf") => f64::NEG_INFINITY,
            Some("nan") => f64::NAN,
            Some(_) => return Err(wrong()),
            None => {
                let number: f64 = json.get().parse().map_err(|_| wrong())?;
                if number.is_infinite() {
                    return Err(JsonError::new(format!(
                        "{} is too large for a Float",
                        shown(json)
                    )));
                }
                number
            }
        }),
        Form::Boolean => Value::Boolean(json.get().parse().map_err(|_| wrong())?),
        Form::Decimal => {
            let text = text_of(json);
            let text = text.as_deref().unwrap_or(json.get());
            Value::Decimal(text.parse::<Decimal>().map_err(|_| wrong())?)
        }
        Form::DateTime => Value::DateTime(text()?.parse::<DateTime>().map_err(|_| wrong())?),
        Form::Json => Value::Json(json.get().to_owned()),
        Form::IpAddress => Value::Text(text()?.parse::<IpAddr>().map_err(|_| wrong())?.to_string()),
        #[cfg(feature = "ipnet")]
        Form::IpNetwork => {
            Value::Text(text()?.parse::<ipnet::IpNet>().map_err(|_| wrong())?.to_string())
        }
        Form::Attachment => Value::Attachment(attach(json.get()).map_err(JsonError::new)?),
        Form::ListOf(inner) => Value::List(read_list(json, wire_type, |json| {
            read_value(json, inner, scope, attach, depth + 1)
        })?),
        #[cfg(feature = "zlib")]
        Form::Zlib(inner) => return read_value(json, inner, scope, attach, depth),
        Form::Parts(_, inner) => return read_value(json, inner, scope, attach, depth),
        Form::Stream => {
            return Err(JsonError::new(format!(
                "{wire_type} is an end of a stream, for programs only"
            )));
        }
        Form::Without(what) => {
            return Err(JsonError::new(format!("{what} has no form on the wire")));
        }
        Form::Nowhere => return Err(JsonError::new(format!("there is no box for {wire_type}"))),
        Form::Box(scope) => Value::Box(read_values(json, &scope, attach, depth + 1)?),
        Form::AmpList(scope) => Value::List(read_list(json, wire_type, |json| {
            read_values(json, &scope, attach, depth + 1).map(Value::Box)
        })?),
    })
}

fn read_list(
    json: &RawValue,
    wire_type: &WireType,
    mut read: impl FnMut(&RawValue) -> Result<Value, JsonError>,
) -> Result<Vec<Value>, JsonError> {
    let items: Vec<&RawValue> =
        serde_json::from_str(json.get()).map_err(|_| is_no(json, wire_type))?;
    let items = items.into_iter().enumerate();
    items.map(|(at, json)| read(json).map_err(|error| error.at(format_args!("[{at}]")))).collect()
}

fn read_bytes(json: &RawValue) -> Result<Value, JsonError> {
    if let Some(text) = text_of(json) {
        return Ok(Value::Bytes(text.into()));
    }
    let object = serde_json::from_str::<Object<'_>>(json.get());
    let base64 = object.ok().and_then(|Object(pairs)| match &pairs[..] {
        [(name, json)] if name == "base64" => STANDARD.decode(text_of(json)?).ok(),
        _ => None,
    });
    let wrong =
        || JsonError::new(format!(r#"{} is no text and no {{"base64": ".."}}"#, shown(json)));
    base64.map(|bytes| Value::Bytes(Bytes::from(bytes))).ok_or_else(wrong)
}

fn text_of(json: &RawValue) -> Option<String> {
    serde_json::from_str(json.get()).ok()
}

fn is_no(json: &RawValue, what: impl fmt::Display) -> JsonError {
    JsonError::new(format!("{} is no {what}", shown(json)))
}

/// A text in single quotes, so that it is told from a number.
fn shown(json: &RawValue) -> String {
    let shortened = Shortened::new(text_of(json).as_deref().unwrap_or(json.get())).to_string();
    let inside = shortened.strip_prefix('"').and_then(|inside| inside.strip_suffix('"'));
    match (inside, text_of(json)) {
        (Some(inside), Some(_)) => format!("'{inside}'"),
        (Some(inside), None) => inside.replace("\\\"", "\""),
        (None, _) => shortened,
    }
}
