//! Dynamic values are read as the arguments of the same types are, with the same bounds; but keys of a case
//! without its tag, which a derived enum refuses, are those of arguments that are not in the schema.

use bytes::Bytes;
use std::borrow::Borrow;
use std::net::IpAddr;

use super::form::{Form, NOWHERE};
use super::{Integer, Scope, Value, Values};
#[cfg(feature = "zlib")]
use crate::argument::read_inflated;
use crate::argument::{
    Argument, DateTime, Decimal, DecodeError, DecodeErrorKind, INSIDE, Packed, Proto, count_boxes,
    read_boxes, read_keys, read_list_of,
};
use crate::boxes::{self, AmpBox, BoxLimits, BoxReader};
use crate::schema::{BoxSchema, Presence, WireType};
use crate::shorten::Shortened;

impl Values {
    /// Reads each argument of the schema from the box.
    ///
    /// Where the schema does not know all keys, the others are read as [`Bytes`](Value::Bytes).
    ///
    /// # Errors
    ///
    /// As [`Arguments::read_from`](crate::Arguments::read_from), and when the schema is strict and does not
    /// have a key; the error names the place.
    pub fn read_from(
        schema: &BoxSchema,
        input: &mut BoxReader<'_>,
        proto: &mut Proto<'_>,
    ) -> Result<Self, DecodeError> {
        let values = read_values(&Scope::new(schema), input, proto)?;
        match input.untaken() {
            Some(key) if schema.is_strict => {
                Err(DecodeErrorKind::UnknownKey { key: Shortened::new(key) }.into())
            }
            _ => Ok(values),
        }
    }

    /// Returns a function that reads values, as the schema says, for
    /// [`call_by_name_with`](crate::Peer::call_by_name_with) and its like.
    pub fn reading(
        schema: impl Borrow<BoxSchema>,
    ) -> impl Fn(&mut BoxReader<'_>, &mut Proto<'_>) -> Result<Self, DecodeError> {
        move |input, proto| Self::read_from(schema.borrow(), input, proto)
    }

    /// Reads what [`encode`](Values::encode) has written: one box and nothing behind it.
    ///
    /// The values may take any amount of memory: a compressed value may take a thousand times its length. For bytes that
    /// others may have written, use [`decode_within`](Values::decode_within).
    ///
    /// # Errors
    ///
    /// As [`read_from`](Values::read_from), and when the bytes are not one box within the default
    /// [`BoxLimits`].
    pub fn decode(schema: &BoxSchema, bytes: Bytes) -> Result<Self, DecodeError> {
        Self::decode_within(schema, bytes, usize::MAX)
    }

    /// Reads one box and nothing behind it, within a limit of memory: this many bytes, or 18 for each byte of the box if that
    /// is more. A connection has the same limit, [`Limits::decoded_bytes`](field@crate::Limits::decoded_bytes).
    ///
    /// # Errors
    ///
    /// As [`decode`](Values::decode), and when it would take more.
    pub fn decode_within(
        schema: &BoxSchema,
        mut bytes: Bytes,
        decoded_bytes: usize,
    ) -> Result<Self, DecodeError> {
        let ampbox = AmpBox::parse(&mut bytes, BoxLimits::default())?;
        if !bytes.is_empty() {
            return Err(DecodeErrorKind::Trailing { len: bytes.len() }.into());
        }
        Proto::detached_within(decoded_bytes, |proto| Self::read(schema, &ampbox, proto))
    }

    /// Reads all that is in `ampbox`.
    pub(crate) fn read(
        schema: &BoxSchema,
        ampbox: &AmpBox,
        proto: &mut Proto<'_>,
    ) -> Result<Self, DecodeError> {
        read_keys(ampbox, proto, schema.is_strict, |input, proto| {
            Self::read_from(schema, input, proto)
        })
    }
}

fn read_values(
    scope: &Scope<'_>,
    input: &mut BoxReader<'_>,
    proto: &mut Proto<'_>,
) -> Result<Values, DecodeError> {
    let schema = scope.schema();
    let mut values = Values::new();
    let mut failed = None;
    let ampbox = input.ampbox();
    let parts = schema.parts_where(|tag| str::from_utf8(ampbox.get(tag)?).ok());
    for argument in parts.iter().flat_map(|part| &part.arguments) {
        let name = &argument.name;
        let form = Form::of(&argument.wire_type, scope);
        let is_in = match form {
            Form::Parts(parts, _) => input.ampbox().contains_key(parts.key(name, 0)),
            _ => input.ampbox().contains_key(name),
        };
        if !is_in && argument.presence != Presence::Required {
            continue;
        }
        let read = pay_for(name, proto)
            .and_then(|()| read_argument(name, &argument.wire_type, scope, input, proto))
            .map_err(|error| error.at(name));
        if let Some(value) = proto.read_on(read, &mut failed)? {
            values.insert(name, value);
        }
    }
    if parts.iter().any(|part| !part.unknown.is_empty()) {
        let others: Vec<_> = input.all_untaken().collect();
        for key in others {
            let read = read_other(key, input, proto);
            if let Some((name, value)) = proto.read_on(read, &mut failed)? {
                values.insert(name, value);
            }
        }
    }
    failed.map_or(Ok(values), Err)
}

/// Spends what a value takes among others, and its name.
fn pay_for(name: &str, proto: &mut Proto<'_>) -> Result<(), DecodeError> {
    proto.spend(size_of::<(String, Value)>() + name.len())
}

