//! Peers that send what would hurt whoever looks at it: a terminal, a record, a program that waits.

mod support;

use amp_core::serve;
use amp_unix::{Descriptor, UnixSocketListener};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use amp_tests::DEADLINE;
use support::{Folder, Scripted, Tap, ampctl, printed, text};

/// What sets the title of a terminal, clears it, and begins a sequence in one character.
const ESCAPES: &str = "\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m\u{7f}";

/// Whether a terminal would only show it.
#[track_caller]
fn is_plain(shown: &str) {
    let control = shown.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(control, None, "{shown:?}");
}

/// Both streams of a run, which have nothing in them that a terminal would act upon.
#[track_caller]
fn plain(arguments: &[&str], stdin: &[u8]) -> (String, String, Option<i32>) {
    let output = ampctl(arguments, stdin);
    let (out, err) = (text(output.stdout), text(output.stderr));
    is_plain(&out);
    is_plain(&err);
    (out, err, output.status.code())
}

#[test]
fn nothing_that_a_peer_sends_reaches_the_terminal() {
    let folder = Folder::new();
    let key = format!("b{ESCAPES}");
    let schema = format!(
        "#: First {ESCAPES}\n#: second {ESCAPES}\ncommand A\n  arguments\n    #: of {ESCAPES}\n    n: \
         Integer optional\n  response\n    a: Json\n    {key:?}: Unicode optional\n    c: \
         Unicode\n  errors\n    \
         #: {ESCAPES}\n    BAD\n",
    );
    let reflects = |name: &str, then: support::Pairs| {
        let reflected = vec![("schema", schema.clone().into_bytes())];
        Scripted::start(&folder, name, vec![reflected, then])
    };
    let described = reflects("described", vec![]);
    for arguments in [&[][..], &["A"], &["A", "--json"], &["--json"], &["A", "--template"]] {
        let all = [&["describe", "--reflect", &described.address], arguments].concat();
        let (out, said, code) = plain(&all, b"");
        assert_eq!(code, Some(0), "{said}");
        assert!(!out.is_empty());
    }
    let (_, said, code) = plain(&["describe", "B", "--reflect", &described.address], b"");
    assert_eq!(code, Some(2), "{said}");

    let json = format!("{{\"x\":\n \"{}\"}}", "\u{9b}31m\u{7f}");
    let answer = vec![("a", json.into_bytes()), ("c", ESCAPES.into())];
    let answers = reflects("answers", answer);
    for output in ["json", "pretty", "table", "raw"] {
        let call = ["call", &answers.address, "A", "--reflect", "--output", output];
        let (out, said, code) = plain(&call, b"");
        assert_eq!((code, &*said), (Some(0), ""));
        // What is no text to be shown is base64 there.
        assert!(output == "raw" || out.contains("31m") && out.contains("title"), "{out}");
    }

    let code = format!("BAD{ESCAPES}").into_bytes();
    let error = vec![("_error_code", code), ("_error_description", ESCAPES.into())];
    let fails = Scripted::start(&folder, "fails", vec![error]);
    let (_, said, _) = plain(&["call", &fails.address, "A"], b"");
    assert!(said.contains("BAD"), "{said}");
    let (out, ..) = plain(&["session", &fails.address], b"A\n");
    assert_eq!(out.lines().count(), 1, "{out}");

    let odd: support::Pairs = vec![("a\u{1b}[2J\u{9b}31m", b"1".to_vec()), ("b", b"\x1b".to_vec())];
    let odd = Scripted::start(&folder, "odd", vec![odd]);
    for (output, expected) in [("json", 0), ("table", 0), ("raw", 0), ("value:c", 8)] {
        let (.., code) = plain(&["call", &odd.address, "A", "--output", output], b"");
        assert_eq!(code, Some(expected), "{output}");
    }
}

