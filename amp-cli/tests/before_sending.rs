//! Mistakes, which are found before anything is sent, and destroy nothing.

mod support;

use amp_tests::DEADLINE;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::time::Instant;

use support::{Certificates, Folder, Scripted, ampctl, fails, printed, text};

const SCHEMA: &str = "\
command Points
  arguments
    p: AmpList
      x: Integer
      y: Integer
  response
    note: Unicode optional

command Put
  arguments
    f: Descriptor
    n: Integer
  response
    f: Descriptor optional

command Text
  arguments
    text: String
    one: OneOf(\"a\", \"b\") optional
    f: Float optional
    n: Integer optional

command Login
  arguments
    user: Unicode

command Switch switch
";

#[test]
fn calls_are_written_before_anybody_is_connected_to() {
    let folder = Folder::new();
    let schema = folder.file("schema", SCHEMA);
    let long = folder.file("long", &"x".repeat(65_536));
    let text = format!("text@={long}");
    let words: &[(&[&str], &str)] = &[
        (&["Points", "p[0].x=1"], "p[0].y: missing"),
        (&["Points", "p:=[{\"x\":1}]"], "p[0].y: missing"),
        (&["Text", &text], "text: the value of \"text\" has 65536 bytes"),
        (&["Text", "text=t", "one=c"], "one: 'c' is none of a, b"),
        (&["Text", "text=t", "f=1e999"], "f: '1e999' is too large for a Float: see inf"),
        (&["Text", "text=t", "n=0x+5"], "n: '0x+5' is no Integer"),
        (&["Text", "text=t", "n=0x"], "n: '0x' is no Integer"),
        (&["Text", "text=t", "n=0b12"], "n: '0b12' is no Integer"),
    ];
    for (words, expected) in words {
        let said = fails(&[&["call", "unix:/nowhere"], *words, &["--schema", &schema]].concat(), 2);
        assert!(said.starts_with(&format!("ampctl: {expected}")), "{words:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    for (words, expected) in [
        (&["A", "_ask=1"][..], "_ask: "),
        (&["A", "=1"], "\"=1\": a key has at least one byte"),
        (&["A", &format!("{}=1", "k".repeat(256))], ""),
    ] {
        let said = fails(&[&["call", "unix:/nowhere"], words].concat(), 2);
        assert!(said.starts_with(&format!("ampctl: {expected}")), "{words:?}: {said}");
    }
    // Over all calls of a session, each of which says where its mistake is.
    let server = Scripted::start(&folder, "socket", vec![vec![]]);
    let session = ["session", &server.address, "--schema", &schema];
    let output = ampctl(&session, b"Points p[0].x=1\nText text=t\n\xff\nText text=u\n");
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(lines[0], r#"{"line":1,"mistake":"Points.p[0].y: missing"}"#);
    assert_eq!(lines[2], r#"{"line":3,"mistake":"it is not UTF-8"}"#);
    assert_eq!(lines[3], r#"{"command": "Text", "answer": {}}"#);
    assert_eq!((lines.len(), output.status.code()), (4, Some(2)));
    assert_eq!(server.all_called(), ["Text", "Text"]);

    // Logins and rules are written too.
    let login = folder.file("login", "Login user=u\nPoints p[0].x=1\n");
    let call = ["call", "unix:/nowhere", "Text", "text=t", "--schema", &schema];
    let said = fails(&[&call[..], &["--before", &login]].concat(), 2);
    assert_eq!(said, format!("ampctl: {login}:2.Points.p[0].y: missing"));
    let rules = "[[rule]]\ncommand = \"Text\"\nanswer = {}\ncall = [{ command = \"Text\", arguments = { text = \"LONG\" } }]\n";
    let rules = folder.file("rules.toml", &rules.replace("LONG", &"x".repeat(65_536)));
    let said = fails(&["serve", "stdio:", "--rules", &rules, "--schema", &schema], 2);
    assert!(
        said.contains(":1: Text.call[0].Text.text: the value of \"text\" has 65536 bytes"),
        "{said}"
    );
}

#[test]
fn values_are_as_the_table_says() {
    let folder = Folder::new();
    let schema = folder.file("schema", SCHEMA);
    let path = folder.path("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let echo = std::thread::spawn(move || {
        let mut all = Vec::new();
        for stream in listener.incoming().take(5) {
            let mut read = [0; 4096];
            let count = stream.unwrap().read(&mut read).unwrap();
            let mut raw = bytes::Bytes::copy_from_slice(&read[..count]);
            all.push(
                amp_core::AmpBox::parse(&mut raw, amp_core::boxes::BoxLimits::default()).unwrap(),
            );
        }
        all
    });
    let address = format!("unix:{path}");
    let call = ["call", &address, "Text"];
    let text = ["text=t", "--schema", &schema];
    let large = format!("n=-0x1{}", "0".repeat(40));
    ampctl(&[&call[..], &text, &[&large]].concat(), b"");
    ampctl(&[&call[..], &text, &["n=0b1_0", "f=-inf"]].concat(), b"");
    // A bracket behind a backslash is a part of the key, and JSON needs no schema.
    ampctl(&[&call[..], &[r"k\[1\]=v", r"a\.b=c"]].concat(), b"");
    ampctl(
        &[&call[..], &["--json", r#"{"a": "b", "c": {"base64": "/w=="}}"#, "d:Integer=0x10"]]
            .concat(),
        b"",
    );
    ampctl(&[&call[..], &["--json", r#"{"a": "b"}"#, "--one-way"]].concat(), b"");
    let boxes = echo.join().unwrap();
    let value =
        |at: usize, key: &str| String::from_utf8_lossy(boxes[at].get(key).unwrap()).into_owned();
    assert_eq!(value(0, "n"), "-1461501637330902918203684832716283019655932542976");
    assert_eq!((value(1, "n"), value(1, "f")), ("2".into(), "-inf".into()));
    assert_eq!((value(2, "k[1]"), value(2, "a.b")), ("v".into(), "c".into()));
    assert_eq!((value(3, "a"), value(3, "d")), ("b".into(), "16".into()));
    assert_eq!(boxes[3].get("c").unwrap(), b"\xff");
    assert_eq!(value(4, "a"), "b");
    let said = fails(&["call", &address, "A", "--json", r#"{"a": "b"}"#, "a=c"], 2);
    assert_eq!(said, "ampctl: a: it is given twice, and is no list");
}

#[test]
fn files_are_emptied_by_the_call_alone() {
    let folder = Folder::new();
    let schema = folder.file("schema", SCHEMA);
    let file = folder.file("important", "kept");
    let (word, json) =
        (format!("f@w={file}"), format!("f:={{\"file\":\"{file}\",\"access\":\"w\"}}"));
    for word in [&word, &json] {
        let call = ["call", "unix:/nowhere", "Put", word, "--schema", &schema];
        fails(&[&call[..], &["n=x"]].concat(), 2);
        fails(&[&call[..], &["n=1"]].concat(), 3);
        assert_eq!(folder.read("important"), "kept");
    }
    let rules = format!(
        "[[rule]]\ncommand = \"Text\"\nanswer = {{}}\ncall = [{{ command = \"Put\", arguments = {{ n = 1, \
         f = {{ file = \"{file}\", access = \"w\" }} }} }}]\n"
    );
    let rules = folder.file("rules.toml", &rules);
    let serve = ["serve", "stdio:", "--rules", &rules, "--schema", &schema];
    assert_eq!(ampctl(&serve, b"").status.code(), Some(0));
    assert_eq!(folder.read("important"), "kept");

    let answer = vec![("f", b"0".to_vec())];
    let server = Scripted::start(&folder, "socket", vec![answer]);
    let call = ["call", &server.address, "Put", &word, "n=1", "--schema", &schema];
    // That the answer says what it cannot have does not matter to the file.
    ampctl(&call, b"");
    assert_eq!(folder.read("important"), "");
    assert_eq!(server.called(), "Put");

    let said = fails(&[&call[..], &["--fd", "f=/nowhere/x"]].concat(), 2);
    assert_eq!(
        said,
        "ampctl: --fd f: cannot write /nowhere/x: No such file or directory (os error 2)"
    );
    let said = fails(&[&call[..], &["--exec", "no-such-program-anywhere {f}"]].concat(), 2);
    assert_eq!(said, "ampctl: --exec no-such-program-anywhere: there is no such program");
    assert_eq!(server.all_called(), [""; 0]);
    let copy = folder.file("copy", "kept");
    fails(
        &[
            "call",
            "unix:/nowhere",
            "Put",
            &word,
            "n=1",
            "--schema",
            &schema,
            "--fd",
            &format!("f={copy}"),
        ],
        3,
    );
    assert_eq!(folder.read("copy"), "kept");
}

#[test]
fn what_was_sent_never_ends_as_a_mistake() {
    let folder = Folder::new();
    let schema = folder.file("schema", SCHEMA);
    let server = Scripted::start(&folder, "socket", vec![vec![]]);
    let call = ["call", &server.address, "Points", "p:=[]", "--output", "value:note"];
    assert_eq!(printed(&[&call[..], &["--schema", &schema]].concat()), "");
    let said = fails(&["call", &server.address, "Points", "--output", "value:note"], 8);
    assert_eq!(said, "ampctl: --output: there is no value \"note\"; there is none");
    // Nobody can write more there.
    let output = Command::new(env!("CARGO_BIN_EXE_ampctl"))
        .args(&call[..4])
        .args(["--schema", &schema])
        .stdout(File::options().write(true).open("/dev/full").unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(8), "{}", text(output.stderr));
}

#[test]
fn who_has_read_enough_may_go() {
    let folder = Folder::new();
    let server = Scripted::start(&folder, "socket", vec![vec![("a", vec![b'x'; 60_000])]]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_ampctl"))
        .args(["session", &server.address])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"A\n").unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    drop(stdout);
    let _ = input.write_all(&b"A\n".repeat(10));
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &*text(output.stderr)), (Some(0), ""));
}

#[test]
fn each_connection_logs_in() {
    let folder = Folder::new();
    let schema = folder.file("schema", SCHEMA);
    let login = folder.file("login", "Login user=u\n");
    let server = Scripted::start(&folder, "socket", vec![vec![]]);
    let before = ["--schema", &schema, "--before", &login];
    let bench = ["bench", &server.address, "Text", "text=t", "--for", "10ms", "--connections", "3"];
    printed(&[&bench[..], &before].concat());
    let logins = server.all_called().iter().filter(|command| *command == "Login").count();
    assert_eq!(logins, 3);
    let call = |connection: u32| {
        let raw = support::ampbox(&[("_ask", b"1"), ("_command", b"Text"), ("text", b"t")]);
        let answer = support::ampbox(&[("_answer", b"1")]);
        let lines =
            support::record(&folder, &[("client", "call", raw), ("server", "answer", answer)]);
        fs::read_to_string(lines).unwrap().replace("n\": 1", &format!("n\": {connection}"))
    };
    let record = folder.file("record", &format!("{}{}", call(1), call(2)));
    let replay = ["replay", &record, &server.address];
    assert_eq!(printed(&[&replay[..], &before].concat()), "0 of 2 calls differ");
    assert_eq!(server.all_called(), ["Login", "Text", "Login", "Text"]);
}

#[test]
fn a_replay_that_has_left_something_out_says_so() {
    let folder = Folder::new();
    let schema = folder.file("schema", SCHEMA);
    let server = Scripted::start(&folder, "socket", vec![vec![]]);
    let call = |tag: &[u8], command: &[u8]| {
        ("client", "call", support::ampbox(&[("_ask", tag), ("_command", command)]))
    };
    let answer = |tag: &[u8]| ("server", "answer", support::ampbox(&[("_answer", tag)]));
    let record = support::record(
        &folder,
        &[call(b"1", b"Text"), answer(b"1"), call(b"2", b"StartTLS"), answer(b"2")],
    );
    let replay = ["replay", &record, &server.address];
    let output = ampctl(&replay, b"");
    assert_eq!(
        text(output.stdout),
        "#1 StartTLS {}: not made: TLS follows, which is not recorded; --start-tls starts it before \
         the first call\n0 of 1 calls differ, 1 was not made\n"
    );
    assert_eq!(output.status.code(), Some(1));
    let output = ampctl(&[&replay[..], &["--allow-not-made"]].concat(), b"");
    assert_eq!(output.status.code(), Some(0));
    let record = support::record(&folder, &[call(b"1", b"Switch"), answer(b"1")]);
    let output = ampctl(&["replay", &record, &server.address, "--schema", &schema], b"");
    assert!(
        text(output.stdout).starts_with(
            "#1 Switch {}: not made: another protocol follows, which is not recorded\n"
        )
    );
    assert_eq!(output.status.code(), Some(1));
    // Those of the client are not the only ones.
    let record = support::record(
        &folder,
        &[
            call(b"1", b"Text"),
            ("server", "call", support::ampbox(&[("_ask", b"1"), ("_command", b"Back")])),
            ("client", "answer", support::ampbox(&[("_answer", b"1")])),
            answer(b"1"),
        ],
    );
    assert_eq!(printed(&["replay", &record, &server.address]), "0 of 1 calls differ");
}

#[test]
fn flags_that_would_do_nothing_are_mistakes() {
    let certificates = Certificates::new();
    let Certificates { folder, server: own, .. } = &certificates;
    let schema = folder.file("schema", SCHEMA);
    let record =
        support::record(folder, &[("client", "one-way", support::ampbox(&[("_command", b"A")]))]);
    let login = folder.file("login", "");
    let rules = folder.file("rules.toml", "");
    let socket = format!("unix:{}", folder.path("socket"));
    let replays = ["replay", &record, &socket, "--serve"];
    let with = |options: &[&'static str]| [&replays[..], options].concat();
    let cases: Vec<(Vec<&str>, &str)> = vec![
        (vec!["tap", "tls:127.0.0.1:0", &socket], "tls:127.0.0.1:0: clients"),
        (vec!["replay", &record, "tls:127.0.0.1:0", "--serve"], "tls:127.0.0.1:0: --serve"),
        (with(&["--route", "x"]), "--route"),
        (with(&["--start-tls"]), "--start-tls"),
        (with(&["--tls"]), "--tls"),
        (with(&["--wait"]), "--wait"),
        (with(&["--connect-timeout", "1s"]), "--connect-timeout"),
        (with(&["--timeout", "1s"]), "--timeout"),
        (with(&["--verbose"]), "--verbose"),
        (with(&["--reflect"]), "--reflect"),
        (with(&["--allow-not-made"]), "--allow-not-made"),
        ([&replays[..], &["--respond", &rules]].concat(), "--respond"),
        ([&replays[..], &["--before", &login]].concat(), "--before"),
        ([&replays[..3], &["--respond", &rules]].concat(), "--respond"),
        (vec!["describe", "--schema", &schema, "--wait"], "--wait"),
        (
            vec!["serve", "tls:127.0.0.1:0", "--exec", "true", "--cert", own, "--server-name", "a"],
            "--server-name",
        ),
        (
            vec!["serve", "tls:127.0.0.1:0", "--exec", "true", "--cert", own, "--no-verify"],
            "--no-verify",
        ),
        (vec!["call", &socket, "Switch", "--schema", &schema, "--output", "raw"], "--output"),
        (vec!["call", &socket, "Switch", "--schema", &schema, "--one-way"], "--one-way"),
        (vec!["session", &socket, "--color", "never"], "--color"),
    ];
    for (arguments, flag) in cases {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ampctl"))
            .args(&arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // One that takes the flag listens for ever.
        let deadline = Instant::now() + DEADLINE / 4;
        while child.try_wait().unwrap().is_none() && Instant::now() < deadline {
            std::thread::yield_now();
        }
        let _ = child.kill();
        let output = child.wait_with_output().unwrap();
        let said = text(output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(flag), "{arguments:?}: {said}");
    }
    let toml = "[peers.a]\naddress = \"unix:a\"\n";
    for (lines, said) in [
        ("route = \"r\"\nstart-tls = \"client\"\nno-verify = true\n", "route and start-tls"),
        ("tls = true\nkey = \"k\"\n", "key: it belongs to a cert"),
        ("tls = true\nca = \"c\"\nno-verify = true\n", "ca and no-verify"),
        ("tls = true\nstart-tls = \"client\"\n", "tls and start-tls"),
    ] {
        folder.file("ampctl.toml", &format!("{toml}{lines}"));
        let output = Command::new(env!("CARGO_BIN_EXE_ampctl"))
            .args(["call", "a", "A"])
            .current_dir(folder.path(""))
            .output()
            .unwrap();
        let told = text(output.stderr);
        assert_eq!(output.status.code(), Some(2), "{lines}: {told}");
        assert!(told.contains(said), "{lines}: {told}");
    }
}

#[test]
fn a_bench_takes_what_all_that_connect_take() {
    let folder = Folder::new();
    let rules = folder.file("rules.toml", "[[rule]]\ncommand = \"Back\"\nanswer = { b = \"c\" }\n");
    let back = "[[rule]]\ncommand = \"A\"\nanswer = {}\ncall = [{ command = \"Back\" }]\n\n\
                [[rule]]\ncommand = \"Slow\"\ndelay = \"1h\"\nanswer = {}\n";
    let back = folder.file("back.toml", back);
    let program = env!("CARGO_BIN_EXE_ampctl");
    let peer = format!("exec:'{program}' serve stdio: --rules '{back}'");
    let output = ampctl(&["bench", &peer, "A", "--for", "50ms", "--respond", &rules], b"");
    assert_eq!(output.status.code(), Some(0));
    assert!(!text(output.stderr).contains("UNHANDLED"));
    let output = ampctl(&["bench", &peer, "Slow", "--for", "50ms", "--timeout", "100ms"], b"");
    assert_eq!(output.status.code(), Some(124));
    assert!(text(output.stderr).contains("ampctl: no answer within 100ms"));
}

#[test]
fn a_schema_that_is_asked_for_tells_mistakes_before_a_login() {
    let folder = Folder::new();
    let reflected = vec![("schema", SCHEMA.as_bytes().to_vec())];
    let server = Scripted::start(&folder, "socket", vec![reflected, vec![]]);
    let login = folder.file("login", "Login user=u\n");
    let wrong = folder.file("wrong", "Login user=u\nLogin usr=u\n");
    let address = &*server.address;
    for (arguments, before, said) in [
        (&["call", address, "Text", "txt=t"][..], &login, "txt: there is no argument"),
        (&["bench", address, "Text", "txt=t"], &login, "txt: there is no argument"),
        (&["call", address, "Text", "text=t"], &wrong, "wrong:2.Login.usr: there is no argument"),
    ] {
        let said_is = fails(&[arguments, &["--reflect", "--before", before]].concat(), 2);
        assert!(said_is.contains(said), "{said_is}");
        assert_eq!(server.all_called(), ["_Schema"], "{arguments:?}");
    }
    let call = ["call", address, "Text", "text=t", "--reflect", "--before", &login];
    printed(&call);
    assert_eq!(server.all_called(), ["_Schema", "Login", "Text"]);
}

#[test]
fn only_what_is_answered_is_measured() {
    let folder = Folder::new();
    let schema = folder.file("schema", "command Note one-way\n");
    let server = Scripted::start(&folder, "socket", vec![vec![]]);
    let said = fails(&["bench", &server.address, "Note", "--schema", &schema], 2);
    assert_eq!(said, "ampctl: Note wants no answer, so there is nothing to be measured");
    assert!(server.all_called().is_empty());
}

#[test]
fn descriptors_of_a_replay_are_those_that_the_schema_calls_so() {
    let folder = Folder::new();
    let inside = "    boxes: AmpList\n      descriptor: Integer\n      file: Descriptor optional\n      \
                  price: Integer\n";
    let schema = format!("command A\n  arguments\n{inside}  response\n{inside}");
    let schema = folder.file("schema", &schema);
    let boxes = |price: &[u8]| support::ampbox(&[("descriptor", b"5"), ("price", price)]);
    let server = Scripted::start(&folder, "socket", vec![vec![("boxes", boxes(b"2"))]]);
    let lines = [
        (
            "client",
            "call",
            support::ampbox(&[("_ask", b"1"), ("_command", b"A"), ("boxes", &boxes(b"1"))]),
        ),
        ("server", "answer", support::ampbox(&[("_answer", b"1"), ("boxes", &boxes(b"1"))])),
    ];
    let record = support::record(&folder, &lines);
    let values = "\"values\": {\"boxes\": [{\"descriptor\": 5, \"price\": 1}]}, \"box\"";
    let record =
        folder.file("record", &fs::read_to_string(record).unwrap().replace("\"box\"", values));
    let replay = ["replay", &record, &server.address];
    for options in [&["--schema", &*schema][..], &[]] {
        let output = ampctl(&[&replay[..], options].concat(), b"");
        let printed = text(output.stdout);
        assert_eq!(output.status.code(), Some(1), "{options:?}: {printed}");
        assert!(printed.ends_with("1 of 1 calls differ\n"), "{options:?}: {printed}");
    }
}

#[test]
fn a_replay_of_nothing_says_so() {
    let folder = Folder::new();
    let server = Scripted::start(&folder, "socket", vec![vec![]]);
    let call = support::ampbox(&[("_ask", b"1"), ("_command", b"Text")]);
    let unanswered = support::record(&folder, &[("client", "call", call)]);
    let empty = folder.file("empty", "");
    for (record, calls) in [(&unanswered, 1), (&empty, 0)] {
        let replay = ["replay", record, &server.address];
        let output = ampctl(&replay, b"");
        let expected = format!("0 of {calls} calls differ, nothing was compared\n");
        assert_eq!((output.status.code(), text(output.stdout)), (Some(1), expected));
        let output = ampctl(&[&replay[..], &["--allow-not-made"]].concat(), b"");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn exit_codes_hold_where_nobody_reads() {
    let folder = Folder::new();
    let server = Scripted::start(&folder, "socket", vec![vec![("a", b"b".to_vec())]]);
    let call = support::ampbox(&[("_ask", b"1"), ("_command", b"Text")]);
    let answer = support::ampbox(&[("_answer", b"1")]);
    let record =
        support::record(&folder, &[("client", "call", call), ("server", "answer", answer)]);
    let replay = ["replay", &record, &server.address];
    let bench = ["bench", &server.address, "A", "--for", "10ms", "--fail-if", "rate>0"];
    for arguments in [&replay[..], &bench] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_ampctl"));
        let output = command.args(arguments).stdout(writer).stderr(Stdio::null());
        assert_eq!(output.status().unwrap().code(), Some(1), "{arguments:?}");
    }
}

#[test]
fn files_are_looked_at_before_anything_is_sent() {
    let folder = Folder::new();
    let schema = folder.file("schema", SCHEMA);
    let server = Scripted::start(&folder, "socket", vec![vec![]]);
    let made = folder.path("made");
    for word in ["f@w=/nowhere/x", "f@a=/nowhere/x", "f@rw=/", "f@=/nowhere"] {
        let login =
            folder.file("login", &format!("Login user=u\nPut n=1 f@w={made}\nPut n=1 {word}\n"));
        let call = ["call", &server.address, "Text", "text=t", "--schema", &schema];
        let said = fails(&[&call[..], &["--before", &login]].concat(), 2);
        assert!(said.contains(":3.Put.f: cannot open /"), "{said}");
        assert!(server.all_called().is_empty(), "{word}");
    }
    assert!(fs::metadata(&made).is_err());
    let rule = |answer: &str| {
        let rules = format!("[[rule]]\ncommand = \"Put\"\nanswer = {answer}\n");
        let rules = folder.file("rules.toml", &rules);
        fails(&["serve", "stdio:", "--rules", &rules, "--schema", &schema], 2)
    };
    let said = rule("{ f = { file = \"/nowhere/x\", access = \"w\" } }");
    assert!(said.contains("answer.f: cannot open /nowhere/x"), "{said}");
}

#[test]
fn answers_of_rules_are_written_when_they_are_read() {
    let folder = Folder::new();
    let long = format!("{{ a = \"{}\" }}", "x".repeat(65_536));
    for (answer, said) in [
        (&*long, "answer: the value of \"a\" has 65536 bytes"),
        ("{ _ask = \"1\" }", "answer"),
        ("{ \"\" = \"1\" }", "answer"),
    ] {
        let rules = format!("[[rule]]\ncommand = \"A\"\nanswer = {answer}\n");
        let rules = folder.file("rules.toml", &rules);
        let told = fails(&["serve", "stdio:", "--rules", &rules], 2);
        assert!(told.starts_with(&format!("ampctl: {rules}:1: A.{said}")), "{told}");
    }
    // What a program prints is known only when it has.
    let program = env!("CARGO_BIN_EXE_ampctl");
    let script = folder.file("script", "echo '{\"answer\": {\"_ask\": \"1\"}}'");
    let peer = format!("exec:'{program}' serve stdio: --exec 'sh {script}'");
    let output = ampctl(&["call", &peer, "A"], b"");
    assert_eq!(output.status.code(), Some(4));
    assert!(text(output.stderr).contains("sh has printed: answer"));
}
