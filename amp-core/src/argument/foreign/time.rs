//! The dates of `time`.

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

use super::date::{DateFields, read_date};
use crate::argument::{Argument, DecodeError, EncodeError, Proto};
use crate::boxes::{Value, ValueWriter};
use crate::schema::{WireType, WireTypes};

/// A `DateTime`. Anything below a microsecond is cut off. An offset with seconds or of a day, and a year outside
/// of 1 to 9999 are errors of encoding.
impl Argument for OffsetDateTime {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        let date = DateFields {
            year: self.year(),
            month_to_second: [
                self.month().into(),
                self.day(),
                self.hour(),
                self.minute(),
                self.second(),
            ],
            nanosecond: self.nanosecond(),
            offset_seconds: self.offset().whole_seconds(),
        };
        date.write(self, proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        read_date("time::OffsetDateTime", value, proto, |date| {
            let month = Month::try_from(date.month).ok()?;
            let day = Date::from_calendar_date(date.year.into(), month, date.day).ok()?;
            let time = Time::from_hms_micro(date.hour, date.minute, date.second, date.microsecond);
            let offset = UtcOffset::from_whole_seconds(i32::from(date.offset_minutes) * 60).ok()?;
            let date = PrimitiveDateTime::new(day, time.ok()?).assume_offset(offset);
            // What is beyond the last year in UTC would panic when it is converted to it.
            date.checked_to_offset(UtcOffset::UTC).map(|_| date)
        })
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("DateTime")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::argument::testing::{
        assert_malformed, assert_out_of_range, assert_wire, decode, encode, try_encode,
    };

    fn date(year: i32, nanosecond: u32, offset_seconds: i32) -> OffsetDateTime {
        let day = Date::from_calendar_date(year, Month::June, 25).unwrap();
        let time = Time::from_hms_nano(16, 46, 37, nanosecond).unwrap();
        let offset = UtcOffset::from_whole_seconds(offset_seconds).unwrap();
        PrimitiveDateTime::new(day, time).assume_offset(offset)
    }

    #[test]
    fn dates_are_those_of_twisted() {
        let half = date(2010, 1000, -330 * 60);
        assert_wire(half, "2010-06-25T16:46:37.000001-05:30");
        assert_eq!(decode::<OffsetDateTime>(&encode(&half)).unwrap().offset(), half.offset());
        assert_wire(date(2010, 0, 0), "2010-06-25T16:46:37.000000-00:00");
        assert_wire(date(2010, 0, 60), "2010-06-25T16:46:37.000000+00:01");
    }

    #[test]
    fn what_is_below_a_microsecond_is_cut_off() {
        assert_eq!(encode(&date(2010, 1999, 0)), b"2010-06-25T16:46:37.000001-00:00");
        assert_eq!(encode(&date(1, 999_999_999, 0)), b"0001-06-25T16:46:37.999999-00:00");
    }

    #[test]
    fn what_has_no_form_is_refused() {
        for (date, what) in [
            (date(2010, 0, 1), "a date whose offset from UTC has seconds"),
            (date(0, 0, 0), "a date outside of the years 1 to 9999"),
            (date(-1, 0, 0), "a date outside of the years 1 to 9999"),
            (date(2010, 0, 24 * 3600), "a date whose offset from UTC is a day or more"),
        ] {
            let message = try_encode(&date).unwrap_err().to_string();
            assert!(message.starts_with(&format!("{what} cannot be written: ")), "{message}");
        }
        assert_malformed::<OffsetDateTime>(b"2010-06-31T16:46:37.000001-05:30", "a DateTime");
        let beyond = b"9999-12-31T23:46:37.000001-05:30";
        assert_out_of_range::<OffsetDateTime>(beyond, "time::OffsetDateTime");
    }

    proptest! {
        #[test]
        fn any_date_comes_back(
            micros in -62_135_510_400_000_000_i64..253_402_214_400_000_000,
            offset in -1439..=1439_i32,
            bytes: Vec<u8>,
        ) {
            let utc = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).unwrap();
            let date = utc.to_offset(UtcOffset::from_whole_seconds(offset * 60).unwrap());
            assert_wire(date, encode(&date));
            let _ = decode::<OffsetDateTime>(&bytes);
        }
    }
}
