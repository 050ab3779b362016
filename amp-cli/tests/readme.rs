//! What README.md shows of the command line is what it does.

mod support;

use amp_tests::{DEADLINE, Process};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use support::{Folder, text};

const README: &str = include_str!("../../README.md");
const PROGRAM: &str = "cargo run -q --bin ampctl -- ";

/// The first block behind these words.
fn block(after: &str) -> &'static str {
    let (_, rest) = README.split_once(after).unwrap_or_else(|| panic!("README has {after:?}"));
    let (_, rest) = rest.split_once("\n```").expect("a block follows");
    let (_, rest) = rest.split_once('\n').expect("it has lines");
    rest.split_once("```").expect("it ends").0
}

/// The command lines of a block, each with what it prints.
fn commands(block: &str) -> Vec<(&str, &str)> {
    let commands = block.strip_prefix("$ ").expect("a command comes first").split("\n$ ");
    commands.map(|one| one.split_once('\n').unwrap_or((one, ""))).collect()
}

/// A command line as the shell takes it, with the files of README in this folder.
fn shell(line: &str, folder: &Folder) -> Command {
    let line = line.strip_prefix(PROGRAM).unwrap_or_else(|| panic!("{line:?} runs ampctl"));
    let line = line.replace("/tmp/", &folder.path(""));
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec '{}' {line}", env!("CARGO_BIN_EXE_ampctl"))]);
    command.current_dir(folder.path(""));
    command
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.file("calculator.schema", block("With this one in `calculator.schema`"));
    folder.file("new.schema", block("another version of it in `new.schema`"));
    folder.file("rules.toml", block("A server that is not there yet is faked by rules"));
    folder.file("calls", block("With these lines in `calls`"));
    folder
}

/// Answers are laid out on a terminal alone.
#[track_caller]
fn is_like(printed: &str, shown: &str, line: &str) {
    let json = |text: &str| serde_json::from_str::<Value>(text).ok();
    let is_same_json = json(printed).is_some_and(|printed| Some(printed) == json(shown));
    assert!(is_same_json || printed.trim_end() == shown.trim_end(), "{line}: {printed}");
}

#[test]
fn calls_are_answered_as_it_says() {
    let program = Path::new(env!("CARGO_BIN_EXE_ampctl")).with_file_name("examples/quickstart");
    assert!(program.exists(), "build it: cargo build --example quickstart");
    let folder = folder();
    let mut server = Command::new(program);
    server.args(["serve", &format!("unix:{}", folder.path("q.socket"))]);
    let mut server = Process::start(server);
    server.line(Instant::now() + DEADLINE).expect("it says where it listens");
    let commands = commands(block("quickstart serve unix:/tmp/q.socket` in another terminal"));
    assert!(commands.len() > 5, "{commands:?}");
    for (line, shown) in commands {
        let output = shell(line, &folder).output().unwrap();
        is_like(&(text(output.stdout) + &text(output.stderr)), shown, line);
    }
}

#[test]
fn a_server_is_faked_as_it_says() {
    let folder = folder();
    let (line, shown) = commands(block("answer = { result = 0.5 }\n```"))[0];
    let mut server = shell(line, &folder).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines().map(Result::unwrap);
    let listening = lines.next().unwrap();
    let (session, answers) = commands(block("{\"numerator\": 1, \"denominator\": 0}}\n```"))[0];
    let output = shell(session, &folder).output().unwrap();
    is_like(&text(output.stdout), answers, session);
    let received = lines.by_ref().take(2).collect::<Vec<_>>().join("\n");
    let _ = server.kill();
    let _ = server.wait();
    let printed = format!("{listening}\n{received}").replace(&folder.path(""), "/tmp/");
    is_like(&printed, shown, line);
}
