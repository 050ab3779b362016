//! Conversations that a Twisted client holds with a peer of the compliance suite.

use amp_tests::{DEADLINE, Peer, Process, Python, Transport};
use std::time::Instant;

#[test]
fn twisted_calls_twisted_over_a_unix_socket() {
    let python = python();
    let peer = Peer::start(python.program("peer.py"), Transport::Unix);
    let passed = twisted_calls(&python, &peer);
    assert!(passed.contains(&"ok file-size".to_owned()), "{passed:?}");
}

#[test]
fn twisted_calls_twisted_over_tcp() {
    let python = python();
    let peer = Peer::start(python.program("peer.py"), Transport::Tcp);
    let passed = twisted_calls(&python, &peer);
    assert!(passed.contains(&"ok sum".to_owned()), "{passed:?}");
}

fn python() -> Python {
    Python::with_twisted(env!("CARGO_TARGET_TMPDIR"))
}

/// Holds all scenarios of `client.py` with a peer; what it printed.
fn twisted_calls(python: &Python, peer: &Peer) -> Vec<String> {
    let mut client = python.program("client.py");
    client.arg(peer.address().to_string());
    let finished = Process::start(client).finish(Instant::now() + 3 * DEADLINE);
    let lines = finished.stdout.join("\n");
    assert_eq!(finished.code, Some(0), "{lines}\n{}", finished.stderr);
    finished.stdout
}
