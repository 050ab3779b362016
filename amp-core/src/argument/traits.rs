use super::{DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind, Proto};
use crate::boxes::{BoxReader, BoxWriter, Value, ValueWriter};
use crate::schema::{BoxSchema, WireType, WireTypes};

/// A value of a command or a response: how it is written to a box and read from one.
///
/// An argument of your own implements the two string hooks, which make and read the value of its
/// key:
///
/// ```
/// use amp_core::{Argument, DecodeError, EncodeError, Proto, Value, ValueWriter};
///
/// /// A temperature, on the wire as text such as `21.5 C`.
/// struct Celsius(f64);
///
/// impl Argument for Celsius {
///     fn to_string_proto(
///         &self,
///         _proto: &mut Proto<'_>,
///         out: &mut ValueWriter<'_>,
///     ) -> Result<(), EncodeError> {
///         use std::fmt::Write;
///         write!(out, "{} C", self.0).map_err(EncodeError::custom)
///     }
///
///     fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
///         let Some(number) = value.strip_suffix(b" C") else {
///             return Err(DecodeError::malformed("a temperature in C", value));
///         };
///         f64::from_string_proto(number.into(), proto).map(Celsius)
///     }
/// }
/// ```
///
/// If your type looks on the wire exactly like another type, derive this trait. With
/// `#[derive(Argument)] struct UserId(u64);`, a `UserId` is written and read as a `u64` everywhere, in lists too.
/// If you implement the trait by hand instead, a `Vec` of your type is always a `ListOf`. That matters around a
/// struct that derives `Arguments`, whose `Vec` is an `AmpList`, and around a `u8`, whose `Vec` is a String.
///
/// `proto` is the connection that the value is written for or came from: it has the peer's address, the
/// connection's data, and the attachments that travel beside the bytes.
///
/// The bytes that are read come from a peer, who may mean harm. If a hook allocates much more memory than
/// the value has bytes, it calls [`Proto::spend`] first.
///
/// The hooks run on the task that calls or answers, with nothing locked, and must not block.
/// A hook that panics fails its call, unless the program is built with `panic = "abort"`; whatever it
/// wrote is not sent.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an AMP argument",
    label = "cannot be a value in a box",
    note = "a struct, or an enum with fields, becomes one with `#[derive(Arguments)]`, and an enum without fields, or a struct around one other argument, with `#[derive(Argument)]`; for any other type implement `amp_core::Argument`"
)]
#[doc(alias("AmpList", "Boolean", "Float", "Integer", "ListOf", "Unicode"))]
pub trait Argument: Sized {
    /// Appends the value's bytes to `out`.
    ///
    /// # Errors
    ///
    /// When this value has no form on the wire, or when the connection cannot carry it. The call
    /// or the answer then fails, nothing of it is sent, and the connection goes on.
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError>;

    /// Reads the value from its bytes.
    ///
    /// # Errors
    ///
    /// When the bytes are not the form of a value of this type.
    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError>;

