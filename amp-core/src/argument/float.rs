//! Float: a number as Python writes it.
//!
//! It is written exactly as Python's `repr`: the shortest decimal that is read as the same number. Below 0.0001 and from
//! `1e+16` on it has an exponent, and otherwise a point: `1.0`, `-0.0`, `1e-05`, `inf`, `-inf`. Every NaN is written
//! `nan`: its sign and payload are lost.
//!
//! It is read as Python's `float` reads it: with or without a point, digits before it, digits behind it, or an
//! exponent; `inf`, `infinity` and `nan` in upper and lower case; a sign; single underscores between digits; and white
//! space around the whole. Anything else is refused, such as hexadecimal. A number that is too large becomes infinite,
//! and one that is too small becomes zero.

use std::fmt::{self, Write};

use smallvec::SmallVec;

use super::integer::trim;
use super::{Argument, DecodeError, EncodeError, Proto};
use crate::boxes::{MAX_VALUE, Value, ValueWriter};
use crate::schema::{WireType, WireTypes};

/// A Float.
impl Argument for f64 {
    fn to_string_proto(
        &self,
        _proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        if self.is_nan() {
            out.put_slice(b"nan");
        } else if self.is_infinite() {
            out.put_slice(if *self > 0.0 { b"inf" } else { b"-inf" });
        } else {
            out.put_slice(&repr(*self).map_err(EncodeError::custom)?);
        }
        Ok(())
    }

    fn from_string_proto(value: Value<'_>, _proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        // Longer ones come out of several keys or of compressed values only, and what is exact
        // here is so for those that fit into one.
        let text = Some(trim(value.as_slice())).filter(|text| text.len() <= MAX_VALUE);
        text.and_then(read).ok_or_else(|| DecodeError::malformed("a Float", value))
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("Float")
    }
}

/// A Float. AMP's Float has the precision of an `f64`, so this is written as the `f64` of exactly its value:
/// `0.1_f32` is `0.10000000149011612`. A received Float is rounded to an `f32`. A number that an `f64` can hold, and
/// that is too large for an `f32`, is an error.
impl Argument for f32 {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        f64::from(*self).to_string_proto(proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        let wide = f64::from_string_proto(value, proto)?;
        #[expect(clippy::cast_possible_truncation, reason = "rounding is what is wanted")]
        let narrow = wide as f32;
        if narrow.is_infinite() && wide.is_finite() {
            return Err(DecodeError::out_of_range("f32", value));
        }
        Ok(narrow)
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("Float")
    }
}

/// Room for any float as Python writes it, which takes 24 bytes at most.
type Text = SmallVec<[u8; 32]>;

/// No two decimals of up to 15 digits are the same float.
const SURE_DIGITS: usize = f64::DIGITS as usize;

/// A finite number as Python writes it.
fn repr(number: f64) -> Result<Text, fmt::Error> {
    let shortest = Decimal::new(format_args!("{number:e}"))?;
    if shortest.digits.len() > SURE_DIGITS && may_be_a_tie(number) {
        // Of two shortest decimals that are equally near, `{:e}` takes the greater one and Python
        // the even one, as `{:e}` with a precision does. The even one may be out of reach below a
        // power of two, where numbers are closer to each other than above it.
        let decimals = shortest.digits.len() - 1;
        let even = Decimal::new(format_args!("{number:.decimals$e}"))?.repr();
        if read_plain(&even) == Some(number) {
            return Ok(even);
        }
    }
    Ok(shortest.repr())
}

/// Whether two decimals of up to 17 digits may be equally near to the number. The number itself
/// then has one digit more, a 5 behind the point. So it is an odd multiple of a 2^-k, with at
/// least k digits of 5^k, which for 18 digits means that k is at most 25.
fn may_be_a_tie(number: f64) -> bool {
    number.fract() != 0.0 && (number * f64::from(1 << 25)).fract() == 0.0
}

/// A finite number in scientific notation: `-1.25e-7` has the digits `125`.
#[derive(Default)]
struct Decimal {
    negative: bool,
    digits: SmallVec<[u8; 24]>,
    in_exponent: bool,
    exponent_is_negative: bool,
    exponent: usize,
}

impl Decimal {
    /// Takes what `{:e}` formats.
    fn new(scientific: fmt::Arguments<'_>) -> Result<Self, fmt::Error> {
        let mut decimal = Decimal::default();
        decimal.write_fmt(scientific)?;
        Ok(decimal)
    }

