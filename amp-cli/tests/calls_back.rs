//! Rules that call the peer back: `ampctl serve --rules`, and `--respond` of those that connect.

mod support;

use support::{Folder, Scripted, Server, TWISTED, ampctl, fails, printed, text};

/// Where servers listen.
const LISTEN: &str = "tcp:127.0.0.1:0";

/// What a server answers.
const ASKED: &str = "command Ask\n\ncommand Note\n  arguments\n    n: Integer\n";
/// What it calls.
const BACK: &str = "command Back\n";

const RULES: &str = "[[rule]]\ncommand = \"Ask\"\nanswer = {}\ncall = [{ command = \"Back\" }]\n\n\
                     [[rule]]\ncommand = \"Note\"\nanswer = {}\n";

const MINE: &str = "[[rule]]\ncommand = \"Back\"\nanswer = {}\n\
                    call = [{ command = \"Note\", arguments = { n = 5 } }]\n";

fn told(command: &str, arguments: &str) -> String {
    format!(r#"{{"command": "{command}", "requires_answer": true, "arguments": {arguments}}}"#)
}

#[test]
fn what_is_called_back_is_of_the_schema_that_the_peer_answers() {
    let folder = Folder::new();
    let (asked, back) = (folder.file("asked", ASKED), folder.file("back", BACK));
    let (rules, mine) = (folder.file("rules.toml", RULES), folder.file("mine.toml", MINE));
    let mut server =
        Server::start(LISTEN, &["--rules", &rules, "--schema", &asked, "--schema", &back]);
    let call = ["call", &server.address, "Ask", "--respond", &mine];
    printed(&[&call[..], &["--schema", &asked, "--peer-schema", &back]].concat());
    assert_eq!(server.line(), told("Ask", "{}"));
    assert_eq!(server.line(), told("Note", "{\"n\": 5}"));
    assert_eq!(server.stop(), (Some(0), String::new()));
    // Neither is a command of the other direction.
    let call = ["call", "unix:/nowhere", "Ask", "--schema", &asked, "--peer-schema", &back];
    let wrong = MINE.replace("\"Note\"", "\"Back\"");
    let wrong = folder.file("wrong.toml", &wrong);
    let said = fails(&[&call[..], &["--respond", &wrong]].concat(), 2);
    assert!(said.contains("1: Back.call[0]: there is no command \"Back\""), "{said}");
}

#[test]
fn what_is_called_back_is_of_the_schema_that_was_asked_for() {
    let folder = Folder::new();
    let reflect = "\ncommand _Schema\n  response\n    schema: Unicode\n";
    let schema = folder.file("schema", &format!("{ASKED}\n{BACK}{reflect}"));
    let reflected = format!(
        "{RULES}\n[[rule]]\ncommand = \"_Schema\"\nanswer = {{ schema = \"\"\"{ASKED}\"\"\" }}\n"
    );
    let rules = folder.file("rules.toml", &reflected);
    let mine = folder.file("mine.toml", MINE);
    let mut server = Server::start(LISTEN, &["--rules", &rules, "--schema", &schema]);
    printed(&["call", &server.address, "Ask", "--respond", &mine, "--reflect"]);
    let lines = [server.line(), server.line(), server.line()];
    assert_eq!(lines[1..], [told("Ask", "{}"), told("Note", "{\"n\": 5}")]);
    assert_eq!(server.stop(), (Some(0), String::new()));

    // A mistake is said as soon as the schema is known.
    let reflected = vec![("schema", ASKED.as_bytes().to_vec())];
    let server = Scripted::start(&folder, "socket", vec![reflected, vec![]]);
    let wrong = folder.file("wrong.toml", &MINE.replace("n = 5", "n = true"));
    let said = fails(&["call", &server.address, "Ask", "--respond", &wrong, "--reflect"], 2);
    let expected = "ampctl: WRONG:1: Back.call[0].Note.n: true is no Integer";
    assert_eq!(said, expected.replace("WRONG", &wrong));
    assert_eq!(server.all_called(), ["_Schema"]);
}

#[test]
fn whoever_asks_for_a_switch_is_told_before_it() {
    let folder = Folder::new();
    let schema = folder.file("schema", TWISTED);
    let rules = "[[rule]]\ncommand = \"SwitchToEcho\"\nerror = \"FRIENDLY\"\n\
                 call = [{ command = \"Note\", arguments = { text = \"t\" } }]\n";
    let waits = rules.replace("Note\", arguments = { text = \"t\" }", "CountNotes\"");
    let waits = folder.file("waits.toml", &waits);
    let said = fails(&["serve", "stdio:", "--rules", &waits, "--schema", &schema], 2);
    assert!(said.contains("1: SwitchToEcho.call[0]: CountNotes wants an answer, and"), "{said}");
    let rules = folder.file("rules.toml", rules);
    let mine = folder.file("mine.toml", "[[rule]]\ncommand = \"Note\"\nanswer = {}\n");
    let server = Server::start(LISTEN, &["--rules", &rules, "--schema", &schema]);
    let call = ["call", &server.address, "SwitchToEcho", "refuse=true", "--schema", &schema];
    let output = ampctl(&[&call[..], &["--respond", &mine, "--verbose"]].concat(), b"");
    let said = text(output.stderr);
    assert!(said.contains(" Note text=\"t\""), "{said}");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(server.stop(), (Some(0), String::new()));
}

#[test]
fn what_is_hidden_of_what_is_called_back_is_not_said() {
    let folder = Folder::new();
    let schema = folder.file("schema", TWISTED);
    let rules = "[[rule]]\ncommand = \"CallBack\"\nanswer = { total = 3 }\n\
                 call = [{ command = \"Sum\", arguments = { a = 1, b = 2 } }]\n";
    let rules = folder.file("rules.toml", rules);
    let mine =
        folder.file("mine.toml", "[[rule]]\ncommand = \"Sum\"\nanswer = { total = \"s3cret\" }\n");
    let server =
        Server::start(LISTEN, &["--rules", &rules, "--schema", &schema, "--hide", "total"]);
    let call = ["call", &server.address, "CallBack", "a:Integer=1", "b:Integer=2"];
    printed(&[&call[..], &["--respond", &mine]].concat());
    let (_, said) = server.stop();
    assert!(said.contains("a hidden value does not fit") && !said.contains("s3cret"), "{said}");
}
