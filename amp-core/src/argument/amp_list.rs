//! Boxes inside of a value: `AmpList`, and a single box. What `#[derive(Arguments)]` expands to
//! calls these.

use super::{DecodeError, DecodeErrorKind, EncodeError, Proto};
use crate::boxes::{AmpBox, BoxError, BoxLimits, BoxReader, Value, ValueWriter};
use crate::command::{Arguments, read_arguments, read_keys};

/// Writes `item` as one box, its end included.
///
/// # Errors
///
/// As [`Arguments::to_box`], and when two arguments have one key.
pub fn write_box<T: Arguments>(
    item: &T,
    proto: &mut Proto<'_>,
    out: &mut ValueWriter<'_>,
) -> Result<(), EncodeError> {
    out.put_box(|out| item.to_box(out, proto))
}

/// Reads a value that is one box and nothing behind it.
///
/// # Errors
///
/// As [`Arguments::from_box`], and when the value is not one box.
pub fn read_box<T: Arguments>(value: Value<'_>, proto: &mut Proto<'_>) -> Result<T, DecodeError> {
    let mut bytes = value.to_bytes();
    let ampbox = AmpBox::parse(&mut bytes, BoxLimits::default())?;
    if !bytes.is_empty() {
        return Err(DecodeErrorKind::Trailing { len: bytes.len() }.into());
    }
    proto.nested(|proto| read_arguments(&ampbox, proto))
}

/// Writes the boxes of `items` one after another.
///
/// # Errors
///
/// As [`write_box`]; the error says which item it is.
pub fn write_amp_list<'a, T: Arguments + 'a>(
    items: impl Iterator<Item = &'a T>,
    proto: &mut Proto<'_>,
    out: &mut ValueWriter<'_>,
) -> Result<(), EncodeError> {
    for (index, item) in items.enumerate() {
        write_box(item, proto, out).map_err(|error| error.at(format_args!("[{index}]")))?;
    }
    Ok(())
}

/// Reads boxes until the value ends. They share its memory.
///
/// # Errors
///
/// As [`Arguments::from_box`], and when a box is malformed or cut short; the error says which
/// item it is.
pub fn read_amp_list<T: Arguments>(
    value: Value<'_>,
    proto: &mut Proto<'_>,
) -> Result<Vec<T>, DecodeError> {
    let mut items = Vec::new();
    read_boxes(value, proto, T::STRICT, |input, proto| {
        items.push(T::from_box(input, proto)?);
        Ok(())
    })?;
    Ok(items)
}

/// Hands the boxes in `value` to `read`, one after another. When `strict`, a key that it leaves
/// is an error.
pub(super) fn read_boxes(
    value: Value<'_>,
    proto: &mut Proto<'_>,
    strict: bool,
    mut read: impl FnMut(&mut BoxReader<'_>, &mut Proto<'_>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut bytes = value.to_bytes();
    let mut failed = None;
    for index in 0.. {
        if bytes.is_empty() {
            break;
        }
        let ampbox = match AmpBox::parse(&mut bytes, BoxLimits::default()) {
            Ok(ampbox) => ampbox,
            Err(BoxError::Truncated { .. }) => {
                return Err(failed.unwrap_or_else(|| DecodeErrorKind::Truncated { index }.into()));
            }
            Err(error) => {
                let malformed = || DecodeError::from(error).at(format_args!("[{index}]"));
                return Err(failed.unwrap_or_else(malformed));
            }
        };
        let element = proto
            .nested(|proto| read_keys(&ampbox, proto, strict, &mut read))
            .map_err(|error| error.at(format_args!("[{index}]")));
        proto.read_on(element, &mut failed)?;
    }
    failed.map_or(Ok(()), Err)
}
