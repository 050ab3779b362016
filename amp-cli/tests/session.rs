//! `ampctl session`, and what comes before the calls of all that connect: a login, names of peers.

mod support;

use amp_tests::{DEADLINE, Process, Transport};
use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use support::{Folder, TWISTED, ampctl, fails, liar, printed, text, twisted};

#[test]
fn lines_in_are_lines_out() {
    let folder = Folder::new();
    let schema = folder.file("schema", TWISTED);
    let twisted = twisted("peer.py", &[], Transport::Unix);
    let address = twisted.address().to_string();
    let input = r#"
# a comment
Sum a=1 b=0x10
{"command": "Sum", "arguments": {"a": 12345678901234567890123, "b": 1}}
Note 'text=two words'
{"command": "CountNotes"}
"#;
    let arguments = ["session", &address, "--schema", &schema];
    let output = ampctl(&arguments, input.as_bytes());
    let expected = r#"{"command": "Sum", "answer": {"total": 17}}
{"command": "Sum", "answer": {"total": 12345678901234567890124}}
{"command": "Note", "sent": true}
{"command": "CountNotes", "answer": {"count": 1}}
"#;
    assert_eq!(text(output.stdout), expected);
    assert_eq!((output.status.code(), &*text(output.stderr)), (Some(0), ""));

    let input = r#"Divide numerator=1 denominator=0
Smu a=1
{"command": "Sum", "arguments": {"a": "x"}}
{"comand": "Sum"}
Sum 'a=1
SwitchToEcho refuse=true
Sum a=1 b=1"#;
    let output = ampctl(&arguments, input.as_bytes());
    let printed = text(output.stdout);
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(
        lines[0],
        r#"{"command": "Divide", "error": "ZERO_DIVISION", "description": "division by zero"}"#
    );
    for (line, said) in [
        (1, r#"{"line":2,"mistake":"there is no command \"Smu\"; did you mean \"Sum\"?"}"#),
        (2, r#"{"line":3,"mistake":"Sum.a: 'x' is no Integer"}"#),
        (3, r#"{"line":4,"mistake":"unknown field `comand`, expected one of `command`"#),
        (4, r#"{"line":5,"mistake":"missing closing quote: a call is {\"command\": NAME"#),
        (5, r#"{"line":6,"mistake":"SwitchToEcho: it asks for a protocol switch"#),
        (6, r#"{"command": "Sum", "answer": {"total": 2}}"#),
    ] {
        let said = said.trim_end_matches('}');
        assert!(lines[line].starts_with(said), "{}", lines[line]);
    }
    // That of the first call that was not answered.
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(ampctl(&arguments, b"Nonsense").status.code(), Some(2));
    assert_eq!(ampctl(&["session", &address], b"Nonsense").status.code(), Some(5));
}

#[test]
fn a_login_comes_first() {
    let folder = Folder::new();
    let schema = folder.file("schema", TWISTED);
    let before = folder.file(
        "login",
        "# notes are counted on each connection\nNote text=a\n{\"command\": \"Sum\", \
         \"arguments\": {\"a\": 1, \"b\": 1}}\n",
    );
    let twisted = twisted("peer.py", &[], Transport::Unix);
    let address = twisted.address().to_string();
    let call = ["call", &address, "CountNotes", "--schema", &schema, "--before"];
    let counted = [&call[..], &[&before]].concat();
    assert_eq!(printed(&counted), "{\"count\": 1}");

    let refused = folder.file("refused", "Divide numerator=1 denominator=0\n");
    let said = fails(&[&call[..], &[&refused]].concat(), 1);
    assert!(
        said.starts_with("ampctl: --before: Divide: the peer answered ZERO_DIVISION"),
        "{said}"
    );
    let wrong = folder.file("wrong", "Note text=a\nSum a=1\n");
    let said = fails(&[&call[..], &[&wrong]].concat(), 2);
    assert_eq!(said, format!("ampctl: {wrong}:2.Sum: missing: b (Integer)"));
    let said = fails(&[&call[..], &["/nowhere"]].concat(), 2);
    assert!(said.starts_with("ampctl: --before: cannot read /nowhere: No such file"), "{said}");
}

#[test]
fn peers_have_names() {
    let folder = Folder::new();
    folder.file("sums.schema", TWISTED);
    folder.file("login", "Note text=a\n");
    folder.file("mine.toml", "[[rule]]\ncommand = \"Sum\"\nanswer = { total = 7 }\n");
    let twisted = twisted("peer.py", &[], Transport::Unix);
    let config = format!(
        "[peers.sums]\naddress = \"{}\"\nschema = [\"sums.schema\"]\nbefore = \"login\"\n\
         respond = \"mine.toml\"\ntimeout = \"20s\"\nhide = [\"count\"]\n\n\
         [peers.nobody]\naddress = \"unix:nobody\"\n\n\
         [peers.late]\naddress = \"unix:nobody\"\nconnect-timeout = \"soon\"\n",
        twisted.address()
    );
    folder.file("ampctl.toml", &config);
    std::fs::create_dir(folder.path("below")).unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_ampctl"))
            .args(arguments)
            .current_dir(folder.path("below"))
            .env("HOME", folder.path("home"))
            .env_remove("XDG_CONFIG_HOME")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let answered = |answer: &str| (Some(0), format!("{answer}\n"), String::new());
    assert_eq!(run(&["call", "sums", "Sum", "a=1", "b=2"]), answered("{\"total\": 3}"));
    assert_eq!(run(&["call", "sums", "CountNotes"]), answered("{\"count\": \"(hidden)\"}"));
    assert_eq!(run(&["call", "sums", "CallBack", "a=1", "b=2"]), answered("{\"total\": 7}"));
    let (code, _, said) = run(&["call", "nobody", "Sum"]);
    assert_eq!(code, Some(3));
    assert!(said.contains(&format!("unix:{}", folder.path("nobody"))), "{said}");

    let toml = folder.path("ampctl.toml");
    let refused = |arguments: &[&str], expected: &str| {
        let said = format!("ampctl: {expected}\n");
        assert_eq!(run(arguments), (Some(2), String::new(), said));
    };
    refused(
        &["call", "smus", "Sum"],
        &format!("{toml}: there is no peer \"smus\"; did you mean \"sums\"?"),
    );
    refused(
        &["call", "late", "Sum"],
        "connect-timeout: a time is a number and ms, s, m or h, as 10s",
    );
    folder.file("ampctl.toml", "[peers.sums]\naddress = \"unix:a\"\ntimeot = \"1s\"\n");
    let (code, _, said) = run(&["call", "sums", "Sum"]);
    assert_eq!(code, Some(2));
    assert!(said.starts_with(&format!("ampctl: {toml}:3:1: unknown field `timeot`")), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    std::fs::remove_file(&toml).unwrap();
    refused(
        &["call", "sums", "Sum"],
        "\"sums\" is no address, and there is no ampctl.toml that it could be named in",
    );
}

#[test]
fn peers_that_cut_and_lie_end_a_session() {
    let folder = Folder::new();
    let schema = folder.file("schema", TWISTED);
    let answer = b"\0\x07_answer\0\x011\0\x05total\0\x01x\0\0";
    let (address, _) = liar(&folder, "lies", answer, true);
    let output = ampctl(&["session", &address, "--schema", &schema], b"Sum a=1 b=2");
    let failed = "{\"command\": \"Sum\", \"failed\": \"the answer cannot be read: argument total: \
                  \\\"x\\\" is not an Integer\\n{\\\"total\\\": \\\"x\\\"}\"}\n";
    assert_eq!((output.status.code(), &*text(output.stdout)), (Some(7), failed));
    for (name, answer) in [("cuts", &b""[..]), ("babbles", b"\xff\xff")] {
        let (address, _) = liar(&folder, name, answer, false);
        let output = ampctl(&["session", &address, "--schema", &schema], b"Sum a=1 b=2\n");
        assert_eq!(output.status.code(), Some(6), "{name}");
        assert_eq!(text(output.stdout), "");
        let said = text(output.stderr);
        assert!(said.starts_with("ampctl: the connection is closed"), "{said}");
    }
    let said = fails(&["session", "unix:/nowhere/socket"], 3);
    assert!(said.contains("/nowhere/socket"), "{said}");
}

#[test]
fn the_server_of_quickstart_is_called() {
    let program = Path::new(env!("CARGO_BIN_EXE_ampctl")).with_file_name("examples/quickstart");
    assert!(program.exists(), "build it: cargo build --example quickstart");
    let folder = Folder::new();
    let schema = folder.file("schema", TWISTED);
    let address = format!("unix:{}", folder.path("socket"));
    let mut server = Command::new(program);
    server.args(["serve", &address]);
    let mut server = Process::start(server);
    server.line(std::time::Instant::now() + DEADLINE).expect("it says where it listens");
    let call = ["call", &address, "Divide", "numerator=1", "--wait", "--schema", &schema];
    let with = |denominator| [&call[..], &[denominator]].concat();
    assert_eq!(printed(&with("denominator=4")), "{\"result\": 0.25}");
    let refused = r#"{"description":"division by zero","error":"ZERO_DIVISION"}"#;
    assert_eq!(fails(&with("denominator=0"), 1), refused);
    assert_eq!(printed(&["call", &address, "Sum", "a=2", "b=3"]), "{\"total\": \"5\"}");
}
