//! Decimal: a number in base ten, with its precision, as Python's `decimal` writes it.
//!
//! It is written exactly as Python's `str(Decimal)`: `1.50`, `1E+2`, `0E-7`, `-0`, `Infinity`, `NaN`, `-sNaN123`. It
//! is read as Python's `Decimal` reads it. That also takes a point without digits before or behind it, an exponent
//! where none is needed, words in upper and lower case, a `+`, underscores anywhere, and white space around the
//! whole.

mod numbers;

use std::fmt;
use std::str::FromStr;

use super::{Argument, DecodeError, EncodeError, Proto};
use crate::boxes::{Value, ValueWriter};
use crate::schema::{WireType, WireTypes};

/// The greatest exponent of a [`Decimal`]'s first digit, which is that of Python on 64 bits.
const MAX_ADJUSTED: i64 = 999_999_999_999_999_999;
/// The smallest exponent of a [`Decimal`]'s last digit, which is that of Python on 64 bits.
const MIN_EXPONENT: i64 = -1_999_999_999_999_999_997;

/// A decimal number that keeps its precision, as Python's `decimal.Decimal` does.
///
/// It is a sign, digits and a power of ten, or an infinity, or a NaN, which may signal and have digits. It is read from
/// text and displayed as text in Python's forms. It does no arithmetic: convert it to a type that does.
///
/// ```
/// use amp_core::argument::{Decimal, DecimalError};
///
/// let price: Decimal = "12.50".parse()?;
/// assert_eq!((price.digits(), price.exponent()), ("1250", -2));
/// assert_eq!(price.to_string(), "12.50");
/// assert_eq!(f64::try_from(&price)?, 12.5);
///
/// // These are equal as numbers, but have not the same precision.
/// assert_ne!("1E+2".parse::<Decimal>()?, Decimal::from(100));
/// assert_eq!(i32::try_from(&"1E+2".parse::<Decimal>()?)?, 100);
/// # Ok::<(), DecimalError>(())
/// ```
///
/// Two of them are equal when they are the same on the wire: `1.0` is not `1`, `0` is not `-0`,
/// and each NaN equals itself.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Decimal {
    pub(super) negative: bool,
    kind: DecimalKind,
    /// Without zeros in front. Never empty in a finite number.
    digits: String,
    pub(super) exponent: i64,
}

/// The kind of a [`Decimal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DecimalKind {
    /// A number.
    Finite,
    /// An infinity.
    Infinite,
    /// A NaN as calculations give it.
    QuietNan,
    /// A NaN that is to interrupt a calculation.
    SignallingNan,
}

/// The reason why something is no [`Decimal`], or a [`Decimal`] no number of another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecimalError {
    /// The text is not a number.
    #[error("the text is not a Decimal")]
    Malformed,
    /// The exponent is beyond those of Python.
    #[error("the exponent is out of range")]
    ExponentOutOfRange,
    /// The number is not one of this type.
    #[error("the Decimal is not exactly a value of {0}")]
    Inexact(&'static str),
}

impl Decimal {
    /// Infinity.
    pub const INFINITY: Self = Self::special(DecimalKind::Infinite, false);
    /// Minus infinity.
    pub const NEG_INFINITY: Self = Self::special(DecimalKind::Infinite, true);
    /// A quiet NaN without digits.
    pub const NAN: Self = Self::special(DecimalKind::QuietNan, false);

    const fn special(kind: DecimalKind, negative: bool) -> Self {
        Self { negative, kind, digits: String::new(), exponent: 0 }
    }

    /// Returns the number `digits` times ten to the power of `exponent`, or the negative of it. Zeros in front of the
    /// digits are left out.
    ///
    /// # Errors
    ///
    /// When `digits` has none or is not all decimal digits, and when the exponent of the first
    /// digit is above 999 999 999 999 999 999, or that of the last one below
    /// -1 999 999 999 999 999 997.
    pub fn from_parts(negative: bool, digits: &str, exponent: i64) -> Result<Self, DecimalError> {
        if digits.is_empty() || !is_digits(digits) {
            return Err(DecimalError::Malformed);
        }
        let digits = match digits.trim_start_matches('0') {
            "" => "0",
            digits => digits,
        };
        let adjusted = i64::try_from(digits.len() - 1).ok().and_then(|n| exponent.checked_add(n));
        if exponent < MIN_EXPONENT || adjusted.is_none_or(|adjusted| adjusted > MAX_ADJUSTED) {
            return Err(DecimalError::ExponentOutOfRange);
        }
        Ok(Self { negative, kind: DecimalKind::Finite, digits: digits.to_owned(), exponent })
    }

