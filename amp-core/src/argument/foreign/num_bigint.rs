//! The integers of `num-bigint`: Integers of any size that fits into one value.
//!
//! The time is quadratic in the number of digits, so no more than 65 535 are read. That is what one value has room for,
//! and the limit is the same inside of longer values, such as `Numbered` and `Zlib`. Python reads and writes at most 4300
//! digits unless it is told otherwise (`sys.set_int_max_str_digits`). The integers of a box that have more digits than
//! that may have 1 048 576 digits together, which take a sixth of a second.

use num_bigint::{BigInt, BigUint};

use crate::argument::integer::{read_any, trim};
use crate::argument::{Argument, DecodeError, EncodeError, Proto};
use crate::boxes::{MAX_VALUE, Value, ValueWriter};
use crate::schema::{WireType, WireTypes};

/// An Integer of any size.
impl Argument for BigInt {
    fn to_string_proto(
        &self,
        _proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        out.put_slice(self.to_str_radix(10).as_bytes());
        Ok(())
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        let number = read_any(value)?;
        if let Some(number) = number.fit::<i128>() {
            // One digit of 64 bits is in the number itself, and there is room for four behind it.
            if number.unsigned_abs() > u64::MAX.into() {
                proto.spend(4 * size_of::<u64>())?;
            }
            return Ok(number.into());
        }
        let digits = trim(value.as_slice());
        if digits.len() > MAX_VALUE {
            return Err(DecodeError::out_of_range("BigInt", value));
        }
        proto.budget().read_digits(digits.len())?;
        // A byte for each digit, until they are less than half as many.
        proto.spend(digits.len() + digits.len() / 2)?;
        let number = BigInt::parse_bytes(digits, 10);
        proto.give_back(digits.len());
        number.ok_or_else(|| DecodeError::malformed("an Integer", value))
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("Integer")
    }
}

/// An Integer of any size. A negative one is an error.
impl Argument for BigUint {
    fn to_string_proto(
        &self,
        _proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        out.put_slice(self.to_str_radix(10).as_bytes());
        Ok(())
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        let number = BigInt::from_string_proto(value, proto)?;
        number.try_into().map_err(|_| DecodeError::out_of_range("BigUint", value))
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("Integer")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::argument::testing::{
        assert_linear, assert_malformed, assert_out_of_range, assert_quadratic, assert_wire,
        decode, encode,
    };

    #[test]
    fn integers_are_decimal() {
        for number in [0, 1, -1, i128::MIN, i128::MAX] {
            assert_wire(BigInt::from(number), number.to_string());
        }
        for number in [0, 1, u128::MAX] {
            assert_wire(BigUint::from(number), number.to_string());
        }
        let digits = format!("9{}", "0123456789".repeat(100));
        assert_wire(digits.parse::<BigUint>().unwrap(), &digits);
        assert_wire(digits.parse::<BigInt>().unwrap(), &digits);
        assert_wire(-digits.parse::<BigInt>().unwrap(), format!("-{digits}"));
    }

    #[test]
    fn integers_are_read_as_python_reads_them() {
        let huge = BigInt::from(10).pow(50);
        let digits = huge.to_string();
        let split = format!("{}_{}", &digits[..1], &digits[1..]);
        for received in [
            format!("+{digits}"),
            format!(" {digits}\n"),
            format!("000{digits}"),
            split.clone(),
            format!("0_0{split}"),
        ] {
            assert_eq!(decode::<BigInt>(received.as_bytes()).unwrap(), huge, "{received}");
            assert_eq!(BigInt::from(decode::<BigUint>(received.as_bytes()).unwrap()), huge);
        }
        assert_eq!(decode::<BigInt>(format!("-{split}").as_bytes()).unwrap(), -huge);
        for other in [
            format!("{digits}_"),
            format!("_{digits}"),
            format!("+-{digits}"),
            format!("-+{digits}"),
            format!("{digits}__0"),
            format!("- {digits}"),
            format!("{digits}.0"),
            format!("0x{digits}"),
            String::new(),
        ] {
            assert_malformed::<BigInt>(other.as_bytes(), "an Integer");
            assert_malformed::<BigUint>(other.as_bytes(), "an Integer");
        }
        assert_out_of_range::<BigUint>(format!("-{digits}").as_bytes(), "BigUint");
        assert_eq!(decode::<BigUint>(b"-0").unwrap(), BigUint::default());
    }

    #[test]
    fn the_longest_values_take_little_time() {
        let digits = |len| "7".repeat(len);
        assert_quadratic(65_535, digits, |digits| {
            let number: BigInt = decode(digits.as_bytes()).unwrap();
            assert_eq!(encode(&number), digits.as_bytes());
        });
    }

    #[test]
    fn more_digits_than_a_value_has_room_for_are_refused() {
        // They would take quadratic time.
        let digits = |len| "7".repeat(len);
        assert_linear(4 << 20, digits, |digits| {
            assert_out_of_range::<BigInt>(digits.as_bytes(), "BigInt");
            assert_out_of_range::<BigUint>(digits.as_bytes(), "BigInt");
        });
    }

    #[test]
    fn the_longest_integers_of_a_box_are_few() {
        let error = decode::<Vec<BigInt>>(&encode(&vec!["7".repeat(65_535); 17])).unwrap_err();
        let message = "argument [16]: integers of more than 4300 digits have more than 1048576 \
                       digits together";
        assert_eq!(error.to_string(), message);
        let many = vec!["7".repeat(4300); 300];
        assert_eq!(decode::<Vec<BigInt>>(&encode(&many)).unwrap().len(), 300);
    }

    proptest! {
        #[test]
        fn any_integer_comes_back(digits in "-?[1-9][0-9]{0,200}", bytes: Vec<u8>) {
            assert_wire(digits.parse::<BigInt>().unwrap(), &digits);
            let _ = decode::<BigInt>(&bytes);
        }

        #[test]
        fn small_integers_are_those_of_the_core(near in "[-+_0-9 ]{0,12}") {
            let big = decode::<BigInt>(near.as_bytes()).ok();
            prop_assert_eq!(big, decode::<i64>(near.as_bytes()).ok().map(BigInt::from));
        }
    }
}
