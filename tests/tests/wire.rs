//! What happens on the wire, byte for byte: the conversations of the compliance suite with Twisted's
//! peer, which sets the standard, and with our own.

mod support;

use amp_core::FailurePolicy;
use amp_tests::conversations::{Expected, Standard, hold_all};
use amp_tests::{Peer, RawClient, Transport};
use support::{ours, twisted};

const CLOSE: FailurePolicy = FailurePolicy::Close;
const STAY: FailurePolicy = FailurePolicy::Stay;

#[test]
fn twisted_over_a_unix_socket() {
    hold_with(&twisted(Transport::Unix), Expected { standard: Standard::Twisted, policy: CLOSE });
}

#[test]
fn twisted_over_tcp() {
    hold_with(&twisted(Transport::Tcp), Expected { standard: Standard::Twisted, policy: CLOSE });
}

#[test]
fn ours_over_a_unix_socket() {
    let peer = ours(Transport::Unix, CLOSE);
    hold_with(&peer, Expected { standard: Standard::Ours, policy: CLOSE });
}

#[test]
fn ours_over_tcp() {
    let peer = ours(Transport::Tcp, CLOSE);
    hold_with(&peer, Expected { standard: Standard::Ours, policy: CLOSE });
}

#[test]
fn ours_that_stays() {
    let peer = ours(Transport::Unix, STAY);
    hold_with(&peer, Expected { standard: Standard::Ours, policy: STAY });
}

/// Names all conversations that went another way.
fn hold_with(peer: &Peer, expected: Expected) {
    let address = peer.address().clone();
    let (mut count, mut failures) = (0, Vec::new());
    hold_all(
        move || RawClient::connect(&address),
        expected,
        |outcome| {
            count += 1;
            if !outcome.is_ok() {
                failures.push(outcome.to_string());
            }
        },
    );
    let failed = failures.join("\n");
    assert!(failures.is_empty(), "of {count} conversations these failed:\n{failed}");
}
