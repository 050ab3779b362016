//! JSON in a value: Unicode.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::ser::Formatter;
use serde_json::{Deserializer, Serializer};

use super::metered::Meter;
use super::proto::MAX_NESTING;
use super::unicode::text;
use super::{Argument, DecodeError, EncodeError, Proto};
use crate::boxes::{Value, ValueWriter};
use crate::schema::{WireType, WireTypes};
use crate::shorten::{self, Shortened};
use crate::stack;

/// Any type that `serde` knows, as JSON in a Unicode argument.
///
/// It is written without white space and in ASCII, because some peers decode nothing else. The escapes are
/// those of Python's `json.dumps`: `\u00e9`, and two of them for a character above U+FFFF. It is read with
/// escapes and without. JSON has no infinities and NaNs: they are written as `null`. Each `None` of an
/// `Option<Option<T>>` is the same `null`. Twisted has no such argument: use an `amp.Unicode()` there, with
/// `json.loads` and `json.dumps` around it.
///
/// Arrays and objects may be nested 64 deep. Deeper ones are neither written nor read. The memory of the value
/// that is read counts against [`Limits::decoded_bytes`](field@crate::Limits::decoded_bytes).
///
/// # Types that serde buffers
///
/// For a type with `#[serde(untagged)]`, `tag` or `flatten`, serde first reads the JSON into a buffer, and then
/// makes the type from the buffer. The second step cannot be measured, so its memory is estimated from what the
/// buffer holds:
///
/// - A number or a text counts as what it takes in the buffer, or as the size of the buffered type if that is
///   untagged and larger.
/// - A list of numbers with a fraction among them, such as `[1.5,2.5]`, counts as a list of numbers.
/// - Any other list, and each map, counts as a row of 512 bytes.
/// - `null`, `[]` and `{}` count as rows of 1024 bytes, unless a number or a text beside them shows that the
///   elements are small.
///
/// In each box, 4096 rows count only as what they take in the buffer; a row with nothing in it uses up four of
/// these. So a box of some ten kilobytes is read whatever it holds. In a larger one, with the default limits, each
/// row needs some 50 bytes of JSON.
///
/// The estimate is too low for these types. Do not read them from peers that you do not trust:
///
/// - a type inside of a buffered type that is larger than its row counts;
/// - a large enum that may be `"Empty"` or, if it is untagged, `0`;
/// - a large type in a `Box`, such as `Row(Box<Row>)` in an enum;
/// - a struct with `#[serde(default)]` whose first field is a fraction, sent as a list;
/// - a map of large rows that is flattened into a struct in a list.
///
/// A large buffered type may be nested less deep: the limit is 1 MiB of stack, divided by the stack that a level
/// may take. Without optimisation, that is 24 times the size of the type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Json<T>(pub T);

impl<T: Serialize + DeserializeOwned> Argument for Json<T> {
    fn to_string_proto(
        &self,
        proto: &mut Proto<'_>,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError> {
        let mut text = Vec::new();
        let formatter = Ascii { depth: 0, base: proto.stack() };
        let mut serializer = Serializer::with_formatter(&mut text, formatter);
        self.0.serialize(&mut serializer).map_err(EncodeError::custom)?;
        out.put_slice(&text);
        Ok(())
    }

    fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
        let mut text = Deserializer::from_str(text(value)?);
        let base = proto.stack();
        let meter = Meter::new(proto.budget(), base, MAX_NESTING);
        let read = T::deserialize(meter.deserializer::<T, _>(&mut text));
        let read = read.and_then(|read| text.end().map(|()| Self(read)));
        meter.outcome(read, proto.budget())?.map_err(|cause| {
            let cause = shorten::message(&cause);
            DecodeError::custom(JsonError { seen: value.shortened(), cause })
        })
    }

    fn wire_type(_: &mut WireTypes) -> WireType {
        WireType::named("Json")
    }
}

/// Writes what is not printable ASCII as `\u` and the four digits of each of its UTF-16 code units.
///
/// Line ends and other control characters are escaped by `serde_json` already, as Python does it,
/// but for U+007F.
struct Ascii {
    /// In how many arrays and objects the next value is.
    depth: usize,
    /// Where the stack was at the beginning.
    base: usize,
}

impl Ascii {
    /// What no peer could read is not written.
    fn begin<W: ?Sized + io::Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        if self.depth == MAX_NESTING || stack::is_exhausted(self.base) {
            let depth = self.depth;
            return Err(io::Error::other(format!("JSON is nested more than {depth} deep")));
        }
        self.depth += 1;
        writer.write_all(bracket)
    }

    fn end<W: ?Sized + io::Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(bracket)
    }

    fn write<W: ?Sized + io::Write>(writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(|c| c > '~') {
            let (printable, other) = rest.split_at(at);
            writer.write_all(printable.as_bytes())?;
            let mut chars = other.chars();
            if let Some(c) = chars.next() {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

impl Formatter for Ascii {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"]")
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"}")
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        Self::write(writer, fragment)
    }

    /// JSON that was made elsewhere: only its texts can have what is not ASCII.
    fn write_raw_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        Self::write(writer, fragment)
    }
}

