//! The guide "From Twisted": what it has `ampctl` do is done as it stands there, in a copy of its service.
//! The crate that it makes of that is `.ci/from-twisted`'s, which takes all of its steps.

use amp_tests::Python;
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const GUIDE: &str = include_str!("../../amp-core/src/cookbook/from_twisted.rs");
const SERVICE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/service/shop");

/// Each command of the guide that makes something of the classes, with the lines that it prints there.
fn commands() -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    let mut is_console = false;
    for line in GUIDE.lines().filter_map(|line| line.strip_prefix("//!")) {
        let line = line.strip_prefix(' ').unwrap_or(line);
        if line.starts_with("```") {
            is_console = line == "```console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| is_console) {
            commands.push((command.to_owned(), String::new()));
        } else if let (true, Some((_, printed))) = (is_console, commands.last_mut()) {
            *printed += line;
            printed.push('\n');
        }
    }
    commands.retain(|(command, _)| {
        command.starts_with("ampctl import ") || command.starts_with("ampctl generate ")
    });
    commands
}

/// Runs a line of a shell in which `ampctl` and a Python with Twisted are found.
fn shell(folder: &Path, line: &str) -> Output {
    let python = Python::with_twisted(env!("CARGO_TARGET_TMPDIR"));
    let ampctl = Path::new(env!("CARGO_BIN_EXE_ampctl")).parent().unwrap();
    let interpreter = python.interpreter();
    let python = Path::new(interpreter.get_program()).parent().unwrap();
    let path = env::var_os("PATH").unwrap_or_default();
    let first = [ampctl.to_owned(), python.to_owned()];
    let path = env::join_paths(first.into_iter().chain(env::split_paths(&path))).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(folder).env("PATH", path);
    command.env_remove("PYTHONPATH").env_remove("PYTHONHOME").output().unwrap()
}

#[test]
fn its_commands_do_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let [service, front] = ["service/shop", "front"].map(|name| folder.path().join(name));
    fs::create_dir_all(&service).unwrap();
    fs::create_dir_all(front.join("src")).unwrap();
    for file in ["__init__.py", "arguments.py", "commands.py"] {
        fs::copy(Path::new(SERVICE).join(file), service.join(file)).unwrap();
    }
    let hints = front.join("hints.toml");
    fs::write(&hints, "").unwrap();

    let commands = commands();
    assert_eq!(commands.len(), 4, "{commands:?}");
    for (command, printed) in &commands {
        let output = shell(&front, command);
        assert_eq!(String::from_utf8_lossy(&output.stderr), *printed, "{command}");
        assert!(output.status.success(), "{command}");
        // What is printed are lines for the file of hints.
        if let Some((_, lines)) = printed.split_once("\n\n") {
            fs::write(&hints, lines).unwrap();
        }
    }
    for (name, text) in [
        ("wire.schema", "command Price\n"),
        ("src/commands.rs", "pub struct Price {"),
        ("src/responders.rs", ".respond(price)"),
        ("COMMANDS.md", "## Price\n"),
        ("hints.toml", "\"Price\" = \"Price\"\n"),
    ] {
        let written = fs::read_to_string(front.join(name)).unwrap();
        assert!(written.contains(text), "{name}: {written}");
    }
    assert!(!front.join("src/by_hand.rs").exists());
}
