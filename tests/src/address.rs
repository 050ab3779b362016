use std::fmt;
use std::path::{Path, PathBuf};

/// What a peer listens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A Unix socket in a temporary folder.
    Unix,
    /// A free TCP port of the loopback interface.
    Tcp,
}

/// Where a peer listens. As text, `unix:PATH` or `tcp:HOST:PORT`, which is also how the programs
/// of the compliance suite take an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// The path of a Unix socket.
    Unix(PathBuf),
    /// Host and port.
    Tcp(String),
}

impl Address {
    /// What to listen on for `transport`, with its socket, if it has one, in `folder`.
    pub fn to_listen_on(transport: Transport, folder: &Path) -> Self {
        match transport {
            Transport::Unix => Self::Unix(folder.join("socket")),
            Transport::Tcp => Self::Tcp("127.0.0.1:0".into()),
        }
    }

    /// The address as a peer prints it once it listens: without its kind, and with the port that
    /// it was given.
    pub fn printed(transport: Transport, text: &str) -> Self {
        match transport {
            Transport::Unix => Self::Unix(text.into()),
            Transport::Tcp => Self::Tcp(text.into()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
        }
    }
}
