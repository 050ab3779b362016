//! Values of every type: which are read, as what they are written again, and which are refused.

use super::conversation::Step::{ClosedOrStaying, Open, Receive, Send};
use super::conversation::{Conversation, Step, case};
use super::wire::unknown;

fn echo(command: &str, tag: &str, key: &str, value: &[u8]) -> Vec<u8> {
    wire!["_ask" => tag, "_command" => command, key => value]
}

/// Every one of these is read, and written as what is beside it.
fn read(command: &str, key: &str, pairs: &[(&[u8], &[u8])]) -> [Step; 3] {
    let numbered = || pairs.iter().enumerate().map(|(n, pair)| (n.to_string(), pair));
    [
        Send(numbered().flat_map(|(tag, (sent, _))| echo(command, &tag, key, sent)).collect()),
        Receive(numbered().map(|(tag, (_, seen))| wire!["_answer" => tag, key => seen]).collect()),
        Open,
    ]
}

fn refused(command: &str, key: &str, value: &[u8]) -> [Step; 3] {
    [Send(echo(command, "1", key, value)), Receive(vec![unknown("1")]), ClosedOrStaying]
}

/// Scalars that are read, and written as what is beside them.
fn reads(name: &'static str, key: &str, pairs: &[(&str, &str)]) -> Conversation {
    let pairs: Vec<_> = pairs.iter().map(|(a, b)| (a.as_bytes(), b.as_bytes())).collect();
    case(name, read("EchoScalars", key, &pairs))
}

/// Scalars that come back as they are.
fn echoes(name: &'static str, key: &str, values: &[&str]) -> Conversation {
    let pairs: Vec<_> = values.iter().map(|value| (*value, *value)).collect();
    reads(name, key, &pairs)
}

fn refuses(name: &'static str, key: &str, value: &[u8]) -> Conversation {
    case(name, refused("EchoScalars", key, value))
}

pub(super) fn numbers() -> Vec<Conversation> {
    let digits = |count| "7".repeat(count);
    let many = digits(5000);
    let long_integer = refuses("an Integer of 5000 digits", "integer", many.as_bytes());
    vec![
        echoes("Integers", "integer", &["0", "-1", "18446744073709551616", &digits(4300)]),
        reads(
            "odd Integers",
            "integer",
            &[("+5", "5"), (" 5 ", "5"), ("007", "7"), ("1_000", "1000"), ("-0", "0")],
        ),
        long_integer.but_ours(
            "Python's limit on digits is not the protocol's",
            read("EchoScalars", "integer", &[(many.as_bytes(), many.as_bytes())]),
        ),
        echoes(
            "Floats",
            "float",
            &[
                "1.0",
                "-0.0",
                "0.1",
                "1000000000000000.0",
                "1e+16",
                "1e-05",
                "0.0001",
                "1.5e-07",
                "5e-324",
                "inf",
                "-inf",
                "nan",
            ],
        ),
        reads(
            "odd Floats",
            "float",
            &[
                ("Inf", "inf"),
                ("INFINITY", "inf"),
                ("NaN", "nan"),
                ("-nan", "nan"),
                (" 1.5 ", "1.5"),
                (".5", "0.5"),
                ("10.", "10.0"),
                ("1e5", "100000.0"),
            ],
        ),
        echoes("Booleans", "boolean", &["True", "False"]),
        refuses("a Boolean with white space", "boolean", b"True "),
        refuses("an empty Boolean", "boolean", b""),
    ]
}

pub(super) fn decimals() -> Vec<Conversation> {
    vec![
        echoes(
            "Decimals",
            "decimal",
            &[
                "1",
                "1.0",
                "123.4500",
                "1E+2",
                "1.5E+2",
                "1E-7",
                "0.000001",
                "0E-7",
                "-0",
                "1E+999999",
                "Infinity",
                "-Infinity",
                "NaN",
                "-NaN",
                "sNaN",
                "-sNaN",
                "NaN123",
            ],
        ),
        reads(
            "odd Decimals",
            "decimal",
            &[
                (" 1.50\n", "1.50"),
                ("+1", "1"),
                ("1e5", "1E+5"),
                ("1_0", "10"),
                (".5", "0.5"),
                ("10.", "10"),
                ("007", "7"),
                ("100E-1", "10.0"),
                ("inf", "Infinity"),
                ("-INFINITY", "-Infinity"),
                ("nan", "NaN"),
                ("SNAN07", "sNaN7"),
            ],
        ),
        refuses("an empty Decimal", "decimal", b""),
        refuses("a Decimal that is a word", "decimal", b"one"),
        refuses("a Decimal with two points", "decimal", b"1.0.0"),
        refuses("a Decimal with an empty exponent", "decimal", b"1E"),
        refuses("a hexadecimal Decimal", "decimal", b"0x10"),
        refuses("a Decimal with a great exponent", "decimal", b"1E+9999999999999999999"),
        refuses("a Decimal that is not ASCII", "decimal", "١".as_bytes()),
    ]
}

