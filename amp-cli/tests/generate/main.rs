//! `ampctl generate`: what it writes of the schema of `tests/python/trade.py`, which has all that a
//! schema has, and of schemas that hurt.
//!
//! The code is `src/trade.rs` of amp-tests, where the lints of the workspace hold. Where the generator has
//! changed, `AMP_RECORD=all` writes it again.

mod kept;
mod odd;

use amp_core::testing::{PrintedRecord, SchemaRecord};
use amp_tests::{Python, trade};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command as Program, Output};

const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests");

fn python() -> Python {
    Python::with_twisted(env!("CARGO_TARGET_TMPDIR"))
}

fn of_tests(name: &str) -> PathBuf {
    Path::new(TESTS).join(name)
}

fn ampctl(arguments: &[&str]) -> Program {
    let mut command = Program::new(env!("CARGO_BIN_EXE_ampctl"));
    command.args(arguments).current_dir(TESTS);
    command
}

fn text(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn import(folder: &Path, module: &str, hints: &[&str]) -> Program {
    let python = python();
    let mut command = ampctl(&["import", "python", module, "--strict", "--path"]);
    command.arg(folder).arg("--python").arg(python.interpreter().get_program()).args(hints);
    command
}

/// The test that users have of both sides: the schema is what the classes are, the code is what the
/// schema says, and the code is on the wire what the classes are.
#[test]
fn both_sides_agree_and_what_is_generated_is_not_stale() {
    let schema = of_tests("python/trade.schema");
    let imported = import(&of_tests("python"), "trade", &["--hints", "python/trade.toml"]);
    PrintedRecord::new(&schema, imported).check();
    let rust = ["generate", "rust", "python/trade.schema", "--hints", "python/trade.toml"];
    PrintedRecord::new(of_tests("src/trade.rs"), ampctl(&rust)).check();
    let markdown = ["generate", "markdown", "python/trade.schema"];
    PrintedRecord::new(of_tests("python/trade.md"), ampctl(&markdown)).check();
    SchemaRecord::new(&schema).schema(trade::schema()).agree();
}

/// The example `trial` has commands of Twisted's own.
#[test]
fn the_commands_of_the_example_are_those_that_trial_has() {
    let schema = of_tests("../examples/trial/trial.schema");
    let mut imported = import(Path::new("."), "twisted.trial._dist.workercommands", &[]);
    imported.args(["twisted.trial._dist.managercommands", "twisted.trial._dist.stream"]);
    PrintedRecord::new(&schema, imported).check();
    let mut rust = ampctl(&["generate", "rust", "../examples/trial/trial.schema"]);
    rust.args(["--hints", "../examples/trial/trial.toml"]);
    PrintedRecord::new(of_tests("../examples/trial/commands.rs"), rust).check();
}

#[test]
fn generated_code_is_formatted_and_the_same_in_every_run() {
    let rust = ["generate", "rust", "python/trade.schema", "--hints", "python/trade.toml"];
    let first = text(&ampctl(&rust).output().unwrap());
    assert_eq!(first, text(&ampctl(&rust).output().unwrap()));
    // With rustfmt's own settings.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trade.rs");
    fs::write(&file, first).unwrap();
    let format = Program::new("rustfmt").args(["--edition", "2024", "--check"]).arg(&file).output();
    let said = format.expect("rustfmt is there");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
}

#[test]
fn classes_of_python_come_back_from_their_schema() {
    let folder = tempfile::tempdir().unwrap();
    // The second is of classes that cannot be run as a whole: the import's own.
    for schema in ["python/trade.schema", "../amp-cli/tests/import/confirmed.schema"] {
        let record = fs::read_to_string(of_tests(schema)).unwrap();
        let own = folder.path().join("own.py");
        let mut generate = ampctl(&["generate", "python", schema, "--by-hand"]);
        let generated = text(&generate.arg(&own).output().unwrap());
        fs::write(folder.path().join("generated.py"), generated).unwrap();
        let again = text(&import(folder.path(), "generated", &[]).output().unwrap());
        let commands = |text: &str| text.split_once('\n').unwrap().1.to_owned();
        assert_eq!(commands(&again), commands(&record));
        if schema == "python/trade.schema" {
            let mut compare = python().program("same_bytes.py");
            compare.args(["trade", "generated"]).env("PYTHONPATH", folder.path());
            let said = text(&compare.output().unwrap());
            assert!(said.contains("compared 2"), "{said}");
        }
    }
}

fn in_folder(folder: &Path, arguments: &[&str]) -> Output {
    ampctl(arguments).current_dir(folder).output().unwrap()
}

#[test]
fn schemas_of_a_thousand_commands_are_written_and_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let command = |n: usize| {
        format!(
            "#: Number {n}.\ncommand Do{n}\n  arguments\n    items: AmpList\n      name{n}: Unicode\n  \
             response\n    id{}: Integer\n  errors\n    E{}\n\n",
            n % 100,
            n % 10
        )
    };
    fs::write(folder.path().join("big.schema"), (0..1000).map(command).collect::<String>())
        .unwrap();
    for language in ["rust", "python", "markdown"] {
        let generate = || text(&in_folder(folder.path(), &["generate", language, "big.schema"]));
        let first = generate();
        assert_eq!(first.matches("Number 999.").count(), 1, "{language}");
        assert_eq!(first, generate());
    }
}

