//! Boxes inside of a value: `AmpList`, and a single box. What `#[derive(Arguments)]` expands to
//! calls these.

use super::arguments::{Arguments, read_arguments};
use crate::argument::{DecodeError, DecodeErrorKind, EncodeError, Proto, count_boxes, read_boxes};
use crate::boxes::{AmpBox, BoxLimits, Value, ValueWriter};

/// Writes `item` as one box, its end included.
///
/// # Errors
///
/// As [`Arguments::write_to`], and when two arguments have one key.
pub fn write_box<T: Arguments>(
    item: &T,
    proto: &mut Proto<'_>,
    out: &mut ValueWriter<'_>,
) -> Result<(), EncodeError> {
    out.put_box(|out| proto.nested(|proto| item.write_to(out, proto)))
}

/// Reads a value that is one box and nothing behind it.
///
/// # Errors
///
/// As [`Arguments::read_from`], and when the value is not one box.
pub fn read_box<T: Arguments>(value: Value<'_>, proto: &mut Proto<'_>) -> Result<T, DecodeError> {
    let mut bytes = value.to_bytes();
    let ampbox = AmpBox::parse(&mut bytes, BoxLimits::default())
        .map_err(|error| DecodeError::of_box_inside(error, "a box", value))?;
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
/// As [`Arguments::read_from`], and when a box is malformed or cut short; the error says which
/// item it is.
pub fn read_amp_list<T: Arguments>(
    value: Value<'_>,
    proto: &mut Proto<'_>,
) -> Result<Vec<T>, DecodeError> {
    let count = count_boxes(&value);
    let mut items = Vec::new();
    let paid = proto.spend_for::<T>(count);
    if paid.is_ok() {
        items.reserve_exact(count);
    }
    read_boxes(value, proto, paid, T::IS_STRICT, |input, proto, refused| {
        // In few places at a time: it may be large, and the list inside of another one.
        match T::read_from(input, proto) {
            Ok(item) if !refused => items.push(item),
            Ok(_) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    })?;
    Ok(items)
}
