//! Values that can be read only once, and files that must not be lost.

mod support;

use amp_tests::DEADLINE;
use nix::sys::signal::Signal;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use support::{Folder, Scripted, ampctl, fails, printed, text};

const SCHEMA: &str = "\
command Login
  arguments
    token: String

command Put
  arguments
    f: Descriptor
    n: Integer
  response
    f: Descriptor optional

command Echo
  response
    f: Descriptor

command Get
  arguments
    n: Integer
";

/// The values of `token` in all calls that were received so far.
fn tokens(server: &Scripted) -> Vec<String> {
    let boxes = server.all_boxes().into_iter();
    let tokens = boxes.filter_map(|ampbox| ampbox.get("token").map(<[u8]>::to_vec));
    tokens.map(text).collect()
}

#[test]
fn a_secret_that_can_be_read_once_is_sent_each_time() {
    let folder = Folder::new();
    let schema = folder.file("schema", SCHEMA);
    let server = Scripted::start(&folder, "socket", vec![vec![]]);
    let login = folder.file("login", "Login token@=-\n");
    let before = ["--schema", &schema, "--before", &login];
    let call = [&["call", &server.address, "Get", "n=1"], &before[..]].concat();
    assert_eq!(ampctl(&call, b"s3cret").status.code(), Some(0));
    assert_eq!(tokens(&server), ["s3cret"]);

    let bench = ["bench", &server.address, "Get", "n=1", "--for", "10ms", "--connections", "2"];
    assert_eq!(ampctl(&[&bench[..], &before].concat(), b"s3cret").status.code(), Some(0));
    assert_eq!(tokens(&server), ["s3cret", "s3cret"]);

    // A pipe that has a name.
    let pipe = folder.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    folder.file("login", &format!("Login token@={pipe}\n"));
    let writer = thread::spawn(move || fs::write(pipe, "from a pipe").unwrap());
    printed(&call);
    writer.join().unwrap();
    assert_eq!(tokens(&server), ["from a pipe"]);

    // The same for a whole box, and for what the call itself says.
    folder.file("login", "Login token@=-\n");
    let both = ["call", &server.address, "Login", "token@=-"];
    assert_eq!(ampctl(&[&both[..], &before].concat(), b"s3cret").status.code(), Some(0));
    assert_eq!(tokens(&server), ["s3cret", "s3cret"]);
}

#[test]
fn a_descriptor_of_a_login_is_sent_on_each_connection() {
    let folder = Folder::new();
    let schema = folder.file("schema", SCHEMA);
    let file = folder.file("file", "content");
    let login = folder.file("login", "Put n=1 f:fd=7\n");
    let server = Scripted::start(&folder, "socket", vec![vec![]]);
    let words = format!(
        "exec '{}' bench '{}' Get n=1 --for 10ms --connections 2 --schema '{schema}' --before '{login}' \
         7< '{file}'",
        env!("CARGO_BIN_EXE_ampctl"),
        server.address
    );
    let output = Command::new("bash").args(["-c", &words]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(output.stderr));
    let puts = server.all_called().into_iter().filter(|command| command == "Put");
    assert_eq!(puts.count(), 2);
}

#[test]
fn a_session_has_its_lines_for_itself() {
    let folder = Folder::new();
    let server = Scripted::start(&folder, "socket", vec![vec![]]);
    let output = ampctl(&["session", &server.address], b"Login token@=-\nGet n=1\n");
    assert_eq!(
        text(output.stdout),
        "{\"line\":1,\"mistake\":\"Login.token: standard input is for the lines of the session, and \
         for no value\"}\n{\"command\": \"Get\", \"answer\": {}}\n"
    );
    assert_eq!(server.all_called(), ["Get"]);
    let switch = ["call", "unix:/nowhere", "Switch", "a@=-", "--switch"];
    let output = ampctl(&switch, b"value");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(output.stderr).contains("which is joined to the stream"));
}

