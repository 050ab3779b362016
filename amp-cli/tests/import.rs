//! `ampctl import python`, of the classes in the folder `import`, which have what those of real
//! projects have.

use amp_core::schema::Schema;
use amp_tests::Python;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/import");

/// Runs it in the folder of the classes.
fn import(arguments: &[&str]) -> Output {
    let python = Python::with_twisted(env!("CARGO_TARGET_TMPDIR"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_ampctl"));
    command.args(["import", "python", "--python"]).arg(python.interpreter().get_program());
    command.args(arguments).current_dir(HERE).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

/// A file beside the classes, which is written when the environment variable `AMP_RECORD` is `all`.
fn assert_is(written: &[u8], name: &str) {
    let path = PathBuf::from(HERE).join(name);
    if std::env::var("AMP_RECORD").is_ok_and(|record| record == "all") {
        fs::write(&path, written).unwrap();
    }
    assert_eq!(text(written), fs::read_to_string(&path).unwrap(), "{}", path.display());
}

#[test]
fn classes_become_a_schema_that_says_what_is_not_sure() {
    let output = import(&["shop.commands"]);
    assert_is(&output.stdout, "shop.schema");
    assert_is(&output.stderr, "shop.txt");
    assert!(output.status.success());
    let schema: Schema = text(&output.stdout).parse().unwrap();
    // The library has the same words for it.
    let plain: Vec<_> =
        text(&output.stdout).lines().filter(|line| !line.trim_start().starts_with("# ")).collect();
    assert_eq!(schema.to_string().trim(), plain.join("\n").trim());
}

#[test]
fn hints_say_what_probing_cannot_and_confirm_what_it_has_found() {
    let output = import(&["shop.commands", "--hints", "hints.toml", "--strict"]);
    assert_eq!(text(&output.stderr), "");
    assert!(output.status.success());
    assert_is(&output.stdout, "confirmed.schema");
    let marks = text(&output.stdout).lines().skip(1).filter(|line| line.trim().starts_with("# "));
    assert_eq!(marks.count(), 0);
}

#[test]
fn what_is_open_is_refused_where_all_is_to_be_known() {
    let output = import(&["shop/commands.py", "--strict"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("command Buy"), "the schema is printed all the same");
}

#[test]
fn a_file_is_as_good_as_a_module() {
    let [module, file] = ["shop.commands", "shop/commands.py"].map(|what| import(&[what]).stdout);
    let commands = |text: &[u8]| {
        let text = String::from_utf8(text.to_vec()).unwrap();
        text.split_once('\n').unwrap().1.to_owned()
    };
    assert_eq!(commands(&module), commands(&file));
}

#[test]
fn the_classes_of_the_compliance_suite_are_known() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/python");
    let output = import(&["commands", "--path", folder, "--strict"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let schema: Schema = text(&output.stdout).parse().unwrap();
    assert_eq!(schema.commands().count(), 15);
}

#[test]
fn mistakes_say_where_they_are() {
    for (arguments, expected) in [
        (&["shop.nothing"][..], "there is no module shop.nothing in "),
        (&["shop/nothing.py"], "No such file or directory: "),
        (&["shop.commands", "--hints", "none.toml"], "cannot read the hints none.toml: "),
        (&["shop.commands", "--hints", "wrong.toml"], "wrong.toml: TOML parse error at line 2"),
        (
            &["shop.commands", "--hints", "unclear.toml"],
            "shop.arguments.Big has no argument 'inner'",
        ),
        (&["twice.py"], "two commands are named Once: twice.py:4 and twice.py:8"),
        (&["broken.py"], "invalid syntax"),
    ] {
        let output = import(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = text(&output.stderr);
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(!said.contains("Traceback"), "{said}");
        assert!(output.stdout.is_empty());
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_ampctl"));
    command.args(["import", "python", "--python", "no-such-python", "shop.commands"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).starts_with("ampctl: cannot run no-such-python: "));
}
