//! The decimals of `rust_decimal`.

use rust_decimal::Decimal;

use crate::argument::{self, Argument, DecimalError, DecimalKind, DecodeError, EncodeError, Proto};
use crate::boxes::{Value, ValueWriter};
use crate::schema::{WireType, WireTypes};

/// A Decimal. It has at most 28 digits behind the point, and 96 bits without the point. A number beyond that is an error,
/// and so are infinities and NaNs. `1E+2` is read as `100`, which is the same number with another precision. To keep the
/// precision, use [`amp_core::argument::Decimal`][1].
///
/// [1]: argument::Decimal
impl Argument for Decimal {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        argument::Decimal::from(*self).to_string_proto(proto, out)
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        let decimal = argument::Decimal::from_string_proto(value, proto)?;
        Self::try_from(&decimal)
            .map_err(|_| DecodeError::out_of_range("rust_decimal::Decimal", value))
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("Decimal")
    }
}

/// The same number with the same precision.
impl From<Decimal> for argument::Decimal {
    fn from(decimal: Decimal) -> Self {
        let magnitude = decimal.mantissa().unsigned_abs();
        let mut number = Self::from(magnitude);
        number.negative = decimal.is_sign_negative();
        number.exponent = -i64::from(decimal.scale());
        number
    }
}

/// The same number. A number that does not fit is an error, and so are infinities and NaNs.
impl TryFrom<&argument::Decimal> for Decimal {
    type Error = DecimalError;

    fn try_from(decimal: &argument::Decimal) -> Result<Self, DecimalError> {
        let convert = || {
            if decimal.kind() != DecimalKind::Finite {
                return None;
            }
            let mut magnitude: i128 = decimal.digits().parse().ok()?;
            let mut scale = 0;
            if decimal.exponent() < 0 {
                scale = u32::try_from(-decimal.exponent()).ok()?;
            } else if magnitude != 0 {
                let factor = 10_i128.checked_pow(u32::try_from(decimal.exponent()).ok()?)?;
                magnitude = magnitude.checked_mul(factor)?;
            }
            let mut number = Decimal::try_from_i128_with_scale(magnitude, scale).ok()?;
            number.set_sign_negative(decimal.is_negative());
            Some(number)
        };
        convert().ok_or(DecimalError::Inexact("rust_decimal::Decimal"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::argument::testing::{assert_malformed, assert_out_of_range, decode, encode};

    #[test]
    fn decimals_are_those_of_python() {
        for (text, wire) in [
            ("1", "1"),
            ("-12.50", "-12.50"),
            ("0.00", "0.00"),
            ("0.0000001", "1E-7"),
            ("79228162514264337593543950335", "79228162514264337593543950335"),
            ("-7.9228162514264337593543950335", "-7.9228162514264337593543950335"),
        ] {
            let decimal: Decimal = text.parse().unwrap();
            assert_eq!(encode(&decimal), wire.as_bytes());
            let back: Decimal = decode(wire.as_bytes()).unwrap();
            assert_eq!((back, back.scale()), (decimal, decimal.scale()));
        }
        let hundred: Decimal = decode(b"1E+2").unwrap();
        assert_eq!(hundred, Decimal::ONE_HUNDRED);
        assert_eq!(encode(&hundred), b"100");
        assert_eq!(encode(&decode::<Decimal>(b"-0.0").unwrap()), b"-0.0");
        assert_eq!(encode(&decode::<Decimal>(b"0E+99").unwrap()), b"0");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for other in [
            "79228162514264337593543950336",
            "1E+29",
            "1E+999999999999",
            "1E-29",
            "1E-999999999999",
            "Infinity",
            "NaN",
            "NaN1",
        ] {
            assert_out_of_range::<Decimal>(other.as_bytes(), "rust_decimal::Decimal");
        }
        assert_malformed::<Decimal>(b"x", "a Decimal");
    }

    proptest! {
        #[test]
        fn any_decimal_comes_back(mantissa in -(1_i128 << 96) + 1..1 << 96, scale in 0..=28_u32) {
            let decimal = Decimal::from_i128_with_scale(mantissa, scale);
            let back: Decimal = decode(&encode(&decimal)).unwrap();
            prop_assert_eq!((back.mantissa(), back.scale()), (mantissa, scale));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, near in "[-+0-9.eE]{0,40}") {
            let _ = decode::<Decimal>(&bytes);
            let _ = decode::<Decimal>(near.as_bytes());
        }
    }
}
