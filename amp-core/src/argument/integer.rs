//! Integer: a decimal number in ASCII.
//!
//! It is written as Python writes it: digits, with a `-` before them if it is negative. It is read as Python's `int`
//! reads it. That also takes a `+`, zeros in front, single underscores between digits, and white space around the whole.
//! So ` +1_000\n` is 1000, and `-0` is 0. Anything else is refused, such as `1.0` and `0x10`, and so is a number that
//! does not fit into the Rust type. Unlike in Python, the number of digits has no limit.

use std::num::NonZero;

use super::{Argument, DecodeError, EncodeError, Proto};
use crate::boxes::{Value, ValueWriter};
use crate::schema::{WireType, WireTypes};

macro_rules! integers {
    ($($int:ident $({ $($list_hooks:tt)* })?)*) => { $(
        /// An Integer. A number that does not fit into the type is an error.
        impl Argument for $int {
            #[inline]
            fn to_string_proto(
                &self,
                _proto: &mut Proto<'_>,
                out: &mut ValueWriter<'_>,
            ) -> Result<(), EncodeError> {
                out.put_slice(itoa::Buffer::new().format(*self).as_bytes());
                Ok(())
            }

            #[inline]
            fn from_string_proto(
                value: Value<'_>,
                _proto: &mut Proto<'_>,
            ) -> Result<Self, DecodeError> {
                read(value, stringify!($int))
            }

            $($($list_hooks)*)?

            fn wire_type(_: &mut WireTypes) -> WireType {
                WireType::named("Integer")
            }
        }

        /// An Integer. Zero, and a number that does not fit into the type, are errors.
        impl Argument for NonZero<$int> {
            #[inline]
            fn to_string_proto(
                &self,
                proto: &mut Proto<'_>,
                out: &mut ValueWriter<'_>,
            ) -> Result<(), EncodeError> {
                self.get().to_string_proto(proto, out)
            }

            #[inline]
            fn from_string_proto(
                value: Value<'_>,
                _proto: &mut Proto<'_>,
            ) -> Result<Self, DecodeError> {
                const NAME: &str = concat!("NonZero<", stringify!($int), ">");
                let number: $int = read(value, NAME)?;
                NonZero::new(number).ok_or_else(|| DecodeError::out_of_range(NAME, value))
            }

            fn wire_type(_: &mut WireTypes) -> WireType {
                WireType::named("Integer")
            }
        }
    )* };
}

integers! {
    i8 i16 i32 i64 i128 isize
    u8 {
        // A list of `u8` is a String: the bytes, with nothing between them.
        fn list_to_string_proto<'a>(
            mut items: impl ExactSizeIterator<Item = &'a u8>,
            _proto: &mut Proto<'_>,
            out: &mut ValueWriter<'_>,
        ) -> Result<(), EncodeError> {
            let mut chunk = [0; 256];
            while items.len() > 0 {
                let len = items.len().min(chunk.len());
                for (byte, item) in chunk.iter_mut().zip(items.by_ref().take(len)) {
                    *byte = *item;
                }
                out.put_slice(&chunk[..len]);
            }
            Ok(())
        }

        fn list_from_string_proto(
            value: Value<'_>,
            proto: &mut Proto<'_>,
        ) -> Result<Vec<u8>, DecodeError> {
            proto.spend(value.len())?;
            Ok(value.to_vec())
        }

        fn list_wire_type(_: &mut WireTypes) -> WireType {
            WireType::named("String")
        }
    }
    u16 u32 u64 u128 usize
}

/// `text` without the bytes around it that Python takes for white space.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let Some(start) = text.iter().position(|byte| !is_space(byte)) else { return &[] };
    let end = text.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    &text[start..end]
}

/// Reads an Integer for a type that messages call `rust_type`.
#[inline]
pub(super) fn read<T>(value: Value<'_>, rust_type: &'static str) -> Result<T, DecodeError>
where
    T: TryFrom<i64> + TryFrom<i128> + TryFrom<u128>,
{
    let number = match read_short(value.as_slice()) {
        Some(number) => T::try_from(number).ok(),
        None => read_any(value)?.fit(),
    };
    number.ok_or_else(|| DecodeError::out_of_range(rust_type, value))
}

/// Reads the usual form, which is at most 18 digits and perhaps a `-`, and leaves all others to
/// [`read_any`]. No number of 18 digits overflows an `i64`.
#[inline]
fn read_short(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if !(1..=18).contains(&digits.len()) {
        return None;
    }
    let mut number = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + i64::from(digit);
    }
    Some(if negative { -number } else { number })
}

