//! The dates of `chrono`.

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, TimeZone, Timelike, Utc};

use super::date::{DateFields, read_date};
use crate::argument::{self, Argument, DecodeError, EncodeError, Proto};
use crate::boxes::{Value, ValueWriter};
use crate::schema::{WireType, WireTypes};

/// A `DateTime`. Anything below a microsecond is cut off. An offset with seconds or of a day, a leap second,
/// and a year outside of 1 to 9999 are errors of encoding.
impl Argument for DateTime<FixedOffset> {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        let small = |number: u32| u8::try_from(number).unwrap_or(u8::MAX);
        let date = DateFields {
            year: self.year(),
            month_to_second: [
                small(self.month()),
                small(self.day()),
                small(self.hour()),
                small(self.minute()),
                small(self.second()),
            ],
            nanosecond: self.nanosecond(),
            offset_seconds: self.offset().local_minus_utc(),
        };
        date.write(self, proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        read_date("chrono::DateTime<FixedOffset>", value, proto, |date| {
            let offset = FixedOffset::east_opt(i32::from(date.offset_minutes) * 60)?;
            offset.from_local_datetime(&naive(date)?).single()
        })
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("DateTime")
    }
}

/// A `DateTime`, written with the offset of UTC. It is read with any offset, as the same point in
/// time. Anything below a microsecond is cut off. A leap second and a year outside of 1 to 9999 are
/// errors of encoding.
impl Argument for DateTime<Utc> {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        self.fixed_offset().to_string_proto(proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        DateTime::<FixedOffset>::from_string_proto(value, proto).map(|date| date.to_utc())
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("DateTime")
    }
}

fn naive(date: argument::DateTime) -> Option<NaiveDateTime> {
    NaiveDate::from_ymd_opt(date.year.into(), date.month.into(), date.day.into())?
        .and_hms_micro_opt(
            date.hour.into(),
            date.minute.into(),
            date.second.into(),
            date.microsecond,
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::argument::testing::{assert_malformed, assert_wire, decode, encode, try_encode};

    fn date(offset_seconds: i32, nanosecond: u32) -> DateTime<FixedOffset> {
        let naive = NaiveDate::from_ymd_opt(2010, 6, 25).unwrap();
        let naive = naive.and_hms_nano_opt(16, 46, 59, nanosecond).unwrap();
        FixedOffset::east_opt(offset_seconds).unwrap().from_local_datetime(&naive).unwrap()
    }

    #[test]
    fn dates_are_those_of_twisted() {
        let half = date(-330 * 60, 1000);
        assert_wire(half, "2010-06-25T16:46:59.000001-05:30");
        assert_eq!(
            decode::<DateTime<FixedOffset>>(&encode(&half)).unwrap().offset(),
            half.offset()
        );
        assert_wire(half.to_utc(), "2010-06-25T22:16:59.000001-00:00");
        assert_wire(date(60, 0), "2010-06-25T16:46:59.000000+00:01");
        let utc: DateTime<Utc> = decode(b"2010-06-25T16:46:59.000001-05:30").unwrap();
        assert_eq!(utc, half);
    }

    #[test]
    fn what_is_below_a_microsecond_is_cut_off() {
        assert_eq!(encode(&date(0, 1999)), b"2010-06-25T16:46:59.000001-00:00");
        assert_eq!(encode(&date(0, 999_999_999)), b"2010-06-25T16:46:59.999999-00:00");
    }

    #[test]
    fn what_has_no_form_is_refused() {
        for (date, what) in [
            (date(1, 0), "a date whose offset from UTC has seconds"),
            (date(0, 1_000_000_000), "a leap second"),
            (date(0, 0).with_year(0).unwrap(), "a date outside of the years 1 to 9999"),
            (date(0, 0).with_year(-1).unwrap(), "a date outside of the years 1 to 9999"),
            (date(0, 0).with_year(10_000).unwrap(), "a date outside of the years 1 to 9999"),
        ] {
            let message = try_encode(&date).unwrap_err().to_string();
            assert!(message.starts_with(&format!("{what} cannot be written: ")), "{message}");
        }
        assert_malformed::<DateTime<Utc>>(b"2010-06-31T16:46:59.000001-05:30", "a DateTime");
    }

    proptest! {
        #[test]
        fn any_date_comes_back(
            micros in -62_135_596_800_000_000_i64..253_402_300_800_000_000,
            offset in -1439..=1439_i32,
            bytes: Vec<u8>,
        ) {
            let utc = DateTime::from_timestamp_micros(micros).unwrap();
            assert_wire(utc, encode(&utc));
            let fixed = utc.with_timezone(&FixedOffset::east_opt(offset * 60).unwrap());
            if (1..=9999).contains(&fixed.year()) {
                assert_wire(fixed, encode(&fixed));
            }
            let _ = decode::<DateTime<Utc>>(&bytes);
        }
    }
}
