//! `ampctl tap` and `ampctl replay`, as a user runs them, between clients and servers of others.

mod support;

use amp_tests::{DEADLINE, Finished, Python, Transport};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Instant;
use support::{
    Certificates, Folder, Scripted, TWISTED, Tap, ampctl, fails, liar, printed, text, twisted,
};

/// What `descriptors.py` serves.
const PASS: &str = "\
command Pass
  arguments
    file: Descriptor
    filler: String
    number: Integer
  response
    file: Descriptor
    filler: String
  errors
    MISMATCH

command PassBack
  arguments
    count: Integer
  errors
    MISMATCH
";

fn open_files(tap: &Tap) -> usize {
    fs::read_dir(format!("/proc/{}/fd", tap.id())).unwrap().count()
}

fn client(program: &str, arguments: &[&str]) -> Output {
    let python = Python::with_twisted(env!("CARGO_TARGET_TMPDIR"));
    python.program(program).args(arguments).output().unwrap()
}

#[test]
fn twisted_notices_nothing() {
    for transport in [Transport::Unix, Transport::Tcp] {
        let server = twisted("peer.py", &[], transport);
        let folder = Folder::new();
        let address = match transport {
            Transport::Unix => format!("unix:{}", folder.path("tap")),
            Transport::Tcp => "tcp:127.0.0.1:0".to_owned(),
        };
        let tap = Tap::start(&address, &server.address().to_string(), &[]);
        // The server sees the tap, and not its clients.
        let output = client("client.py", &[&tap.address, "--skip", "who-am-i"]);
        let printed = text(output.stdout);
        assert!(output.status.success(), "{transport:?}: {printed}");
        let lines = tap.lines();
        assert!(lines.iter().any(|line| line.ends_with("Sum total=\"3\"")), "{lines:#?}");
    }
}

#[test]
fn all_descriptors_are_passed_on_and_none_stays_open() {
    let server = twisted("descriptors.py", &[], Transport::Unix);
    let server = server.address().to_string();
    let folder = Folder::new();
    let (schema, record) = (folder.file("schema", PASS), folder.path("record"));
    let saved = folder.path("saved");
    fs::create_dir(&saved).unwrap();
    let options =
        ["--schema", &schema, "--record", &record, "--save-descriptors", &saved, "--stats"];
    let tap = Tap::start(&format!("unix:{}", folder.path("tap")), &server, &options);
    let before = open_files(&tap);
    let output = client("descriptors_client.py", &[&tap.address, "300"]);
    assert_eq!((text(output.stderr), text(output.stdout)), (String::new(), "ok\n".to_owned()));
    let deadline = Instant::now() + DEADLINE;
    while open_files(&tap) != before {
        assert!(Instant::now() < deadline, "{} and not {before} are open", open_files(&tap));
        thread::yield_now();
    }
    let lines = tap.lines();
    let passed = |arrow: &str| {
        let is = |line: &&String| line.contains(arrow) && line.contains(r#""descriptor":"#);
        lines.iter().filter(is).count()
    };
    // Each side has sent one with each of its calls and each of its answers.
    assert_eq!((passed("#1 ->"), passed("#1 <-")), (600, 600));
    // That of the statistics is without the name, as others are without their times.
    assert!(lines.iter().any(|line| line.trim_start().starts_with("600 ")), "{lines:#?}");
    assert_eq!(fs::read_dir(&saved).unwrap().count(), 1200);

    let again = ["replay", &record, &server, "--schema", &schema];
    // A record names files, but only the user says which ones the peer gets.
    let said = text(ampctl(&again, b"").stdout);
    assert!(said.contains("files are sent from the folder alone that --saved names"), "{said}");
    // Where they are now, wherever they were.
    let moved = folder.path("moved");
    fs::rename(&saved, &moved).unwrap();
    assert_eq!(printed(&[&again[..], &["--saved", &moved]].concat()), "0 of 301 calls differ");
    let without = ampctl(&["replay", &record, &server], b"");
    let said = text(without.stdout);
    assert_eq!(without.status.code(), Some(1));
    assert!(said.contains("not made: it has descriptors, which only a schema tells: see --schema"));
}

#[test]
fn tls_that_is_started_under_way_is_passed_on_unread() {
    let certificates = Certificates::new();
    let server = twisted("peer.py", &["--tls", &certificates.server], Transport::Unix);
    let folder = Folder::new();
    let (record, pcap) = (folder.path("record"), folder.path("pcap"));
    let address = format!("unix:{}", folder.path("tap"));
    let options = ["--record", &record, "--pcap", &pcap];
    let tap = Tap::start(&address, &server.address().to_string(), &options);
    let call =
        ["call", &*address, "Sum", "a=1", "b=2", "--start-tls", "--server-name", "localhost"];
    let total = printed(&[&call[..], &["--ca", &certificates.authority]].concat());
    assert_eq!(total, "{\"total\": \"3\"}");
    let lines = tap.lines();
    assert_eq!(
        lines[..4],
        [
            "#1 opened",
            "#1 -> call 1 StartTLS",
            "#1 <- answer 1 StartTLS",
            "#1 from here on bytes are passed on unread: TLS follows",
        ]
    );
    assert!(!lines.iter().any(|line| line.contains("Sum")), "{lines:#?}");
    assert_eq!(folder.read("record").lines().count(), 2);
    for file in [&record, &pcap] {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let decoded = printed(&["decode", &pcap]);
    assert_eq!(decoded.lines().count(), 2, "{decoded}");
}

#[test]
fn another_protocol_is_passed_on_unread() {
    let server = twisted("peer.py", &[], Transport::Unix);
    let folder = Folder::new();
    let schema = folder.file("schema", TWISTED);
    let address = format!("unix:{}", folder.path("tap"));
    let mut tap = Tap::start(&address, &server.address().to_string(), &["--schema", &schema]);
    let mut stream = UnixStream::connect(folder.path("tap")).unwrap();
    stream.write_all(b"\0\x04_ask\0\x017\0\x08_command\0\x0cSwitchToEcho\0\0").unwrap();
    let mut answer = [0; 14];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"\0\x07_answer\0\x017\0\0");
    // These would be a box.
    let sent = b"\0\x01a\0\x01b\0\0and anything\xff";
    stream.write_all(sent).unwrap();
    let mut echo = [0; 21];
    stream.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, sent);
    drop(stream);
    tap.until(" closed");
    let lines = tap.lines();
    assert!(lines.contains(
        &"#1 from here on bytes are passed on unread: another protocol follows: that of SwitchToEcho"
            .to_owned()
    ));
    assert_eq!(lines.iter().filter(|line| line.contains("box")).count(), 0, "{lines:#?}");
}

