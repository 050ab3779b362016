//! `compliance-peer` as a program: its command line, and how it ends.

use amp_tests::commands::{CountNotes, Wait, Waited};
use amp_tests::{Address, DEADLINE, Process};
use nix::sys::signal::Signal;
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use tokio::time::timeout;

fn program(arguments: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_compliance-peer"));
    command.args(arguments);
    Process::start(command)
}

#[test]
fn bad_arguments_are_answered_with_the_usage() {
    let mistakes: [(&[&str], &str); 8] = [
        (&[], "--listen is missing"),
        (&["--listen"], "--listen what?"),
        (&["--listen", "/tmp/socket"], "not \"/tmp/socket\""),
        (&["--listen", "udp:localhost:1"], "not \"udp:localhost:1\""),
        (&["--listen", "tcp:127.0.0.1:0", "--policy"], "--policy what?"),
        (&["--listen", "tcp:127.0.0.1:0", "--policy", "go"], "not \"go\""),
        (&["--listen", "tcp:127.0.0.1:0", "--tls"], "--tls what?"),
        (&["listen"], "no option listen"),
    ];
    for (arguments, message) in mistakes {
        let finished = program(arguments).finish(Instant::now() + DEADLINE);
        assert_eq!(finished.code, Some(2), "{arguments:?}");
        assert!(finished.stdout.is_empty(), "{arguments:?}: {:?}", finished.stdout);
        let stderr = finished.stderr;
        assert!(stderr.contains(message) && stderr.contains("usage: "), "{arguments:?}: {stderr}");
    }
}

#[test]
fn an_address_that_cannot_be_listened_at_is_an_error() {
    let finished = program(&["--listen", "unix:/no/such/folder"]).finish(Instant::now() + DEADLINE);
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.starts_with("cannot serve: "), "{}", finished.stderr);
}

#[tokio::test]
async fn it_stops_once_running_responders_are_done() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let address = Address::Unix(socket.clone());
        let mut process = program(&["--listen", &address.to_string()]);
        let line = process.line(Instant::now() + DEADLINE).unwrap();
        assert_eq!(line.strip_prefix("listening ").map(Path::new), Some(&*socket));

        let peer = address.connect().await.unwrap().call_timeout(DEADLINE).spawn();
        let wait = peer.call_remote(Wait { seconds: 0.5, token: "t".into() });
        let (waited, ()) = tokio::join!(wait, async {
            // A peer that answers this has read the other call, which is older.
            peer.call_remote(CountNotes).await.unwrap();
            process.signal(signal);
        });
        assert_eq!(waited.unwrap(), Waited { token: "t".into() });
        timeout(DEADLINE, peer.closed()).await.unwrap();
        let finished = process.finish(Instant::now() + DEADLINE);
        assert_eq!((finished.code, &*finished.stderr), (Some(0), ""));
        assert!(!socket.exists());
    }
}
