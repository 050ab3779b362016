//! `Duration`: seconds, as a Float.
//!
//! They are written exactly, with as many digits behind the point as needed, and at least one: `90.0`, `0.000000001`.
//! Python's `float` reads the nearest float, and its `Decimal` reads the exact value. Any Float that Python writes can
//! be read, such as `1e-05`. It is rounded to a nanosecond.

use std::fmt::Write;
use std::time::Duration;

use super::integer::trim;
use super::{Argument, DecodeError, EncodeError, Proto};
use crate::boxes::{Value, ValueWriter};
use crate::schema::{WireType, WireTypes};

/// 2^64 seconds, as it stands: how precise a power is, is not specified.
const TOO_LONG: f64 = 18_446_744_073_709_551_616.0;

/// A Float: seconds, in Python `timedelta.total_seconds()` and `timedelta(seconds=...)`. It is exact to a nanosecond. A
/// negative or infinite number is an error, and so is one of more than 2^64 seconds.
impl Argument for Duration {
    fn to_string_proto(
        &self,
        _proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        let nanos = format!("{:09}", self.subsec_nanos());
        let behind = nanos.trim_end_matches('0');
        let behind = if behind.is_empty() { "0" } else { behind };
        write!(out, "{}.{behind}", self.as_secs()).map_err(EncodeError::custom)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        let about = f64::from_string_proto(value, proto)?;
        let wrong = || DecodeError::out_of_range("Duration", value);
        // Zero may have a sign, and what is no number is in no range.
        if !(0.0..=TOO_LONG).contains(&about) {
            return Err(wrong());
        }
        nanoseconds(trim(value.as_slice())).and_then(of_nanoseconds).ok_or_else(wrong)
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("Float")
    }
}

fn of_nanoseconds(nanos: u128) -> Option<Duration> {
    const SECOND: u128 = 1_000_000_000;
    let seconds = u64::try_from(nanos / SECOND).ok()?;
    Some(Duration::new(seconds, u32::try_from(nanos % SECOND).ok()?))
}

/// How many nanoseconds a Float of seconds is that is not too large, rounded to the nearest.
fn nanoseconds(float: &[u8]) -> Option<u128> {
    let digits = float.split(|byte| matches!(byte, b'e' | b'E')).next()?;
    let exponent = float.get(digits.len() + 1..).unwrap_or(b"0");
    let exponent: String =
        exponent.iter().filter(|byte| **byte != b'_').map(|byte| char::from(*byte)).collect();
    let point = digits.iter().position(|byte| *byte == b'.').unwrap_or(digits.len());
    let before = digits[..point].iter().filter(|byte| byte.is_ascii_digit()).count();
    // One that is far out of range is zero: the number would be infinite otherwise.
    let exponent: i64 = exponent.parse().unwrap_or(i64::MIN / 4);
    // The first digit counts for so many powers of ten in nanoseconds.
    let mut power = i64::try_from(before).ok()?.saturating_add(exponent).saturating_add(8);
    let mut nanos: u128 = 0;
    let mut rounds_up = false;
    for digit in digits.iter().filter(|byte| byte.is_ascii_digit()) {
        let digit = u128::from(digit - b'0');
        if power == -1 {
            rounds_up = digit >= 5;
        }
        if power < 0 {
            break;
        }
        if digit > 0 {
            let unit = 10_u128.checked_pow(u32::try_from(power).ok()?)?;
            nanos = nanos.checked_add(digit.checked_mul(unit)?)?;
        }
        power -= 1;
    }
    nanos.checked_add(u128::from(rounds_up))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::argument::testing::{
        assert_malformed, assert_out_of_range, assert_round_trip, assert_wire, decode, encode,
    };

    #[test]
    fn durations_are_seconds() {
        for (duration, wire) in [
            (Duration::ZERO, "0.0"),
            (Duration::from_secs(90), "90.0"),
            (Duration::from_millis(1500), "1.5"),
            (Duration::from_nanos(1), "0.000000001"),
            (Duration::MAX, "18446744073709551615.999999999"),
        ] {
            assert_wire(duration, wire);
        }
    }

    #[test]
    fn floats_of_python_are_read() {
        for (wire, nanos) in [
            ("-0.0", 0),
            ("1e-05", 10_000),
            ("1E+3", 1_000_000_000_000),
            (" 1_0.5_0 ", 10_500_000_000),
            ("+.5", 500_000_000),
            ("5.", 5_000_000_000),
            ("0.1", 100_000_000),
            ("0.30000000000000004", 300_000_000),
            ("0.0000000004", 0),
            ("0.0000000005", 1),
            ("1.9999999999", 2_000_000_000),
            ("0e999999999999999999999", 0),
            ("1e-999999999999999999999", 0),
            ("0.00001e5", 1_000_000_000),
        ] {
            let read = decode::<Duration>(wire.as_bytes()).unwrap();
            assert_eq!(read, Duration::from_nanos(nanos), "{wire}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for wire in ["-1.0", "inf", "nan", "1e20", "18446744073709551616.0", "-1e-9"] {
            assert_out_of_range::<Duration>(wire.as_bytes(), "Duration");
        }
        for wire in ["", "x", "1:30", "0x1"] {
            assert_malformed::<Duration>(wire.as_bytes(), "a Float");
        }
    }

    proptest! {
        #[test]
        fn any_duration_comes_back(secs: u64, nanos in 0..1_000_000_000_u32, bytes: Vec<u8>) {
            let duration = Duration::new(secs, nanos);
            assert_round_trip(&duration);
            let float: f64 = decode(&encode(&duration)).unwrap();
            prop_assert!((float - duration.as_secs_f64()).abs() <= float * 1e-15);
            let _ = decode::<Duration>(&bytes);
        }

        #[test]
        fn any_float_is_read(float in 0.0..1e19_f64) {
            let read: Duration = decode(&encode(&float)).unwrap();
            prop_assert!((read.as_secs_f64() - float).abs() <= float * 1e-15 + 1e-9);
        }
    }
}
