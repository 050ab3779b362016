//! The side that answers.

use amp_core::{AmpBox, Connection, Context, Failure, Listener, NoError};
use amp_core::{ReceivedCall, RemoteError, Responders};
use amp_probe::Address;
use amp_probe::load::AnyError;
use amp_unix::UnixSocketListener;
use std::fs::File;
use std::io;
use tokio::net::TcpListener;

use crate::commands::{
    ECHO_BOX, EchoLists, EchoScalars, FileSize, LoadUsage, Size, Sum, Total, Usage,
};
use crate::{counted, process};

/// Accepts clients at either kind of address.
pub(crate) enum Server {
    Unix(UnixSocketListener),
    Tcp(TcpListener),
}

impl Server {
    pub(crate) async fn listen(address: &Address) -> Result<Self, AnyError> {
        match address {
            // Its errors say where.
            Address::Unix(path) => Ok(Self::Unix(UnixSocketListener::bind(path)?)),
            Address::Tcp(at) => match TcpListener::bind(at).await {
                Ok(listener) => Ok(Self::Tcp(listener)),
                Err(error) => Err(format!("cannot listen at {at}: {error}").into()),
            },
        }
    }

    /// Where it listens. The system has chosen the port where 0 was asked for.
    pub(crate) fn address(&self) -> io::Result<Address> {
        Ok(match self {
            Self::Unix(listener) => Address::Unix(listener.path().to_owned()),
            Self::Tcp(listener) => Address::Tcp(listener.local_addr()?.to_string()),
        })
    }

    /// Serves every client until `stopped` resolves.
    pub(crate) async fn run<F>(self, stopped: F)
    where
        F: Future + Send + 'static,
    {
        amp_core::serve(self, responders()).shutdown_on(stopped).await;
    }
}

impl Listener for Server {
    async fn accept(&mut self) -> io::Result<Connection> {
        match self {
            Self::Unix(listener) => Ok(counted::unix(listener.accept_stream().await?)),
            Self::Tcp(listener) => counted::tcp(TcpListener::accept(listener).await?.0),
        }
    }
}

fn responders() -> Responders<()> {
    Responders::new(())
        .try_respond(sum)
        .respond(echo_scalars)
        .respond(echo_lists)
        .try_respond(file_size)
        .respond_by_name(ECHO_BOX, echo_box)
        .try_respond(load_usage)
}

async fn sum(_: Context, Sum { a, b }: Sum) -> Result<Total, Failure<NoError>> {
    let total = a.checked_add(b).ok_or_else(|| Failure::other("the total does not fit"))?;
    Ok(Total { total })
}

async fn echo_scalars(_: Context, scalars: EchoScalars) -> Result<EchoScalars, NoError> {
    Ok(scalars)
}

async fn echo_lists(_: Context, lists: EchoLists) -> Result<EchoLists, NoError> {
    Ok(lists)
}

async fn file_size(_: Context, FileSize { file }: FileSize) -> Result<Size, Failure<NoError>> {
    Ok(Size { size: File::try_from(file)?.metadata()?.len() })
}

async fn echo_box(call: ReceivedCall) -> Result<AmpBox, RemoteError> {
    Ok(call.arguments)
}

async fn load_usage(_: Context, _: LoadUsage) -> Result<Usage, Failure<NoError>> {
    Ok(process::usage()?)
}
