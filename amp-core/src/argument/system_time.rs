//! `SystemTime`: a [`DateTime`] in UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Argument, DateTime, DecodeError, EncodeError, Proto};
use crate::boxes::{Value, ValueWriter};
use crate::schema::{WireType, WireTypes};

/// A `DateTime`, written in UTC and read with any offset. Anything below a microsecond is cut off. A year outside of 1 to
/// 9999 is an error of encoding.
impl Argument for SystemTime {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        let date = micros(*self).and_then(date).ok_or_else(|| {
            EncodeError::unwritable("a time outside of the years 1 to 9999", format!("{self:?}"))
        })?;
        date.to_string_proto(proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        let date = DateTime::from_string_proto(value, proto)?;
        let micros = micros_of(&date);
        let since = Duration::from_micros(micros.unsigned_abs());
        let time =
            if micros < 0 { UNIX_EPOCH.checked_sub(since) } else { UNIX_EPOCH.checked_add(since) };
        time.ok_or_else(|| DecodeError::out_of_range("SystemTime", value))
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("DateTime")
    }
}

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Days from the first of March of the year 0, from which on leap days are at the end of years, to
/// the epoch.
const EPOCH: i64 = 719_468;

/// Days in 400 years, after which the calendar is the same.
const ERA: i64 = 146_097;

/// Microseconds since the epoch.
fn micros(time: SystemTime) -> Option<i64> {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).ok(),
        Err(before) => {
            let nanos = i128::try_from(before.duration().as_nanos()).ok()?;
            i64::try_from((-nanos).div_euclid(1000)).ok()
        }
    }
}

/// The date and time in UTC of so many microseconds since the epoch.
fn date(micros: i64) -> Option<DateTime> {
    let (days, rest) = (micros.div_euclid(DAY) + EPOCH, micros.rem_euclid(DAY));
    let (era, day) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // From March on, each five months have 153 days.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year + i64::from(month >= 10);
    let month = if month < 10 { month + 3 } else { month - 9 };
    let second = rest / SECOND;
    Some(DateTime {
        year: u16::try_from(year).ok().filter(|year| (1..=9999).contains(year))?,
        month: u8::try_from(month).ok()?,
        day: u8::try_from(day).ok()?,
        hour: u8::try_from(second / 3600).ok()?,
        minute: u8::try_from(second / 60 % 60).ok()?,
        second: u8::try_from(second % 60).ok()?,
        microsecond: u32::try_from(rest % SECOND).ok()?,
        offset_minutes: 0,
    })
}

/// Microseconds from the epoch to a date that exists.
fn micros_of(date: &DateTime) -> i64 {
    let month = i64::from(date.month);
    let year = i64::from(date.year) - i64::from(month <= 2);
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let month = if month > 2 { month - 3 } else { month + 9 };
    let day = (153 * month + 2) / 5 + i64::from(date.day) - 1;
    let days = era * ERA + year * 365 + year / 4 - year / 100 + day - EPOCH;
    let minutes =
        i64::from(date.hour) * 60 + i64::from(date.minute) - i64::from(date.offset_minutes);
    days * DAY + (minutes * 60 + i64::from(date.second)) * SECOND + i64::from(date.microsecond)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::argument::testing::{assert_malformed, assert_wire, decode, encode, try_encode};

    fn at(micros: i64) -> SystemTime {
        let since = Duration::from_micros(micros.unsigned_abs());
        if micros < 0 { UNIX_EPOCH - since } else { UNIX_EPOCH + since }
    }

    #[test]
    fn times_are_dates_in_utc() {
        for (micros, wire) in [
            (0, "1970-01-01T00:00:00.000000-00:00"),
            (1, "1970-01-01T00:00:00.000001-00:00"),
            (-1, "1969-12-31T23:59:59.999999-00:00"),
            (1_277_502_397_000_001, "2010-06-25T21:46:37.000001-00:00"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000-00:00"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000000-00:00"),
            (-62_135_596_800_000_000, "0001-01-01T00:00:00.000000-00:00"),
            (253_402_300_799_999_999, "9999-12-31T23:59:59.999999-00:00"),
        ] {
            assert_wire(at(micros), wire);
        }
        let read = decode::<SystemTime>(b"2010-06-25T16:46:37.000001-05:00").unwrap();
        assert_eq!(read, at(1_277_502_397_000_001));
    }

    #[test]
    fn what_is_below_a_microsecond_is_cut_off() {
        let nanosecond = Duration::from_nanos(1);
        assert_eq!(encode(&(UNIX_EPOCH + nanosecond)), encode(&UNIX_EPOCH));
        assert_eq!(encode(&(UNIX_EPOCH - nanosecond)), encode(&at(-1)));
    }

    #[test]
    fn what_has_no_such_date_is_refused() {
        for micros in [-62_135_596_800_000_001, 253_402_300_800_000_000, i64::MAX, i64::MIN] {
            let error = try_encode(&at(micros)).unwrap_err();
            assert!(error.to_string().contains("the years 1 to 9999"), "{error}");
        }
        assert_malformed::<SystemTime>(b"2010-02-30T16:46:37.000001-05:00", "a DateTime");
    }

    proptest! {
        #[test]
        fn any_time_comes_back(micros in -62_135_596_800_000_000..=253_402_300_799_999_999_i64) {
            assert_wire(at(micros), encode(&at(micros)));
        }
    }
}