    fn repr(&self) -> Text {
        let mut text = Text::new();
        if self.negative {
            text.push(b'-');
        }
        match (self.exponent, self.exponent_is_negative) {
            (0..16, false) => {
                let (whole, fraction) =
                    self.digits.split_at(self.digits.len().min(self.exponent + 1));
                text.extend_from_slice(whole);
                text.resize(text.len() + self.exponent + 1 - whole.len(), b'0');
                text.push(b'.');
                text.extend_from_slice(if fraction.is_empty() { b"0" } else { fraction });
            }
            (1..=4, true) => {
                text.extend_from_slice(b"0.");
                text.resize(text.len() + self.exponent - 1, b'0');
                text.extend_from_slice(&self.digits);
            }
            (exponent, exponent_is_negative) => {
                let (whole, fraction) = self.digits.split_at(1);
                text.extend_from_slice(whole);
                if !fraction.is_empty() {
                    text.push(b'.');
                    text.extend_from_slice(fraction);
                }
                text.extend_from_slice(if exponent_is_negative { b"e-" } else { b"e+" });
                if exponent < 10 {
                    text.push(b'0');
                }
                text.extend_from_slice(itoa::Buffer::new().format(exponent).as_bytes());
            }
        }
        text
    }
}

impl Write for Decimal {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            match byte {
                b'-' if self.in_exponent => self.exponent_is_negative = true,
                b'-' => self.negative = true,
                b'.' => {}
                b'e' => self.in_exponent = true,
                digit if self.in_exponent => {
                    self.exponent = self.exponent * 10 + usize::from(digit - b'0');
                }
                digit => self.digits.push(digit),
            }
        }
        Ok(())
    }
}

/// Reads a float without white space around it.
fn read(text: &[u8]) -> Option<f64> {
    if text.contains(&b'_') { read_plain(&without_underscores(text)?) } else { read_plain(text) }
}

/// `text` without its underscores, each of which must be between two digits.
fn without_underscores(text: &[u8]) -> Option<SmallVec<[u8; 64]>> {
    let mut plain = SmallVec::<[u8; 64]>::new();
    for (at, &byte) in text.iter().enumerate() {
        if byte != b'_' {
            plain.push(byte);
        } else if !(plain.last()?.is_ascii_digit() && text.get(at + 1)?.is_ascii_digit()) {
            return None;
        }
    }
    Some(plain)
}

/// Reads a float without underscores and white space. The time is linear in the length.
pub(super) fn read_plain(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let number: f64 = text.parse().ok()?;
    Some(if text.len() < LONG { number } else { with_far_exponent(text, number) })
}

/// Rust reads no further in an exponent once it is above 65 535. That is right unless there are
/// so many digits in front of it that they make up for it.
const LONG: usize = 65_000;