#[test]
fn the_names_of_calls_are_plain_too() {
    let folder = Folder::new();
    let path = folder.path("socket");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let name = format!("A{ESCAPES}");
        let call = support::ampbox(&[("_command", name.as_bytes()), ("\u{9b}k", b"\x9b\x1b")]);
        stream.write_all(&call).unwrap();
        let _ = stream.read(&mut [0]);
    });
    let (out, ..) = plain(&["listen", &format!("unix:{path}"), "--count", "1"], b"");
    assert!(out.starts_with("{\"command\": \"A"), "{out}");
}

/// A tap in front of a server.
fn tap(folder: &Folder, server: &str, options: &[&str]) -> Tap {
    Tap::start(&format!("unix:{}", folder.path("tap")), server, options)
}

#[test]
fn json_with_line_breaks_stays_on_its_line() {
    let folder = Folder::new();
    let schema = folder.file("schema", "command A\n  response\n    a: Json\n");
    let json =
        "{\n  \"x\": \"a b\u{85}\",\n\t\"y\": [1, 2.50],\r\n \"z\": {}\n}\n    0.1 #9 -> a lie";
    let json = json.split_inclusive('}').take(2).collect::<String>();
    let server = Scripted::start(&folder, "socket", vec![vec![("a", json.into_bytes())]]);
    let record = folder.path("record");
    let options = ["--schema", &schema, "--record", &record];
    let mut tap = tap(&folder, &server.address, &options);
    let address = format!("unix:{}", folder.path("tap"));
    let shown = r#"{"a": {"x":"a b\u0085","y":[1,2.50],"z":{}}}"#;
    assert_eq!(printed(&["call", &address, "A", "--schema", &schema]), shown);
    tap.until("closed");
    tap.lines();
    assert_eq!(folder.read("record").lines().count(), 2);
    let lines = printed(&["decode", &record, "--schema", &schema]);
    assert_eq!(lines.lines().count(), 2, "{lines}");
    let again = ["replay", &record, &server.address, "--schema", &schema];
    assert_eq!(printed(&again), "0 of 1 calls differ");
    let session = ampctl(&["session", &server.address, "--schema", &schema], b"A\n");
    assert_eq!(text(session.stdout).lines().count(), 1);
}

#[test]
fn files_that_cannot_be_saved_are_noted_and_all_goes_on() {
    let folder = Folder::new();
    let schema = "command Pass\n  arguments\n    file: Descriptor\n";
    let schema = folder.file("schema", schema);
    let saved = folder.path("saved");
    fs::create_dir(&saved).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = {
        let _entered = runtime.enter();
        UnixSocketListener::bind(folder.path("socket")).unwrap()
    };
    let responders =
        amp_core::Responders::new(()).fallback(|_| async { Ok(amp_core::AmpBox::new()) });
    runtime.spawn(serve(listener, responders));
    let server = format!("unix:{}", folder.path("socket"));
    let record = folder.path("record");
    let options = ["--schema", &schema, "--save-descriptors", &saved, "--record", &record];
    let mut tap = tap(&folder, &server, &options);
    let huge = folder.path("huge");
    File::create(&huge).unwrap().set_len(1 << 40).unwrap();
    let address = format!("unix:{}", folder.path("tap"));
    let pass = |file: &str| {
        let file = format!("file@={file}");
        printed(&["call", &address, "Pass", &file, "--schema", &schema])
    };
    // What it has in it cannot be read from the beginning.
    pass("/proc/self/mem");
    let line = tap.until("not saved");
    assert!(line.contains("#1 the file of descriptor 0 of the client is not saved: "), "{line}");
    pass(&huge);
    let line = tap.until("not saved");
    assert!(line.contains("67108864 bytes"), "{line}");
    pass(&folder.file("small", "kept"));
    tap.until("#3 closed");
    tap.lines();
    assert_eq!(fs::read_to_string(format!("{saved}/3-client-0")).unwrap(), "kept");
    assert_eq!(fs::read_dir(&saved).unwrap().count(), 1);
    assert_eq!(
        folder.read("record").matches("\"saved\":").count(),
        2,
        "once for each line about it"
    );
}

