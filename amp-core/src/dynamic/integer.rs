use std::fmt;
use std::str::FromStr;

use crate::shorten::Shortened;

/// An integer of any size, as its digits.
///
/// It does no arithmetic: convert it to a type that does.
///
/// ```
/// use amp_core::dynamic::Integer;
///
/// let large: Integer = "-340282366920938463463374607431768211456".parse()?;
/// assert_eq!(large.to_string(), "-340282366920938463463374607431768211456");
/// assert!(i128::try_from(&large).is_err());
/// assert_eq!(i64::try_from(&Integer::from(5_u8)), Ok(5));
/// # Ok::<(), amp_core::dynamic::IntegerError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Integer {
    /// Without zeros in front and without a plus: what is on the wire.
    digits: Box<str>,
}

/// A text that is not an integer, or an integer that does not fit into a type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{seen} is not {expected}")]
pub struct IntegerError {
    expected: &'static str,
    seen: Shortened,
}

impl Integer {
    /// Reads what Python's `int` reads: also a plus, zeros in front, single underscores between
    /// digits, and white space around the whole. `None` for anything else.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let (negative, digits) = match crate::argument::trim(text) {
            [b'-', digits @ ..] => (true, digits),
            [b'+', digits @ ..] | digits => (false, digits),
        };
        let mut kept = String::with_capacity(digits.len() + 1);
        let mut after_digit = false;
        for byte in digits {
            match byte {
                b'0'..=b'9' => {
                    after_digit = true;
                    if *byte != b'0' || !kept.is_empty() {
                        if kept.is_empty() && negative {
                            kept.push('-');
                        }
                        kept.push(char::from(*byte));
                    }
                }
                b'_' if after_digit => after_digit = false,
                _ => return None,
            }
        }
        if !after_digit {
            return None;
        }
        if kept.is_empty() {
            kept.push('0');
        }
        Some(Self { digits: kept.into() })
    }

    /// Returns the digits, with a minus in front of those of a negative number.
    pub fn as_str(&self) -> &str {
        &self.digits
    }
}

impl FromStr for Integer {
    type Err = IntegerError;

    /// Reads what is read from the wire: see [`argument`](crate::argument).
    fn from_str(text: &str) -> Result<Self, IntegerError> {
        Self::read(text.as_bytes())
            .ok_or_else(|| IntegerError { expected: "an Integer", seen: Shortened::new(text) })
    }
}

impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.digits)
    }
}

impl fmt::Debug for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.digits)
    }
}

macro_rules! conversions {
    ($($int:ident)*) => { $(
        impl From<$int> for Integer {
            fn from(number: $int) -> Self {
                Self { digits: itoa::Buffer::new().format(number).into() }
            }
        }

        impl TryFrom<&Integer> for $int {
            type Error = IntegerError;

            fn try_from(integer: &Integer) -> Result<Self, IntegerError> {
                integer.digits.parse().map_err(|_| IntegerError {
                    expected: stringify!($int),
                    seen: Shortened::new(&*integer.digits),
                })
            }
        }
    )* };
}

conversions! { i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize }
