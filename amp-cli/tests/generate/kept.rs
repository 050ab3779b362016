//! Names that are kept in the hints, so that a change of the schema renames nothing else.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use super::{ampctl, in_folder, of_tests, text};

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
