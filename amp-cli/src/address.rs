use amp_core::Connection;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a peer listens.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    Unix(PathBuf),
    Tcp(String),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("unix", path)) if !path.is_empty() => {
                Ok(Self::Unix(match path.strip_prefix('@') {
                    Some(name) => format!("\0{name}").into(),
                    None => path.into(),
                }))
            }
            Some(("tcp", address)) if address.contains(':') => Ok(Self::Tcp(address.to_owned())),
            _ => Err("a peer is unix:PATH, unix:@ABSTRACT or tcp:HOST:PORT".to_owned()),
        }
    }
}

impl Address {
    pub(crate) async fn connect(&self) -> io::Result<Connection> {
        match self {
            Self::Unix(path) => amp_unix::connect(path).await,
            Self::Tcp(address) => {
                Connection::connect_tcp(address.as_str()).await.map_err(|error| {
                    io::Error::new(error.kind(), format!("cannot connect to {address}: {error}"))
                })
            }
        }
    }
}
