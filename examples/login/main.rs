//! A login: two programs prove to each other that they know a secret, before either answers
//! anything else.
//!
//! ```text
//! cargo run --example login
//! ```
//!
//! Read `login.rs`, which two programs of your own would share. This file has a server, a client that gets in, and three
//! that do not.

mod login;

use amp_core::{
    Arguments, CallError, CloseReason, Command, Context, NoError, Peer, Report, Responders, tcp,
};
use std::error::Error;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::login::{Authenticate, LoginError, Secret, Side, log_in};

type AnyError = Box<dyn Error + Send + Sync>;

/// How long a peer may take to log in.
const DEADLINE: Duration = Duration::from_secs(5);

/// How many peers may be about to log in at once.
const AT_ONCE: usize = 64;

/// A command that is there only after the login.
#[derive(Command)]
#[amp(response = Total)]
struct Sum {
    a: i64,
    b: i64,
}

#[derive(Arguments, Debug, PartialEq)]
struct Total {
    total: i64,
}

async fn sum(_: Context, Sum { a, b }: Sum) -> Result<Total, NoError> {
    Ok(Total { total: a.saturating_add(b) })
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(serve(listener, Secret::new("xyzzy"), Duration::from_secs(1)));

    let peer = log_in(
        tcp::connect(address).await?,
        Side::Connecting,
        &Secret::new("xyzzy"),
        DEADLINE,
        Responders::new(()),
    )
    .await?;
    let Total { total } = peer.call_remote(Sum { a: 2, b: 3 }).await?;
    assert_eq!(total, 5);
    println!("client: both have proved themselves, and 2 + 3 = {total}");

    let refused = with_another_secret(address).await?;
    println!("client with another secret: {refused}");
    let unhandled = without_a_login(address).await?;
    println!("client without a login: {unhandled}");
    let closed = cut_off(address).await?;
    println!("client that says nothing: {closed}");

    server.abort();
    Ok(())
}

/// Lets peers in that prove themselves, and answers them until they are gone.
async fn serve(listener: TcpListener, secret: Arc<Secret>, deadline: Duration) -> io::Result<()> {
    // Logins that are under way end when this does.
    let mut logins = JoinSet::new();
    loop {
        if logins.len() >= AT_ONCE {
            logins.join_next().await;
        }
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // For want of files, perhaps. Those who are connected go on.
            Err(error) => {
                println!("server: cannot accept: {error}");
                sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        while logins.try_join_next().is_some() {}
        let secret = Arc::clone(&secret);
        logins.spawn(async move {
            let responders = Responders::new(()).respond(sum);
            let connection = tcp::connection(stream)?;
            match log_in(connection, Side::Listening, &secret, deadline, responders).await {
                Ok(peer) => {
                    tokio::spawn(async move { peer.closed().await });
                }
                Err(error) => println!("server: {}", Report::new(&error)),
            }
            io::Result::Ok(())
        });
    }
}

async fn with_another_secret(address: SocketAddr) -> Result<LoginError, AnyError> {
    let connection = tcp::connect(address).await?;
    let (side, secret) = (Side::Connecting, Secret::new("plugh"));
    let login = log_in(connection, side, &secret, DEADLINE, Responders::new(())).await;
    match login {
        Err(error @ LoginError::Call(CallError::Closed(_))) => Ok(error),
        other => Err(format!("the server should have hung up: {other:?}").into()),
    }
}

async fn without_a_login(address: SocketAddr) -> Result<CallError, AnyError> {
    let peer = silent(address).await?;
    match peer.call_remote(Sum { a: 2, b: 3 }).await {
        Err(error) if error.is_unhandled() => Ok(error),
        other => Err(format!("there should be no such command: {other:?}").into()),
    }
}

/// Waits until the server has had enough of a client that says nothing.
async fn cut_off(address: SocketAddr) -> io::Result<CloseReason> {
    Ok(silent(address).await?.closed().await)
}

/// A client that leaves the server's challenge without an answer.
async fn silent(address: SocketAddr) -> io::Result<Peer> {
    let responders = Responders::new(()).respond(|_, _: Authenticate| pending());
    Ok(tcp::connect(address).await?.responders(responders).spawn())
}