pub(super) fn date_times() -> Vec<Conversation> {
    vec![
        echoes(
            "DateTimes",
            "datetime",
            &[
                "2010-06-25T16:46:37.000001-05:30",
                "2010-06-25T16:46:37.000001+14:00",
                "2010-06-25T16:46:37.000001-00:00",
                "2010-06-25T16:46:37.000001-00:01",
                "2000-02-29T23:59:59.999999+23:59",
                "0001-01-01T00:00:00.000000+23:59",
                "9999-12-31T23:59:59.999999-23:59",
            ],
        ),
        reads(
            "odd DateTimes",
            "datetime",
            &[
                ("2010-06-25T16:46:37.000001+00:00", "2010-06-25T16:46:37.000001-00:00"),
                ("2010/06/25 16.46.37,000001-05.30", "2010-06-25T16:46:37.000001-05:30"),
                ("2010- 6-+2T1 :46:37.0_0_01+-1:30", "2010-06-02T01:46:37.000001-00:30"),
            ],
        ),
        refuses("an empty DateTime", "datetime", b""),
        refuses("a DateTime without an offset", "datetime", b"2010-06-25T16:46:37.000001"),
        refuses("a DateTime with a Z", "datetime", b"2010-06-25T16:46:37.000001Z"),
        refuses("a DateTime that is too long", "datetime", b"2010-06-25T16:46:37.000001-05:300"),
        refuses("a day that there is not", "datetime", b"2010-02-29T16:46:37.000001-05:30"),
        refuses("a leap second", "datetime", b"2010-06-30T23:59:60.000000-00:00"),
        refuses("an offset of a day", "datetime", b"2010-06-25T16:46:37.000001+24:00"),
        refuses("an offset without a sign", "datetime", b"2010-06-25T16:46:37.000001 05:30"),
    ]
}

pub(super) fn paths() -> Vec<Conversation> {
    let made_normal = |name, sent: &str, normal| {
        reads(name, "path", &[(sent, normal)]).but_ours(
            "a path means what the file system says, and is passed on as it came",
            read("EchoScalars", "path", &[(sent.as_bytes(), sent.as_bytes())]),
        )
    };
    vec![
        echoes("Paths", "path", &["/", "/tmp/Grüße", "/a b/c", "/a\n"]),
        made_normal("a Path with dots", "/a//b/./c/../d", "/a/b/d"),
        made_normal("a Path with / at its end", "/a/", "/a"),
        refuses("a Path that is not UTF-8", "path", b"/\xff"),
    ]
}

pub(super) fn lists() -> Vec<Conversation> {
    let echoes =
        |name, key, value: &[u8]| case(name, read("EchoLists", key, &[(value, value), (b"", b"")]));
    let refuses = |name, key, value: &[u8]| case(name, refused("EchoLists", key, value));
    let point = || wire!["x" => "1", "y" => "2.5"];
    let cut_short = "a value that is cut short is refused, not shortened";
    let cut_list = (&b"\0\x011\0\x052"[..], &b"\0\x011"[..]);
    let cut_boxes = [point(), point()[..5].to_vec()].concat();
    let date_time = b"2010-06-25T16:46:37.000001-05:30";
    vec![
        echoes("a ListOf Integer", "integers", b"\0\x011\0\x02-2"),
        echoes("a ListOf String", "strings", b"\0\0\0\x03\0\x01\xff"),
        echoes("a ListOf Unicode", "texts", "\0\0\0\u{2}ü".as_bytes()),
        echoes("a ListOf Decimal", "decimals", b"\0\x041.50\0\x03NaN"),
        echoes("a ListOf DateTime", "datetimes", &[&b"\0\x20"[..], date_time].concat()),
        echoes("a ListOf ListOf Integer", "nested", b"\0\x07\0\x011\0\x0223\0\0"),
        echoes("an AmpList", "points", &[point(), point()].concat()),
        refuses("a ListOf Integer with a word", "integers", b"\0\x011\0\x03two"),
        refuses("a ListOf Decimal with a word", "decimals", b"\0\x03one"),
        refuses("a ListOf DateTime with a word", "datetimes", b"\0\x03now"),
        refuses("an AmpList with a key missing", "points", &wire!["x" => "1"]),
        case("a ListOf that is cut short", read("EchoLists", "integers", &[cut_list]))
            .but_ours(cut_short, refused("EchoLists", "integers", cut_list.0)),
        case(
            "an AmpList that is cut short",
            read("EchoLists", "points", &[(&cut_boxes, &point())]),
        )
        .but_ours(cut_short, refused("EchoLists", "points", &cut_boxes)),
    ]
}