/// The beginnings of what `serde_json` says about a received value, and of the value.
#[derive(Debug, thiserror::Error)]
#[error("{seen} is not the JSON of such a value: {cause}")]
struct JsonError {
    seen: Shortened,
    cause: String,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::Value as AnyJson;

    use super::*;
    use crate::argument::testing::{assert_malformed, assert_wire, decode, encode, try_encode};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Point {
        x: i64,
        label: Option<String>,
    }

    #[test]
    fn values_are_json() {
        let point = Point { x: -1, label: Some("\u{e9}\n".into()) };
        assert_wire(Json(point), r#"{"x":-1,"label":"\u00e9\n"}"#);
        assert_wire(Json(vec![1, 2]), "[1,2]");
        assert_wire(Json(()), "null");
        assert_wire(vec![Json(1), Json(22)], "\0\x011\0\x0222");
        let spaced = decode::<Json<Point>>(b" { \"x\" : 5 }\n").unwrap();
        assert_eq!(spaced, Json(Point { x: 5, label: None }));
    }

    #[test]
    fn values_are_ascii_and_read_with_escapes_or_without() {
        for (text, escaped) in [
            (" ~", " ~"),
            ("\u{7f}\u{80}", r"\u007f\u0080"),
            ("\u{e9}x\u{e9}", r"\u00e9x\u00e9"),
            ("\u{d7ff}\u{e000}\u{ffff}", r"\ud7ff\ue000\uffff"),
            ("\u{10000}\u{1f600}\u{10ffff}", r"\ud800\udc00\ud83d\ude00\udbff\udfff"),
            ("\0\u{1f}\u{8}\u{c}\t\r\n\"\\/", r#"\u0000\u001f\b\f\t\r\n\"\\/"#),
        ] {
            assert_wire(Json(text.to_owned()), format!("\"{escaped}\""));
            assert_wire(
                Json(BTreeMap::from([(text.to_owned(), 1)])),
                format!("{{\"{escaped}\":1}}"),
            );
        }
        for plain in ["\"\u{e9}\u{1f600}\"", r#""\u00E9\uD83D\uDE00""#] {
            assert_eq!(decode::<Json<String>>(plain.as_bytes()).unwrap().0, "\u{e9}\u{1f600}");
        }
        for half in [r#""\ud83d""#, r#""\ude00\ud83d""#, r#""\u00e""#] {
            decode::<Json<String>>(half.as_bytes()).unwrap_err();
        }
    }

    #[test]
    fn what_is_written_is_no_deeper_than_what_is_read() {
        let nested = |depth| (0..depth).fold(AnyJson::Null, |inner, _| AnyJson::from(vec![inner]));
        for (depth, fits) in [(63, true), (64, true), (65, false), (127, false), (200, false)] {
            let text = format!("{}null{}", "[".repeat(depth), "]".repeat(depth));
            assert_eq!(decode::<Json<AnyJson>>(text.as_bytes()).is_ok(), fits, "{depth}");
            match try_encode(&Json(nested(depth))) {
                Ok(written) => assert!(fits && written == text.as_bytes()),
                Err(error) => {
                    assert!(!fits, "{error}");
                    assert_eq!(error.to_string(), "JSON is nested more than 64 deep");
                }
            }
        }
    }

    #[test]
    fn what_is_not_such_json_is_refused() {
        for (received, message) in [
            ("{\"x\":", "\"{\\\"x\\\":\" is not the JSON of such a value: EOF while parsing"),
            ("[]1", "is not the JSON of such a value: "),
            ("{\"x\":\"1\"}", "invalid type: string \"1\", expected i64"),
            ("{\"label\":\"1\"}", "missing field `x`"),
        ] {
            let error = decode::<Json<Point>>(received.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
        }
        assert_malformed::<Json<AnyJson>>(b"\"\xff\"", "UTF-8 text");
        let long = format!("\"{}\"", "x".repeat(60_000));
        let error = decode::<Json<i64>>(long.as_bytes()).unwrap_err().to_string();
        assert!(error.len() < 500, "{} bytes", error.len());
        let deep = "[".repeat(65_535);
        decode::<Json<AnyJson>>(deep.as_bytes()).unwrap_err();
    }

    #[test]
    fn what_has_no_json_is_an_error_of_encoding() {
        let map = BTreeMap::from([(vec![1], 2)]);
        assert_eq!(try_encode(&Json(map)).unwrap_err().to_string(), "key must be a string");
    }

    proptest! {
        #[test]
        fn any_value_comes_back(x: i64, label: Option<String>) {
            let wire = encode(&Json(Point { x, label: label.clone() }));
            prop_assert!(wire.is_ascii());
            assert_wire(Json(Point { x, label }), wire);
        }

        #[test]
        fn any_float_comes_back_to_its_last_bit(x: f64) {
            let x = Json(if x.is_finite() { x } else { 5.555_555_555_555_556e51 });
            prop_assert_eq!(decode::<Json<f64>>(&encode(&x)).unwrap().0.to_bits(), x.0.to_bits());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, near in "[\\[\\]{}\":,0-9 a]{0,20}") {
            let _ = decode::<Json<AnyJson>>(&bytes);
            let _ = decode::<Json<Point>>(near.as_bytes());
        }
    }
}
