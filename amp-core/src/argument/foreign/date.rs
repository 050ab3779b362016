//! What the dates of all crates have in common: they are written and read as a `DateTime`.

use std::fmt;

use crate::argument::{Argument, DateTime, DecodeError, EncodeError, Proto};
use crate::boxes::{Value, ValueWriter};

/// The fields of a date.
pub(super) struct DateFields {
    pub(super) year: i32,
    /// Month, day, hour, minute and second.
    pub(super) month_to_second: [u8; 5],
    /// A leap second may have more than one second of them.
    pub(super) nanosecond: u32,
    pub(super) offset_seconds: i32,
}

impl DateFields {
    /// Writes the date, which messages show as `seen`. Anything below a microsecond is cut off.
    pub(super) fn write(
        &self,
        seen: &impl fmt::Display,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        let date = self.to_date_time();
        let date = date.map_err(|what| EncodeError::unwritable(what, seen.to_string()))?;
        date.to_string_proto(proto, out)
    }

    /// Fails with what the date is, as in `a date ...`, when AMP has no form for it.
    fn to_date_time(&self) -> Result<DateTime, &'static str> {
        let [month, day, hour, minute, second] = self.month_to_second;
        let microsecond = self.nanosecond / 1000;
        if second > 59 || microsecond > 999_999 {
            return Err("a leap second");
        }
        if self.offset_seconds.abs() >= 24 * 60 * 60 {
            return Err("a date whose offset from UTC is a day or more");
        }
        if self.offset_seconds % 60 != 0 {
            return Err("a date whose offset from UTC has seconds");
        }
        let (Ok(year @ 1..=9999), Ok(offset_minutes)) =
            (u16::try_from(self.year), i16::try_from(self.offset_seconds / 60))
        else {
            return Err("a date outside of the years 1 to 9999");
        };
        Ok(DateTime { year, month, day, hour, minute, second, microsecond, offset_minutes })
    }
}

/// Reads a date that becomes another crate's, where it fits into `rust_type`.
pub(super) fn read_date<T>(
    rust_type: &'static str,
    value: Value<'_>,
    proto: &mut Proto<'_>,
    convert: impl FnOnce(DateTime) -> Option<T>,
) -> Result<T, DecodeError> {
    let date = DateTime::from_string_proto(value, proto)?;
    convert(date).ok_or_else(|| DecodeError::out_of_range(rust_type, value))
}
