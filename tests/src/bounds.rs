//! What peers that mean no good can have of a server, measured.

use amp_core::login::{Login, same_secret};
use amp_core::{
    AmpBox, Command, CommandError, Connection, Context, ReceivedCall, Responders, serve, serve_with,
};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long a peer waits for what does not come.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks to be let in.
#[derive(Command, Debug)]
#[amp(error = Refused)]
struct Authenticate {
    password: String,
}

#[derive(CommandError, Debug, thiserror::Error)]
enum Refused {
    #[error("no")]
    Refused,
}

/// How many wrong passwords a server looks at, of those that one connection sends at once, with the
/// default attempts of a login and until the server closes it.
///
/// # Errors
///
/// When there is no socket to be had.
pub async fn passwords_looked_at(sent: usize) -> io::Result<usize> {
    struct Door {
        login: Login,
        looks: Arc<AtomicUsize>,
    }

    async fn authenticate(context: Context<Door>, call: Authenticate) -> Result<(), Refused> {
        let attempt =
            context.state().login.attempt(context.peer()).await.map_err(|_| Refused::Refused)?;
        context.state().looks.fetch_add(1, Ordering::Relaxed);
        if !same_secret(call.password.as_bytes(), b"xyzzy") {
            return Err(Refused::Refused);
        }
        attempt.succeed(Responders::new(()));
        Ok(())
    }

    let looks = Arc::new(AtomicUsize::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let counted = Arc::clone(&looks);
    let server = serve_with(listener, move |connection| {
        let login = Login::within(Duration::from_secs(60));
        let door = Door { login, looks: Arc::clone(&counted) };
        connection.responders(Responders::new(door).respond(authenticate))
    });
    let server = tokio::spawn(server.into_future());
    let peer = Connection::connect_tcp(address).await?.spawn();
    let mut calls = JoinSet::new();
    for _ in 0..sent {
        let peer = peer.clone();
        calls.spawn(
            async move { peer.call_remote(Authenticate { password: "plugh".into() }).await },
        );
    }
    while calls.join_next().await.is_some() {}
    peer.closed().await;
    server.abort();
    Ok(looks.load(Ordering::Relaxed))
}

/// How many bytes of boxes that are not finished a server holds that may hold `max_bytes` for all its
/// connections, when each of so many `clients` sends `each` bytes of one.
///
/// # Errors
///
/// When there are no sockets to be had.
pub async fn unfinished_bytes(max_bytes: usize, clients: usize, each: usize) -> io::Result<usize> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = serve(listener, Responders::new(()).respond_by_name("Echo", echo));
    let server = tokio::spawn(server.max_bytes(max_bytes).into_future());
    let mut connections = Vec::new();
    for _ in 0..clients {
        let mut client = TcpStream::connect(address).await?;
        // One that is not wanted any more may be told so while it sends.
        let _ = timeout(PATIENCE, client.write_all(&unfinished(each))).await;
        connections.push(client);
    }
    let mut held = 0;
    for mut client in connections {
        let mut byte = [0];
        if timeout(PATIENCE / 4, client.read(&mut byte)).await.is_err() {
            held += each;
        }
    }
    server.abort();
    Ok(held)
}

/// How many bytes a connection takes from a peer that has made a mistake and goes on sending; what the
/// system's buffers hold is among them.
///
/// # Errors
///
/// When there are no sockets to be had.
pub async fn bytes_taken_after_a_mistake() -> io::Result<usize> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(serve(listener, Responders::new(())).into_future());
    let mut client = TcpStream::connect(address).await?;
    let junk = vec![b'x'; 64 << 10];
    let mut taken = 0;
    while let Ok(Ok(some)) = timeout(PATIENCE, client.write(&junk)).await {
        taken += some;
    }
    server.abort();
    Ok(taken)
}

async fn echo(call: ReceivedCall) -> Result<AmpBox, amp_core::RemoteError> {
    Ok(call.arguments)
}

/// The beginning of a box: so many bytes of it.
fn unfinished(len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + (64 << 10));
    let mut number = 0_u32;
    while bytes.len() < len {
        bytes.extend([0, 4]);
        bytes.extend(number.to_be_bytes());
        bytes.extend([0xff, 0xff]);
        bytes.extend(vec![b'x'; 0xffff]);
        number += 1;
    }
    bytes.truncate(len);
    bytes
}
