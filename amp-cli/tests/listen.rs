//! `ampctl listen`, as a user runs it, on a server that calls its clients.

use amp_core::{AmpBox, CallError, Listener, Peer};
use amp_unix::UnixSocketListener;
use std::fs;
use std::process::{Command, Output};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A server that calls whoever connects, and says with what; it cuts the connection then if it is to.
fn server(cuts: bool) -> (TempDir, String, Runtime) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let runtime = Runtime::new().unwrap();
    let mut listener = {
        let _entered = runtime.enter();
        UnixSocketListener::bind(&path).unwrap()
    };
    runtime.spawn(async move {
        loop {
            let peer = Listener::accept(&mut listener).await.unwrap().spawn();
            tokio::spawn(call(peer, cuts));
        }
    });
    (folder, format!("unix:{}", path.display()), runtime)
}

async fn call(peer: Peer, cuts: bool) -> Result<(), CallError> {
    peer.notify_by_name("Note", [("text", "one")]).await?;
    let error = peer.call_by_name("Other", [("n", "1"), ("b", "\u{7f}")]).await.unwrap_err();
    // A program that wants no more calls leaves without answering.
    assert!(error.is_closed() || error.to_string().contains("UNHANDLED"), "{error}");
    peer.notify_by_name("Count", [("n", "x")]).await?;
    let nothing: AmpBox = AmpBox::new();
    peer.notify_by_name("Count", nothing.iter()).await?;
    if cuts {
        peer.close().await;
    } else {
        peer.closed().await;
    }
    Ok(())
}

fn listen(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_ampctl");
    Command::new(program).arg("listen").args(arguments).output().unwrap()
}

const LINES: [&str; 3] = [
    r#"{"command": "Note", "requires_answer": false, "arguments": {"text": "one"}}"#,
    r#"{"command": "Other", "requires_answer": true, "arguments": {"b": {"base64": "fw=="}, "n": "1"}}"#,
    r#"{"command": "Count", "requires_answer": false, "arguments": {"n": "x"}}"#,
];

#[test]
fn calls_are_printed_until_there_are_enough() {
    let (_folder, address, _runtime) = server(false);
    let output = listen(&[&address, "--count", "3"]);
    assert_eq!(output.status.code(), Some(0));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed.lines().collect::<Vec<_>>(), LINES);
    assert!(output.stderr.is_empty());
    assert_eq!(listen(&[&address, "--count", "0"]).status.code(), Some(0));
    let output = listen(&[&address, "--for", "200ms"]);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn calls_are_read_by_a_schema() {
    let (folder, address, _runtime) = server(false);
    let schema = folder.path().join("schema");
    let text = "command Count one-way\n  arguments\n    n: Integer\n\n\
                command Other\n  arguments\n    n: Integer\n";
    fs::write(&schema, text).unwrap();
    let output = listen(&[&address, "--count", "3", "--schema", schema.to_str().unwrap()]);
    let printed = String::from_utf8(output.stdout).unwrap();
    let second = r#"{"command": "Other", "requires_answer": true, "arguments": {"n": 1}}"#;
    assert_eq!(printed.lines().collect::<Vec<_>>(), [LINES[0], second, LINES[2]]);
    let said = String::from_utf8(output.stderr).unwrap();
    // The fourth call may be read too, before the third is printed.
    let first = "ampctl: a call of \"Count\" does not fit the schema: argument n: \"x\" is not an Integer\n";
    assert!(said.starts_with(first), "{said}");
}

#[test]
fn a_peer_that_goes_has_its_exit_code() {
    let (_folder, address, _runtime) = server(true);
    let output = listen(&[&address]);
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().starts_with(LINES[0]));
    assert_eq!(listen(&["unix:/nowhere/socket"]).status.code(), Some(3));
    assert_eq!(listen(&[&address, "--schema", "/nowhere"]).status.code(), Some(2));
}
