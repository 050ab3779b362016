//! Decimals of Rust's own numbers, and back.

use super::{Decimal, DecimalError, DecimalKind, exponent_of};
use crate::argument::float::read_plain;
use crate::argument::integer::Number;

/// Exactly this number, as Python's `Decimal(float)`: `0.1` has 55 digits. Every NaN becomes `NaN`.
impl From<f64> for Decimal {
    fn from(number: f64) -> Self {
        let negative = number.is_sign_negative();
        if number.is_nan() {
            return Self::NAN;
        }
        if number.is_infinite() {
            return Self::special(DecimalKind::Infinite, negative);
        }
        // No float has more than 1074 digits behind the point.
        let text = format!("{:.1074}", number.abs());
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let fraction = fraction.trim_end_matches('0');
        let digits = format!("{whole}{fraction}");
        let digits = match digits.trim_start_matches('0') {
            "" => "0".to_owned(),
            digits => digits.to_owned(),
        };
        Self { negative, kind: DecimalKind::Finite, digits, exponent: -exponent_of(fraction.len()) }
    }
}

/// The same number. A number that no float can hold exactly, such as `0.1`, is an error, and so is any NaN other than
/// `NaN`. For the nearest float, parse the text that the `Decimal` displays.
impl TryFrom<&Decimal> for f64 {
    type Error = DecimalError;

    fn try_from(decimal: &Decimal) -> Result<Self, DecimalError> {
        if *decimal == Decimal::NAN {
            return Ok(f64::NAN);
        }
        let same = |number: &f64| {
            let back = Decimal::from(*number);
            (back.kind, back.negative, back.normalized())
                == (decimal.kind, decimal.negative, decimal.normalized())
        };
        let nearest = read_plain(decimal.to_string().as_bytes());
        nearest.filter(same).ok_or(DecimalError::Inexact("f64"))
    }
}

macro_rules! integers {
    ($($int:ident)*) => { $(
        /// The number with all its digits: the exponent is 0.
        impl From<$int> for Decimal {
            fn from(number: $int) -> Self {
                let mut buffer = itoa::Buffer::new();
                let text = buffer.format(number);
                let digits = text.trim_start_matches('-');
                Self {
                    negative: digits.len() < text.len(),
                    kind: DecimalKind::Finite,
                    digits: digits.to_owned(),
                    exponent: 0,
                }
            }
        }

        /// The same number. One that is not an integer, or that does not fit, is an error.
        impl TryFrom<&Decimal> for $int {
            type Error = DecimalError;

            fn try_from(decimal: &Decimal) -> Result<Self, DecimalError> {
                let number = decimal.to_integer().and_then(Number::fit);
                number.ok_or(DecimalError::Inexact(stringify!($int)))
            }
        }
    )* };
}

integers!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize);

impl Decimal {
    /// The number as an integer. `None` when it is not one, or above all Rust types.
    fn to_integer(&self) -> Option<Number> {
        if self.kind != DecimalKind::Finite {
            return None;
        }
        let (digits, exponent) = self.normalized();
        let mut magnitude: u128 = 0;
        if !digits.is_empty() {
            magnitude = digits.parse().ok()?;
            magnitude = magnitude.checked_mul(10_u128.checked_pow(exponent.try_into().ok()?)?)?;
        }
        Some(Number { negative: self.negative, magnitude: Some(magnitude) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn integers_are_converted_where_they_are_exact() {
        assert_eq!(Decimal::from(-120_i8).to_string(), "-120");
        assert_eq!(Decimal::from(u128::MAX).to_string(), u128::MAX.to_string());
        for (text, number) in
            [("1E+2", 100), ("1.00", 1), ("-0", 0), ("0E+999999999999999999", 0), ("-12E1", -120)]
        {
            assert_eq!(i8::try_from(&text.parse::<Decimal>().unwrap()), Ok(number), "{text}");
        }
        assert_eq!(i128::try_from(&Decimal::from(i128::MIN)), Ok(i128::MIN));
        for text in ["128", "-129", "0.5", "1E-1", "1E+99999999", "1E-99999999", "Infinity", "NaN"]
        {
            let error = i8::try_from(&text.parse::<Decimal>().unwrap()).unwrap_err();
            assert_eq!(error.to_string(), "the Decimal is not exactly a value of i8");
        }
        assert!(u64::try_from(&Decimal::from(-1)).is_err());
        assert!(
            u128::try_from(&format!("1{}", "0".repeat(39)).parse::<Decimal>().unwrap()).is_err()
        );
    }

    #[test]
    fn floats_are_converted_where_they_are_exact() {
        for (number, text) in [
            (0.1, "0.1000000000000000055511151231257827021181583404541015625"),
            (1.0, "1"),
            (-0.0, "-0"),
            (1e22, "10000000000000000000000"),
            (f64::NEG_INFINITY, "-Infinity"),
            (f64::NAN, "NaN"),
            (-f64::NAN, "NaN"),
        ] {
            assert_eq!(Decimal::from(number).to_string(), text);
        }
        for text in ["1.50", "1E+22", "0E+999", "-0.00", "1E+0"] {
            let number = f64::try_from(&text.parse::<Decimal>().unwrap()).unwrap();
            assert_eq!(number.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
        }
        for text in ["0.1", "1E+400", "1E-400", "9007199254740993", "sNaN", "-NaN", "NaN1"] {
            let error = f64::try_from(&text.parse::<Decimal>().unwrap()).unwrap_err();
            assert_eq!(error, DecimalError::Inexact("f64"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_number_is_converted_and_back(integer: i128, bits: u64) {
            prop_assert_eq!(i128::try_from(&Decimal::from(integer)), Ok(integer));
            let float = f64::from_bits(bits);
            let back = f64::try_from(&Decimal::from(float)).unwrap();
            prop_assert!(back.to_bits() == bits || back.is_nan() && float.is_nan());
        }
    }
}
