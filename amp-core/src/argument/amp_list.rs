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
    out.put_box(|out| proto.nested(|proto| item.to_box(out, proto)))
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
    let count = count_boxes(&value);
    let mut items = Vec::new();
    let paid = proto.spend_for::<T>(count);
    if paid.is_ok() {
        items.reserve_exact(count);
    }
    read_boxes(value, proto, paid, T::STRICT, |input, proto, refused| {
        // In few places at a time: it may be large, and the list inside of another one.
        match T::from_box(input, proto) {
            Ok(item) if !refused => items.push(item),
            Ok(_) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    })?;
    Ok(items)
}

/// How many boxes a value has, an unfinished one included.
pub(super) fn count_boxes(value: &[u8]) -> usize {
    let mut rest = value;
    let mut count = 0;
    let mut begun = false;
    while let Some((&[high, low], behind)) = rest.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes([high, low]));
        begun = true;
        rest = behind;
        if len == 0 {
            count += 1;
            begun = false;
            continue;
        }
        let value = rest.get(len..).and_then(<[u8]>::split_first_chunk);
        let Some((&[high, low], behind)) = value else { break };
        rest = behind.get(usize::from(u16::from_be_bytes([high, low]))..).unwrap_or_default();
    }
    count + usize::from(begun)
}

/// Hands the boxes in `value` to `read`, one after another, and whether they are refused already:
/// `paid` says whether there is room for them. When `strict`, a key that it leaves is an error.
pub(super) fn read_boxes(
    value: Value<'_>,
    proto: &mut Proto<'_>,
    paid: Result<(), DecodeError>,
    strict: bool,
    mut read: impl FnMut(&mut BoxReader<'_>, &mut Proto<'_>, bool) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut bytes = value.to_bytes();
    let mut failed = None;
    proto.read_on(paid, &mut failed)?;
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
        let refused = failed.is_some();
        let element = proto
            .nested(|proto| {
                read_keys(&ampbox, proto, strict, |input, proto| read(input, proto, refused))
            })
            .map_err(|error| error.at(format_args!("[{index}]")));
        proto.read_on(element, &mut failed)?;
    }
    failed.map_or(Ok(()), Err)
}