#[test]
fn a_switch_to_which_nobody_can_agree_is_an_ordinary_notification() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("leap.schema"), "command Leap one-way switch\n").unwrap();
    let code = text(&in_folder(folder.path(), &["generate", "rust", "leap.schema"]));
    assert!(code.contains("#[amp(one_way)]\npub struct Leap;\n"), "{code}");
}

#[test]
fn what_nobody_knows_is_for_a_person_to_write_once() {
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("wire.schema");
    let unknown = "command A\n  arguments\n    a: Rot13\n    b: unknown(\"shop.Rot14\") optional\n";
    fs::write(&schema, unknown).unwrap();
    for (language, file, expected) in [
        ("rust", "by_hand.rs", ["pub a: by_hand::Rot13,", "pub struct Rot14(pub Bytes);"]),
        ("python", "own.py", ["from own import Rot13, Rot14", "class Rot14(amp.String):"]),
    ] {
        let own = folder.path().join(file);
        let generate = || {
            let mut command = ampctl(&["generate", language]);
            command.arg(&schema).arg("--by-hand").arg(&own).output().unwrap()
        };
        let code = text(&generate());
        assert!(code.contains(expected[0]), "{code}");
        assert!(fs::read_to_string(&own).unwrap().contains(expected[1]));
        fs::write(&own, "mine").unwrap();
        let again = generate();
        assert_eq!(String::from_utf8(again.stdout).unwrap(), code);
        let said = format!("ampctl: {} is there already, and stays as it is\n", own.display());
        assert_eq!(String::from_utf8(again.stderr).unwrap(), said);
        assert_eq!(fs::read_to_string(&own).unwrap(), "mine");
    }
}

