//! The peers of the compliance suite.

use amp_core::FailurePolicy;
use amp_tests::{Peer, Python, Transport};
use std::process::Command;

/// Twisted's peer.
pub(crate) fn twisted(transport: Transport) -> Peer {
    Peer::start(python().program("peer.py"), transport)
}

/// A Python with Twisted.
pub(crate) fn python() -> Python {
    Python::with_twisted(env!("CARGO_TARGET_TMPDIR"))
}

/// Our peer.
pub(crate) fn ours(transport: Transport, policy: FailurePolicy) -> Peer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_compliance-peer"));
    command.arg("--policy").arg(policy_name(policy));
    Peer::start(command, transport)
}

/// What a policy is called on a command line.
pub(crate) fn policy_name(policy: FailurePolicy) -> &'static str {
    if policy == FailurePolicy::Stay { "stay" } else { "close" }
}
