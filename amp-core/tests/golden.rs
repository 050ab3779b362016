//! What Python writes and reads, as `golden/generate.py` recorded it.

use amp_core::argument::{DateTime, Decimal, DecimalKind, DecodeErrorKind};
use amp_core::{Argument, DecodeError, Proto, Value, ValueWriter};
use bytes::BytesMut;
use std::fmt::{Debug, Display};
use std::str::FromStr;

const RECORDED: &str = include_str!("golden/numbers.tsv");

#[test]
fn floats_are_written_as_python_writes_them() {
    for (bits, written) in recorded("repr") {
        let number = float(bits);
        assert_eq!(encode(&number), written.as_bytes(), "{number:e} is {written}");
        assert_eq!(same(decode(written.as_bytes()).unwrap()), same(number), "{written}");
    }
}

#[test]
fn floats_are_read_as_python_reads_them() {
    for (received, bits) in recorded("float") {
        let read = decode::<f64>(&unescape(received));
        if bits == "error" {
            assert_malformed(received, &read);
        } else {
            assert_eq!(same(read.unwrap()), same(float(bits)), "{received}");
        }
    }
}

#[test]
fn integers_are_read_as_python_reads_them() {
    for (received, number) in recorded("int") {
        check_integer::<i8>(received, number);
        check_integer::<i16>(received, number);
        check_integer::<i32>(received, number);
        check_integer::<i64>(received, number);
        check_integer::<i128>(received, number);
        check_integer::<isize>(received, number);
        check_integer::<u8>(received, number);
        check_integer::<u16>(received, number);
        check_integer::<u32>(received, number);
        check_integer::<u64>(received, number);
        check_integer::<u128>(received, number);
        check_integer::<usize>(received, number);
        #[cfg(feature = "num-bigint")]
        {
            check_integer::<num_bigint::BigInt>(received, number);
            check_integer::<num_bigint::BigUint>(received, number);
        }
    }
}

#[test]
fn text_is_read_as_python_reads_it() {
    for (received, text) in recorded("unicode") {
        let read = decode::<String>(&unescape(received));
        if text == "error" {
            assert_malformed(received, &read);
        } else {
            let read = read.unwrap();
            assert_eq!(read.as_bytes(), unescape(text), "{received}");
            assert_eq!(encode(&read), unescape(text), "{received}");
        }
    }
}

#[test]
fn decimals_are_written_as_python_writes_them() {
    for (parts, written) in recorded("str") {
        let [sign, digits, exponent] = *parts.split(' ').collect::<Vec<_>>() else { panic!() };
        let read: Decimal = decode(written.as_bytes()).unwrap();
        assert_eq!(encode(&read), written.as_bytes());
        assert_eq!(read.is_negative(), sign == "1", "{written}");
        match exponent {
            "F" => assert_eq!(read.kind(), DecimalKind::Infinite),
            "n" => assert_eq!((read.kind(), read.digits()), (DecimalKind::QuietNan, digits)),
            "N" => assert_eq!((read.kind(), read.digits()), (DecimalKind::SignallingNan, digits)),
            exponent => {
                let exponent = exponent.parse().unwrap();
                let number = Decimal::from_parts(sign == "1", digits, exponent).unwrap();
                assert_eq!(number, read, "{written}");
                assert_eq!((number.digits(), number.exponent()), (digits, exponent));
            }
        }
    }
}

#[test]
fn decimals_of_floats_are_those_of_python() {
    for (bits, written) in recorded("exact") {
        assert_eq!(Decimal::from(float(bits)).to_string(), written);
    }
}

#[test]
fn decimals_are_read_as_python_reads_them() {
    for (received, written) in recorded("decimal") {
        let read = decode::<Decimal>(&unescape(received));
        if written == "error" {
            let error = read.expect_err(received);
            assert!(
                matches!(
                    error.kind(),
                    DecodeErrorKind::Malformed { .. } | DecodeErrorKind::OutOfRange { .. }
                ),
                "{error}"
            );
        } else {
            assert_eq!(read.unwrap().to_string(), written, "{received}");
        }
    }
}

