//! `DateTime`: a date and a time of day with a fixed offset from UTC, in exactly 32 bytes:
//! `2010-06-25T16:46:37.000001-05:30`.
//!
//! It is written exactly as Twisted writes it, with a minus for UTC: `-00:00`. It is read as Twisted reads it, by
//! position. Each number is read as by Python's `int`, so ` 7`, `+7` and `1_0` are numbers. A separator may be any
//! ASCII character. A date or a time that does not exist is refused, and so is an offset of a day or more.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::integer;
use super::{Argument, DecodeError, EncodeError, Proto};
use crate::boxes::{Value, ValueWriter};
use crate::schema::{WireType, WireTypes};
use crate::shorten::Shortened;

/// A point in time: a date and a time of day, and their offset from UTC.
///
/// Use it if you use no crate for dates. It checks whether a date exists, and knows no more of the calendar. With
/// the features `chrono`, `jiff` and `time`, the types of those crates are arguments.
///
/// ```
/// use amp_core::argument::DateTime;
///
/// let sent = DateTime {
///     year: 2010,
///     month: 6,
///     day: 25,
///     hour: 16,
///     minute: 46,
///     second: 37,
///     microsecond: 1,
///     offset_minutes: -330,
/// };
/// assert_eq!(sent.to_string(), "2010-06-25T16:46:37.000001-05:30");
/// assert_eq!("2010-06-25T16:46:37.000001-05:30".parse(), Ok(sent));
/// ```
///
/// Two of them are equal when all their fields are equal. A date that does not exist, such as the 30th of February,
/// cannot be written and is never read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DateTime {
    /// From 1 to 9999.
    pub year: u16,
    /// From 1 to 12.
    pub month: u8,
    /// From 1 to the last day of the month.
    pub day: u8,
    /// From 0 to 23.
    pub hour: u8,
    /// From 0 to 59.
    pub minute: u8,
    /// From 0 to 59: AMP has no leap seconds.
    pub second: u8,
    /// From 0 to 999 999.
    pub microsecond: u32,
    /// By how much the time of day is ahead of UTC, from -1439 to 1439.
    pub offset_minutes: i16,
}

impl DateTime {
    /// Returns whether this date and time exist. Others cannot be written.
    pub fn exists(&self) -> bool {
        (1..=9999).contains(&self.year)
            && (1..=self.days_of_month()).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second < 60
            && self.microsecond < 1_000_000
            && self.offset_minutes.unsigned_abs() < 24 * 60
    }

    /// 0 when there is no such month.
    fn days_of_month(&self) -> u8 {
        let leap_year =
            self.year.is_multiple_of(if self.year.is_multiple_of(100) { 400 } else { 4 });
        match self.month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap_year => 29,
            2 => 28,
            _ => 0,
        }
    }
}

/// A `DateTime`.
impl Argument for DateTime {
    fn to_string_proto(
        &self,
        _proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        use fmt::Write;
        if !self.exists() {
            return Err(EncodeError::unwritable("a date that does not exist", self.to_string()));
        }
        write!(out, "{self}").map_err(EncodeError::custom)
    }

    fn from_string_proto(value: Value<'_>, _proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        read(value).ok_or_else(|| DecodeError::malformed("a DateTime", value))
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("DateTime")
    }
}

/// The form on the wire.
impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second, microsecond, offset_minutes } = self;
        let sign = if *offset_minutes > 0 { '+' } else { '-' };
        let (hours, minutes) =
            (offset_minutes.unsigned_abs() / 60, offset_minutes.unsigned_abs() % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        write!(f, ".{microsecond:06}{sign}{hours:02}:{minutes:02}")
    }
}

/// A text that is not a [`DateTime`], or one that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{seen} is not a DateTime")]
pub struct DateTimeError {
    /// The text, shortened.
    seen: Shortened,
}

/// Reads the form on the wire, which is also what `Display` writes.
impl FromStr for DateTime {
    type Err = DateTimeError;

    fn from_str(text: &str) -> Result<Self, DateTimeError> {
        read(text.as_bytes().into()).ok_or_else(|| DateTimeError { seen: Shortened::new(text) })
    }
}

/// Reads the fields by their positions.
fn read(value: Value<'_>) -> Option<DateTime> {
    if value.len() != 32 || !value.is_ascii() {
        return None;
    }
    // The hours and the minutes of the offset have signs of their own beside that of the whole.
    let minutes = field::<i16>(value, 27..29)? * 60 + field::<i16>(value, 30..32)?;
    let date = DateTime {
        year: field(value, 0..4)?,
        month: field(value, 5..7)?,
        day: field(value, 8..10)?,
        hour: field(value, 11..13)?,
        minute: field(value, 14..16)?,
        second: field(value, 17..19)?,
        microsecond: field(value, 20..26)?,
        offset_minutes: match value[26] {
            b'+' => minutes,
            b'-' => -minutes,
            _ => return None,
        },
    };
    date.exists().then_some(date)
}

