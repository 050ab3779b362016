//! The side that calls.

use amp_core::{CallError, Connection, Peer};
use amp_probe::Address;
use amp_probe::load::{AnyError, Callers};
use std::io;
use std::sync::Arc;
use tokio::net::{TcpStream, UnixStream};

use crate::arguments::Options;
use crate::commands::{LoadUsage, Usage};
use crate::report::{Report, Used};
use crate::work::{self, Load};
use crate::{counted, process};

/// Loads the server at `address`, and says what was measured.
pub(crate) async fn run(
    address: &Address,
    options: &Options,
    progress: bool,
) -> Result<Report, AnyError> {
    let callers = Callers {
        load: Arc::new(Load::new(options.work)?),
        peers: connect(address, options.connections).await?,
        in_flight: options.in_flight,
        rate: None,
        together: options.one_task,
        paced: options.paced,
    };
    let say = |text: String| {
        if progress {
            eprintln!("load: {text}");
        }
    };
    let explain = |error| work::explain(error, options.work);

    say(format!("warming up for {:?}", options.warm_up));
    callers.run(options.warm_up, |_, _| {}).await.map_err(explain)?;

    let peer = &callers.peers[0];
    let before = (process::usage()?, server_usage(peer).await?);
    let measured = callers
        .run(options.duration, |second, calls| say(format!("{second} s: {calls} calls/s")))
        .await
        .map_err(explain)?;
    let after = (process::usage()?, server_usage(peer).await?);

    let client = Used::between(&before.0, &after.0);
    let server = before.1.zip(after.1).map(|(before, after)| Used::between(&before, &after));
    for peer in &callers.peers {
        peer.close().await;
    }
    Ok(Report::new(address, options, &measured, &client, server.as_ref()))
}

async fn connect(address: &Address, connections: usize) -> Result<Vec<Peer>, AnyError> {
    let mut peers = Vec::with_capacity(connections);
    for number in 1..=connections {
        let connection = connection(address).await.map_err(|error| {
            let error = amp_core::Report::new(&error);
            match number {
                1 => format!("{error}; is the server running? Start it with: load serve {address}"),
                _ => format!("connection {number} of {connections}: {error}"),
            }
        })?;
        peers.push(connection.spawn());
    }
    Ok(peers)
}

async fn connection(address: &Address) -> io::Result<Connection> {
    match address {
        Address::Unix(path) => Ok(counted::unix(UnixStream::connect(path).await?)),
        Address::Tcp(address) => counted::tcp(TcpStream::connect(address).await?),
    }
}

/// What the server's process has used so far; `None` when it is another kind of server.
async fn server_usage(peer: &Peer) -> Result<Option<Usage>, CallError> {
    match peer.call_remote(LoadUsage {}).await {
        Ok(usage) => Ok(Some(usage)),
        Err(error) if error.is_unhandled() => Ok(None),
        Err(error) => Err(error),
    }
}
