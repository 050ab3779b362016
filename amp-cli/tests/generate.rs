//! `ampctl generate`: what it writes of the schema of `tests/python/trade.py`, which has all that a
//! schema has, and of schemas that hurt.
//!
//! The code is `src/trade.rs` of amp-tests, where the lints of the workspace hold. Where the generator has
//! changed, `AMP_RECORD=all` writes it again.

use amp_core::schema::Schema;
use amp_core::testing::{PrintedRecord, SchemaRecord};
use amp_core::{Arguments as _, CallError, Command, Responders};
use amp_tests::{DEADLINE, Python, odd, trade};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command as Program, Output};
use tokio::time::timeout;

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

/// A folder with the schema whose names are no names.
fn odd() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["odd.schema", "odd.toml"] {
        fs::copy(of_tests("python").join(file), folder.path().join(file)).unwrap();
    }
    folder
}

fn in_folder(folder: &Path, arguments: &[&str]) -> Output {
    ampctl(arguments).current_dir(folder).output().unwrap()
}

/// The code is the module `odd` of amp-tests, where it is compiled under the strictest lints.
#[test]
fn names_that_are_none_and_docs_that_hurt_are_compiled_and_formatted() {
    let folder = odd();
    let files = ["commands.rs", "by_hand.rs", "responders.rs"];
    let arguments = ["generate", "rust", "odd.schema", "--hints", "odd.toml"];
    let others = ["--by-hand", files[1], "--responders", files[2]];
    let commands = text(&in_folder(folder.path(), &[&arguments[..], &others[..]].concat()));
    fs::write(folder.path().join(files[0]), commands).unwrap();
    for file in files {
        let (written, committed) = (folder.path().join(file), of_tests("src/odd").join(file));
        if std::env::var("AMP_RECORD").is_ok_and(|record| record == "all") {
            fs::copy(&written, &committed).unwrap();
        }
        let [written, committed] =
            [&written, &committed].map(|path| fs::read_to_string(path).unwrap());
        assert_eq!(written, committed, "{file}");
    }
    let mut format = Program::new("rustfmt");
    format.args(["--edition", "2024", "--check"]).args(files).current_dir(folder.path());
    let said = format.output().expect("rustfmt is there");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
    SchemaRecord::new(folder.path().join("odd.schema")).schema(odd::commands::schema()).agree();
    // What is not on the wire comes back as well.
    let record: Schema =
        fs::read_to_string(folder.path().join("odd.schema")).unwrap().parse().unwrap();
    let ours = odd::commands::schema();
    for ((name, ours), (_, other)) in ours.commands().zip(record.commands()) {
        assert_eq!(ours.secrets, other.secrets, "{name}");
        assert_eq!(ours.is_idempotent, other.is_idempotent, "{name}");
        let exceptions = |errors: &Option<Vec<amp_core::schema::ErrorSchema>>| {
            let errors = errors.iter().flatten();
            errors.map(|error| error.exception.clone()).collect::<Vec<_>>()
        };
        assert_eq!(exceptions(&ours.errors), exceptions(&other.errors), "{name}");
    }
}

/// A schema is begun with none, and code of it is compiled as that of any other.
#[test]
fn code_of_no_commands_is_compiled_and_formatted() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("none.schema"), "").unwrap();
    let arguments = ["generate", "rust", "none.schema", "--responders", "responders.rs"];
    let files = ["commands.rs", "responders.rs"];
    let commands = text(&in_folder(folder.path(), &arguments));
    fs::write(folder.path().join(files[0]), commands).unwrap();
    for file in files {
        let committed = of_tests("src/odd/none").join(file);
        if std::env::var("AMP_RECORD").is_ok_and(|record| record == "all") {
            fs::copy(folder.path().join(file), &committed).unwrap();
        }
        let [written, committed] =
            [&folder.path().join(file), &committed].map(|path| fs::read_to_string(path).unwrap());
        assert_eq!(written, committed, "{file}");
    }
    let mut format = Program::new("rustfmt");
    format.args(["--edition", "2024", "--check"]).args(files).current_dir(folder.path());
    let said = format.output().expect("rustfmt is there");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
    assert_eq!(odd::none::commands::schema(), Schema::default());
}