fn read_other(
    key: &[u8],
    input: &mut BoxReader<'_>,
    proto: &mut Proto<'_>,
) -> Result<(String, Value), DecodeError> {
    let name = str::from_utf8(key)
        .map_err(|_| DecodeError::malformed("a key in UTF-8", boxes::Value::from(key)))?;
    pay_for(name, proto)?;
    let value = input.take(key).ok_or_else(DecodeError::missing)?;
    Ok((name.to_owned(), Value::Bytes(Bytes::from_string_proto(value, proto)?)))
}

fn read_argument(
    name: &str,
    wire_type: &WireType,
    scope: &Scope<'_>,
    input: &mut BoxReader<'_>,
    proto: &mut Proto<'_>,
) -> Result<Value, DecodeError> {
    if let Form::Parts(scheme, inner) = Form::of(wire_type, scope) {
        let read =
            |value: boxes::Value<'_>, proto: &mut Proto<'_>| read_value(value, inner, scope, proto);
        return scheme.read(name, input, proto, read);
    }
    let value = input.take(name).ok_or_else(DecodeError::missing)?;
    read_value(value, wire_type, scope, proto)
}

fn read_value(
    value: boxes::Value<'_>,
    wire_type: &WireType,
    scope: &Scope<'_>,
    proto: &mut Proto<'_>,
) -> Result<Value, DecodeError> {
    Ok(match Form::of(wire_type, scope) {
        Form::Integer | Form::Stream => {
            proto.spend(value.len())?;
            let read = Integer::read(&value);
            Value::Integer(read.ok_or_else(|| DecodeError::malformed("an Integer", value))?)
        }
        Form::Bytes => Value::Bytes(Bytes::from_string_proto(value, proto)?),
        Form::Text => Value::Text(String::from_string_proto(value, proto)?),
        Form::OneOf(texts) => {
            let text = String::from_string_proto(value, proto)?;
            if !texts.contains(&text) {
                return Err(DecodeError::malformed(one_of(texts), value));
            }
            Value::Text(text)
        }
        Form::Float => Value::Float(f64::from_string_proto(value, proto)?),
        Form::Boolean => Value::Boolean(bool::from_string_proto(value, proto)?),
        Form::Decimal => Value::Decimal(Decimal::from_string_proto(value, proto)?),
        Form::DateTime => Value::DateTime(DateTime::from_string_proto(value, proto)?),
        #[cfg(feature = "json")]
        Form::Json => {
            let text = String::from_string_proto(value, proto)?;
            if !super::json::is_json(&text) {
                return Err(DecodeError::malformed("JSON", value));
            }
            Value::Json(text)
        }
        Form::IpAddress => {
            Value::Text(Packed::<IpAddr>::from_string_proto(value, proto)?.0.to_string())
        }
        #[cfg(feature = "ipnet")]
        Form::IpNetwork => {
            Value::Text(Packed::<ipnet::IpNet>::from_string_proto(value, proto)?.0.to_string())
        }
        Form::Attachment => {
            let ordinal = u64::from_string_proto(value, proto)?;
            Value::Attachment(proto.claim_any(ordinal)?)
        }
        Form::ListOf(inner) => Value::List(read_list_of(value, proto, |value, proto| {
            read_value(value, inner, scope, proto)
        })?),
        #[cfg(feature = "zlib")]
        Form::Zlib(inner) => {
            let read = |value: boxes::Value<'_>, proto: &mut Proto<'_>| {
                read_value(value, inner, scope, proto)
            };
            // There are streams that inflate to themselves.
            return proto.nested(|proto| read_inflated(&[value], proto, read));
        }
        Form::Parts(..) => return Err(DecodeErrorKind::NoForm { what: INSIDE }.into()),
        Form::Nowhere => return Err(DecodeErrorKind::NoForm { what: NOWHERE }.into()),
        Form::Without(what) => return Err(DecodeErrorKind::NoForm { what }.into()),
        Form::Box(scope) => Value::Box(read_box(value, &scope, proto)?),
        Form::AmpList(scope) => Value::List(read_amp_list(value, &scope, proto)?),
    })
}

/// Says what a text should have been that is none of these. They are named while that is short, as the derive of
/// enums does.
fn one_of(texts: &[String]) -> String {
    const SHOWN: usize = 200;

    let mut expected = String::from(if texts.len() == 1 { "" } else { "one of " });
    for (at, text) in texts.iter().enumerate() {
        let shown = format!("{}{}", if at == 0 { "" } else { ", " }, Shortened::new(text));
        if expected.len() + shown.len() > SHOWN {
            return format!("{expected}, ... ({} in all)", texts.len());
        }
        expected += &shown;
    }
    expected
}

fn read_box(
    value: boxes::Value<'_>,
    scope: &Scope<'_>,
    proto: &mut Proto<'_>,
) -> Result<Values, DecodeError> {
    let mut bytes = value.to_bytes();
    let ampbox = AmpBox::parse(&mut bytes, BoxLimits::default())
        .map_err(|error| DecodeError::of_box_inside(error, "a box", value))?;
    if !bytes.is_empty() {
        return Err(DecodeErrorKind::Trailing { len: bytes.len() }.into());
    }
    proto.nested(|proto| {
        read_keys(&ampbox, proto, scope.schema().is_strict, |input, proto| {
            read_values(scope, input, proto)
        })
    })
}

fn read_amp_list(
    value: boxes::Value<'_>,
    scope: &Scope<'_>,
    proto: &mut Proto<'_>,
) -> Result<Vec<Value>, DecodeError> {
    let count = count_boxes(&value);
    let mut items = Vec::new();
    let paid = proto.spend_for::<Value>(count);
    if paid.is_ok() {
        items.reserve_exact(count);
    }
    read_boxes(value, proto, paid, scope.schema().is_strict, |input, proto, refused| {
        let values = read_values(scope, input, proto)?;
        if !refused {
            items.push(Value::Box(values));
        }
        Ok(())
    })?;
    Ok(items)
}
