//! `ampctl decode`, as a user runs it.

mod support;

use support::{Folder, TWISTED, ampctl, fails, printed, text};

/// A call of `Sum`, its answer, and something that is neither.
const BOXES: &[u8] = b"\0\x04_ask\0\x011\0\x08_command\0\x03Sum\0\x01a\0\x011\0\x01b\0\x012\0\0\
    \0\x07_answer\0\x011\0\x05total\0\x013\0\0\0\x01\xff\0\x02\0\x01\0\0";

const HEX: &str = "00 04 5f61736b 0001 31 00:08:5f:63:6f:6d:6d:61:6e:64 0003 53756D\n0000\n";

#[test]
fn boxes_are_shown_however_they_were_kept() {
    let shown = "call 1 Sum a=\"1\" b=\"2\"\nanswer 1 Sum total=\"3\"  [0.00 ms]\n\
                 box (neither a call nor an answer) \\xff={\"base64\": \"AAE=\"}\n";
    let output = ampctl(&["decode"], BOXES);
    assert_eq!(text(output.stdout), shown);
    assert_eq!(output.status.code(), Some(0));
    let output = ampctl(&["decode", "-"], HEX.as_bytes());
    assert_eq!(text(output.stdout), "call 1 Sum\n");
    let base64 = b"AARfYXNrAAExAAhfY29tbWFu\nZAADU3VtAAA=\n";
    assert_eq!(text(ampctl(&["decode"], base64).stdout), "call 1 Sum\n");
    assert_eq!(text(ampctl(&["decode", "--as", "base64"], base64).stdout), "call 1 Sum\n");
    assert_eq!(text(ampctl(&["decode"], b"").stdout), "");
}

#[test]
fn a_schema_says_what_is_in_them() {
    let folder = Folder::new();
    let schema = folder.file("schema", TWISTED);
    let output = ampctl(&["decode", "--schema", &schema, "--hide", "b"], BOXES);
    let lines = text(output.stdout);
    assert!(lines.starts_with("call 1 Sum a=1 b=\"(hidden)\"\nanswer 1 Sum total=3 "), "{lines}");
}

#[test]
fn json_is_a_record() {
    let output = ampctl(&["decode", "--json"], BOXES);
    let folder = Folder::new();
    let record = folder.file("record", &text(output.stdout));
    let lines = printed(&["decode", &record]);
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(lines[0], "    0.0000 #1 -> call 1 Sum a=\"1\" b=\"2\"");
    assert_eq!(lines.len(), 3);
}

#[test]
fn what_cannot_be_read_is_named_behind_what_can() {
    let folder = Folder::new();
    for (bytes, said) in [
        (
            [BOXES, b"\0\x01a\0\x05b"].concat(),
            "standard input: at byte 71: a box is cut short behind 6 bytes; a box ends with two zero bytes",
        ),
        ([BOXES, b"\0\x01a\0\0HTTP"].concat(), "standard input: at byte 71: a key of 18516 bytes"),
        (
            b"GET / HTTP".to_vec(),
            "standard input: at byte 0: not AMP: it begins with \"GET / HTTP\"",
        ),
        (b"0004 5".to_vec(), "standard input: there is half a byte at the end"),
        (b"\xd4\xc3\xb2\xa1".to_vec(), "standard input: the capture is cut short in its head"),
        (
            b"\x0a\x0d\x0d\x0a...".to_vec(),
            "standard input: it is a capture of the kind pcapng; `editcap",
        ),
        (b"{}".to_vec(), "standard input: line 1: it is no line of a record"),
    ] {
        let output = ampctl(&["decode"], &bytes);
        let told = text(output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.starts_with(&format!("ampctl: {said}")), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
        // What is before it is shown.
        let shown = text(output.stdout).lines().count();
        assert_eq!(shown, if bytes.starts_with(BOXES) { 3 } else { 0 });
    }
    let wrong = folder.file("wrong", "0004 zz");
    let told = fails(&["decode", &wrong, "--as", "hex"], 2);
    assert_eq!(told, format!("ampctl: {wrong}: at byte 5: 'z' is no hexadecimal digit"));
    let told = fails(&["decode", &wrong, "--as", "capture"], 2);
    assert!(told.ends_with("in its head of 24 bytes"), "{told}");
    let wrong = folder.file("wrong", &"x".repeat(30));
    let told = fails(&["decode", &wrong, "--as", "capture"], 2);
    assert_eq!(told, format!("ampctl: {wrong}: it is no capture of the kind pcap"));
    let told = fails(&["decode", "/nowhere"], 2);
    assert_eq!(told, "ampctl: cannot read /nowhere: No such file or directory (os error 2)");
}

#[test]
fn nothing_that_a_record_says_of_descriptors_reaches_the_terminal() {
    let folder = Folder::new();
    let schema = folder.file("schema", "command A\n  arguments\n    f: Descriptor\n");
    let call = support::ampbox(&[("_ask", b"1"), ("_command", b"A"), ("f", b"0")]);
    let record = support::record(&folder, &[("client", "call", call)]);
    let descriptor = "{\"connection\": 1, \"from\": \"client\", \"kind\": \"descriptor\", \
                      \"descriptor\": {\"descriptor\": 0, \"is\": \"\u{9b}31m\"}}\n";
    let record =
        folder.file("record", &format!("{descriptor}{}", std::fs::read_to_string(record).unwrap()));
    for options in [&["--json"][..], &[]] {
        let shown = printed(&[&["decode", &record, "--schema", &schema], options].concat());
        assert!(shown.contains("31m"), "{shown}");
        assert!(!shown.contains('\u{9b}'), "{shown}");
    }
}
