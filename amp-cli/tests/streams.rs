//! What `ampctl call` joins to the peer beside values: streams after a switch, and descriptors.

mod support;

use amp_tests::Transport;
use command_fds::{CommandFdExt, FdMapping};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::thread;

use support::{Folder, TWISTED, ampbox, ampctl, fails, printed, text, twisted};

#[test]
fn a_switch_joins_standard_input_and_output() {
    let folder = Folder::new();
    let schema = folder.file("schema", TWISTED);
    let twisted = twisted("peer.py", &[], Transport::Unix);
    let address = twisted.address().to_string();
    let big = "0123456789abcdef\n".repeat(20_000);
    let by_schema = ["call", &address, "SwitchToEcho", "refuse=false", "--schema", &schema];
    let by_flag = ["call", &address, "SwitchToEcho", "refuse=False", "--switch"];
    for arguments in [&by_schema[..], &by_flag] {
        // Twisted closes at once when its peer has no more to say, so what it echoes may be less.
        let mut child = Command::new(env!("CARGO_BIN_EXE_ampctl"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut output = child.stdout.take().unwrap();
        input.write_all(b"through a pipe").unwrap();
        let mut echo = [0; 14];
        output.read_exact(&mut echo).unwrap();
        assert_eq!(&echo, b"through a pipe");
        drop(input);
        assert_eq!(child.wait().unwrap().code(), Some(0));

        let file = folder.file("input", &big);
        let output = Command::new(env!("CARGO_BIN_EXE_ampctl"))
            .args(arguments)
            .stdin(File::open(&file).unwrap())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(output.stderr));
        let printed = text(output.stdout);
        assert!(big.starts_with(&printed) && !printed.is_empty(), "{} bytes", printed.len());
    }
    let refused = ["call", &address, "SwitchToEcho", "refuse=true", "--schema", &schema];
    assert_eq!(ampctl(&refused, b"").status.code(), Some(1));
}

#[test]
fn all_of_a_file_goes_through_a_switch_and_comes_back() {
    let folder = Folder::new();
    let path = folder.path("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let echoing = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // A box without arguments, whose tag is the first.
        let mut call = vec![0; ampbox(&[("_ask", b"1"), ("_command", b"Echo")]).len()];
        stream.read_exact(&mut call).unwrap();
        stream.write_all(&ampbox(&[("_answer", b"1")])).unwrap();
        std::io::copy(&mut &stream, &mut &stream).unwrap()
    });
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|at| (at % 251) as u8).collect();
    fs::write(folder.path("input"), &bytes).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_ampctl"))
        .args(["call", &format!("unix:{path}"), "Echo", "--switch"])
        .stdin(File::open(folder.path("input")).unwrap())
        .output()
        .unwrap();
    assert_eq!((output.status.code(), text(output.stderr)), (Some(0), String::new()));
    assert_eq!(echoing.join().unwrap(), 1_000_000);
    assert!(output.stdout == bytes, "{} bytes came back", output.stdout.len());
}

#[test]
fn descriptors_that_it_was_started_with_are_sent() {
    let folder = Folder::new();
    let schema = folder.file("schema", TWISTED);
    let twisted = twisted("peer.py", &[], Transport::Unix);
    let address = twisted.address().to_string();
    let one = folder.file("one", "one, ");
    let two = folder.file("two", "and two");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ampctl"));
    command
        .args(["call", &address, "ConcatenateFiles", "files[0].file:fd=5"])
        .args(["files[1].file:fd=0", "--schema", &schema])
        .stdin(File::open(&two).unwrap());
    let parent_fd = OwnedFd::from(File::open(&one).unwrap());
    command.fd_mappings(vec![FdMapping { parent_fd, child_fd: 5 }]).unwrap();
    let output = command.output().unwrap();
    assert!(
        text(output.stdout).contains("\"content\": \"one, and two\""),
        "{}",
        text(output.stderr)
    );

    let call = ["call", &address, "ConcatenateFiles", "--schema", &schema];
    let said = fails(&[&call[..], &["files[0].file:fd=77"]].concat(), 2);
    assert!(said.starts_with("ampctl: files[0].file: "), "{said}");
    let said = fails(&[&call[..], &["files[0].file:fd=x"]].concat(), 2);
    assert!(said.ends_with("\"x\" is no number of a descriptor"), "{said}");
    let json = format!("[{{\"file\": {{\"file\": \"{one}\"}}}}]");
    let answer = printed(&[&call[..], &[&format!("files:={json}")]].concat());
    assert!(answer.contains("\"content\": \"one, \""), "{answer}");
}

#[test]
fn received_descriptors_are_passed_on() {
    let folder = Folder::new();
    let schema = folder.file("schema", TWISTED);
    let twisted = twisted("peer.py", &[], Transport::Unix);
    let address = twisted.address().to_string();
    let call = ["call", &address, "OpenTemporary", "content=from there", "--schema", &schema];
    let with = |program: &str| {
        ampctl(&[&call[..], &["--output", "none", "--exec", program]].concat(), b"")
    };
    let output = with("sh -c 'cat /dev/fd/{file}; exit 9'");
    assert_eq!((output.status.code(), &*text(output.stdout)), (Some(9), "from there"));
    let said = fails(&[&call[..], &["--exec", "cat {fil}"]].concat(), 2);
    assert_eq!(said, "ampctl: --exec {fil}: the answer has no Descriptor of this name");
    let output = with("/nowhere/program {file}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn answers_are_tables_and_raw_and_coloured() {
    let folder = Folder::new();
    let schema = folder.file(
        "schema",
        "command Points\n  response\n    count: Integer\n    name: Unicode\n    points: AmpList\n      \
         label: Unicode optional\n      x: Integer\n",
    );
    let rules = folder.file(
        "rules.toml",
        "[[rule]]\ncommand = \"Points\"\nanswer = { count = 2, name = \"a b\", points = [{ x = 1 }, \
         { x = -20, label = \"far\" }] }\n",
    );
    let program = env!("CARGO_BIN_EXE_ampctl");
    let peer = format!("exec:'{program}' serve stdio: --rules '{rules}' --schema '{schema}'");
    let with = |options: &[&str]| {
        let call = ["call", &peer, "Points", "--schema", &schema];
        text(ampctl(&[&call[..], options].concat(), b"").stdout)
    };
    let table = "count  2\nname   a b\n\npoints\n  X    LABEL\n  1\n  -20  far\n";
    assert_eq!(with(&["--output", "table"]), table);
    assert_eq!(
        with(&["--output", "raw"]),
        "{\"count\": \"2\", \"name\": \"a b\", \"points\": {\"base64\": \
         \"AAF4AAExAAAABWxhYmVsAANmYXIAAXgAAy0yMAAA\"}}\n"
    );
    assert!(
        with(&["--output", "pretty", "--color", "always"])
            .contains("\u{1b}[34m\"count\"\u{1b}[0m: 2")
    );
    assert!(!with(&["--output", "pretty"]).contains('\u{1b}'));
    assert!(with(&["--hide", "x"]).contains("{\"x\": \"(hidden)\"}"));
    let output =
        ampctl(&["call", &peer, "Points", "--output", "value:cuont", "--schema", &schema], b"");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        text(output.stderr),
        "ampctl: --output: there is no value \"cuont\"; did you mean \"count\"?\n"
    );
}
