use std::process::Command;
use std::time::Instant;
use tempfile::TempDir;

use crate::{Address, DEADLINE, Process};

/// The kind of socket that a peer listens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A Unix socket in a temporary folder.
    Unix,
    /// A free TCP port of the loopback interface.
    Tcp,
}

/// A peer of the compliance suite in a process of its own, which accepts connections until this is
/// dropped.
#[derive(Debug)]
pub struct Peer {
    address: Address,
    // Dropped in this order: the process is gone before its socket's folder is.
    _process: Process,
    _folder: TempDir,
}

impl Peer {
    /// Starts `command`, which takes `--listen ADDRESS` and prints `listening ADDRESS` once it
    /// accepts connections.
    ///
    /// # Panics
    ///
    /// When it cannot be started, ends, prints something else, or does not listen in time.
    pub fn start(mut command: Command, transport: Transport) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let listen = match transport {
            Transport::Unix => Address::Unix(folder.path().join("socket")),
            Transport::Tcp => Address::Tcp("127.0.0.1:0".into()),
        };
        command.arg("--listen").arg(listen.to_string());
        let mut process = Process::start(command);
        let line = process.line(Instant::now() + DEADLINE);
        let address = line.as_deref().and_then(|line| line.strip_prefix("listening "));
        let Some(address) = address else {
            panic!("a peer should print `listening ADDRESS`; this one printed {line:?}");
        };
        let address = match transport {
            Transport::Unix => Address::Unix(address.into()),
            Transport::Tcp => Address::Tcp(address.into()),
        };
        Self { address, _process: process, _folder: folder }
    }

    /// Where it accepts connections.
    pub fn address(&self) -> &Address {
        &self.address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Peer {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]);
        Peer::start(command, Transport::Tcp)
    }

    #[test]
    fn the_address_is_the_one_that_the_peer_prints() {
        let peer = shell("[ \"$*\" = '--listen tcp:127.0.0.1:0' ] && echo listening 127.0.0.1:7");
        assert_eq!(peer.address().to_string(), "tcp:127.0.0.1:7");
    }

    #[test]
    #[should_panic(expected = "this one printed None")]
    fn a_peer_that_ends_is_noticed() {
        shell("exit 1");
    }

    #[test]
    #[should_panic(expected = "this one printed Some(\"ready\")")]
    fn a_peer_that_prints_something_else_is_noticed() {
        shell("echo ready");
    }
}