#[test]
fn an_answer_is_printed_before_anything_else_is_done() {
    let folder = Folder::new();
    let schema = "command A\n  response\n    a: Unicode\n    f: Descriptor optional\n";
    let schema = folder.file("schema", schema);
    let server = Scripted::start(&folder, "socket", vec![vec![("a", b"answered".to_vec())]]);
    let call = ["call", &server.address, "A", "--schema", &schema, "--exec", "echo then"];
    assert_eq!(printed(&call), "{\"a\": \"answered\"}\nthen");

    // The program waits for a byte, so the answer is there while it runs.
    let mut child = Command::new(env!("CARGO_BIN_EXE_ampctl"))
        .args(&call[..5])
        .args(["--exec", "sh -c 'read line; exit 3'"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "{\"a\": \"answered\"}\n");
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn a_switch_ends_where_standard_input_cannot_be_read() {
    let folder = Folder::new();
    let server = Scripted::start(&folder, "socket", vec![vec![]]);
    let output = Command::new(env!("CARGO_BIN_EXE_ampctl"))
        .args(["call", &server.address, "Switch", "--switch"])
        .stdin(File::open("/").unwrap())
        .output()
        .unwrap();
    let said = text(output.stderr);
    assert!(said.starts_with("ampctl: cannot read standard input: Is a directory"), "{said}");
    assert_eq!(output.status.code(), Some(8));
}

#[test]
fn children_of_a_tap_leave_nothing_behind() {
    let folder = Folder::new();
    let rules = folder.file("rules.toml", "[[rule]]\ncommand = \"A\"\nanswer = { b = \"c\" }\n");
    let program = env!("CARGO_BIN_EXE_ampctl");
    let server = format!("exec:'{program}' serve stdio: --rules '{rules}'");
    let mut tap = tap(&folder, &server, &[]);
    let address = format!("unix:{}", folder.path("tap"));
    for number in 1..=3 {
        assert_eq!(printed(&["call", &address, "A"]), "{\"b\": \"c\"}");
        tap.until(&format!("#{number} closed"));
    }
    let deadline = Instant::now() + DEADLINE;
    let children = format!("/proc/{0}/task/{0}/children", tap.id());
    while !fs::read_to_string(&children).unwrap().trim().is_empty() {
        assert!(Instant::now() < deadline, "{}", fs::read_to_string(&children).unwrap());
        thread::yield_now();
    }
    tap.interrupt();
}

#[test]
fn descriptors_whose_names_are_no_text_are_shown() {
    use std::os::unix::ffi::OsStrExt;
    let folder = Folder::new();
    let name = [folder.path("a").as_bytes(), b"\xff\x1b\xc2\x9b"].concat();
    let file = File::create(std::ffi::OsStr::from_bytes(&name)).unwrap();
    let schema = folder.file("schema", "command A\n  response\n    f: Descriptor\n");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = {
        let _entered = runtime.enter();
        UnixSocketListener::bind(folder.path("socket")).unwrap()
    };
    let file = Descriptor::from(OwnedFd::from(file));
    let responders = amp_core::Responders::new(()).fallback_with(
        |_, _, _| Ok(()),
        move |_: amp_core::ReceivedCall<()>| {
            let file = file.clone();
            async move {
                let mut answer = amp_core::dynamic::Values::new();
                answer.insert("f", amp_core::dynamic::Value::Attachment(file.into()));
                let schema: amp_core::schema::Schema =
                    "command A\n  response\n    f: Descriptor\n".parse().unwrap();
                let response = schema.command("A").unwrap().response.clone();
                Ok(answer.writing(response))
            }
        },
    );
    runtime.spawn(serve(listener, responders));
    let address = format!("unix:{}", folder.path("socket"));
    let (out, said, code) = plain(&["call", &address, "A", "--schema", &schema], b"");
    assert_eq!((code, &*said), (Some(0), ""));
    assert!(out.contains("\u{fffd}\\u001b\\u009b"), "{out}");
    drop(UnixStream::connect(folder.path("socket")));
}