#[test]
fn peers_that_cut_and_lie_are_passed_on_too() {
    const CALL: &[u8] = b"\0\x08_command\0\x03Sum\0\x04_ask\0\x019\0\0";
    for (lie, said) in [
        (&b""[..], "#1 closed, without an answer: 9 Sum"),
        (
            b"GET / HTTP/1.1\r\n",
            "#1 from here on bytes are passed on unread: not AMP: it begins with \
             \"GET / HTTP/1.1\", as HTTP does",
        ),
        (b"\0\x07_answer\0\x018\0\0", "#1 <- answer 8 (to no call that was seen)"),
        (b"\0\x06_error\0\x019\0\0", "#1 <- error 9 Sum"),
        (b"\0\x01a\0\x05b", "#1 closed, without an answer: 9 Sum, 6 bytes of the server unread"),
        (b"\0\x01\x1b\0\x02[2\0\0", "#1 <- box (neither a call nor an answer) \\u{1b}=\"[2\""),
    ] {
        let folder = Folder::new();
        let (address, told) = liar(&folder, "socket", lie, false);
        let mut tap = Tap::start(&format!("unix:{}", folder.path("tap")), &address, &[]);
        let mut stream = UnixStream::connect(folder.path("tap")).unwrap();
        stream.write_all(CALL).unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        drop(stream);
        // Byte for byte, and in no other order.
        assert_eq!((received, told.join().unwrap()), (lie.to_vec(), CALL.to_vec()));
        tap.until(" closed");
        let lines = tap.lines();
        assert!(lines.iter().any(|line| line == said), "{said}: {lines:#?}");
    }
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let folder = Folder::new();
    let address = format!("unix:{}", folder.path("tap"));
    let mut tap = Tap::start(&address, "unix:/nowhere/socket", &[]);
    let mut stream = UnixStream::connect(folder.path("tap")).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    tap.until(" closed");
    let lines = tap.lines();
    assert_eq!(lines[0], "#1 opened");
    assert!(
        lines[1].starts_with("#1 closed: cannot connect to unix:/nowhere/socket: "),
        "{lines:#?}"
    );
}

