use amp_core::{Connection, tcp};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

/// The place that a peer listens at. As text it is `unix:PATH` or `tcp:HOST:PORT`, which is also how the
/// programs of the compliance suite take an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// The path of a Unix socket.
    Unix(PathBuf),
    /// Host and port.
    Tcp(String),
}

impl Address {
    /// Connects to what listens there, to call it.
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

    /// Returns whether connections to it carry descriptors.
    pub fn carries_descriptors(&self) -> bool {
        matches!(self, Self::Unix(_))
    }
}

impl FromStr for Address {
    type Err = UnknownAddress;

    fn from_str(text: &str) -> Result<Self, UnknownAddress> {
        match text.split_once(':') {
            Some(("unix", path)) if !path.is_empty() => Ok(Self::Unix(path.into())),
            Some(("tcp", address)) if address.contains(':') => Ok(Self::Tcp(address.into())),
            _ => Err(UnknownAddress { text: text.into() }),
        }
    }
}

/// The text is no [`Address`].
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
        for text in
            ["", "unix", "unix:", "/socket", "Unix:socket", "127.0.0.1:0", "tcp:", "tcp:host"]
        {
            let error = text.parse::<Address>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("an address is unix:PATH or tcp:HOST:PORT, not {text:?}")
            );
        }
    }
}