/// As they are begun: each command is one that its peer has, and fails alone.
#[tokio::test]
async fn responders_run_before_they_are_filled_in() {
    let (peer, _other) =
        amp_core::testing::pair(Responders::new(()), odd::responders::responders());
    for (name, command) in
        odd::commands::schema().commands().filter(|(_, command)| !command.is_switch)
    {
        let arguments: [(&str, &str); 0] = [];
        if command.arguments.arguments.is_empty() {
            let failed = timeout(DEADLINE, peer.call_by_name(name, arguments)).await.unwrap();
            let Err(CallError::Remote(failed)) = failed else { panic!("{name}: {failed:?}") };
            assert!(failed.is_unknown(), "{name}: {failed}");
        }
    }
    assert!(!peer.is_closed());
}

#[test]
fn odd_names_become_classes_that_are_imported_again() {
    let folder = odd();
    let arguments = ["generate", "python", "odd.schema", "--by-hand", "own.py"];
    let output = in_folder(folder.path(), &arguments);
    assert!(output.status.success());
    fs::write(folder.path().join("odd.py"), &output.stdout).unwrap();
    let lost = String::from_utf8(output.stderr).unwrap();
    for line in [
        "command Context: that it may be sent again is not said",
        "command Context: which of its values are secret is not said",
        "command Context: arguments whose keys are not known are left out",
        "command NoError: its errors are not known, so it declares none",
        "command Responders: what has a default is optional",
    ] {
        assert!(lost.contains(line), "{lost}");
    }
    let again = import(folder.path(), "odd", &[]).output().unwrap();
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(!said.contains("left out") && !said.contains("ampctl: odd.py"), "{said}");
    let again: Schema = String::from_utf8(again.stdout).unwrap().parse().unwrap();
    let record: Schema =
        fs::read_to_string(folder.path().join("odd.schema")).unwrap().parse().unwrap();
    assert_eq!(again.commands().count(), record.commands().count());
    for ((name, again), (_, record)) in again.commands().zip(record.commands()) {
        let keys = |schema: &amp_core::schema::BoxSchema| {
            let keys = schema.arguments.iter();
            keys.map(|key| (key.name.clone(), key.wire_type.to_string())).collect::<Vec<_>>()
        };
        // Forms that nobody knows are written by hand.
        if name != "Responders" {
            assert_eq!(keys(&again.arguments), keys(&record.arguments), "{name}");
        }
        assert_eq!(keys(&again.response), keys(&record.response), "{name}");
        assert_eq!(
            again.errors.as_ref().map_or(0, Vec::len),
            record.errors.as_ref().map_or(0, Vec::len),
            "{name}"
        );
    }
    let markdown = text(&in_folder(folder.path(), &["generate", "markdown", "odd.schema"]));
    assert!(markdown.contains("\n~~~text\n    tab <script>"), "{markdown}");
    assert!(!markdown.contains("\n# heading"), "{markdown}");
    assert!(markdown.contains("[listStock](#liststock)") && markdown.contains("(#list-stock-1)"));
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
fn file_names_are_no_code() {
    let folder = odd();
    let name = "a\nimport os; os.abort()\n.schema";
    fs::copy(folder.path().join("odd.schema"), folder.path().join(name)).unwrap();
    for language in ["rust", "python", "markdown"] {
        let output = in_folder(folder.path(), &["generate", language, name]);
        let written = String::from_utf8(output.stdout).unwrap();
        assert!(written.contains("a import os; os.abort()"), "{written:.300}");
        assert!(!written.contains("\nimport os"), "{written:.300}");
    }
}

/// Whatever the file of hints looks like, it can be read again.
#[test]
fn names_are_kept_in_files_of_any_style() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("s.schema"), "command b\n\ncommand c\n").unwrap();
    for (hints, expected) in [
        ("[rust.names] # mine\nb = \"Bee\"\n", "[rust.names] # mine\n\"c\" = \"C\"\nb = \"Bee\"\n"),
        ("[rust.names]\r\nb = \"Bee\"\r\n", "[rust.names]\r\n\"c\" = \"C\"\nb = \"Bee\"\r\n"),
        ("# [rust.names]\n", "# [rust.names]\n\n[rust.names]\n\"b\" = \"B\"\n\"c\" = \"C\"\n"),
        ("", "[rust.names]\n\"b\" = \"B\"\n\"c\" = \"C\"\n"),
    ] {
        let path = folder.path().join("h.toml");
        fs::write(&path, hints).unwrap();
        let arguments = ["generate", "rust", "s.schema", "--hints", "h.toml", "--keep-names"];
        let first = text(&in_folder(folder.path(), &arguments));
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(text(&in_folder(folder.path(), &arguments)), first);
    }
    let inline = "[rust]\nnames = { b = \"Bee\" }\n";
    fs::write(folder.path().join("h.toml"), inline).unwrap();
    let arguments = ["generate", "rust", "s.schema", "--hints", "h.toml", "--keep-names"];
    let output = in_folder(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read_to_string(folder.path().join("h.toml")).unwrap(), inline);
}