#[test]
fn what_is_hidden_is_written_nowhere() {
    let server = twisted("peer.py", &[], Transport::Unix);
    let folder = Folder::new();
    let schema = folder.file("schema", TWISTED);
    let (record, pcap) = (folder.path("record"), folder.path("pcap"));
    let address = format!("unix:{}", folder.path("tap"));
    let options = [
        "--schema", &schema, "--record", &record, "--pcap", &pcap, "--hide", "text", "--hide", "a",
    ];
    let tap = Tap::start(&address, &server.address().to_string(), &options);
    // One fits the schema, and one does not.
    printed(&["call", &address, "Note", "text=sesame", "--schema", &schema]);
    ampctl(&["call", &address, "Sum", "a=sesame", "b=1"], b"");
    let lines = tap.lines();
    let shown = lines.iter().find(|line| line.contains("Note")).unwrap();
    assert_eq!(shown, "#1 -> one-way Note text=\"(hidden)\"");
    let problem = "(does not fit the schema: argument a: a hidden value does not fit)";
    assert!(lines.iter().any(|line| line.ends_with(problem)), "{lines:#?}");
    for file in [&record, &pcap] {
        let bytes = fs::read(file).unwrap();
        for secret in ["sesame", "c2VzYW1l", "ZXNhbWU", "lc2FtZ"] {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{file}");
        }
    }
    assert!(!lines.iter().any(|line| line.contains("sesame")), "{lines:#?}");
    let again = ampctl(&["replay", &record, &server.address().to_string()], b"");
    let said = text(again.stdout);
    assert!(said.contains("not made: the value of text was hidden when it was recorded"), "{said}");
}

#[test]
fn only_what_is_asked_for_is_shown() {
    let server = twisted("peer.py", &[], Transport::Unix);
    let (address, folder) = (server.address().to_string(), Folder::new());
    let listen = format!("unix:{}", folder.path("tap"));
    let call = |command: &str, arguments: &[&str]| {
        ampctl(&[&["call", &listen, command][..], arguments].concat(), b"");
    };
    let tap = Tap::start(&listen, &address, &["--only", "Divide"]);
    call("Sum", &["a=1", "b=2"]);
    call("Divide", &["numerator=1", "denominator=0"]);
    let lines = tap.lines();
    let boxes: Vec<_> =
        lines.iter().filter(|line| line.contains("->") || line.contains("<-")).collect();
    assert_eq!(
        boxes,
        [
            "#2 -> call 1 Divide denominator=\"0\" numerator=\"1\"",
            "#2 <- error 1 Divide ZERO_DIVISION \"division by zero\"",
        ]
    );
    let tap = Tap::start(&listen, &address, &["--slow", "200ms"]);
    call("Sum", &["a=1", "b=2"]);
    call("Wait", &["seconds=1", "token=t"]);
    let lines = tap.lines();
    let boxes: Vec<_> =
        lines.iter().filter(|line| line.contains("->") || line.contains("<-")).collect();
    assert!(boxes.contains(&&"#2 <- answer 1 Wait token=\"t\"".to_owned()), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("->")), "{lines:#?}");
}

#[test]
fn a_record_plays_the_server() {
    let server = twisted("peer.py", &[], Transport::Unix);
    let folder = Folder::new();
    let (schema, record) = (folder.file("schema", TWISTED), folder.path("record"));
    let saved = folder.path("saved");
    fs::create_dir(&saved).unwrap();
    let address = format!("unix:{}", folder.path("tap"));
    let options = ["--schema", &schema, "--record", &record, "--save-descriptors", &saved];
    let tap = Tap::start(&address, &server.address().to_string(), &options);
    let divide = |denominator: &str| {
        let denominator = format!("denominator={denominator}");
        ampctl(&["call", &address, "Divide", "numerator=1", &denominator, "--schema", &schema], b"")
    };
    let copy = format!("file={}", folder.path("copy"));
    let open =
        ["call", &*address, "OpenTemporary", "content=kept", "--schema", &schema, "--fd", &copy];
    let recorded = (divide("4").stdout, divide("0").stderr);
    printed(&open);
    drop(server);
    tap.lines();

    let mut child = Command::new(env!("CARGO_BIN_EXE_ampctl"))
        .args(["replay", &record, &address, "--serve", "--schema", &schema, "--saved", &saved])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, format!("listening {address}\n"));
    assert_eq!((divide("4").stdout, divide("0").stderr), recorded);
    fs::remove_file(folder.path("copy")).unwrap();
    printed(&open);
    assert_eq!(folder.read("copy"), "kept");
    assert_eq!(divide("5").status.code(), Some(5));
    let again = ["replay", &record, &address, "--schema", &schema];
    assert_eq!(printed(&again), "0 of 3 calls differ");
    line.clear();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut line).unwrap();
    assert_eq!(
        line,
        "ampctl: nothing was recorded that answers \"Divide\" {\"denominator\": \"5\", \
         \"numerator\": \"1\"}\n"
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn answers_that_differ_are_told() {
    let server = twisted("peer.py", &[], Transport::Unix);
    let folder = Folder::new();
    let record = folder.file(
        "record",
        // A call of Sum with 1 and 2, whose answer is 4.
        "{\"from\": \"client\", \"kind\": \"call\", \"connection\": 1, \"box\": \
         \"AARfYXNrAAExAAhfY29tbWFuZAADU3VtAAFhAAExAAFiAAEyAAA=\"}\n\
         {\"from\": \"server\", \"kind\": \"answer\", \"connection\": 1, \"box\": \
         \"AAdfYW5zd2VyAAExAAV0b3RhbAABNAAA\"}\n",
    );
    let output = ampctl(&["replay", &record, &server.address().to_string()], b"");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(output.stdout),
        "#1 Sum {\"a\": \"1\", \"b\": \"2\"}: expected {\"total\": \"4\"}, but {\"total\": \"3\"}\n\
         1 of 1 calls differ\n"
    );
}

