//! What needs a schema and no peer: `describe`, `check`, `completions` and `man`, as a user runs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const CALCULATOR: &str = "\
#: Divides one integer by another.
#: Slowly.
#! idempotent
#! secret numerator
command Divide
  arguments
    #: By what.
    denominator: Integer
    numerator: Integer default
    points: AmpList optional
      #: From the left.
      x: Integer
      kind: OneOf(\"a\", \"b\")
      below: AmpList(^1)
  response
    result: Float
  errors
    #: The denominator is zero.
    #! exception ZeroDivisionError
    ZERO_DIVISION
    WORN_OUT fatal

command Note one-way
  arguments
    text: Unicode

command StartTLS switch
";

fn ampctl(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ampctl")).args(arguments).output().unwrap()
}

/// What it prints when all is well.
#[track_caller]
fn printed(arguments: &[&str]) -> String {
    let output = ampctl(arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &*stderr), (Some(0), ""), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What it says of a mistake: one line, and nothing else.
#[track_caller]
fn refused(arguments: &[&str]) -> String {
    let output = ampctl(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    said.strip_prefix("ampctl: ").expect(&said).trim_end().to_owned()
}

/// A folder with a schema in it, and where that is.
fn file(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("the.schema");
    fs::write(&path, text).unwrap();
    (folder, path.to_str().unwrap().to_owned())
}

#[test]
fn commands_are_listed_and_described() {
    let (_folder, schema) = file(CALCULATOR);
    assert_eq!(
        printed(&["describe", "--schema", &schema]),
        "\
Divide (idempotent)  Divides one integer by another.
Note (one-way)
StartTLS (switch)
"
    );
    assert_eq!(
        printed(&["describe", "Divide", "--schema", &schema]),
        "\
Divide (idempotent)
  Divides one integer by another.
  Slowly.

arguments
  denominator  Integer          By what.
  numerator    Integer          default secret
  points       AmpList          optional
    below      AmpList(^1)
    kind       OneOf(\"a\", \"b\")
    x          Integer          From the left.

answer
  result  Float

errors
  WORN_OUT                          closes the connection
  ZERO_DIVISION  ZeroDivisionError                         The denominator is zero.
"
        .replace("Integer          By what.", "Integer                          By what.")
        .replace(
            "Integer          From the left.",
            "Integer                          From the left."
        )
    );
}

#[test]
fn a_peer_is_asked_what_it_answers() {
    let (folder, path) = file(CALCULATOR);
    let socket = folder.path().join("socket");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = {
        let _entered = runtime.enter();
        amp_unix::UnixSocketListener::bind(&socket).unwrap()
    };
    let schema = CALCULATOR.parse().unwrap();
    let responders = amp_core::Responders::new(()).respond_schema(&schema);
    runtime.spawn(amp_core::serve(listener, responders));
    let address = format!("unix:{}", socket.display());
    for rest in [&[][..], &["Divide"], &["Divide", "--json"], &["Divide", "--template"]] {
        let reflected = printed(&[&["describe", "--reflect", &address], rest].concat());
        assert_eq!(reflected, printed(&[&["describe", "--schema", &path], rest].concat()));
    }
    let output = ampctl(&["describe", "--reflect", "unix:/nowhere/socket"]);
    assert_eq!(output.status.code(), Some(3));
    let refuses = runtime.block_on(async {
        amp_unix::UnixSocketListener::bind(folder.path().join("other")).unwrap()
    });
    let none = amp_core::Responders::new(());
    runtime.spawn(amp_core::serve(refuses, none));
    let other = format!("unix:{}", folder.path().join("other").display());
    assert_eq!(ampctl(&["describe", "--reflect", &other]).status.code(), Some(5));
    assert_eq!(ampctl(&["describe"]).status.code(), Some(2));
}

#[test]
fn a_template_is_what_the_schema_takes() {
    let (_folder, path) = file(CALCULATOR);
    let template = printed(&["describe", "Divide", "--schema", &path, "--template"]);
    let schema: amp_core::schema::Schema = CALCULATOR.parse().unwrap();
    let schema = &schema.command("Divide").unwrap().arguments;
    let values = amp_core::dynamic::Values::from_json(schema, &template).unwrap();
    assert_eq!(values.len(), 3, "{template}");
}

#[test]
fn a_template_with_descriptors_is_what_a_call_takes() {
    let text = "command A\n  arguments\n    f: Descriptor\n    fs: ListOf(Descriptor)\n";
    let (folder, schema) = file(text);
    let template = printed(&["describe", "A", "--schema", &schema, "--template"]);
    let of = folder.path().join("of");
    fs::write(&of, "").unwrap();
    let json = template.replace("\"FILE\"", &format!("{of:?}"));
    // It is read, and then there is nobody to be called.
    let output = ampctl(&["call", "unix:/nowhere", "A", "--json", &json, "--schema", &schema]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}

#[test]
fn what_is_known_is_json_too() {
    let (_folder, schema) = file(CALCULATOR);
    let json = printed(&["describe", "--schema", &schema, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["command"], "Divide");
    assert_eq!(
        json[0]["arguments"]["arguments"][2]["box"]["arguments"][2]["docs"],
        "From the left."
    );
    assert_eq!(json[0]["errors"][1]["exception"], "ZeroDivisionError");
    assert_eq!(json[2]["switch"], true);
    let one = printed(&["describe", "Note", "--schema", &schema, "--json"]);
    let one: serde_json::Value = serde_json::from_str(&one).unwrap();
    assert_eq!(one, json[1]);
}

#[test]
fn schemas_come_from_several_files() {
    let (_first, first) = file("command A\n");
    let (_second, second) = file("command B\n");
    let both = ["describe", "--schema", &first, "--schema", &second];
    assert_eq!(printed(&both), "A\nB\n");
    let (_other, other) = file("command A one-way\n");
    assert_eq!(
        refused(&["describe", "--schema", &first, "--schema", &other]),
        format!("{other}: another schema has a different command \"A\"")
    );
}

#[test]
fn mistakes_are_named_with_their_place() {
    let (folder, schema) = file(CALCULATOR);
    assert_eq!(
        refused(&["describe", "divid", "--schema", &schema]),
        "there is no command \"divid\"; did you mean \"Divide\"?"
    );
    assert_eq!(
        refused(&["describe", "Something else", "--schema", &schema]),
        "there is no command \"Something else\"; there is Divide, Note, StartTLS"
    );
    let missing = folder.path().join("missing");
    let missing = missing.to_str().unwrap();
    assert_eq!(
        refused(&["describe", "--schema", missing]),
        format!("cannot read the schema {missing}: No such file or directory (os error 2)")
    );
    let (_wrong, wrong) = file("command A\n  arguments\n    a\n");
    assert_eq!(
        refused(&["describe", "--schema", &wrong]),
        format!("{wrong}: line 3: expected `NAME: TYPE`")
    );
    assert_eq!(
        refused(&["check", "git:main", &schema]),
        "git:main: it is git:REVISION:PATH, as git:main:a/b.schema"
    );
    assert_eq!(
        refused(&["man", missing]),
        format!("cannot write manual pages into {missing}: No such file or directory (os error 2)")
    );
    // These are clap's, with the usage below.
    for arguments in [&[][..], &["describe"], &["check", &schema], &["nonsense"]] {
        assert_eq!(ampctl(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn changes_that_break_peers_are_told() {
    let (_old, old) = file("command A\n  arguments\n    a: Integer\n");
    let (_new, new) = file("command A\n  arguments\n    a: Integer\n    b: Float optional\n");
    assert_eq!(
        printed(&["check", &old, &new]),
        "passes command A, argument b: it is new and optional\n"
    );
    assert_eq!(printed(&["check", &old, &old]), "");
    assert_eq!(printed(&["check", &old, &old, "--format", "json"]), "[]\n");

    let output = ampctl(&["check", &new, &old]);
    let what = "command A, argument b: it is gone, and what peers send there is lost";
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("breaks {what}\n"));
    let output = ampctl(&["check", &new, &old, "--format", "github"]);
    assert_eq!(output.status.code(), Some(1));
    let line = format!("::error title=AMP: breaks peers::{what}\n");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), line);
    let output = ampctl(&["check", &new, &old, "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json[0]["breaks"], true);
    assert_eq!(json[0]["at"], "command A, argument b");
}

fn git(folder: &Path, arguments: &[&str]) {
    let status = Command::new("git")
        .args(["-c", "user.name=n", "-c", "user.email=e", "-c", "init.defaultBranch=main"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
        .status;
    assert!(status.success(), "{arguments:?}");
}

#[test]
fn a_schema_is_compared_with_what_git_has() {
    let (folder, _) = file("command A\n");
    git(folder.path(), &["init", "-q"]);
    git(folder.path(), &["add", "."]);
    git(folder.path(), &["commit", "-q", "-m", "first"]);
    fs::write(folder.path().join("the.schema"), "command B\n").unwrap();
    let check = |old: &str| {
        Command::new(env!("CARGO_BIN_EXE_ampctl"))
            .args(["check", old, "the.schema"])
            .current_dir(folder.path())
            .output()
            .unwrap()
    };
    let output = check("git:HEAD:the.schema");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "breaks command A: it is gone, and peers may call it\npasses command B: it is new\n"
    );
    let output = check("git:HEAD:other");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("ampctl: git:HEAD:other: git says: "), "{said}");
}

#[test]
fn completion_scripts_load_in_the_shells_that_are_here() {
    // Each loads the script, and then asks for what it completes.
    let bash = r#"source "$1"; COMP_WORDS=(ampctl desc); COMP_CWORD=1; _ampctl ampctl desc ampctl; echo "${COMPREPLY[@]}""#;
    let zsh = r#"autoload -U compinit; compinit -u -D; source "$1"; echo ${_comps[ampctl]}; _ampctl_commands() { :; }; functions _ampctl"#;
    let fish = r#"source $argv[1]; complete --do-complete "ampctl desc""#;
    for (shell, options, script, completes) in [
        ("bash", &["--norc", "--noprofile", "-c"][..], bash, "describe"),
        ("zsh", &["-f", "-c"], zsh, "_ampctl"),
        ("fish", &["--no-config", "-c"], fish, "describe"),
    ] {
        let completions = printed(&["completions", shell]);
        assert!(completions.contains("describe") && completions.contains("template"), "{shell}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("_ampctl");
        fs::write(&path, completions).unwrap();
        let mut command = Command::new(shell);
        command.args(options).arg(script);
        // Fish has no name of the script among the arguments.
        command.args((shell != "fish").then_some(shell)).arg(&path);
        // What the user's own settings have them say is nothing of the scripts'.
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("HOME", folder.path());
        match command.env("LC_ALL", "C").env("TERM", "dumb").output() {
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stdout);
                assert!(output.status.success() && output.stderr.is_empty(), "{shell}: {output:?}");
                assert!(said.contains(completes), "{shell}: {output:?}");
            }
            Err(_) => println!("not tried, as it is not here: {shell}"),
        }
    }
}

#[test]
fn there_is_a_manual_page_for_each_subcommand() {
    let folder = tempfile::tempdir().unwrap();
    printed(&["man", folder.path().to_str().unwrap()]);
    let page = |name: &str| fs::read_to_string(PathBuf::from(folder.path()).join(name)).unwrap();
    assert!(page("ampctl.1").contains(".SH SUBCOMMANDS"));
    assert!(page("ampctl-check.1").contains("git:REVISION:PATH"));
    // Only what is about TLS is below that heading.
    let (all, tls) = (page("ampctl-call.1"), page("ampctl-call.1"));
    let tls = tls.split(".SH TLS").nth(1).unwrap_or_default();
    assert!(tls.contains("no\\-verify") && !tls.contains("one\\-way"), "{tls}");
    assert!(all.contains("one\\-way") && all.contains("KEY=VALUE"), "{all}");
    for name in ["ampctl-describe.1", "ampctl-completions.1", "ampctl-man.1"] {
        assert!(page(name).starts_with(".ie"), "{name}");
    }
}
