//! Boxes one after another in a value, whatever is in them.

use super::{DecodeError, DecodeErrorKind, Proto, UnknownKeys};
use crate::boxes::{AmpBox, BoxError, BoxLimits, BoxReader, Value};
use crate::shorten::Shortened;

/// How many boxes a value has, an unfinished one included.
pub(crate) fn count_boxes(value: &[u8]) -> usize {
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
pub(crate) fn read_boxes(
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
                let rest = Value::from(&bytes[..]);
                let error = DecodeError::of_box_inside(error, "a box", rest);
                let malformed = || error.at(format_args!("[{index}]"));
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

/// Reads `ampbox` with `read`. A key that it leaves is an error when `strict`, or when the
/// connection is.
#[inline]
pub(crate) fn read_keys<T>(
    ampbox: &AmpBox,
    proto: &mut Proto<'_>,
    strict: bool,
    read: impl FnOnce(&mut BoxReader<'_>, &mut Proto<'_>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    proto.begin(ampbox);
    let mut reader = BoxReader::new(ampbox);
    let arguments = read(&mut reader, proto)?;
    let strict = strict || proto.unknown_keys() == UnknownKeys::Reject;
    if (strict || proto.watches_values())
        && let Some(key) = reader.untaken()
    {
        proto.leave_values();
        if !strict {
            return Ok(arguments);
        }
        return Err(DecodeErrorKind::UnknownKey { key: Shortened::new(key) }.into());
    }
    Ok(arguments)
}