    /// Writes the argument to a box. Unless you implement this hook, it writes one pair. If your argument needs
    /// several keys, they should begin with `name`. It may also write nothing.
    ///
    /// # Errors
    ///
    /// As [`to_string_proto`](Argument::to_string_proto), and when the pair does not fit into a
    /// box.
    #[allow(clippy::inline_always, reason = "the name is a constant where it is called")]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn to_box(
        &self,
        name: &str,
        out: &mut BoxWriter<'_>,
        proto: &mut Proto<'_>,
    ) -> Result<(), EncodeError> {
        out.put_with(name.as_bytes(), |out| self.to_string_proto(proto, out))
            .map_err(|error| error.at(name))
    }

    /// Reads the argument from a box. Unless you implement this hook, it reads the value of `name`.
    ///
    /// # Errors
    ///
    /// As [`from_string_proto`](Argument::from_string_proto), and when the key is missing.
    #[allow(clippy::inline_always, reason = "the name is a constant where it is called")]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn from_box(
        name: &str,
        input: &mut BoxReader<'_>,
        proto: &mut Proto<'_>,
    ) -> Result<Self, DecodeError> {
        match input.take(name) {
            Some(value) => Self::from_string_proto(value, proto).map_err(|error| error.at(name)),
            None => Err(missing(name)),
        }
    }

    /// Reads the argument as a field of a struct: leaves an `error` where there is none.
    #[doc(hidden)]
    #[allow(clippy::inline_always, reason = "the name is a constant where it is called")]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn read_field(
        name: &str,
        input: &mut BoxReader<'_>,
        proto: &mut Proto<'_>,
        error: &mut Option<DecodeError>,
    ) -> Option<Self> {
        match Self::from_box(name, input, proto) {
            Ok(field) => Some(field),
            Err(cause) => {
                *error = Some(cause);
                None
            }
        }
    }

    /// Reads the argument when another field could not be read, for the attachments that it claims.
    #[doc(hidden)]
    #[cold]
    #[inline(never)]
    fn read_field_on(name: &str, input: &mut BoxReader<'_>, proto: &mut Proto<'_>) {
        drop(Self::from_box(name, input, proto));
    }

    /// Returns whether the box has the argument. If not, an `Option` of it is `None`. Implement this if your
    /// [`from_box`](Argument::from_box) reads other keys than `name`.
    fn is_in(name: &str, input: &BoxReader<'_>) -> bool {
        input.ampbox().contains_key(name)
    }

    /// Returns whether this value is none at all, and nothing is written for it.
    #[doc(hidden)]
    fn is_absent(&self) -> bool {
        false
    }

    /// Returns what a value of this type is on the wire, for a [schema](crate::schema). Unless you implement this,
    /// the schema has only the type's path in the program.
    ///
    /// If the type is written as another one, return that one: `types.of::<String>()`. If it has a form of its
    /// own, return a name that both sides agree on: `WireType::named("Celsius")`.
    fn wire_type(_types: &mut WireTypes) -> WireType {
        WireType::unknown::<Self>()
    }

    /// Returns what the argument is in a box, for a [schema](crate::schema). Unless you implement this, it is
    /// required, and has the [`wire_type`](Argument::wire_type).
    fn box_schema(name: &str, types: &mut WireTypes) -> BoxSchema {
        BoxSchema::required(name, types.of::<Self>())
    }

    /// Returns what a list of such values is on the wire.
    #[doc(hidden)]
    fn list_wire_type(types: &mut WireTypes) -> WireType {
        types.of::<Self>().in_form("ListOf")
    }

    /// Writes a list of such values: a `ListOf`, unless the type has a list form of its own, as
    /// bytes and boxes have.
    #[doc(hidden)]
    fn list_to_string_proto<'a>(
        items: impl ExactSizeIterator<Item = &'a Self>,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError>
    where
        Self: 'a,
    {
        write_list_of(items, proto, out, Self::to_string_proto)
    }

    /// Reads what [`list_to_string_proto`](Argument::list_to_string_proto) writes.
    #[doc(hidden)]
    fn list_from_string_proto(
        value: Value<'_>,
        proto: &mut Proto<'_>,
    ) -> Result<Vec<Self>, DecodeError> {
        read_list_of(value, proto, Self::from_string_proto)
    }
}

#[cold]
fn missing(name: &str) -> DecodeError {
    DecodeError::missing().at(name)
}

/// Writes what `write` writes for each element behind its length, as two big-endian bytes.
pub(crate) fn write_list_of<I>(
    items: impl Iterator<Item = I>,
    proto: &mut Proto<'_>,
    out: &mut ValueWriter<'_>,
    write: impl Fn(I, &mut Proto<'_>, &mut ValueWriter<'_>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    for (index, item) in items.enumerate() {
        let too_long = |len| EncodeErrorKind::ElementTooLong { index, len }.into();
        let write = |out: &mut ValueWriter<'_>| proto.nested(|proto| write(item, proto, out));
        out.put_prefixed(write, too_long).map_err(|error| error.at(format_args!("[{index}]")))?;
    }
    Ok(())
}

/// Reads what [`write_list_of`] writes, each element by `read`. Twisted drops an element that is cut
/// short. Here it is an error: something was lost.
pub(crate) fn read_list_of<T>(
    value: Value<'_>,
    proto: &mut Proto<'_>,
    read: impl Fn(Value<'_>, &mut Proto<'_>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let count = count_elements(&value);
    let mut failed = None;
    let paid = proto.spend_for::<T>(count);
    let room = proto.read_on(paid, &mut failed)?.map(|()| count);
    let mut items = Vec::with_capacity(room.unwrap_or(0));
    let mut at = 0;
    for index in 0.. {
        if at >= value.len() {
            break;
        }
        let cut = || DecodeError::from(DecodeErrorKind::Truncated { index });
        let Some(&[high, low]) = value.get(at..at + 2) else {
            return Err(failed.unwrap_or_else(cut));
        };
        let start = at + 2;
        at = start + usize::from(u16::from_be_bytes([high, low]));
        if at > value.len() {
            return Err(failed.unwrap_or_else(cut));
        }
        let item = proto
            .nested(|proto| read(value.part(start..at), proto))
            .map_err(|error| error.at(format_args!("[{index}]")));
        let item = proto.read_on(item, &mut failed)?;
        // There is no room for them when the list is refused already.
        if failed.is_none() {
            items.extend(item);
        }
    }
    failed.map_or(Ok(items), Err)
}

/// Returns how many elements a `ListOf` has, an unfinished one included.
fn count_elements(value: &[u8]) -> usize {
    let mut rest = value;
    let mut count = 0;
    while let Some((&[high, low], behind)) = rest.split_first_chunk() {
        count += 1;
        rest = behind.get(usize::from(u16::from_be_bytes([high, low]))..).unwrap_or_default();
    }
    count
}