/// Every item of the code stays what it was, though the new command comes first and has a response like
/// another's.
#[test]
fn one_more_command_changes_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let [schema, hints] = ["wire.schema", "hints.toml"].map(|name| folder.path().join(name));
    let old = fs::read_to_string(of_tests("python/trade.schema")).unwrap();
    fs::write(&schema, &old).unwrap();
    fs::copy(of_tests("python/trade.toml"), &hints).unwrap();
    let generate = || {
        let mut command = ampctl(&["generate", "rust", "--keep-names"]);
        text(&command.arg(&schema).arg("--hints").arg(&hints).output().unwrap())
    };
    let before = generate();
    let kept = fs::read_to_string(&hints).unwrap();
    assert!(
        kept.contains("\"list-stock\" = \"ListStock\"\n") && kept.contains("serial = \"u128\"")
    );
    assert_eq!(generate(), before, "names that are kept are those that there were");
    assert_eq!(fs::read_to_string(&hints).unwrap(), kept);

    let new = "command Aaa\n  arguments\n    item: AmpList\n      name: Unicode\n      price: Decimal optional\n  \
               response\n    id: Integer\n  errors\n    SOLD_OUT\n    trade-error\n\n";
    fs::write(&schema, format!("{new}{old}")).unwrap();
    let after = generate();
    let items = |text: &str| text.split("\n\n").map(str::to_owned).collect::<Vec<_>>();
    let after_items = items(&after);
    for item in items(&before) {
        if !item.contains("pub fn schema()") {
            assert!(after_items.contains(&item), "{item}");
        }
    }
    assert!(after.contains("pub struct Aaa {"));
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

