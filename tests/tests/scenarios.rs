//! Conversations that a Twisted client holds with a peer of the compliance suite.

mod support;

use amp_core::FailurePolicy;
use amp_tests::{DEADLINE, Peer, Process, Transport};
use std::time::Instant;
use support::{ours, policy_name, python, twisted};

#[test]
fn twisted_calls_twisted_over_a_unix_socket() {
    let passed = twisted_calls(&twisted(Transport::Unix), FailurePolicy::Close);
    assert!(passed.contains(&"ok file-size".to_owned()), "{passed:?}");
}

#[test]
fn twisted_calls_twisted_over_tcp() {
    let passed = twisted_calls(&twisted(Transport::Tcp), FailurePolicy::Close);
    assert!(passed.contains(&"ok sum".to_owned()), "{passed:?}");
}

#[test]
fn twisted_calls_ours_over_a_unix_socket() {
    let policy = FailurePolicy::Close;
    let passed = twisted_calls(&ours(Transport::Unix, policy), policy);
    assert!(passed.contains(&"ok file-size".to_owned()), "{passed:?}");
}

#[test]
fn twisted_calls_ours_over_tcp() {
    let policy = FailurePolicy::Close;
    let passed = twisted_calls(&ours(Transport::Tcp, policy), policy);
    assert!(passed.contains(&"ok sum".to_owned()), "{passed:?}");
}

#[test]
fn twisted_calls_ours_that_stays() {
    let policy = FailurePolicy::Stay;
    let passed = twisted_calls(&ours(Transport::Unix, policy), policy);
    assert!(passed.contains(&"ok undeclared-error".to_owned()), "{passed:?}");
}

/// Holds all scenarios of `client.py` with a peer of this policy; what it printed.
fn twisted_calls(peer: &Peer, policy: FailurePolicy) -> Vec<String> {
    let mut client = python().program("client.py");
    client.arg(peer.address().to_string()).arg("--policy").arg(policy_name(policy));
    let finished = Process::start(client).finish(Instant::now() + 3 * DEADLINE);
    let lines = finished.stdout.join("\n");
    assert_eq!(finished.code, Some(0), "{lines}\n{}", finished.stderr);
    finished.stdout
}