#[test]
fn dates_are_read_and_written_as_twisted_does() {
    for (received, written) in recorded("datetime") {
        let read = decode::<DateTime>(&unescape(received));
        if written == "error" {
            assert_malformed(received, &read);
        } else {
            let read = read.expect(received);
            assert_eq!(encode(&read), written.as_bytes(), "{received}");
            assert_eq!(decode::<DateTime>(written.as_bytes()).unwrap(), read, "{received}");
        }
        #[cfg(feature = "chrono")]
        check_date::<chrono::DateTime<chrono::FixedOffset>>(received, written);
        #[cfg(feature = "jiff")]
        check_date::<jiff::Zoned>(received, written);
        #[cfg(feature = "time")]
        check_date::<time::OffsetDateTime>(received, written);
    }
}

#[cfg(any(feature = "chrono", feature = "jiff", feature = "time"))]
fn check_date<T: Argument + Debug>(received: &str, written: &str) {
    let read = decode::<T>(&unescape(received));
    match &read {
        Ok(read) => assert_eq!(encode(read), written.as_bytes(), "{received}"),
        Err(_) if written == "error" => assert_malformed(received, &read),
        Err(error) => {
            // The last day that these crates can hold depends on the offset.
            assert!(matches!(error.kind(), DecodeErrorKind::OutOfRange { .. }), "{error}");
            assert!(written.starts_with("9999-12-3"), "{error}");
        }
    }
}

fn check_integer<T>(received: &str, recorded: &str)
where
    T: Argument + FromStr + Display + Debug + PartialEq,
{
    let read = decode::<T>(&unescape(received));
    if recorded == "error" {
        assert_malformed(received, &read);
    } else if let Ok(number) = recorded.parse::<T>() {
        assert_eq!(encode(&number), recorded.as_bytes());
        assert_eq!(read.unwrap(), number, "{received}");
    } else {
        let error = read.unwrap_err();
        assert!(matches!(error.kind(), DecodeErrorKind::OutOfRange { .. }), "{error}");
    }
}

fn assert_malformed<T: Debug>(received: &str, read: &Result<T, DecodeError>) {
    let error = read.as_ref().expect_err(received);
    assert!(matches!(error.kind(), DecodeErrorKind::Malformed { .. }), "{error}");
}

/// The second and the third columns of the rows of one kind, of which there are some.
fn recorded(kind: &str) -> Vec<(&str, &str)> {
    let rows = RECORDED.lines().map(|row| row.split('\t').collect::<Vec<_>>());
    let rows: Vec<_> = rows.filter(|row| row[0] == kind).map(|row| (row[1], row[2])).collect();
    assert!(rows.len() > 50, "{} rows of {kind}", rows.len());
    rows
}

fn unescape(text: &str) -> Vec<u8> {
    let mut parts = text.split('\\');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        let (byte, rest) = part.strip_prefix('x').unwrap().split_at(2);
        bytes.push(u8::from_str_radix(byte, 16).unwrap());
        bytes.extend_from_slice(rest.as_bytes());
    }
    bytes
}

fn float(bits: &str) -> f64 {
    f64::from_bits(u64::from_str_radix(bits, 16).unwrap())
}

/// The bits of a float, and the same ones for every NaN.
fn same(number: f64) -> u64 {
    if number.is_nan() { f64::NAN.to_bits() } else { number.to_bits() }
}

fn encode<T: Argument>(value: &T) -> Vec<u8> {
    let mut out = BytesMut::new();
    let mut writer = ValueWriter::new(&mut out);
    Proto::detached(|proto| value.to_string_proto(proto, &mut writer)).unwrap();
    out.into()
}

fn decode<T: Argument>(bytes: &[u8]) -> Result<T, DecodeError> {
    Proto::detached(|proto| T::from_string_proto(Value::from(bytes), proto))
}
