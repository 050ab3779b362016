//! Dynamic values are written as the arguments of the same types are.

use bytes::{Bytes, BytesMut};
use std::borrow::Borrow;
use std::net::IpAddr;

use super::form::{Form, NOWHERE};
use super::{Scope, Value, Values};
#[cfg(feature = "zlib")]
use crate::argument::write_deflated;
use crate::argument::write_list_of;
use crate::argument::{Argument, EncodeError, EncodeErrorKind, INSIDE, Packed, Proto};
use crate::boxes::{BoxLimits, BoxWriter, ValueWriter};
use crate::schema::{BoxSchema, Presence, WireType, names_of};

/// It takes a program that has the other end.
const STREAM: &str = "an end of a stream, as a value of a schema,";

impl Values {
    /// Writes each value to the box, as the schema says.
    ///
    /// An argument that is optional or has a default may be missing. Where the schema does not know
    /// all keys, further values are [`Bytes`](Value::Bytes).
    ///
    /// # Errors
    ///
    /// When a value is missing, is not declared, or is not of the type that the schema has, and as
    /// [`Arguments::write_to`](crate::Arguments::write_to); the error names the place.
    pub fn write_to(
        &self,
        schema: &BoxSchema,
        out: &mut BoxWriter<'_>,
        proto: &mut Proto<'_>,
    ) -> Result<(), EncodeError> {
        write_values(self, &Scope::new(schema), out, proto)
    }

    /// Returns a function that writes the values, as the schema says, for
    /// [`call_by_name_with`](crate::Peer::call_by_name_with) and its like.
    pub fn writing(
        self,
        schema: impl Borrow<BoxSchema>,
    ) -> impl Fn(&mut BoxWriter<'_>, &mut Proto<'_>) -> Result<(), EncodeError> {
        move |out, proto| self.write_to(schema.borrow(), out, proto)
    }

    /// Returns the values as one box on the wire: see
    /// [`Arguments::encode`](crate::Arguments::encode).
    ///
    /// # Errors
    ///
    /// As [`write_to`](Values::write_to), where a value needs a connection, and when the box is over the
    /// default [`BoxLimits`].
    pub fn encode(&self, schema: &BoxSchema) -> Result<Bytes, EncodeError> {
        let mut bytes = BytesMut::new();
        let mut writer = BoxWriter::new(&mut bytes);
        Proto::detached(|proto| self.write_to(schema, &mut writer, proto))?;
        let count = writer.pairs();
        writer.end()?;
        BoxLimits::default().check(bytes.len(), count)?;
        Ok(bytes.freeze())
    }
}

fn write_values(
    values: &Values,
    scope: &Scope<'_>,
    out: &mut BoxWriter<'_>,
    proto: &mut Proto<'_>,
) -> Result<(), EncodeError> {
    let schema = scope.schema();
    let parts = schema.parts_where(|tag| match values.get(tag) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    });
    for argument in parts.iter().flat_map(|part| &part.arguments) {
        match values.get(&argument.name) {
            Some(value) => {
                write_argument(value, &argument.name, &argument.wire_type, scope, out, proto)
                    .map_err(|error| error.at(&argument.name))?;
            }
            None if argument.presence == Presence::Required => {
                return Err(EncodeError::from(EncodeErrorKind::Missing).at(&argument.name));
            }
            None => {}
        }
    }
    for (name, value) in values.iter() {
        if parts.iter().any(|part| part.argument(name).is_some()) {
            continue;
        }
        match value {
            _ if parts.iter().all(|part| part.unknown.is_empty()) => {
                let kind = EncodeErrorKind::Undeclared { known: names_of(&parts) };
                return Err(EncodeError::from(kind).at(name));
            }
            Value::Bytes(bytes) => out.put(name.as_bytes(), bytes)?,
            other => return Err(other_type(other, &"String").at(name)),
        }
    }
    Ok(())
}

fn write_argument(
    value: &Value,
    name: &str,
    wire_type: &WireType,
    scope: &Scope<'_>,
    out: &mut BoxWriter<'_>,
    proto: &mut Proto<'_>,
) -> Result<(), EncodeError> {
    if let Form::Parts(scheme, inner) = Form::of(wire_type, scope) {
        let write = |proto: &mut Proto<'_>, out: &mut ValueWriter<'_>| {
            write_value(value, inner, scope, proto, out)
        };
        return scheme.write(name, out, proto, write);
    }
    out.put_with(name.as_bytes(), |out| write_value(value, wire_type, scope, proto, out))
}

