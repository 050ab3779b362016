//! `amp.lua`, the dissector for Wireshark, on captures of `ampctl tap` and of a network.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::thread;
use support::{Folder, ampbox, text};

/// What tshark reads from a capture: the values of these fields, a line for each packet. None where
/// there is no tshark.
fn tshark(capture: &str, fields: &[&str]) -> Option<Vec<String>> {
    let mut command = Command::new("tshark");
    // Twice, so that calls know of their answers.
    command.args(["-2", "-r", capture, "-X"]);
    command.arg(concat!("lua_script:", env!("CARGO_MANIFEST_DIR"), "/wireshark/amp.lua"));
    command.args(["-T", "fields", "-E", "separator=|"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let Ok(output) = command.output() else {
        eprintln!("SKIPPED: there is no tshark, which reads captures; apt-get install tshark");
        return None;
    };
    let said = text(output.stderr);
    assert!(output.status.success() && !said.contains("Lua"), "{said}");
    Some(text(output.stdout).lines().map(str::to_owned).collect())
}

const FIELDS: [&str; 7] = [
    "ampbox.kind",
    "ampbox.command",
    "ampbox.tag",
    "ampbox.error.code",
    "ampbox.answer_in",
    "ampbox.call_in",
    "_ws.expert.message",
];

#[test]
fn captures_of_tap_are_read() {
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.path("server")).unwrap();
    let long = vec![0; 60_000];
    let answers = [
        ampbox(&[("_answer", b"1"), ("total", b"3")]),
        ampbox(&[("_error", b"2"), ("_error_code", b"BAD"), ("_error_description", b"bad")]),
        ampbox(&[("_answer", b"9")]),
        // More than a packet of a capture may have.
        ampbox(&["a", "b", "c", "d", "e"].map(|key| (key, &long[..]))),
    ]
    .concat();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut calls = vec![0; 85];
        stream.read_exact(&mut calls).unwrap();
        stream.write_all(&answers).unwrap();
    });
    let mut tap = Command::new(env!("CARGO_BIN_EXE_ampctl"))
        .args(["tap", &format!("unix:{}", folder.path("tap"))])
        .args([&format!("unix:{}", folder.path("server")), "--pcap", &folder.path("pcap")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tap.stdout.take().unwrap()).lines();
    lines.next();
    let mut stream = UnixStream::connect(folder.path("tap")).unwrap();
    let calls = [
        ampbox(&[("_ask", b"1"), ("_command", b"Sum"), ("a", b"1")]),
        ampbox(&[("_ask", b"2"), ("_command", b"Bad")]),
        ampbox(&[("_ask", b"3"), ("_command", b"Lost")]),
    ]
    .concat();
    assert_eq!(calls.len(), 85);
    stream.write_all(&calls).unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
    drop(stream);
    assert!(lines.any(|line| line.unwrap().contains("closed")));
    tap.kill().unwrap();
    tap.wait().unwrap();

    let Some(packets) = tshark(&folder.path("pcap"), &FIELDS) else { return };
    assert_eq!(
        packets,
        [
            "call|Sum|1||4||",
            "call|Bad|2||5||",
            "call|Lost|3||||No answer was seen",
            "answer|Sum|1|||1|",
            "error|Bad|2|BAD||2|A call failed",
            "answer||9||||An answer to no call",
            "||||||The rest of the box was not captured",
        ]
    );
}

/// A capture of a TCP connection, of which each piece is a segment; the client's are `true`.
fn network(pieces: &[(bool, &[u8])]) -> Vec<u8> {
    let mut file = Vec::new();
    // Raw IP.
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101] {
        file.extend(word.to_le_bytes());
    }
    let mut sent = [1_u32; 2];
    for (number, (from_client, piece)) in (0_u32..).zip(pieces) {
        let (one, other) = if *from_client { (0, 1) } else { (1, 0) };
        let ports = [40_000_u16, 9999];
        let hosts = [[10, 0, 0, 1], [10, 0, 0, 2]];
        let mut packet = vec![0x45, 0];
        packet.extend(u16::try_from(40 + piece.len()).unwrap().to_be_bytes());
        packet.extend([0, 0, 0, 0, 64, 6, 0, 0]);
        packet.extend(hosts[one]);
        packet.extend(hosts[other]);
        packet.extend(ports[one].to_be_bytes());
        packet.extend(ports[other].to_be_bytes());
        packet.extend(sent[one].to_be_bytes());
        packet.extend(sent[other].to_be_bytes());
        packet.extend([0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
        packet.extend(*piece);
        sent[one] += u32::try_from(piece.len()).unwrap();
        let len = u32::try_from(packet.len()).unwrap();
        for word in [0, number * 1000, len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

#[test]
fn boxes_are_put_together_over_segments() {
    let long = ampbox(&[("_ask", b"1"), ("_command", b"Echo"), ("text", &vec![b'x'; 40_000])]);
    let others = [
        ampbox(&[("_command", b"Note"), ("text", b"one way")]),
        ampbox(&[("_ask", b"2"), ("_command", b"StartTLS")]),
    ]
    .concat();
    let answers = [ampbox(&[("_answer", b"1")]), ampbox(&[("_answer", b"2")])].concat();
    let mut pieces: Vec<(bool, &[u8])> = long.chunks(1400).map(|piece| (true, piece)).collect();
    let (last, count) = (pieces.len(), pieces.len() + 4);
    pieces.extend([(true, &others[..5]), (true, &others[5..]), (false, &answers[..])]);
    // The beginning of TLS, which is no box.
    pieces.push((true, b"\x16\x03\x01\0\x02ab"));
    let folder = Folder::new();
    fs::write(folder.path("pcap"), network(&pieces)).unwrap();
    let Some(packets) = tshark(&folder.path("pcap"), &["ampbox.command", "ampbox.kind"]) else {
        return;
    };
    assert_eq!(packets.len(), count);
    assert!(packets[..last - 1].iter().all(|packet| packet == "|"), "{packets:?}");
    assert_eq!(
        packets[last - 1..],
        ["Echo|call", "|", "Note,StartTLS|one-way,call", "Echo,StartTLS|answer,answer", "|"]
    );
}

#[test]
fn a_stream_is_found_by_any_key_of_its_first_box() {
    let call = ampbox(&[("0", b""), ("A", b"argument"), ("_ask", b"1"), ("_command", b"Echo")]);
    let none = ampbox(&[("A", b"argument"), ("b", b"another")]);
    let folder = Folder::new();
    for (name, sent, expected) in
        [("call", &call[..], "Echo|call"), ("none", &none, "|"), ("cut", &call[..20], "|")]
    {
        fs::write(folder.path(name), network(&[(true, sent)])).unwrap();
        let fields = ["ampbox.command", "ampbox.kind"];
        let Some(packets) = tshark(&folder.path(name), &fields) else { return };
        assert_eq!(packets, [expected], "{name}");
    }
}
