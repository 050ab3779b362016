use amp_core::{Connection, tcp};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

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

    /// Connects, to call what listens there.
    ///
    /// # Errors
    ///
    /// When nobody listens.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn connect(&self) -> io::Result<Connection> {
        match self {
            Self::Unix(path) => amp_unix::connect(path).await,
            Self::Tcp(address) => tcp::connect(address.as_str()).await,
        }
    }
}

impl FromStr for Address {
    type Err = UnknownAddress;

    fn from_str(text: &str) -> Result<Self, UnknownAddress> {
        match text.split_once(':') {
            Some(("unix", path)) => Ok(Self::Unix(path.into())),
            Some(("tcp", address)) => Ok(Self::Tcp(address.into())),
            _ => Err(UnknownAddress { text: text.into() }),
        }
    }
}

/// Text that is no [`Address`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an address is unix:PATH or tcp:HOST:PORT, not {text:?}")]
pub struct UnknownAddress {
    text: String,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_back() {
        for text in ["unix:/some/where: else", "unix:socket", "tcp:127.0.0.1:0", "tcp:[::1]:7"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in ["", "unix", "/socket", "Unix:socket", "127.0.0.1:0"] {
            let error = text.parse::<Address>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("an address is unix:PATH or tcp:HOST:PORT, not {text:?}")
            );
        }
    }
}