#[test]
fn mistakes_are_refused_before_anything_is_listened_on() {
    let folder = Folder::new();
    let tap = format!("unix:{}", folder.path("tap"));
    let (broken, lie) = (
        folder.file("broken", "{\"kind\": \"call\"}\n"),
        folder.file("lie", "{\"from\": \"client\", \"kind\": \"call\", \"box\": \"?\"}\n"),
    );
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("tcp:{}", port.local_addr().unwrap());
    for (arguments, said) in [
        (&["tap", &tap, "unix:s", "--schema", "/nowhere"][..], "cannot read the schema /nowhere: "),
        (&["tap", &tap, "unix:s", "--record", "/nowhere/r"], "cannot write /nowhere/r: "),
        (&["tap", &tap, "unix:s", "--pcap", "/nowhere/p"], "cannot write /nowhere/p: "),
        (
            &["tap", &tap, "unix:s", "--save-descriptors", "/nowhere"],
            "--save-descriptors: /nowhere: ",
        ),
        (
            &["tap", &tap, "unix:s", "--route", "a"],
            "--route and --start-tls are for whoever speaks",
        ),
        (&["replay", "/nowhere", "unix:s"], "cannot read the record /nowhere: "),
        (&["replay", &lie, "unix:s"], "line 1: its \"box\" is no base64: "),
        (&["replay", &broken, "unix:s"], "line 1: it is no line of a record, as `ampctl tap"),
    ] {
        let told = fails(arguments, 2);
        assert!(told.starts_with("ampctl: ") && told.contains(said), "{arguments:?}: {told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    assert!(!fs::exists(folder.path("tap")).unwrap());
    fails(&["tap", &tap, "unix:s", "--slow", "soon"], 2);
    let told = fails(&["tap", &taken, "unix:s"], 3);
    assert!(told.starts_with(&format!("ampctl: cannot listen on {taken}: ")), "{told}");
    let told = fails(&["replay", &lie, "nowhere"], 2);
    assert!(told.contains("\"nowhere\" is no address"), "{told}");
}

#[test]
fn what_cannot_be_written_is_no_mistake_of_the_user() {
    let folder = Folder::new();
    let server = Scripted::start(&folder, "socket", vec![vec![("a", b"b".to_vec())]]);
    let address = format!("unix:{}", folder.path("tap"));
    let tap = Tap::start(&address, &server.address, &["--record", "/dev/full"]);
    // It is passed on, whatever becomes of what was seen; the answer may find the tap gone.
    ampctl(&["call", &address, "A"], b"");
    assert_eq!(server.called(), "A");
    let Finished { code, stderr: said, .. } = tap.finish();
    assert_eq!(code, Some(8), "{said}");
    assert!(said.starts_with("ampctl: cannot write: No space left"), "{said}");
    // Before anything was passed on, it is one.
    for (option, path) in [("--record", "/nowhere/record"), ("--pcap", "/dev/full")] {
        let said = fails(&["tap", &address, &server.address, option, path], 2);
        assert!(said.starts_with("ampctl: cannot "), "{said}");
    }
}

#[test]
fn a_tap_that_cannot_listen_destroys_no_record() {
    let folder = Folder::new();
    let server = Scripted::start(&folder, "socket", vec![vec![("a", b"b".to_vec())]]);
    let (record, pcap) = (folder.path("record"), folder.path("pcap"));
    let address = format!("unix:{}", folder.path("tap"));
    let options = ["--record", &record, "--pcap", &pcap];
    let mut tap = Tap::start(&address, &server.address, &options);
    let again = [&["tap", &address, &server.address][..], &options].concat();
    printed(&["call", &address, "A"]);
    tap.until(" closed");
    fails(&again, 3);
    printed(&["call", &address, "A"]);
    tap.lines();
    assert_eq!(printed(&["decode", &record]).lines().count(), 4);
    assert_eq!(printed(&["decode", &pcap]).lines().count(), 4);
    fails(&["tap", &address, &server.address, "--record", &record, "--pcap", "/nowhere/pcap"], 2);
    assert_eq!(printed(&["decode", &record]).lines().count(), 4);
}
