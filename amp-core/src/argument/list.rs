//! `ListOf`: each element preceded by its length, as two big-endian bytes.

use super::{Argument, DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind, Proto};
use crate::boxes::{Value, ValueWriter};

/// A list: a `ListOf`, or an `AmpList` when the elements are
/// [`Arguments`](crate::Arguments). An empty list is an empty value.
impl<T: Argument> Argument for Vec<T> {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        T::list_to_string_proto(self.iter(), proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        T::list_from_string_proto(value, proto)
    }
}

pub(super) fn write_list_of<'a, T: Argument + 'a>(
    items: impl Iterator<Item = &'a T>,
    proto: &mut Proto<'_>,
    out: &mut ValueWriter<'_>,
) -> Result<(), EncodeError> {
    for (index, item) in items.enumerate() {
        let too_long = |len| EncodeErrorKind::ElementTooLong { index, len }.into();
        out.put_prefixed(|out| item.to_string_proto(proto, out), too_long)
            .map_err(|error| error.at(format_args!("[{index}]")))?;
    }
    Ok(())
}

/// Twisted drops an element that is cut short. Here it is an error: something was lost.
pub(super) fn read_list_of<T: Argument>(
    value: Value<'_>,
    proto: &mut Proto<'_>,
) -> Result<Vec<T>, DecodeError> {
    let mut items = Vec::new();
    let mut at = 0;
    while at < value.len() {
        let index = items.len();
        let cut = || DecodeError::from(DecodeErrorKind::Truncated { index });
        let length = value.get(at..at + 2).ok_or_else(cut)?;
        let start = at + 2;
        at = start + usize::from(u16::from_be_bytes([length[0], length[1]]));
        if at > value.len() {
            return Err(cut());
        }
        let item = T::from_string_proto(value.part(start..at), proto)
            .map_err(|error| error.at(format_args!("[{index}]")))?;
        items.push(item);
    }
    Ok(items)
}