/// Reads everything that Python reads. The time is linear in the length.
#[cold]
pub(super) fn read_any(value: Value<'_>) -> Result<Number, DecodeError> {
    let malformed = || DecodeError::malformed("an Integer", value);
    let (negative, digits) = match trim(value.as_slice()) {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let mut magnitude = Some(0_u128);
    let mut after_digit = false;
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                let digit = u128::from(byte - b'0');
                magnitude = magnitude.and_then(|m| m.checked_mul(10)?.checked_add(digit));
                after_digit = true;
            }
            b'_' if after_digit => after_digit = false,
            _ => return Err(malformed()),
        }
    }
    if after_digit { Ok(Number { negative, magnitude }) } else { Err(malformed()) }
}

/// An integer that may be of any Rust type.
pub(super) struct Number {
    pub(super) negative: bool,
    /// `None` when it is above all Rust types.
    pub(super) magnitude: Option<u128>,
}

impl Number {
    pub(super) fn fit<T: TryFrom<i128> + TryFrom<u128>>(self) -> Option<T> {
        if self.negative {
            0_i128.checked_sub_unsigned(self.magnitude?)?.try_into().ok()
        } else {
            self.magnitude?.try_into().ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use proptest::prelude::*;

    use super::*;
    use crate::argument::testing::{
        assert_linear, assert_malformed, assert_out_of_range, assert_round_trip, assert_wire,
        decode,
    };

    #[test]
    fn integers_are_decimal() {
        for (number, wire) in [(0, "0"), (7, "7"), (-1, "-1"), (1_000, "1000"), (-128, "-128")] {
            assert_wire::<i16>(number, wire);
            assert_wire::<i32>(number.into(), wire);
            assert_wire::<i64>(number.into(), wire);
            assert_wire::<i128>(number.into(), wire);
            assert_wire::<isize>(number.into(), wire);
        }
        assert_wire(i64::MIN, "-9223372036854775808");
        assert_wire(u64::MAX, "18446744073709551615");
        assert_wire(i128::MIN, "-170141183460469231731687303715884105728");
        assert_wire(i128::MAX, "170141183460469231731687303715884105727");
        assert_wire(u128::MAX, "340282366920938463463374607431768211455");
        assert_wire(usize::MAX, usize::MAX.to_string());
        assert_wire(NonZero::new(5_u8).unwrap(), "5");
        assert_wire(NonZero::new(-5_i128).unwrap(), "-5");
    }

    #[test]
    fn integers_are_read_as_python_reads_them() {
        for (wire, number) in [
            ("+5", 5),
            (" 5 ", 5),
            ("\t\n\x0b\x0c\r 5\r\x0c\x0b\n\t ", 5),
            ("007", 7),
            ("-007", -7),
            ("-0", 0),
            ("+0", 0),
            ("1_000", 1000),
            ("0_0", 0),
            ("00_1", 1),
            (" -1_0_0\n", -100),
            ("0000000000000000000000000000000000000000000000000000000000001", 1),
        ] {
            assert_eq!(decode::<i64>(wire.as_bytes()).unwrap(), number, "{wire:?}");
            assert_eq!(decode::<i16>(wire.as_bytes()).unwrap(), i16::try_from(number).unwrap());
        }
        assert_eq!(decode::<u8>(b"-0").unwrap(), 0);
    }

    #[test]
    fn what_python_refuses_is_refused() {
        let others = [
            "",
            " ",
            "+",
            "-",
            "_",
            "--1",
            "+-1",
            "- 1",
            "+ 1",
            "1 1",
            "_1",
            "1_",
            "1__0",
            "+_1",
            "-_1",
            "1_ ",
            "0x10",
            "1.0",
            "1e3",
            "1,000",
            "0b1",
            "5\0",
            "\x005",
            "5\x1c",
            "5\u{a0}",
            "\u{661}",
            "abc",
            "1-",
            "True",
            "99999999999999999999999999999999999999999999999999x",
        ];
        for other in others {
            assert_malformed::<i64>(other.as_bytes(), "an Integer");
            assert_malformed::<u8>(other.as_bytes(), "an Integer");
            assert_malformed::<u128>(other.as_bytes(), "an Integer");
            assert_malformed::<NonZero<i32>>(other.as_bytes(), "an Integer");
        }
    }

    #[test]
    fn numbers_beyond_the_type_are_out_of_range() {
        assert_out_of_range::<i8>(b"128", "i8");
        assert_out_of_range::<i8>(b"-129", "i8");
        assert_out_of_range::<u8>(b"256", "u8");
        assert_out_of_range::<u64>(b"-1", "u64");
        assert_out_of_range::<u128>(b" -1", "u128");
        assert_out_of_range::<i64>(b"9223372036854775808", "i64");
        assert_out_of_range::<i64>(b"-9223372036854775809", "i64");
        assert_out_of_range::<u64>(b"18446744073709551616", "u64");
        assert_out_of_range::<i128>(b"170141183460469231731687303715884105728", "i128");
        assert_out_of_range::<i128>(b"-170141183460469231731687303715884105729", "i128");
        assert_out_of_range::<u128>(b"340282366920938463463374607431768211456", "u128");
        assert_out_of_range::<NonZero<u8>>(b"0", "NonZero<u8>");
        assert_out_of_range::<NonZero<u8>>(b"256", "NonZero<u8>");
        assert_out_of_range::<NonZero<i64>>(b" -0_0 ", "NonZero<i64>");
    }

    #[test]
    fn the_longest_values_are_read() {
        let digits = "9".repeat(60_000);
        assert_out_of_range::<u128>(digits.as_bytes(), "u128");
        assert_out_of_range::<i8>(format!("-{digits}").as_bytes(), "i8");
        assert_malformed::<u128>(format!("{digits}_").as_bytes(), "an Integer");
        let zeros = "0".repeat(60_000);
        assert_eq!(decode::<u8>(format!("{zeros}7").as_bytes()).unwrap(), 7);
        assert_malformed::<u8>(" ".repeat(65_535).as_bytes(), "an Integer");
    }

    /// With big arithmetic it would be quadratic.
    #[test]
    fn the_longest_values_take_little_time() {
        for (repeated, behind) in [("9", ""), ("9", "_"), ("9_9", "9"), ("0", "7"), (" ", "")] {
            let wire = |len| repeated.repeat(len / repeated.len()) + behind;
            assert_linear(65_500, wire, |wire| drop(decode::<u128>(wire.as_bytes())));
        }
    }

    #[test]
    fn a_list_of_bytes_is_a_string_and_other_lists_are_not() {
        assert_wire(vec![1_u8, 0, 255], [1, 0, 255]);
        assert_wire(vec![1_i8, -1], "\0\x011\0\x02-1");
        assert_wire(vec![NonZero::new(1_u8).unwrap()], "\0\x011");
    }

    fn check<T: Argument + PartialEq + Debug + ToString>(number: T) {
        let wire = number.to_string();
        assert_wire(number, wire);
    }

    proptest! {
        #[test]
        fn any_number_comes_back(
            (a, b, c, d, e, f) in any::<(i8, i16, i32, i64, i128, isize)>(),
            (g, h, i, j, k, l) in any::<(u8, u16, u32, u64, u128, usize)>(),
            shift in 0..128_u32,
        ) {
            check(a);
            check(b);
            check(c);
            check(d);
            check(e >> shift);
            check(f);
            check(g);
            check(h);
            check(i);
            check(j);
            check(k >> shift);
            check(l);
        }

        #[test]
        fn any_number_but_zero_comes_back(a: NonZero<i8>, b: NonZero<u64>, c: NonZero<i128>) {
            assert_round_trip(&a);
            assert_round_trip(&b);
            assert_round_trip(&c);
        }

        #[test]
        fn decoration_does_not_matter(
            number: i64,
            before in "[ \t\n\x0b\x0c\r]{0,3}",
            after in "[ \t\n\x0b\x0c\r]{0,3}",
            zeros in "(0_?){0,30}",
        ) {
            let sign = if number < 0 { "-" } else { "+" };
            let wire = format!("{before}{sign}{zeros}{}{after}", number.unsigned_abs());
            prop_assert_eq!(decode::<i64>(wire.as_bytes()).unwrap(), number);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, near in "[-+_0-9 ]{0,24}") {
            let _ = decode::<i64>(&bytes);
            let _ = decode::<NonZero<u128>>(&bytes);
            let read = decode::<i128>(near.as_bytes());
            if let Ok(number) = near.parse::<i128>() {
                prop_assert_eq!(read.unwrap(), number);
            }
        }
    }
}