/// What `text` really is, when its exponent is so far off that no digits make up for it. Rust has
/// read it as `number`.
#[cold]
fn with_far_exponent(text: &str, number: f64) -> f64 {
    let Some((digits, exponent)) = text.split_once(['e', 'E']) else { return number };
    let is_zero = !digits.contains(|digit| matches!(digit, '1'..='9'));
    let far = match exponent.trim_start_matches(['+', '-']).parse::<usize>() {
        Ok(exponent) => exponent > digits.len() + 400,
        // It is well formed, so it can only be too large.
        Err(_) => true,
    };
    if is_zero || !far {
        number
    } else if exponent.starts_with('-') {
        0.0_f64.copysign(number)
    } else {
        f64::INFINITY.copysign(number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::argument::testing::{
        assert_linear, assert_malformed, assert_out_of_range, assert_wire, decode, encode,
    };

    /// The same number, and the same zero. All NaNs are the same.
    #[track_caller]
    fn assert_same(seen: f64, expected: f64) {
        let same = seen.to_bits() == expected.to_bits() || seen.is_nan() && expected.is_nan();
        assert!(same, "{seen:e} is not {expected:e}");
    }

    #[test]
    fn floats_are_written_as_python_writes_them() {
        for (number, wire) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (123.456, "123.456"),
            (1e15, "1000000000000000.0"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (1e16, "1e+16"),
            (1.234e16, "1.234e+16"),
            (-1e100, "-1e+100"),
            (f64::MAX, "1.7976931348623157e+308"),
            (0.0001, "0.0001"),
            (0.000_123, "0.000123"),
            (1e-5, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_wire(number, wire);
            assert_same(decode(wire.as_bytes()).unwrap(), number);
        }
        assert_eq!(encode(&f64::NAN), b"nan");
        assert_eq!(encode(&-f64::NAN), b"nan");
        assert!(decode::<f64>(b"nan").unwrap().is_nan());
    }

    #[test]
    fn of_two_shortest_forms_the_even_one_is_written() {
        // Each is half-way between the two decimals that are one digit shorter.
        assert_wire(4_503_599_627_370_497.0 / 4.0, "1125899906842624.2");
        assert_wire(4_503_599_627_370_499.0 / 4.0, "1125899906842624.8");
        assert_wire(-870_949_878_708_241.0 / 8.0, "-108868734838530.12");
        assert_wire(421_823_707_942_549.0 / 16.0, "26363981746409.312");
        assert_wire(1.0 / 33_554_432.0, "2.9802322387695312e-08");
        // Here the even one would be read as another number.
        assert_wire(1.0 / 16_777_216.0, "5.960464477539063e-08");
    }

    #[test]
    fn floats_are_read_as_python_reads_them() {
        for (wire, number) in [
            ("1", 1.0),
            ("+1", 1.0),
            (" 1.5 ", 1.5),
            ("\t\n\x0b\x0c\r1.5\r\x0c\x0b\n\t", 1.5),
            (".5", 0.5),
            ("-.5", -0.5),
            ("10.", 10.0),
            ("1.e5", 1e5),
            (".5e5", 5e4),
            ("1e5", 1e5),
            ("1E5", 1e5),
            ("1e+05", 1e5),
            ("1_0.5_0", 10.5),
            ("1e1_0", 1e10),
            ("0_0.0_0e0_0", 0.0),
            ("-0", -0.0),
            ("1e400", f64::INFINITY),
            ("-1e400", f64::NEG_INFINITY),
            ("1e-400", 0.0),
            ("-1e-99999999999999999999999", -0.0),
            ("1e99999999999999999999999", f64::INFINITY),
            ("0e99999999999999999999999", 0.0),
            ("Inf", f64::INFINITY),
            ("+iNfInItY", f64::INFINITY),
            (" -INF ", f64::NEG_INFINITY),
            ("NaN", f64::NAN),
            ("+nan", f64::NAN),
            ("-nan", f64::NAN),
        ] {
            assert_same(decode(wire.as_bytes()).unwrap(), number);
        }
    }

    #[test]
    fn what_python_refuses_is_refused() {
        let others = [
            "",
            " ",
            ".",
            "-",
            "+",
            "_",
            "e5",
            ".e5",
            "1e",
            "1e+",
            "1e 5",
            "1e5.0",
            "1.0.0",
            "--1.0",
            "+-1",
            "- 1.0",
            "1 .0",
            "1,5",
            "1.5f",
            "1d5",
            "0x1p3",
            "0x10",
            "infinit",
            "infinityy",
            "nan(1)",
            "snan",
            "1_e5",
            "1e_5",
            "1e+_5",
            "1_.5",
            "1._5",
            "_1.0",
            "1.0_",
            "1__0.0",
            "+_1.0",
            "1_inf",
            "in_f",
            "1e5_",
            "1_ ",
            "1.0\0",
            "1.0\x1c",
            "\u{a0}1.0",
            "\u{ff11}",
            "True",
            "abc",
        ];
        for other in others {
            assert_malformed::<f64>(other.as_bytes(), "a Float");
            assert_malformed::<f32>(other.as_bytes(), "a Float");
        }
        assert_malformed::<f64>(b"1.0\xff", "a Float");
    }

    #[test]
    fn the_longest_values_are_exact() {
        let zeros = "0".repeat(65_500);
        for (wire, number) in [
            (format!("1{zeros}e-65500"), 1.0),
            (format!("1{zeros}e-00000000000000000000000065500"), 1.0),
            (format!("-0.{zeros}1e65501"), -1.0),
            // An exponent whose beginning would make up for the digits.
            (format!("1{zeros}e-655360"), 0.0),
            (format!("-1{zeros}E-655360"), -0.0),
            (format!("-0.{zeros}1e655360"), f64::NEG_INFINITY),
            (format!("0.{zeros}1e+99999999999999999999999"), f64::INFINITY),
            (format!("0.{zeros}0e655360"), 0.0),
            (zeros.replace("00", "1_") + "1", f64::INFINITY),
            ("1".repeat(65_535), f64::INFINITY),
            (format!("0.{}", "1".repeat(65_000)), 0.111_111_111_111_111_1),
            (format!("9007199254740993.{zeros}"), 9_007_199_254_740_992.0),
            (format!("9007199254740993.{zeros}1"), 9_007_199_254_740_994.0),
        ] {
            assert_same(decode(wire.as_bytes()).unwrap(), number);
        }
        assert_malformed::<f64>(format!("{zeros}x").as_bytes(), "a Float");
        assert_malformed::<f64>(" ".repeat(65_535).as_bytes(), "a Float");
    }

    #[test]
    fn the_longest_values_take_little_time() {
        for (before, repeated, behind) in [
            ("1", "0", "e-LEN"),
            ("1e-", "0", "65500"),
            ("-0.", "0", "1eLEN"),
            ("", "1_1", ""),
            ("", "1", ""),
            ("0.", "1", ""),
            ("9007199254740993.", "0", "1"),
            ("", "0", "x"),
            ("", " ", ""),
        ] {
            let wire = |len: usize| {
                let repeated = repeated.repeat(len / repeated.len());
                [before, &repeated, &behind.replace("LEN", &len.to_string())].concat()
            };
            // The parts are as long as a value may be: shorter ones are read in another way.
            assert_linear(655_000, wire, |wire| drop(decode::<f64>(wire.as_bytes())));
        }
    }

    #[test]
    fn an_f32_is_written_as_the_f64_of_its_value() {
        assert_wire(0.5_f32, "0.5");
        assert_wire(0.1_f32, "0.10000000149011612");
        assert_wire(f32::MAX, "3.4028234663852886e+38");
        assert_wire(f32::MIN_POSITIVE, "1.1754943508222875e-38");
        assert_wire(1e-45_f32, "1.401298464324817e-45");
        assert_wire(f32::INFINITY, "inf");
        assert_eq!(encode(&f32::NAN), b"nan");
    }

    #[test]
    fn an_f32_is_rounded_and_has_a_range() {
        assert_eq!(decode::<f32>(b"0.1").unwrap().to_bits(), 0.1_f32.to_bits());
        assert_eq!(decode::<f32>(b"1e-300").unwrap().to_bits(), 0);
        assert_out_of_range::<f32>(b"3.5e38", "f32");
        assert_out_of_range::<f32>(b"-1e300", "f32");
        assert_eq!(decode::<f32>(b"-inf").unwrap().to_bits(), f32::NEG_INFINITY.to_bits());
        assert_eq!(decode::<f32>(b"1e400").unwrap().to_bits(), f32::INFINITY.to_bits());
    }

    proptest! {
        #[test]
        fn any_float_comes_back(bits: u64) {
            let number = f64::from_bits(bits);
            assert_same(decode(&encode(&number)).unwrap(), number);
        }

        /// Numbers with few digits behind the point in binary, where ties are.
        #[test]
        fn any_float_that_may_be_a_tie_comes_back(
            digits in -(1_i64 << 53)..1 << 53,
            k in 1..30_i32,
        ) {
            #[expect(clippy::cast_precision_loss, reason = "53 bits are precise")]
            let number = digits as f64 * 2_f64.powi(-k);
            let wire = encode(&number);
            assert_same(decode(&wire).unwrap(), number);
            let rust = format!("{number:?}");
            prop_assert!(wire.len() <= rust.len(), "it is as short as Rust's own form");
        }

        #[test]
        fn any_f32_comes_back(bits: u32) {
            let number = f32::from_bits(bits);
            let back = decode::<f32>(&encode(&number)).unwrap();
            prop_assert!(back.to_bits() == bits || back.is_nan() && number.is_nan());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, near in "[-+_0-9. eEinfa]{0,24}") {
            let _ = decode::<f64>(&bytes);
            let _ = decode::<f32>(near.as_bytes());
            let read = decode::<f64>(near.as_bytes());
            if let Ok(number) = near.parse() {
                assert_same(read.unwrap(), number);
            }
        }
    }
}
