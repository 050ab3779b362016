//! The points in time of `jiff`.

use jiff::civil;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};

use super::date::{DateFields, read_date};
use crate::argument::{Argument, DecodeError, EncodeError, Proto};
use crate::boxes::{Value, ValueWriter};
use crate::schema::{WireType, WireTypes};

/// A `DateTime`, with the offset that the time zone has at this point in time. The zone's name has no form on the wire.
/// It is read with a time zone of this fixed offset. What is below a
/// microsecond is cut off. An offset with seconds or of a day, and a year outside of 1 to 9999 are errors of
/// encoding.
impl Argument for Zoned {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        write(self.datetime(), self.offset(), proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        read_date("jiff::Zoned", value, proto, |date| {
            let small = |number: u8| i8::try_from(number).ok();
            let civil = civil::DateTime::new(
                i16::try_from(date.year).ok()?,
                small(date.month)?,
                small(date.day)?,
                small(date.hour)?,
                small(date.minute)?,
                small(date.second)?,
                i32::try_from(date.microsecond).ok()? * 1000,
            );
            let offset = Offset::from_seconds(i32::from(date.offset_minutes) * 60).ok()?;
            TimeZone::fixed(offset).to_zoned(civil.ok()?).ok()
        })
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("DateTime")
    }
}

/// A `DateTime`, written with the offset of UTC. It is read with any offset, as the same point in
/// time. Anything below a microsecond is cut off: a time is rounded down, before 1970 too. A year outside of 1 to
/// 9999 is an error of encoding.
impl Argument for Timestamp {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        write(Offset::UTC.to_datetime(*self), Offset::UTC, proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        Zoned::from_string_proto(value, proto).map(|date| date.timestamp())
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("DateTime")
    }
}

fn write(
    local: civil::DateTime,
    offset: Offset,
    proto: &mut Proto<'_>,
    out: &mut ValueWriter<'_>,
) -> Result<(), EncodeError> {
    let date = DateFields {
        year: local.year().into(),
        month_to_second: [
            local.month().unsigned_abs(),
            local.day().unsigned_abs(),
            local.hour().unsigned_abs(),
            local.minute().unsigned_abs(),
            local.second().unsigned_abs(),
        ],
        nanosecond: local.subsec_nanosecond().unsigned_abs(),
        offset_seconds: offset.seconds(),
    };
    date.write(&format_args!("{local}{offset}"), proto, out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::argument::testing::{
        assert_malformed, assert_out_of_range, assert_wire, decode, encode, try_encode,
    };

    fn zoned(year: i16, nanosecond: i32, offset_seconds: i32) -> Zoned {
        let zone = TimeZone::fixed(Offset::from_seconds(offset_seconds).unwrap());
        civil::date(year, 6, 25).at(16, 46, 37, nanosecond).to_zoned(zone).unwrap()
    }

    #[test]
    fn dates_are_those_of_twisted() {
        let half = zoned(2010, 1000, -330 * 60);
        assert_wire(half.clone(), "2010-06-25T16:46:37.000001-05:30");
        assert_eq!(decode::<Zoned>(&encode(&half)).unwrap().offset(), half.offset());
        assert_wire(half.timestamp(), "2010-06-25T22:16:37.000001-00:00");
        assert_wire(zoned(2010, 0, 60), "2010-06-25T16:46:37.000000+00:01");
        let utc: Timestamp = decode(b"2010-06-25T16:46:37.000001-05:30").unwrap();
        assert_eq!(utc, half.timestamp());
    }

    #[test]
    fn what_is_below_a_microsecond_is_cut_off() {
        assert_eq!(encode(&zoned(2010, 1999, 0)), b"2010-06-25T16:46:37.000001-00:00");
        assert_eq!(encode(&zoned(1, 999_999_999, 0)), b"0001-06-25T16:46:37.999999-00:00");
        let before_1970 = Timestamp::from_nanosecond(-1).unwrap();
        assert_eq!(encode(&before_1970), b"1969-12-31T23:59:59.999999-00:00");
    }

    #[test]
    fn what_has_no_form_is_refused() {
        for (date, message) in [
            (
                zoned(2010, 0, 1),
                "a date whose offset from UTC has seconds cannot be written: \
                 \"2010-06-25T16:46:37+00:00:01\"",
            ),
            (
                zoned(0, 0, 0),
                "a date outside of the years 1 to 9999 cannot be written: \
                 \"0000-06-25T16:46:37+00\"",
            ),
            (
                zoned(-1, 0, 0),
                "a date outside of the years 1 to 9999 cannot be written: \
                 \"-000001-06-25T16:46:37+00\"",
            ),
            (
                zoned(2010, 0, 24 * 3600),
                "a date whose offset from UTC is a day or more cannot be written: \
                 \"2010-06-25T16:46:37+24\"",
            ),
        ] {
            assert_eq!(try_encode(&date).unwrap_err().to_string(), message);
        }
        assert_malformed::<Timestamp>(b"2010-06-31T16:46:37.000001-05:30", "a DateTime");
        assert_out_of_range::<Zoned>(b"9999-12-31T16:46:37.000001-05:30", "jiff::Zoned");
    }

    proptest! {
        #[test]
        fn any_date_comes_back(
            micros in -62_135_596_800_000_000_i64..253_402_207_200_000_000,
            offset in -1439..=1439_i32,
            bytes: Vec<u8>,
        ) {
            let timestamp = Timestamp::from_microsecond(micros).unwrap();
            assert_wire(timestamp, encode(&timestamp));
            let zone = TimeZone::fixed(Offset::from_seconds(offset * 60).unwrap());
            let zoned = timestamp.to_zoned(zone);
            if (1..=9999).contains(&zoned.year()) {
                assert_wire(zoned.clone(), encode(&zoned));
            }
            let _ = decode::<Timestamp>(&bytes);
        }
    }
}