/// The hints are somebody's file: it stays where it is, who may read it, and what is beside it.
#[test]
fn names_are_kept_in_the_file_that_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("s.schema"), "command b\n").unwrap();
    fs::write(at("hints.new"), "precious").unwrap();
    fs::create_dir(at("elsewhere")).unwrap();
    fs::write(at("elsewhere/real.toml"), "").unwrap();
    fs::set_permissions(at("elsewhere/real.toml"), Permissions::from_mode(0o664)).unwrap();
    symlink("elsewhere/real.toml", at("hints.toml")).unwrap();
    let arguments = ["generate", "rust", "s.schema", "--hints", "hints.toml", "--keep-names"];
    text(&in_folder(folder.path(), &arguments));
    assert_eq!(fs::read_to_string(at("hints.new")).unwrap(), "precious");
    assert!(at("hints.toml").is_symlink());
    let kept = fs::read_to_string(at("elsewhere/real.toml")).unwrap();
    assert_eq!(kept, "[rust.names]\n\"b\" = \"B\"\n");
    let mode = fs::metadata(at("elsewhere/real.toml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o664);
    assert_eq!(fs::read_dir(at("elsewhere")).unwrap().count(), 1);
}

/// Where commands share a type and the first of them changes, the others keep its name.
#[test]
fn one_changed_command_renames_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let command = |name: &str, key: &str| {
        format!(
            "command {name}\n  response\n    rows: AmpList\n      {key}: Integer\n  errors\n    {}\n\n",
            key.to_uppercase()
        )
    };
    let all = |first: &str| {
        [command("A", first), command("B", "id"), command("C", "id"), command("D", "id")].concat()
    };
    fs::write(at("s.schema"), all("id")).unwrap();
    let places = ["A", "B", "C", "D"].map(|name| {
        format!("\"{name}.response\" = \"Found\"\n\"{name}.response.rows\" = \"Row\"\n\"{name}.errors\" = \"Gone\"\n")
    });
    fs::write(at("h.toml"), format!("[rust.names]\n{}", places.concat())).unwrap();
    let generate = || {
        let arguments = ["generate", "rust", "s.schema", "--hints", "h.toml", "--keep-names"];
        in_folder(folder.path(), &arguments)
    };
    let before = text(&generate());
    fs::write(at("s.schema"), all("other")).unwrap();
    let after = generate();
    let said = String::from_utf8(after.stderr).unwrap();
    let after = String::from_utf8(after.stdout).unwrap();
    let items: Vec<_> = after.split("\n\n").collect();
    for item in before.split("\n\n") {
        if !item.contains("pub struct A;") {
            assert!(items.contains(&item), "{item}\n{after}");
        }
    }
    assert!(
        after.contains("#[amp(response = AResponse, error = AError)]\npub struct A;"),
        "{after}"
    );
    assert_eq!(
        said,
        "ampctl: A.errors is AError, and not Gone as the hints say, which is another type\n\
         ampctl: A.response is AResponse, and not Found as the hints say, which is another type\n\
         ampctl: A.response.rows is AResponseRow, and not Row as the hints say, which is another type\n"
    );
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

/// A box of one side, as the other side writes it once it has read it.
fn again<C: Command>(part: &str, bytes: Bytes) -> Bytes {
    match part {
        "arguments" => C::decode(bytes).unwrap().encode().unwrap(),
        _ => C::Response::decode(bytes).unwrap().encode().unwrap(),
    }
}

/// Names that are none are the same keys to both sides.
#[test]
fn odd_classes_are_run_and_write_what_the_odd_structs_read() {
    use odd::commands as rust;
    let folder = odd();
    let arguments = ["generate", "python", "odd.schema", "--by-hand", "own.py"];
    let output = in_folder(folder.path(), &arguments);
    fs::write(folder.path().join("odd.py"), &output.stdout).unwrap();
    let mut boxes = python().program("boxes.py");
    let boxes = boxes.args(["odd", "random"]).env("PYTHONPATH", folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&boxes.stderr);
    assert!(boxes.status.success(), "{said}");
    let mut seen = BTreeSet::new();
    for line in String::from_utf8(boxes.stdout).unwrap().lines() {
        let [data, part, name] = line.rsplitn(3, ' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let digits = data.as_bytes().chunks(2);
        let byte = |digits: &[u8]| u8::from_str_radix(str::from_utf8(digits).unwrap(), 16).unwrap();
        let bytes: Bytes = digits.map(byte).collect();
        let written = match name {
            "NoError" => again::<rust::NoErrorCommand>(part, bytes.clone()),
            "Result" => again::<rust::ResultCommand>(part, bytes.clone()),
            "String" => again::<rust::StringCommand>(part, bytes.clone()),
            "list" => again::<rust::List>(part, bytes.clone()),
            "list stock" => again::<rust::ListStock>(part, bytes.clone()),
            "list-stock" => again::<rust::ListStockCommand>(part, bytes.clone()),
            "listStock" => again::<rust::StockOfList>(part, bytes.clone()),
            "type" => again::<rust::Type>(part, bytes.clone()),
            other => panic!("{other}"),
        };
        assert_eq!(written, bytes, "{line}, {said}");
        seen.insert(name.to_owned());
    }
    // The others have descriptors, streams, and keys that Twisted has no names for.
    assert_eq!(seen.len(), 8, "{seen:?}");
}