fn write_value(
    value: &Value,
    wire_type: &WireType,
    scope: &Scope<'_>,
    proto: &mut Proto<'_>,
    out: &mut ValueWriter<'_>,
) -> Result<(), EncodeError> {
    match (Form::of(wire_type, scope), value) {
        (Form::Integer, Value::Integer(integer)) => out.put_slice(integer.as_str().as_bytes()),
        (Form::Bytes, Value::Bytes(bytes)) => out.put_bytes(bytes),
        (Form::Text, Value::Text(text)) => out.put_slice(text.as_bytes()),
        (Form::OneOf(texts), Value::Text(text)) => {
            if !texts.contains(text) {
                let what = "a text that is none of those in the schema";
                return Err(EncodeError::unwritable(what, text));
            }
            out.put_slice(text.as_bytes());
        }
        (Form::Float, Value::Float(float)) => float.to_string_proto(proto, out)?,
        (Form::Boolean, Value::Boolean(boolean)) => boolean.to_string_proto(proto, out)?,
        (Form::Decimal, Value::Decimal(decimal)) => decimal.to_string_proto(proto, out)?,
        (Form::DateTime, Value::DateTime(date)) => date.to_string_proto(proto, out)?,
        #[cfg(feature = "json")]
        (Form::Json, Value::Json(text)) => super::json::write_ascii(text, out)?,
        (Form::IpAddress, Value::Text(text)) => {
            let wrong = |_| EncodeError::unwritable("a text that is no IP address", text);
            Packed(text.parse::<IpAddr>().map_err(wrong)?).to_string_proto(proto, out)?;
        }
        #[cfg(feature = "ipnet")]
        (Form::IpNetwork, Value::Text(text)) => {
            let wrong = |_| EncodeError::unwritable("a text that is no IP network", text);
            Packed(text.parse::<ipnet::IpNet>().map_err(wrong)?).to_string_proto(proto, out)?;
        }
        (Form::Attachment, Value::Attachment(attachment)) => {
            proto.attach_any(attachment.clone())?.to_string_proto(proto, out)?;
        }
        (Form::ListOf(inner), Value::List(items)) => {
            write_list_of(items.iter(), proto, out, |item, proto, out| {
                write_value(item, inner, scope, proto, out)
            })?;
        }
        #[cfg(feature = "zlib")]
        (Form::Zlib(inner), value) => {
            write_deflated(proto, out, |proto, out| write_value(value, inner, scope, proto, out))?;
        }
        (Form::Parts(..), _) => return Err(EncodeErrorKind::NoForm { what: INSIDE }.into()),
        (Form::Stream, _) => return Err(EncodeErrorKind::NoForm { what: STREAM }.into()),
        (Form::Nowhere, _) => return Err(EncodeErrorKind::NoForm { what: NOWHERE }.into()),
        (Form::Without(what), _) => return Err(EncodeErrorKind::NoForm { what }.into()),
        (Form::Box(scope), Value::Box(values)) => write_box(values, &scope, proto, out)?,
        (Form::AmpList(scope), Value::List(items)) => {
            for (index, item) in items.iter().enumerate() {
                match item {
                    Value::Box(values) => write_box(values, &scope, proto, out),
                    other => Err(other_type(other, &"Box")),
                }
                .map_err(|error| error.at(format_args!("[{index}]")))?;
            }
        }
        _ => return Err(other_type(value, wire_type)),
    }
    Ok(())
}

fn write_box(
    values: &Values,
    scope: &Scope<'_>,
    proto: &mut Proto<'_>,
    out: &mut ValueWriter<'_>,
) -> Result<(), EncodeError> {
    out.put_box(|out| proto.nested(|proto| write_values(values, scope, out, proto)))
}

fn other_type(value: &Value, expected: &impl ToString) -> EncodeError {
    EncodeErrorKind::OtherType { expected: expected.to_string(), seen: value.kind() }.into()
}
