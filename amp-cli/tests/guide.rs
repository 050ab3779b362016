//! The guide "From Twisted": its commands are run as they stand there, in a copy of the classes of `import`.

use amp_tests::Python;
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const GUIDE: &str = include_str!("../../amp-core/src/cookbook/from_twisted.rs");
const CLASSES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/import");

/// Each command of the guide, with the lines that it prints there.
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
    let shop = folder.path().join("src/shop");
    fs::create_dir_all(&shop).unwrap();
    for file in ["__init__.py", "arguments.py", "commands.py", "errors.py"] {
        fs::copy(Path::new(CLASSES).join("shop").join(file), shop.join(file)).unwrap();
    }
    // All hints but the one that the guide shows.
    let hints = fs::read_to_string(Path::new(CLASSES).join("hints.toml")).unwrap();
    let own = "[argument.CompressedAmpList]\nwire = \"Zlib(base)\"\n\n";
    assert!(hints.contains(own));
    let path = folder.path().join("hints.toml");
    fs::write(&path, hints.replace(own, "")).unwrap();

    let commands = commands();
    assert_eq!(commands.len(), 3, "{commands:?}");
    for (command, printed) in &commands {
        let output = shell(folder.path(), command);
        assert_eq!(String::from_utf8_lossy(&output.stderr), *printed, "{command}");
        assert!(output.status.success(), "{command}");
    }
    let written = ["wire.schema", "src/commands.rs", "src/by_hand.rs", "src/responders.rs"];
    let written = written.into_iter().chain(["COMMANDS.md", "hints.toml"]);
    let sizes: Vec<_> =
        written.map(|name| fs::metadata(folder.path().join(name)).unwrap().len()).collect();
    assert!(sizes.iter().all(|size| *size > 100), "{sizes:?}");

    // What was printed are lines for the file of hints.
    let (import, printed) = &commands[0];
    let (_, lines) = printed.split_once("\n\n").unwrap();
    let more = format!("{}\n{lines}", fs::read_to_string(&path).unwrap());
    fs::write(&path, more).unwrap();
    let output = shell(folder.path(), &import.replace(" > ", " --strict > "));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}