fn field<T>(value: Value<'_>, at: Range<usize>) -> Option<T>
where
    T: TryFrom<i64> + TryFrom<i128> + TryFrom<u128>,
{
    integer::read(value.part(at), "").ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::argument::testing::{assert_malformed, assert_wire, decode, encode, try_encode};

    const USUAL: DateTime = DateTime {
        year: 2010,
        month: 6,
        day: 25,
        hour: 16,
        minute: 46,
        second: 37,
        microsecond: 1,
        offset_minutes: -330,
    };

    #[test]
    fn dates_are_32_bytes() {
        assert_wire(USUAL, "2010-06-25T16:46:37.000001-05:30");
        assert_wire(DateTime { offset_minutes: 330, ..USUAL }, "2010-06-25T16:46:37.000001+05:30");
        assert_wire(DateTime { offset_minutes: -5, ..USUAL }, "2010-06-25T16:46:37.000001-00:05");
        assert_wire(DateTime { offset_minutes: 1439, ..USUAL }, "2010-06-25T16:46:37.000001+23:59");
        assert_wire(DateTime { year: 1, ..USUAL }, "0001-06-25T16:46:37.000001-05:30");
        let last = DateTime { microsecond: 999_999, second: 59, ..USUAL };
        assert_wire(last, "2010-06-25T16:46:59.999999-05:30");
    }

    #[test]
    fn utc_is_written_with_a_minus_and_read_with_any_sign() {
        let utc = DateTime { offset_minutes: 0, ..USUAL };
        assert_wire(utc, "2010-06-25T16:46:37.000001-00:00");
        assert_eq!(decode::<DateTime>(b"2010-06-25T16:46:37.000001+00:00").unwrap(), utc);
    }

    #[test]
    fn fields_are_read_by_their_positions() {
        for received in [
            &b"2010/06/25 16.46.37,000001-05.30"[..],
            b"2010\x0006\x0025\x0016\x0046\x0037\x00000001-05\x7f30",
        ] {
            assert_eq!(decode::<DateTime>(received).unwrap(), USUAL);
        }
        let read = decode::<DateTime>(b"+201- 6-2\x09T-0:+1:3 .0_0_01+-1:30").unwrap();
        let expected = DateTime {
            year: 201,
            month: 6,
            day: 2,
            hour: 0,
            minute: 1,
            second: 3,
            microsecond: 1,
            offset_minutes: -30,
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn what_does_not_exist_is_neither_written_nor_read() {
        for date in [
            DateTime { year: 0, ..USUAL },
            DateTime { month: 0, ..USUAL },
            DateTime { month: 13, ..USUAL },
            DateTime { day: 0, ..USUAL },
            DateTime { day: 31, ..USUAL },
            DateTime { month: 2, day: 29, ..USUAL },
            DateTime { month: 2, day: 29, year: 1900, ..USUAL },
            DateTime { hour: 24, ..USUAL },
            DateTime { minute: 60, ..USUAL },
            DateTime { second: 60, ..USUAL },
            DateTime { offset_minutes: 1440, ..USUAL },
            DateTime { offset_minutes: -1440, ..USUAL },
        ] {
            let text = date.to_string();
            let error = try_encode(&date).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("a date that does not exist cannot be written: \"{text}\"")
            );
            assert_malformed::<DateTime>(text.as_bytes(), "a DateTime");
            text.parse::<DateTime>().unwrap_err();
        }
        for date in [
            DateTime { microsecond: 1_000_000, ..USUAL },
            DateTime { year: 10_000, ..USUAL },
            DateTime { offset_minutes: i16::MIN, ..USUAL },
        ] {
            try_encode(&date).unwrap_err();
        }
        for year in [2000, 2012] {
            let date = DateTime { month: 2, day: 29, year, ..USUAL };
            assert_wire(date, format!("{year}-02-29T16:46:37.000001-05:30"));
        }
    }

    #[test]
    fn what_twisted_refuses_is_refused() {
        let others = [
            "",
            "2010-06-25",
            "2010-06-25T16:46:37.000001Z",
            "2010-06-25T16:46:37.000001-05:3",
            "2010-06-25T16:46:37.000001-05:300",
            "2010-06-25T16:46:37.00000105:30:",
            "2010-06-25T16:46:37.000001x05:30",
            "2010-06-25T16:46:37.0x0001-05:30",
            "2010-06-25T16:46:-1.000001-05:30",
            "2010-06-25T  :46:37.000001-05:30",
            "2010\u{e9}6-25T16:46:37.000001-05:30",
            "2010-06-25T16:46:37.000001-99:99",
        ];
        for other in others {
            assert_malformed::<DateTime>(other.as_bytes(), "a DateTime");
            let error = other.parse::<DateTime>().unwrap_err();
            assert_eq!(error.to_string(), format!("{} is not a DateTime", Shortened::new(other)));
        }
    }

    proptest! {
        #[test]
        fn any_date_comes_back(
            (year, month, day) in (1..=9999_u16, 1..=12_u8, 1..=28_u8),
            (hour, minute, second) in (..24_u8, ..60_u8, ..60_u8),
            (microsecond, offset_minutes) in (..1_000_000_u32, -1439..=1439_i16),
        ) {
            let date = DateTime { year, month, day, hour, minute, second, microsecond, offset_minutes };
            let wire = encode(&date);
            prop_assert_eq!(wire.len(), 32);
            prop_assert_eq!(date.to_string().parse(), Ok(date));
            assert_wire(date, wire);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, near in "[-+_ 0-9]{32}") {
            let _ = decode::<DateTime>(&bytes);
            if let Ok(date) = decode::<DateTime>(near.as_bytes()) {
                assert_wire(date, date.to_string());
            }
        }
    }
}
