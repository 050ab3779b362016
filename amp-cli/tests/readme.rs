//! What the README of this crate shows of `ampctl` is what it does, and the front page shows a part of that.

mod support;

use amp_tests::{DEADLINE, Process};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use support::{Folder, ampctl, text};

const README: &str = include_str!("../README.md");
const FRONT_PAGE: &str = include_str!("../../README.md");
const PROGRAM: &str = "ampctl ";

/// The first block behind these words.
fn block(after: &str) -> &'static str {
    block_of(README, after)
}

fn block_of(text: &'static str, after: &str) -> &'static str {
    let (_, rest) = text.split_once(after).unwrap_or_else(|| panic!("README has {after:?}"));
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
    folder.file("calculator.schema", block("`calculator.schema`:"));
    folder.file("new.schema", block("`new.schema`, another version of it:"));
    folder.file("rules.toml", block("`rules.toml`:"));
    folder.file("calls", block("`calls`:"));
    folder
}

/// Answers are laid out on a terminal alone.
#[track_caller]
fn is_like(printed: &str, shown: &str, line: &str) {
    let json = |text: &str| serde_json::from_str::<Value>(text).ok();
    let is_same_json = json(printed).is_some_and(|printed| Some(printed) == json(shown));
    assert!(is_same_json || printed.trim_end() == shown.trim_end(), "{line}: {printed}");
}

/// The server of `examples/quickstart`, which listens where README has it.
fn quickstart(folder: &Folder) -> Process {
    let program = Path::new(env!("CARGO_BIN_EXE_ampctl")).with_file_name("examples/quickstart");
    assert!(program.exists(), "build it: cargo build --example quickstart");
    let mut server = Command::new(program);
    server.args(["serve", &format!("unix:{}", folder.path("q.socket"))]);
    let mut server = Process::start(server);
    server.line(Instant::now() + DEADLINE).expect("it says where it listens");
    server
}

#[test]
fn calls_are_answered_as_it_says() {
    let folder = folder();
    let _server = quickstart(&folder);
    let commands = commands(block("In another terminal:"));
    assert!(commands.len() > 5, "{commands:?}");
    for (line, shown) in commands {
        let output = shell(line, &folder).output().unwrap();
        is_like(&(text(output.stdout) + &text(output.stderr)), shown, line);
    }
}

#[test]
fn the_front_page_shows_what_is_run_here() {
    let run = commands(block("In another terminal:"));
    let shown = commands(block_of(FRONT_PAGE, "## The command line"));
    assert!(shown.len() > 2 && shown.iter().all(|one| run.contains(one)), "{shown:?}");
}

#[test]
fn a_server_is_faked_as_it_says() {
    let folder = folder();
    let (line, shown) = commands(block("answer = { result = 0.5 }\n```"))[0];
    let mut server = Process::start(shell(line, &folder));
    let mut next = || server.line(Instant::now() + DEADLINE).expect("it goes on");
    let listening = next();
    let (session, answers) = commands(block("{\"numerator\": 1, \"denominator\": 0}}\n```"))[0];
    let output = shell(session, &folder).output().unwrap();
    is_like(&text(output.stdout), answers, session);
    let printed = format!("{listening}\n{}\n{}", next(), next()).replace(&folder.path(""), "/tmp/");
    is_like(&printed, shown, line);
}

/// The words of each line, without times, which are others each time.
fn without_times(text: &str) -> Vec<String> {
    let word = |word: &str| match word.trim_matches(['[', ']', ':']) {
        number if number.contains('.') && number.parse::<f64>().is_ok() => "TIME".to_owned(),
        "ms" | "s" => "UNIT".to_owned(),
        _ => word.to_owned(),
    };
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect()
}

#[test]
fn a_tap_shows_what_it_says() {
    let folder = folder();
    let _server = quickstart(&folder);
    let commands = commands(block("## What others say"));
    let [(line, shown), (replay, replayed), (tshark, read)] = commands[..] else {
        panic!("{commands:?}")
    };
    let mut tap = Process::start(shell(line, &folder));
    let mut printed = vec![tap.line(Instant::now() + DEADLINE).expect("it listens")];
    let (address, schema) =
        (format!("unix:{}", folder.path("tap.socket")), folder.path("calculator.schema"));
    for (_, call) in shown.lines().filter_map(|line| line.split_once(" -> ")) {
        let call = call.trim_start_matches("call 1 ").trim_start_matches("one-way ");
        let words = shell_words::split(call).unwrap();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        ampctl(&[&["call", &address][..], &words, &["--schema", &schema]].concat(), b"");
        while !printed.last().is_some_and(|line| line.ends_with("closed")) {
            printed.push(tap.line(Instant::now() + DEADLINE).expect("it goes on"));
        }
        printed.push(String::new());
    }
    tap.signal(Signal::SIGINT);
    printed.extend(tap.finish(Instant::now() + DEADLINE).stdout);
    printed.retain(|line| !line.is_empty());
    let printed = printed.join("\n").replace(&folder.path(""), "/tmp/");
    assert_eq!(without_times(&printed), without_times(&shown.replace("^C\n", "")));
    let output = shell(replay, &folder).output().unwrap();
    is_like(&text(output.stdout), replayed, replay);
    // It reads the capture where it is: `.ci/run` says so where it is not.
    let dissector = concat!(env!("CARGO_MANIFEST_DIR"), "/wireshark/");
    let tshark = tshark.replace("amp-cli/wireshark/", dissector);
    let mut command = Command::new("sh");
    command.args(["-c", &tshark]).current_dir(folder.path(""));
    let output = command.output().unwrap();
    if output.status.code() != Some(127) {
        assert_eq!(without_times(&text(output.stdout)), without_times(read));
    }
}
