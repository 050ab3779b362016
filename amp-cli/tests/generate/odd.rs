//! Schemas whose names are none, and whose documentation hurts.

use amp_core::schema::{CommandSchema, Schema};
use amp_core::testing::SchemaRecord;
use amp_core::{Arguments as _, CallError, Command, Responders};
use amp_tests::{DEADLINE, odd};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::fs;
use std::process::Command as Program;
use tokio::time::timeout;

use super::{import, in_folder, of_tests, python, text};

/// A folder with the schema whose names are no names.
fn odd() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["odd.schema", "odd.toml"] {
        fs::copy(of_tests("python").join(file), folder.path().join(file)).unwrap();
    }
    folder
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
        assert_eq!(ours.secrets(), other.secrets(), "{name}");
        assert_eq!(ours.is_idempotent, other.is_idempotent, "{name}");
        let exceptions = |command: &CommandSchema| {
            let errors = command.errors().into_iter().flatten();
            errors.map(|error| error.exception.clone()).collect::<Vec<_>>()
        };
        assert_eq!(exceptions(ours), exceptions(other), "{name}");
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
        if command.arguments.arguments().is_empty() {
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
            let keys = schema.arguments().iter();
            keys.map(|key| (key.name.clone(), key.wire_type.to_string())).collect::<Vec<_>>()
        };
        // Forms that nobody knows are written by hand.
        if name != "Responders" {
            assert_eq!(keys(&again.arguments), keys(&record.arguments), "{name}");
        }
        assert_eq!(keys(&again.response), keys(&record.response), "{name}");
        assert_eq!(
            again.errors().map_or(0, <[_]>::len),
            record.errors().map_or(0, <[_]>::len),
            "{name}"
        );
    }
    let markdown = text(&in_folder(folder.path(), &["generate", "markdown", "odd.schema"]));
    assert!(markdown.contains("\n~~~text\n    tab <script>"), "{markdown}");
    assert!(!markdown.contains("\n# heading"), "{markdown}");
    assert!(markdown.contains("[listStock](#liststock)") && markdown.contains("(#list-stock-1)"));
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

/// Classes are made of all commands, and nothing else runs or takes a name of Python's own.
#[test]
fn texts_of_a_schema_are_no_program_of_python() {
    let hidden = "#: \u{200b}\ncommand A\n\n#: ;EVIL=1#\ncommand B\n";
    let of_errors = "command A\n  errors\n    #: \u{2060}\u{feff}\n    ONE\n    #: ;EVIL=1#\n    TWO\n\n\
                     command B\n";
    // As UTF-7, these are three quotes and an equals sign.
    let encoded = "#: +ACIAIgAi-;EVIL+AD0-1#\ncommand A\n\ncommand B\n";
    let names = "command A\n  errors\n    #! exception __builtins__\n    ONE\n    #! exception __debug__\n    \
                 TWO\n    #! exception m.__Own\n    THREE\n    #! exception \"a\\u{0}b\"\n    FOUR\n\n\
                 command B\n  arguments\n    x: OneOf(\"\\u{a}\\u{202e}\")\n";
    for (name, schema) in [
        ("s.schema", hidden),
        ("s.schema", of_errors),
        ("coding=utf-7 .schema", encoded),
        ("s.schema", names),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), schema).unwrap();
        let written = text(&in_folder(folder.path(), &["generate", "python", name]));
        fs::write(folder.path().join("generated.py"), &written).unwrap();
        let mut import = python().interpreter();
        let program = "import generated as g\nassert isinstance(g.__builtins__, dict)\n\
                       print([c.__name__ for c in g.ALL], [n for n in vars(g) | vars(g.A) | vars(g.B) if 'EVIL' in n])";
        let said = import.args(["-c", program]).env("PYTHONPATH", folder.path()).output().unwrap();
        let errors = String::from_utf8_lossy(&said.stderr);
        let said = String::from_utf8_lossy(&said.stdout);
        assert_eq!(said, "['A', 'B'] []\n", "{written}{errors}");
        assert!(!written.contains(['\u{200b}', '\u{202e}', '\0']), "{written}");
    }
}

/// What is said of a schema has nothing of it that a terminal would act upon.
#[test]
fn names_are_plain_where_they_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let schema = "#! secret k\ncommand \"a\\u{1b}[31m\\u{202e}\"\n  arguments\n    k: OneOf(\"a\")\n    \
                  when k is \"a\"\n  errors unknown\n";
    fs::write(folder.path().join("s.schema"), schema).unwrap();
    for language in ["python", "rust"] {
        let output = in_folder(folder.path(), &["generate", language, "s.schema"]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains("\\u{1b}[31m\\u{202e}"), "{told}");
        assert!(!told.contains(['\u{1b}', '\u{202e}']), "{told}");
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