    /// Returns whether this is a number, an infinity or a NaN.
    pub fn kind(&self) -> DecimalKind {
        self.kind
    }

    /// Returns whether the sign is `-`, which zeros and NaNs can have too.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Returns the digits of a number, without zeros in front (`0` for zero), or the digits of a NaN, which may be none.
    /// An infinity has none.
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// Returns the power of ten that a number's digits are multiplied by. 0 unless it is a number.
    pub fn exponent(&self) -> i64 {
        self.exponent
    }

    /// The digits without zeros at the end, and their exponent: the same for equal numbers.
    fn normalized(&self) -> (&str, i64) {
        match self.digits.trim_end_matches('0') {
            "" => ("", 0),
            digits => (digits, self.exponent + exponent_of(self.digits.len() - digits.len())),
        }
    }
}

/// A Decimal.
impl Argument for Decimal {
    fn to_string_proto(
        &self,
        _proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        use fmt::Write;
        write!(out, "{self}").map_err(EncodeError::custom)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        // The digits, and a copy of them without underscores or point.
        proto.spend(value.len() * 2)?;
        read(value.as_slice()).map_err(|error| match error {
            DecimalError::ExponentOutOfRange => DecodeError::out_of_range("Decimal", value),
            _ => DecodeError::malformed("a Decimal", value),
        })
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("Decimal")
    }
}

/// Python's `str(Decimal)`.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = &*self.digits;
        f.write_str(if self.negative { "-" } else { "" })?;
        match self.kind {
            DecimalKind::Infinite => return f.write_str("Infinity"),
            DecimalKind::QuietNan => return write!(f, "NaN{digits}"),
            DecimalKind::SignallingNan => return write!(f, "sNaN{digits}"),
            DecimalKind::Finite => {}
        }
        // How many digits stand before the point when there is no exponent.
        let whole = self.exponent + exponent_of(digits.len());
        if self.exponent > 0 || whole <= -6 {
            let (first, others) = digits.split_at(1);
            let point = if others.is_empty() { "" } else { "." };
            write!(f, "{first}{point}{others}E{:+}", whole - 1)
        } else if self.exponent == 0 {
            f.write_str(digits)
        } else if let Ok(whole @ 1..) = usize::try_from(whole) {
            write!(f, "{}.{}", &digits[..whole], &digits[whole..])
        } else {
            write!(f, "0.{}{digits}", &"00000"[..usize::try_from(-whole).unwrap_or_default()])
        }
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decimal({self})")
    }
}

/// Reads what Python's `Decimal` reads, in ASCII.
impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        read(text.as_bytes())
    }
}

/// Reads every form. The time is linear in the length.
fn read(text: &[u8]) -> Result<Decimal, DecimalError> {
    let text = str::from_utf8(text).map_err(|_| DecimalError::Malformed)?;
    let text = text.trim_matches(is_space);
    if text.contains('_') { read_plain_text(&text.replace('_', "")) } else { read_plain_text(text) }
}

/// Reads a decimal without white space and underscores.
fn read_plain_text(text: &str) -> Result<Decimal, DecimalError> {
    let negative = text.starts_with('-');
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    if text.eq_ignore_ascii_case("inf") || text.eq_ignore_ascii_case("infinity") {
        return Ok(Decimal::special(DecimalKind::Infinite, negative));
    }
    for (word, kind) in [("nan", DecimalKind::QuietNan), ("snan", DecimalKind::SignallingNan)] {
        let head = text.get(..word.len()).unwrap_or_default();
        if head.eq_ignore_ascii_case(word) && is_digits(&text[word.len()..]) {
            let digits = text[word.len()..].trim_start_matches('0').to_owned();
            return Ok(Decimal { negative, kind, digits, exponent: 0 });
        }
    }
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, read_exponent(exponent)?),
        None => (text, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let exponent = exponent.saturating_sub(exponent_of(fraction.len()));
    if fraction.is_empty() {
        Decimal::from_parts(negative, whole, exponent)
    } else {
        Decimal::from_parts(negative, &[whole, fraction].concat(), exponent)
    }
}

/// What is beyond all numbers stays so: no number has enough digits to make up for it.
fn read_exponent(text: &str) -> Result<i64, DecimalError> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !is_digits(digits) {
        return Err(DecimalError::Malformed);
    }
    let exponent = digits.parse().unwrap_or(i64::MAX);
    Ok(if text.starts_with('-') { -exponent } else { exponent })
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What Python's `str.strip` takes away, of ASCII.
fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t'..='\r' | '\x1c'..='\x1f')
}

