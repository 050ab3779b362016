//! A server, and the way from one to the next:
//!
//! 1. The new server asks for the sockets with [`HandOver`], and begins to accept. The sockets stay
//!    open all the time, so nobody who connects is turned away.
//! 2. It tells the old one to [`Retire`], which then accepts no more.
//! 3. The old one tells its clients that it is [`Moving`]. It answers whatever they still call,
//!    until each of them has closed its connection.
//! 4. Then the old one ends.
//!
//! If the new one fails before step 2, the old one goes on, and other servers may ask.

use amp_core::{Connection, Context, Failure, NoError, Peer, Report, Responders};
use amp_unix::{UnixSocketListener, connection};
use std::io;
use std::path::Path;
use std::process;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use crate::AnyError;
use crate::commands::{HandOver, Moving, Retire, Sockets, Sum, Total};

/// How long the clients may take to move. After that their connections are closed.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long to wait when a new server cannot be accepted, for want of descriptors perhaps.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// The first server: it opens the sockets.
pub(crate) async fn start(address: &str, control: &Path) -> Result<(), AnyError> {
    let clients = TcpListener::bind(address).await?;
    // Only this user may take over. The file stays when a server ends: its successor needs it.
    let control = UnixSocketListener::bind(control)?.into_inner();
    println!("listening at {}", clients.local_addr()?);
    serve(Sockets { clients: clients.try_into()?, control: control.try_into()? }, None).await
}

/// A further server: it gets the sockets from the one before.
pub(crate) async fn take_over(control: &Path) -> Result<(), AnyError> {
    let predecessor = amp_unix::connect(control)
        .await
        .map_err(|error| format!("no server to take over from: {}", Report::new(&error)))?;
    let predecessor = predecessor.call_timeout(PATIENCE).spawn();
    let sockets = predecessor.call_remote(HandOver {}).await?;
    serve(sockets, Some(predecessor)).await
}

/// Serves until another server has taken over, and all clients have gone there.
async fn serve(sockets: Sockets, predecessor: Option<Peer>) -> Result<(), AnyError> {
    let own = sockets.duplicate()?;
    let (retire, retired) = watch::channel(());
    let clients = tokio::spawn(serve_clients(own.clients.try_into()?, retired));
    if let Some(predecessor) = predecessor {
        predecessor.call_remote(Retire {}).await?;
        println!("server {}: has taken over", process::id());
    }
    hand_over(own.control.try_into()?, sockets).await;
    drop(retire);
    println!("server {}: accepts no more, its clients are to move", process::id());
    match timeout(PATIENCE, clients).await {
        Ok(served) => Ok(served?),
        Err(_) => Err(format!("some clients have not moved within {PATIENCE:?}").into()),
    }
}

/// Serves clients, until the sender of `retired` is dropped and all of them have gone.
async fn serve_clients(listener: TcpListener, mut retired: watch::Receiver<()>) {
    let moving = retired.clone();
    amp_core::serve(listener, Responders::new(()).respond(sum))
        .on_connect(move |client| {
            tokio::spawn(send_away(client, moving.clone()));
        })
        .stop_accepting_on(async move { retired.changed().await })
        .await;
}

/// Tells a client to move, once the sender of `moving` is dropped. One that comes after that, as
/// this server stops accepting, is told at once.
async fn send_away(client: Peer, mut moving: watch::Receiver<()>) {
    tokio::select! {
        _ = client.closed() => {}
        _ = moving.changed() => {
            // This fails when the client is gone already.
            let _ = client.notify(Moving {}).await;
        }
    }
}

async fn sum(_: Context, Sum { a, b }: Sum) -> Result<Total, NoError> {
    sleep(Duration::from_millis(10)).await;
    Ok(Total { total: a + b, pid: process::id() })
}

/// Gives the sockets to those that ask, until one of them has taken over.
async fn hand_over(control: UnixListener, sockets: Sockets) {
    let retired = Arc::new(Notify::new());
    let retire = Arc::clone(&retired);
    let responders = Responders::new(sockets)
        .try_respond(give_sockets)
        // Only after the answer: this ends the connection.
        .respond_then(move |_, _: Retire| {
            let retire = Arc::clone(&retire);
            async { Ok(((), async move { retire.notify_one() })) }
        });
    // One after the other: two at once would both become servers, and only one is wanted.
    let conversations = async {
        loop {
            match accept(&control).await {
                Ok(connection) => {
                    connection.responders(responders.clone()).run().await;
                }
                Err(error) => {
                    eprintln!("server {}: cannot hand over: {error}", process::id());
                    sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    };
    tokio::select! {
        () = conversations => {}
        () = retired.notified() => {}
    }
}

async fn give_sockets(context: Context<Sockets>, _: HandOver) -> Result<Sockets, Failure<NoError>> {
    Ok(context.state().duplicate()?)
}

async fn accept(control: &UnixListener) -> io::Result<Connection> {
    let (stream, _) = control.accept().await?;
    connection(stream)
}