/// What is there and is no file is no reason to write nothing and say nothing.
#[test]
fn files_that_cannot_be_begun_are_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("s.schema"), "command A\n  arguments\n    x: Rot13\n").unwrap();
    fs::create_dir(at("folder")).unwrap();
    symlink("nowhere/x", at("dangling")).unwrap();
    let refused = |arguments: &[&str]| {
        let output =
            in_folder(folder.path(), &[&["generate", "rust", "s.schema"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    for option in ["--responders", "--by-hand"] {
        for path in ["folder", "dangling", "nowhere/x"] {
            let said = refused(&[option, path]);
            assert!(said.starts_with(&format!("ampctl: cannot write {path}: ")), "{said}");
        }
    }
    assert!(at("dangling").is_symlink());
    let said = refused(&["--responders", "x.rs", "--by-hand", "x.rs"]);
    assert_eq!(said, "ampctl: --by-hand and --responders are one file\n");
    assert!(!at("x.rs").exists());
    // Like any file that is new.
    let output =
        in_folder(folder.path(), &["generate", "rust", "s.schema", "--responders", "r.rs"]);
    assert!(output.status.success() && output.stderr.is_empty());
    fs::write(at("like"), "").unwrap();
    let mode = |name: &str| fs::metadata(at(name)).unwrap().permissions().mode();
    assert_eq!(mode("r.rs"), mode("like"));
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 5, "nothing else is left behind");
}

#[test]
fn mistakes_say_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let hints = folder.path().join("hints.toml");
    for (text, expected) in [
        ("[rust.integers]\nserial = \"u7\"\n", "the hint for serial: \"u7\" is none of i8, "),
        ("[rust.names]\nBuy = 1\n", "hints.toml: TOML parse error at line 2"),
        ("[rust.name]\n", "unknown field `name`"),
        ("[rust.names]\nBuy = \"fn x() {}\"\n", "\"fn x() {}\" is no name of a type"),
        ("[rust.names]\nBuy = \"Box\"\n", "Box is another type's name"),
    ] {
        fs::write(&hints, text).unwrap();
        let mut command = ampctl(&["generate", "rust", "python/trade.schema", "--hints"]);
        let output = command.arg(&hints).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn words_that_are_nearly_types_are_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    for (schema, expected) in [
        (
            "command A\n  arguments\n    x: unicode\n",
            "command A, argument x: \"unicode\" is no type, but \"Unicode\" is",
        ),
        (
            "command A\n  response\n    x: AmpList\n      y: ListOf(Date_Time)\n",
            "command A, response key x, key y: \"Date_Time\" is no type, but \"DateTime\" is",
        ),
        (
            "command A\n  arguments\n    x: ZLIB(String)\n",
            "command A, argument x: \"ZLIB\" is no type, but \"Zlib\" is",
        ),
        (
            "command A\n  arguments\n    x: AmpList(^0)\n",
            "command A, argument x: ^0 is no box around it, which are ^1 to ^1",
        ),
        (
            "command A\n  arguments\n    x: Box\n      y: ListOf(Box(^3))\n",
            "command A, argument x, key y: ^3 is no box around it, which are ^1 to ^2",
        ),
        (
            "command A\n  response\n    _answer: Integer\n",
            "command A, response key _answer: the key is the protocol's own",
        ),
        (
            "command A\n  arguments\n    x: Box\n      \"\": Integer\n",
            "command A, argument x, key : a key has 1 to 255 bytes, and this one 0",
        ),
    ] {
        fs::write(folder.path().join("s.schema"), schema).unwrap();
        for language in ["rust", "python"] {
            let output = in_folder(folder.path(), &["generate", language, "s.schema"]);
            assert_eq!(
                String::from_utf8_lossy(&output.stderr),
                format!("ampctl: s.schema: {expected}\n")
            );
            assert!(output.stdout.is_empty());
        }
    }
}

/// Also of what is inside of a box in a list.
#[test]
fn what_a_class_cannot_say_is_said_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let case = "x: OneOf(\"a\")\n      when x is \"a\"\n        y: Integer";
    let default = format!("{case} default");
    let cases = "what is only there with certain texts of others is optional";
    for (inner, expected) in [
        ("x: Integer default", "what has a default is optional"),
        (case, cases),
        (&default, cases),
        (&default, "what has a default is optional"),
        ("\"é\": Integer", "keys that are not ASCII, of which Twisted makes no names"),
        ("a-b: Integer\n      a_b: Integer", "some of its keys are one name in Python"),
        ("From: Integer\n      from: Integer", "some of its keys are one name in Python"),
        ("self: Integer", ""),
        ("x: unknown(\"a::Rest\")", ""),
    ] {
        let schema = format!("command A\n  response\n    rows: ListOf(AmpList)\n      {inner}\n");
        fs::write(folder.path().join("s.schema"), schema).unwrap();
        let output =
            in_folder(folder.path(), &["generate", "python", "s.schema", "--by-hand", "own.py"]);
        assert!(output.status.success());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(expected) && (said.is_empty() == expected.is_empty()), "{said}");
    }
    let schema = "command A\n  arguments\n    commandType: Integer\n";
    fs::write(folder.path().join("s.schema"), schema).unwrap();
    let output = in_folder(folder.path(), &["generate", "python", "s.schema"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("parameters of callRemote cannot be passed to it"), "{said}");
    // The derive has no word for it.
    let tag = "#! secret k\ncommand A\n  arguments\n    k: OneOf(\"a\")\n    when k is \"a\"\n";
    for others in ["", "    l: Integer\n"] {
        fs::write(folder.path().join("s.schema"), format!("{tag}{others}")).unwrap();
        let output = in_folder(folder.path(), &["generate", "rust", "s.schema"]);
        let said = String::from_utf8_lossy(&output.stderr);
        let line = "ampctl: A.k: that `k` is secret is not said, since it is a tag\n";
        assert_eq!(said, line);
    }
    for (inside, is_said) in
        [("", false), ("\n  errors\n    A", true), ("\n  response\n    x: Integer", true)]
    {
        fs::write(folder.path().join("s.schema"), format!("command StartTLS{inside}\n")).unwrap();
        for language in ["rust", "python"] {
            let output = in_folder(folder.path(), &["generate", language, "s.schema"]);
            let said = String::from_utf8_lossy(&output.stderr);
            let line = "ampctl: command StartTLS: it is the library's own, without the keys and errors of \
                        the schema\n";
            assert_eq!(said, if is_said { line } else { "" });
        }
    }
}