/// A number of digits, of which there are never as many as an `i64` counts.
fn exponent_of(digits: usize) -> i64 {
    i64::try_from(digits).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::argument::testing::{
        assert_linear, assert_malformed, assert_out_of_range, assert_round_trip, assert_wire,
        decode, encode,
    };

    fn decimal(negative: bool, digits: &str, exponent: i64) -> Decimal {
        Decimal::from_parts(negative, digits, exponent).unwrap()
    }

    #[test]
    fn decimals_are_written_as_python_writes_them() {
        for (digits, exponent, wire) in [
            ("1", 0, "1"),
            ("10", -1, "1.0"),
            ("1234500", -4, "123.4500"),
            ("1", 2, "1E+2"),
            ("15", 1, "1.5E+2"),
            ("1", -7, "1E-7"),
            ("15", -7, "0.0000015"),
            ("1", -6, "0.000001"),
            ("123", -3, "0.123"),
            ("123", -4, "0.0123"),
            ("0", 0, "0"),
            ("0", -2, "0.00"),
            ("0", -6, "0.000000"),
            ("0", -7, "0E-7"),
            ("0", 3, "0E+3"),
            ("123456789", -15, "1.23456789E-7"),
            ("1", 999_999, "1E+999999"),
            ("1", MAX_ADJUSTED, "1E+999999999999999999"),
            ("12", MIN_EXPONENT, "1.2E-1999999999999999996"),
        ] {
            assert_wire(decimal(false, digits, exponent), wire);
            assert_wire(decimal(true, digits, exponent), format!("-{wire}"));
        }
    }

    #[test]
    fn infinities_and_nans_are_kept_apart() {
        assert_wire(Decimal::INFINITY, "Infinity");
        assert_wire(Decimal::NEG_INFINITY, "-Infinity");
        assert_wire(Decimal::NAN, "NaN");
        for (wire, kind, negative, digits) in [
            ("-NaN", DecimalKind::QuietNan, true, ""),
            ("NaN123", DecimalKind::QuietNan, false, "123"),
            ("sNaN", DecimalKind::SignallingNan, false, ""),
            ("-sNaN7", DecimalKind::SignallingNan, true, "7"),
        ] {
            let read: Decimal = wire.parse().unwrap();
            assert_eq!((read.kind(), read.is_negative(), read.digits()), (kind, negative, digits));
            assert_eq!(read.exponent(), 0);
            assert_wire(read, wire);
        }
    }

    #[test]
    fn decimals_are_read_as_python_reads_them() {
        for (received, wire) in [
            ("+1", "1"),
            (" 1.50\n", "1.50"),
            ("\x1c\x1f1\t", "1"),
            ("007.50", "7.50"),
            ("00", "0"),
            ("-0.00", "-0.00"),
            ("1.", "1"),
            (".5", "0.5"),
            ("1.e5", "1E+5"),
            (".1e1", "1"),
            ("1e5", "1E+5"),
            ("1E+0005", "1E+5"),
            ("100e-2", "1.00"),
            ("_1__0_", "10"),
            ("-_1_e_5_", "-1E+5"),
            ("i_nF", "Infinity"),
            ("-INFINITY", "-Infinity"),
            ("nan", "NaN"),
            ("NaN000", "NaN"),
            ("+sNAN0012", "sNaN12"),
            ("0.1E+1000000000000000000", "1E+999999999999999999"),
        ] {
            assert_eq!(decode::<Decimal>(received.as_bytes()).unwrap().to_string(), wire);
        }
    }

    #[test]
    fn what_python_refuses_is_refused() {
        let others = [
            "", " ", "_", ".", "-", "+", "e5", ".e5", "1e", "1e+", "1e5.0", "1e+-5", "1.0.0",
            "--1", "- 1", "1 0", "_ 1", "1,5", "0x10", "infi", "inf1", "qnan", "nan-1", "nan1.0",
            "ssnan", "1\0", "\u{a0}1", "\u{ff11}", "na\u{e9}", "NaNs",
        ];
        for other in others {
            assert_malformed::<Decimal>(other.as_bytes(), "a Decimal");
            assert_eq!(other.parse::<Decimal>(), Err(DecimalError::Malformed));
        }
        assert_malformed::<Decimal>(b"1\xff", "a Decimal");
        for other in [
            "1E+1000000000000000000",
            "10E+999999999999999999",
            "0E+1000000000000000000",
            "1E-1999999999999999998",
            "10E-1999999999999999998",
            "0.0E-1999999999999999997",
            "1E+99999999999999999999999999",
            "-1E-99999999999999999999999999",
            "0E-99999999999999999999999999",
        ] {
            assert_out_of_range::<Decimal>(other.as_bytes(), "Decimal");
            assert_eq!(other.parse::<Decimal>(), Err(DecimalError::ExponentOutOfRange));
        }
    }

    #[test]
    fn parts_are_checked() {
        assert_eq!(decimal(true, "007", 0), Decimal::from(-7));
        assert_eq!(decimal(false, "000", -1).to_string(), "0.0");
        for digits in ["", "-1", "1.0", "\u{661}", "a"] {
            assert_eq!(Decimal::from_parts(false, digits, 0), Err(DecimalError::Malformed));
        }
        for (digits, exponent) in
            [("1", i64::MAX), ("1", i64::MIN), ("10", i64::MAX), ("10", MAX_ADJUSTED)]
        {
            let refused = Decimal::from_parts(false, digits, exponent);
            assert_eq!(refused, Err(DecimalError::ExponentOutOfRange));
        }
    }

    #[test]
    fn equality_is_that_of_the_representation() {
        let one: Decimal = "1".parse().unwrap();
        for other in ["1.0", "-1", "10E-1", "0.1E+1"] {
            let same = other == "0.1E+1";
            assert_eq!(one == other.parse().unwrap(), same, "{other}");
        }
        assert_ne!(decimal(false, "1", 2), decimal(false, "100", 0));
        assert_ne!(decimal(false, "0", 0), decimal(true, "0", 0));
        assert_eq!(Decimal::NAN, Decimal::NAN);
    }

    #[test]
    fn the_longest_values_are_read() {
        let digits = "1".repeat(65_000);
        for text in [
            digits.clone(),
            format!("0.{digits}"),
            format!("NaN{digits}"),
            format!("{}.{}E+999999999999", &digits[..30_000], &digits[..30_000]),
            "1E+999999999999".to_owned(),
            "0".repeat(65_000) + "1E-999999999999",
            format!("1E+{}5", "0".repeat(65_000)),
            "_".repeat(65_000) + "1",
            format!("1{}", "0".repeat(65_000)),
        ] {
            let read: Decimal = decode(text.as_bytes()).unwrap();
            assert_round_trip(&read);
            let _ = i128::try_from(&read);
            let _ = f64::try_from(&read);
        }
        assert_malformed::<Decimal>(" ".repeat(65_535).as_bytes(), "a Decimal");
        assert_out_of_range::<Decimal>(format!("1e{digits}").as_bytes(), "Decimal");
    }

    #[test]
    fn the_longest_values_take_little_time() {
        for (before, repeated, behind) in [
            ("", "1", ""),
            ("0.", "1", ""),
            ("NaN", "1", ""),
            ("1.", "1", "E+999999999999"),
            ("", "0", "1E-999999999999"),
            ("1E+", "0", "5"),
            ("1e", "1", ""),
            ("", "_", "1"),
            ("1", "0", ""),
            ("", " ", ""),
        ] {
            let text = |len| [before, &repeated.repeat(len), behind].concat();
            assert_linear(65_500, text, |text| {
                let Ok(read) = decode::<Decimal>(text.as_bytes()) else { return };
                assert_round_trip(&read);
                let _ = i128::try_from(&read);
                let _ = f64::try_from(&read);
            });
        }
    }

    proptest! {
        #[test]
        fn any_decimal_comes_back(
            negative: bool,
            digits in "[0-9]{1,40}",
            exponent in prop_oneof![-50_i64..50, -MAX_ADJUSTED..MAX_ADJUSTED - 40],
        ) {
            let number = decimal(negative, &digits, exponent);
            assert_wire(number.clone(), encode(&number));
        }

        #[test]
        fn any_nan_comes_back(text in "-?s?NaN([1-9][0-9]{0,30})?") {
            assert_wire(text.parse::<Decimal>().unwrap(), text);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, near in "[-+_0-9. eEinfsa]{0,24}") {
            let _ = decode::<Decimal>(&bytes);
            if let Ok(read) = decode::<Decimal>(near.as_bytes()) {
                assert_round_trip(&read);
                let _ = i64::try_from(&read);
                let _ = f64::try_from(&read);
            }
        }
    }
}