#[test]
fn no_file_is_emptied_by_a_call_that_cannot_be_sent() {
    let folder = Folder::new();
    let schema = folder.file("schema", SCHEMA);
    let file = folder.file("important", "kept");
    let word = format!("f@w={file}");
    let program = env!("CARGO_BIN_EXE_ampctl");
    let rules = "[[rule]]\ncommand = \"Get\"\nanswer = {}\n\n[[rule]]\ncommand = \"Put\"\nanswer = { f \
                 = { file = \"FILE\", access = \"w\" } }\n";
    let rules = folder.file("rules.toml", &rules.replace("FILE", &file));
    let mut server = Command::new(program)
        .args(["serve", "tcp:127.0.0.1:0", "--rules", &rules, "--schema", &schema])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = std::io::BufReader::new(server.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    let address = line.trim_end().strip_prefix("listening ").unwrap().to_owned();
    let session = ["session", &address, "--schema", &schema];
    let output = ampctl(&session, format!("Put n=1 {word}\n").as_bytes());
    assert_eq!(output.status.code(), Some(2));
    let login = folder.file("login", &format!("Put n=1 {word}\n"));
    fails(&["call", &address, "Get", "n=1", "--schema", &schema, "--before", &login], 2);
    assert_eq!(folder.read("important"), "kept");
    // A rule whose answer cannot be sent there.
    let other = folder.file("put.schema", "command Put\n  response\n    f: Integer optional\n");
    let raw = ["call", &address, "Put", "n=1", "f=0", "--schema", &other];
    ampctl(&raw, b"");
    let _ = server.kill();
    let _ = server.wait();
    assert_eq!(folder.read("important"), "kept");

    // Unix sockets that carry none, which is said before anybody is connected to.
    for flags in [&["--route", "x"][..], &["--start-tls", "--no-verify"]] {
        let put = ["call", "unix:/nowhere", "Put", "n=1", &word, "--schema", &schema];
        let said = fails(&[&put[..], flags].concat(), 2);
        assert!(said.ends_with("neither TLS nor a route carries descriptors"), "{said}");
    }
    assert_eq!(folder.read("important"), "kept");
}

#[test]
fn a_copy_of_a_file_onto_itself_keeps_it() {
    let folder = Folder::new();
    let schema = folder.file("schema", SCHEMA);
    let file = folder.file("important", "kept");
    let rules = "[[rule]]\ncommand = \"Echo\"\nanswer = { f = { file = \"FILE\" } }\n";
    let rules = folder.file("rules.toml", &rules.replace("FILE", &file));
    let program = env!("CARGO_BIN_EXE_ampctl");
    let peer = format!("exec:'{program}' serve stdio: --rules '{rules}' --schema '{schema}'");
    let call = ["call", &peer, "Echo", "--schema", &schema, "--fd"];
    let copies = |name: &str| {
        let copy = format!("f={}", folder.path(name));
        let output = ampctl(&[&call[..], &[&copy]].concat(), b"");
        assert_eq!(output.status.code(), Some(0), "{}", text(output.stderr));
    };
    copies("important");
    assert_eq!(folder.read("important"), "kept");
    copies("another");
    assert_eq!(folder.read("another"), "kept");

    // The copy is made for somebody who has read enough of the answer too.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let copy = format!("f={}", folder.path("unread"));
    let status = Command::new(program)
        .args([&call[..], &[&copy]].concat())
        .stdout(writer)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(folder.read("unread"), "kept");
}

#[test]
fn an_interrupt_ends_whatever_is_waited_for() {
    let folder = Folder::new();
    let schema = folder.file("schema", SCHEMA);
    let pipe = folder.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // The end of a pipe that nobody closes: this test holds the other one.
    let held = File::options().read(true).write(true).open(&pipe).unwrap();
    let rules = "[[rule]]\ncommand = \"Echo\"\nanswer = { f = { file = \"FILE\" } }\n";
    let rules = folder.file("rules.toml", &rules.replace("FILE", &pipe));
    let program = env!("CARGO_BIN_EXE_ampctl");
    let peer = format!("exec:'{program}' serve stdio: --rules '{rules}' --schema '{schema}'");
    let copy = format!("f={}", folder.path("copy"));
    let mut child = Command::new(program)
        .args(["call", &peer, "Echo", "--schema", &schema, "--fd", &copy])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It prints the answer before it copies.
    child.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
    (&held).write_all(b"something").unwrap();
    while folder.read("copy") != "something" {
        thread::yield_now();
    }
    let id = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    nix::sys::signal::kill(id, Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn no_program_that_was_a_peer_is_left_behind() {
    let folder = Folder::new();
    let number = folder.path("number");
    let script = folder.file("script", &format!("echo $$ > '{number}'\nexec sleep 1000\n"));
    fails(&["call", &format!("exec:sh '{script}'"), "A", "--timeout", "500ms"], 124);
    assert!(!runs(&folder.read("number")));

    // Nor one of a call that the user ends.
    fs::remove_file(&number).unwrap();
    let mut child = calling(&script);
    wait_until("the program is started", || {
        fs::read_to_string(&number).is_ok_and(|number| number.ends_with('\n'))
    });
    end(&mut child, Signal::SIGINT, 130);
    wait_until("it has ended too", || !runs(&folder.read("number")));
}

/// A program that is a peer may have something to put in order.
#[test]
fn a_program_that_was_a_peer_is_asked_to_end() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let folder = Folder::new();
        let (begun, ended) = (folder.path("begun"), folder.path("ended"));
        let script = format!(
            "trap 'echo > {ended}; exit' TERM\necho > {begun}\nwhile :; do sleep 0.01; done\n"
        );
        let script = folder.file("script", &script);
        let mut child = calling(&script);
        wait_until("the program is started", || fs::exists(&begun).unwrap());
        end(&mut child, signal, code);
        assert!(fs::exists(&ended).unwrap());
    }
}

/// It may be interrupted before anybody has taken note of the program.
#[test]
fn a_program_that_has_just_been_started_is_ended_too() {
    let folder = Folder::new();
    let number = folder.path("number");
    let script =
        folder.file("script", &format!("echo $$ > '{number}'\nkill -INT $PPID\nexec sleep 1000\n"));
    for _ in 0..20 {
        fails(&["call", &format!("exec:sh '{script}'"), "A", "--timeout", "1h"], 130);
        wait_until("it has ended too", || !runs(&folder.read("number")));
    }
}

/// A call of a program that a shell runs, and that does not answer.
fn calling(script: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_ampctl"))
        .args(["call", &format!("exec:sh '{script}'"), "A", "--timeout", "1h"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Ends a call as a user does, or another program, who is told of nothing else.
fn end(child: &mut Child, signal: Signal, code: i32) {
    let id = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    nix::sys::signal::kill(id, signal).unwrap();
    let mut status = None;
    wait_until("the call has ended", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.and_then(|status| status.code()), Some(code));
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::yield_now();
    }
}

/// Whether a process runs. Nobody has to have waited for it yet where it does not.
fn runs(number: &str) -> bool {
    let state = fs::read_to_string(format!("/proc/{}/stat", number.trim()));
    state.is_ok_and(|state| !state.contains(") Z "))
}

/// The author of the schema has meant that type, and its values would be sent as they stand.
#[test]
fn words_that_are_nearly_types_are_refused_wherever_a_schema_is_read() {
    let folder = Folder::new();
    let schema = folder.file("near.schema", "command A\n  arguments\n    a: boolean\n");
    let expected = format!(
        "ampctl: {schema}: command A, argument a: \"boolean\" is no type, but \"Boolean\" is"
    );
    for arguments in [
        &["call", "unix:/nowhere", "A", "a=1", "--schema", &schema][..],
        &["describe", "--schema", &schema],
        &["generate", "rust", &schema],
    ] {
        assert_eq!(fails(arguments, 2), expected, "{arguments:?}");
    }
}
